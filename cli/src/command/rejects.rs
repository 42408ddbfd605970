//! `emend rejects`.

use anyhow::{Context as _, Result};
use emend_proto::v1::{GetJobRequest, ListRejectsRequest};
use serde::Serialize;

use super::{client, print, print_json};
use crate::args::{Common, JobArgs};
use crate::client::{call, explain};
use crate::exit::Exit;
use crate::input::explain as explain_code;

const PAGE: u32 = 10_000;

#[derive(Debug, Serialize)]
struct Shown {
    import_id: String,
    row: u64,
    code: String,
}

/// One line, or one object, for each rejected row, import by import.
pub(super) async fn run(args: JobArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let fault = |status| explain(&status, &args.job);
    let request = GetJobRequest { job: args.job.clone(), with_tallies: false };
    let job = call!(client, get_job(request))
        .map_err(fault)?
        .job
        .context("the scheduler answered without a job")?;
    for import in job.imports.into_iter().filter(|import| import.rejected > 0) {
        let mut page_token = String::new();
        loop {
            let import_id = import.import_id.clone();
            let request =
                ListRejectsRequest { job: job.id.to_string(), import_id, page_size: PAGE, page_token };
            let page = call!(client, list_rejects(request)).map_err(fault)?;
            for reject in page.rejects {
                if args.remote.json {
                    print_json(&Shown {
                        import_id: import.import_id.clone(),
                        row: reject.row,
                        code: reject.code,
                    })?;
                } else {
                    print(&format!("row {}: {} ({})", reject.row, explain_code(&reject.code), reject.code))?;
                }
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
    }
    Ok(Exit::Done)
}
