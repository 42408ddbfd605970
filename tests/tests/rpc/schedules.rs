//! How urgent a job is, over the wire.

use emend_proto::v1::schedule_change::Deadline;
use emend_proto::v1::{CreateJobRequest, GetJobRequest, Schedule, ScheduleChange, UpdateJobRequest};
use emend_tests::database::Backend;
use emend_tests::scheduler::{Scheduler, jobs};
use tonic::Code;
use tonic_types::StatusExt as _;

use super::support::job_request;

super::on_both_backends!(a_schedule_comes_back_as_it_was_set, a_wrong_schedule_is_named);

fn hours(hours: i64) -> prost_types::Duration {
    prost_types::Duration { seconds: hours * 3600, nanos: 0 }
}

async fn a_schedule_comes_back_as_it_was_set(backend: Backend) {
    let scheduler = Scheduler::start(backend).await;
    let mut jobs = jobs(&scheduler.channel());
    let wanted = Schedule { priority: -5, weight: 0, deadline_in: Some(hours(6)) };
    let request = CreateJobRequest { schedule: Some(wanted), ..job_request("j") };
    let made = jobs.create_job(request).await.unwrap().into_inner().job.unwrap().schedule.unwrap();
    assert_eq!((made.priority, made.weight), (-5, 100));
    let left = made.deadline_in.unwrap();
    assert!((hours(6).seconds - 60..hours(6).seconds + 1).contains(&left.seconds), "{left:?}");
    let change = |schedule| UpdateJobRequest { job: "j".into(), schedule: Some(schedule) };
    let changed = ScheduleChange { weight: Some(7), deadline: None, priority: None };
    let changed = jobs.update_job(change(changed)).await.unwrap().into_inner().job.unwrap();
    assert_eq!(changed.schedule.map(|now| (now.priority, now.weight)), Some((-5, 7)));
    let never = ScheduleChange { deadline: Some(Deadline::NoDeadline(true)), ..ScheduleChange::default() };
    jobs.update_job(change(never)).await.unwrap();
    let request = GetJobRequest { job: "j".into(), with_tallies: false };
    let job = jobs.get_job(request).await.unwrap().into_inner().job.unwrap();
    assert_eq!(job.schedule, Some(Schedule { priority: -5, weight: 7, deadline_in: None }));
    scheduler.stop().await;
}

async fn a_wrong_schedule_is_named(backend: Backend) {
    let scheduler = Scheduler::start(backend).await;
    let mut jobs = jobs(&scheduler.channel());
    jobs.create_job(job_request("j")).await.unwrap();
    let wrong = [
        (ScheduleChange { priority: Some(1001), ..ScheduleChange::default() }, "schedule.priority"),
        (ScheduleChange { weight: Some(0), ..ScheduleChange::default() }, "schedule.weight"),
        (
            ScheduleChange { deadline: Some(Deadline::DeadlineIn(hours(-1))), ..ScheduleChange::default() },
            "schedule.deadline_in",
        ),
    ];
    for (schedule, field) in wrong {
        let request = UpdateJobRequest { job: "j".into(), schedule: Some(schedule) };
        let error = jobs.update_job(request).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{error:?}");
        let named = error.get_details_bad_request().unwrap().field_violations;
        assert_eq!(named[0].field, field);
    }
    scheduler.stop().await;
}
