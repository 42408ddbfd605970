//! What a validator says beyond its description, and what it does instead of answering, costs the record that it was asked
//! about, which goes to a person. The other records of its unit are settled.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use emend_proto::v1::{ListRecordsRequest, Verdict};
use emend_tests::process::Deployment;

use super::register::{Lie, Register, Ways, number};
use super::{import, reviewing, stop, units, worker};

const RECORDS: u64 = 300;
/// Those that cannot be taken as they are answered.
const FATAL: [(u64, Lie); 5] =
    [(3, Lie::Undeclared), (105, Lie::Huge), (107, Lie::Silent), (209, Lie::Closes), (12, Lie::Error)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lie_costs_its_record_and_no_other() -> Result<()> {
    let deployment = Deployment::on_sqlite()?.set("EMEND__WORKER__RECORD_TIMEOUT", "1s");
    let mut lies = HashMap::from(FATAL);
    lies.insert(204, Lie::Foreign);
    let mut register = Register::away(Ways { lies, batch: 20, ..Ways::default() });
    register.start()?;
    let mut processes = [deployment.scheduler(0).await?, worker(&deployment, 0, &register.url())?];
    import(&deployment, RECORDS, 100).await?;
    reviewing(&deployment).await?;
    let units = units(&deployment).await?;
    ensure!(units.len() == 3 && units.iter().all(|unit| unit.attempts_left == 3), "{units:?}");
    let (mut changed, mut found) = (0, 0);
    let request = ListRecordsRequest { job: "job".into(), page_size: 1_000, ..ListRecordsRequest::default() };
    let records = deployment.jobs(0).await?.list_records(request).await?.into_inner().records;
    ensure!(records.len() as u64 == RECORDS, "{} records are listed", records.len());
    for record in records {
        let fatal = FATAL.iter().any(|(bad, _)| *bad == number(&record.key));
        ensure!((record.verdict() == Verdict::Failed) == fatal, "{record:?}");
        ensure!(!fatal || record.failure == "validator", "{record:?}");
        changed += usize::from(record.changes.iter().any(|change| change.rule == "register.lookup"));
        found += usize::from(record.findings.iter().any(|finding| finding.code == "phone.unregistered"));
    }
    // Most of one in ten: the pack has routed the others' names, or found fault with them itself.
    ensure!((20..=30).contains(&changed) && found == 30, "{changed} changed, {found} found");
    stop(&mut processes).await?;
    let log = processes[1].log();
    ensure!(log.contains("was not asked about"), "{log}");
    Ok(())
}
