//! The operator's pages: the figures of a job, the same as over gRPC, and no value of a record among them.

use std::time::Duration;

use emend_proto::encode;
use emend_proto::v1::import_records_request::Part;
use emend_proto::v1::{
    Change, CommitUnitsRequest, CreateJobRequest, Finding, GetPaceRequest, GetShiftRequest, ImportChunk,
    ImportHeader, ImportRecordsRequest, LeaseRef, LeaseReviewsRequest, LeaseUnitsRequest, PackRef,
    RecordList, RecordResult, SealJobRequest, UnitCommit, import_chunk,
};
use emend_tests::process::eventually;
use emend_tests::records::{corrected, failed, routed, valid, with_payload};
use emend_tests::scheduler::{jobs, reviews, work};
use serde_json::{Value, json};
use tonic::transport::Channel;

use crate::house::{House, on_both};

on_both!(a_job_is_shown_as_it_stands, no_value_of_a_record_is_shown, who_asks_for_nothing_is_told);

/// Far longer than anything takes.
const LIMIT: Duration = Duration::from_secs(20);
/// What stands in every field of every record, and in what rules made of it.
const MARK: &str = "Marker-7f3a";

fn pack() -> PackRef {
    PackRef { name: "suite".into(), version: "1.0.0".into() }
}

fn part(part: Part) -> ImportRecordsRequest {
    ImportRecordsRequest { part: Some(part) }
}

/// A job of four records: one is valid, one corrected, one a person's, and on one the rules gave up.
async fn make_job(channel: &Channel) {
    let request = CreateJobRequest { name: "j".into(), pack: Some(pack()), ..CreateJobRequest::default() };
    jobs(channel).create_job(request).await.unwrap();
    let payload = format!(r#"{{"n":"{MARK}"}}"#);
    let records = (1..=4).map(|row| with_payload(&format!("K-{row}"), row, &payload)).collect();
    let chunk = ImportChunk {
        body: Some(import_chunk::Body::Records(RecordList { records })),
        last: true,
        ..ImportChunk::default()
    };
    let header = ImportHeader { job: "j".into(), import_id: "file".into() };
    let parts = vec![part(Part::Header(header)), part(Part::Chunk(chunk))];
    jobs(channel).import_records(tokio_stream::iter(parts)).await.unwrap();
    jobs(channel).seal_job(SealJobRequest { job: "j".into() }).await.unwrap();
}

fn results() -> Vec<RecordResult> {
    let change =
        Change { before: MARK.into(), after: format!("{MARK}!"), ..corrected(2, "").changes[0].clone() };
    let finding = Finding { proposals: vec![MARK.into()], ..routed(3).findings[0].clone() };
    vec![
        valid(1),
        RecordResult { changes: vec![change], ..corrected(2, "") },
        RecordResult { findings: vec![finding], ..routed(3) },
        RecordResult { failure: MARK.into(), ..failed(4) },
    ]
}

async fn work_it(channel: &Channel) {
    let request = LeaseUnitsRequest {
        worker_id: "w".into(),
        request_id: "r".into(),
        capabilities: vec![pack()],
        slots: 1,
        max_units: 1,
        ..LeaseUnitsRequest::default()
    };
    let lease = work(channel).lease_units(request).await.unwrap().into_inner().leases.remove(0);
    let of = LeaseRef { unit_id: lease.unit_id, epoch: lease.epoch, token: lease.token };
    let commit = UnitCommit { lease: Some(of), results: Some(encode(&results())) };
    let request = CommitUnitsRequest { worker_id: "w".into(), commits: vec![commit] };
    work(channel).commit_units(request).await.unwrap();
}

async fn hold_one(channel: &Channel) {
    let request =
        LeaseReviewsRequest { reviewer: "lan".into(), max_reviews: 1, ..LeaseReviewsRequest::default() };
    let held = reviews(channel).lease_reviews(request).await.unwrap().into_inner().leases;
    assert_eq!(held.len(), 1);
}

fn named(list: &Value) -> Vec<(&str, u64)> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["count"].as_u64().unwrap()))
        .collect()
}

async fn a_job_is_shown_as_it_stands(house: &House) {
    let channel = house.scheduler.channel();
    make_job(&channel).await;
    let mut browser = house.signed_in("ops", &["operator"]).await;
    let before = browser.get("/ops/api/job?id=j").await.json();
    assert_eq!(before["job"]["progress"]["pending"], 4);
    assert_eq!(
        before["people"],
        json!({ "open": 0, "to_come": 0, "answers_left": 0, "answers_per_second": 0.0, "reviewers": 0 })
    );
    work_it(&channel).await;
    hold_one(&channel).await;
    // Sums and counts may be a little old.
    let shown = eventually("the figures", LIMIT, async || {
        let shown = browser.get("/ops/api/job?id=j").await.json();
        let there = shown["job"]["progress"]["pending"] == 0
            && shown["reviewers"][0]["held"] == 1
            && shown["pace"]["records"].as_array().unwrap().iter().any(|count| *count == 4);
        there.then_some(shown)
    });
    let shown = shown.await.unwrap();
    let progress = &shown["job"]["progress"];
    let verdicts = ["valid", "corrected", "routed", "failed", "pending"].map(|name| progress[name].as_u64());
    assert_eq!(verdicts, [Some(1), Some(1), Some(1), Some(1), Some(0)], "{shown}");
    assert_eq!(named(&shown["rules"]), [("n.fix", 1)]);
    assert_eq!(named(&shown["findings"]), [("n.odd", 1)]);
    assert_eq!(named(&shown["open_by_finding"]), [("n.odd", 1), ("record.failed", 1)]);
    let [lan] = &shown["reviewers"].as_array().unwrap()[..] else { panic!("{shown}") };
    assert_eq!(
        lan,
        &json!({ "reviewer": "lan", "hour": 0, "day": 0, "held": 1, "judged": 0, "overruled": 0, "known": 0, "known_wrong": 0, "paused": false })
    );
    assert_eq!((&shown["people"]["open"], &shown["people"]["automatic"]), (&json!(2), &json!(0.5)));
    let steps =
        |name: &str| shown["pace"][name].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
    assert_eq!((steps("records"), steps("answers")), (4, 0));
    let list = browser.get("/ops/api/jobs").await.json();
    assert_eq!((&list["jobs"][0]["name"], list["jobs"].as_array().unwrap().len()), (&json!("j"), 1));

    let shift = jobs(&channel).get_shift(GetShiftRequest { job: "j".into() }).await.unwrap().into_inner();
    assert_eq!((shift.reviewers[0].reviewer.as_str(), shift.reviewers[0].held), ("lan", 1));
    assert_eq!((shift.open_by_finding["n.odd"], shift.people.unwrap().open), (1, 2));
    let pace = jobs(&channel).get_pace(GetPaceRequest { job: "j".into() }).await.unwrap().into_inner();
    assert_eq!(pace.steps.iter().map(|step| step.records).sum::<u64>(), 4);
}

async fn no_value_of_a_record_is_shown(house: &House) {
    let channel = house.scheduler.channel();
    make_job(&channel).await;
    work_it(&channel).await;
    let mut browser = house.signed_in("ops", &["lead"]).await;
    for path in ["/ops", "/ops/api/jobs", "/ops/api/job?id=j", "/ops/api/failed?id=j"] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(!answer.body.contains(MARK), "{path}: {answer:?}");
    }
    let failed = browser.get("/ops/api/failed?id=j").await.json();
    assert_eq!(failed, json!({ "more": false, "records": [{ "key": "K-4", "seq": 4, "row": 4 }] }));
}

async fn who_asks_for_nothing_is_told(house: &House) {
    let mut browser = house.signed_in("ops", &["operator"]).await;
    for (path, status, reason) in [
        ("/ops/api/job", 400, "INVALID_REQUEST"),
        ("/ops/api/job?id=", 400, "INVALID_REQUEST"),
        ("/ops/api/job?id=none", 404, "JOB_NOT_FOUND"),
        ("/ops/api/failed?id=17", 404, "JOB_NOT_FOUND"),
    ] {
        let answer = browser.get(path).await;
        assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{path}: {answer:?}");
    }
}
