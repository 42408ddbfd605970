//! The file that tells which rows were not taken, and why. It holds no value of any row.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use emend_proto::v1::ListRejectsRequest;

use crate::client::{Client, call, explain as explain_status};
use crate::input::explain;

const PAGE: u32 = 10_000;

/// Where the rejects of `file` go unless told otherwise: `records.csv.rejects.csv`.
pub(super) fn default_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".rejects.csv");
    name.into()
}

/// Writes the rejects of an import to `path`.
///
/// # Errors
/// When the scheduler does not give them, or the file cannot be written.
pub(super) async fn write(client: &Client, job: &str, import_id: &str, path: &Path) -> Result<()> {
    let at = || format!("writing {}; choose another place with --rejects", path.display());
    let mut out = BufWriter::new(File::create(path).with_context(at)?);
    out.write_all(b"row,reason,explanation\n").with_context(at)?;
    let mut page_token = String::new();
    loop {
        let (job_ref, import_id) = (job.to_owned(), import_id.to_owned());
        let request = ListRejectsRequest { job: job_ref, import_id, page_size: PAGE, page_token };
        let page = call!(client, list_rejects(request)).map_err(|status| explain_status(&status, job))?;
        for reject in page.rejects {
            writeln!(out, "{},{},\"{}\"", reject.row, reject.code, explain(&reject.code)).with_context(at)?;
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return out.flush().with_context(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rejects_stand_beside_the_file() {
        assert_eq!(default_path(Path::new("a/b.csv")), Path::new("a/b.csv.rejects.csv"));
    }
}
