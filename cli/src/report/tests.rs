use emend_proto::v1::{Import, Schedule};

use super::*;

fn job() -> Job {
    let import = Import { next_offset: 12, accepted: 10, already_there: 1, rejected: 1, ..Import::default() };
    let progress = Progress {
        records: 10,
        pending: 1,
        valid: 2,
        corrected: 3,
        routed: 4,
        units_ready: 1,
        units_done: 2,
        elapsed: Some(prost_types::Duration { seconds: 1, nanos: 500_000_000 }),
        left: Some(prost_types::Duration { seconds: 90, nanos: 0 }),
        workers: 2,
        workers_wanted: 4,
        rules: [("phone.prefix_2018".to_owned(), 7)].into(),
        reviews_open: 3,
        reviews_decided: 1_001,
        reviews_rejected: 1,
        ..Progress::default()
    };
    let deadline_in = Some(prost_types::Duration { seconds: 11_400, nanos: 0 });
    let schedule = Some(Schedule { priority: -3, weight: 100, deadline_in });
    let (imports, progress) = (vec![import], Some(progress));
    Job { name: "x".into(), state: 2, imports, progress, schedule, ..Job::default() }
}

#[test]
fn a_deadline_is_told_in_words() {
    let mut job = job();
    let said = |job: &Job| Report::of(job).text().lines().nth(1).unwrap_or_default().to_owned();
    assert_eq!(said(&job), "priority -3, weight 100, deadline in 3 h 10 min");
    let mut at = |seconds, state| {
        let deadline_in = Some(prost_types::Duration { seconds, nanos: 0 });
        job.schedule = Some(Schedule { priority: 0, weight: 1, deadline_in });
        job.state = state;
        said(&job)
    };
    assert_eq!(at(-65, 2), "priority 0, weight 1, deadline overdue by 1 min 5 s");
    assert_eq!(at(65, 4), "priority 0, weight 1, deadline met with 1 min 5 s to spare");
    assert_eq!(at(-65, 3), "priority 0, weight 1, deadline missed by 1 min 5 s");
    job.schedule = Some(Schedule { priority: 0, weight: 1, deadline_in: None });
    assert_eq!(said(&job), "priority 0, weight 1, no deadline");
}

#[test]
fn the_json_has_what_scripts_rely_on() {
    let json = serde_json::to_value(Report::of(&job())).unwrap();
    assert_eq!(json["state"], "running");
    assert_eq!((&json["records"], &json["rejected"], &json["seconds"]), (&10.into(), &1.into(), &1.5.into()));
    assert_eq!(
        json["units"],
        serde_json::json!({"ready": 1, "leased": 0, "done": 2, "set_aside": 0, "waiting": 0})
    );
    assert_eq!(json["verdicts"], serde_json::json!({"valid": 2, "corrected": 3, "routed": 4, "failed": 0}));
    assert_eq!(json["decisions"], serde_json::json!({"open": 3, "decided": 1001, "rejected": 1}));
    assert_eq!(json["rules"]["phone.prefix_2018"], 7);
    assert_eq!(json["reconciled"], true);
    assert!(json.get("grouping").is_none());
    assert!(json["records_per_second"].is_number());
    assert_eq!((&json["priority"], &json["weight"]), (&(-3).into(), &100.into()));
    assert_eq!(json["deadline_in_seconds"], 11_400.0);
    assert_eq!(
        (&json["seconds_left"], &json["workers"], &json["workers_wanted"]),
        (&90.0.into(), &2.into(), &4.into())
    );
}

#[test]
fn a_grouped_job_says_so() {
    let by = vec![emend_proto::v1::GroupField { field: "phone".into(), normaliser: "digits".into() }];
    let grouping = Some(emend_proto::v1::Grouping { by, ..Default::default() });
    let report = Report::of(&Job { grouping, ..job() });
    assert!(report.text().contains("\ngrouped by phone:digits: "), "{}", report.text());
    assert_eq!(serde_json::to_value(report).unwrap()["grouping"]["by"][0], "phone:digits");
}

#[test]
fn what_people_did_is_told_where_there_is_something_for_them() {
    let mut job = job();
    let text = Report::of(&job).text();
    assert!(text.contains("people: 3 open, 1,001 decided, 1 of them rejected\n"), "{text}");
    let progress = job.progress.as_mut().unwrap();
    (progress.reviews_open, progress.reviews_decided) = (0, 0);
    assert!(!Report::of(&job).text().contains("people:"));
}

#[test]
fn what_is_ahead_is_told_while_there_is_something_ahead() {
    let told = |change: fn(&mut Progress)| {
        let mut job = job();
        change(job.progress.as_mut().unwrap());
        Report::of(&job).text()
    };
    let text = told(|_| {});
    assert!(text.contains("2 workers at it, 4 wanted"), "{text}");
    assert!(text.contains("left"), "{text}");
    let nobody = told(|progress| (progress.left, progress.workers) = (None, 0));
    assert!(nobody.contains("no worker is at it, 4 wanted") && !nobody.contains("left"), "{nobody}");
    let done = told(|progress| (progress.left, progress.workers, progress.workers_wanted) = (None, 0, 0));
    assert!(!done.contains("wanted"), "{done}");
}

#[test]
fn a_record_that_is_lost_or_doubled_shows() {
    let mut lost = job();
    lost.progress.as_mut().unwrap().pending = 0;
    let mut doubled = job();
    doubled.progress.as_mut().unwrap().valid += 1;
    let mut missing = job();
    missing.imports[0].next_offset += 1;
    let mut strange = job();
    strange.imports[0].accepted -= 1;
    strange.imports[0].rejected += 1;
    for job in [lost, doubled, missing, strange] {
        let report = Report::of(&job);
        assert!(!report.reconciled && report.text().contains("NOT RECONCILED"), "{}", report.text());
    }
    assert!(Report::of(&job()).text().contains("all rows"));
}
