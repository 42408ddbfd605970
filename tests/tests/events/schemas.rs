//! Every event that is sent agrees with its schema in `docs/events/`, as a validator that is not ours reads it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use emend_proto::v1::{CancelJobRequest, GetJobRequest};
use emend_tests::collector::{Collector, Kind};
use emend_tests::database::{Backend, Database};
use emend_tests::process::run;
use emend_tests::scheduler::jobs;
use emend_tests::tools;

use super::rig::{
    LIMIT, decide_one, decided_events, job_events, make_job, node, record_events, reviewing, scheduler,
    work_on,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_agrees_with_its_schema_and_holds_no_value() {
    let node = node().await;
    let collector = Collector::start(&node.url(), "schemas", Kind::Quorum, &["#"]).await.unwrap();
    let scheduler = scheduler(Backend::Sqlite, &node.url()).await;
    let channel = scheduler.channel();
    make_job(&channel, "j", 200).await;
    work_on(&channel, usize::MAX).await;
    reviewing(&channel, "j").await;
    let mut wanted = record_events(&scheduler.database).await;
    wanted.extend(job_events(&scheduler.database, &["importing", "running", "reviewing"]).await);
    decide_one(&channel).await;
    wanted.extend(decided_events(&scheduler.database).await);
    jobs(&channel).cancel_job(CancelJobRequest { job: "j".into() }).await.unwrap();
    wanted.extend(job_events(&scheduler.database, &["cancelled"]).await);
    make_job(&channel, "rings", 1).await;
    wanted.push("unit.ready".into());
    make_job(&channel, "canary", 1).await;
    wanted.push(awaits_approval(&scheduler.database, "canary").await);
    collector.has(&wanted, LIMIT).await.unwrap();
    let events = collector.events();
    for heard in events.values() {
        let text = heard.body.to_string();
        // The keys and the payloads of these records, and what was proposed for them.
        assert!(!text.contains("K-0") && !text.contains("\"n\"") && !text.contains("proposals"), "{text}");
        assert_eq!(heard.key.split('.').next(), heard.body["event"].as_str().unwrap().split('.').next());
    }
    let job = jobs(&channel).get_job(GetJobRequest { job: "j".into(), with_tallies: false }).await.unwrap();
    let id = job.into_inner().job.unwrap().id;
    assert!(events.values().any(|heard| heard.body["job"] == id));
    validate(events.values().map(|heard| heard.body.to_string()).collect()).await;
    scheduler.stop().await;
}

/// Makes all of a job wait for an approval; the id of the event that says so.
async fn awaits_approval(database: &Database, job: &str) -> String {
    let of_job = format!("(SELECT id FROM jobs WHERE name = '{job}')");
    database.execute(&format!("UPDATE units SET state = 'waiting' WHERE job_id = {of_job}")).await;
    database.execute(&format!("UPDATE jobs SET canary_ppm = 1, approved = FALSE WHERE id = {of_job}")).await;
    let row = format!("SELECT CAST(id AS TEXT), CAST(created_at AS TEXT) FROM jobs WHERE name = '{job}'");
    let rows = database.texts(&row).await;
    format!("alert-{}-{}-awaits_approval-0", rows[0][0], rows[0][1])
}

/// Runs them through Python's `jsonschema`; a spoilt one must not pass.
async fn validate(bodies: Vec<String>) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-events");
    let tools = tools::python(&home, &here.join("python/events.txt")).await.unwrap();
    let python = tools.join("python");
    let folder = tempfile::tempdir().unwrap();
    let check = async |bodies: String| {
        let file = folder.path().join("events.jsonl");
        std::fs::write(&file, bodies).unwrap();
        let mut command = Command::new(&python);
        command.arg(here.join("python/validate_events.py")).arg(here.join("../docs/events")).arg(file);
        run(command, Duration::from_secs(60)).await.unwrap()
    };
    let output = check(bodies.join("\n")).await.ok().unwrap();
    // All seven kinds were among them.
    assert!(output.stdout.starts_with(&format!("{} events, 7 schemas", bodies.len())), "{output:?}");
    for body in bodies {
        let spoilt = body.replacen('{', r#"{"name":"x","#, 1);
        let output = check(spoilt).await;
        assert_eq!(output.code, Some(1), "{output:?}");
        if body.contains("record.routed") {
            break;
        }
    }
}
