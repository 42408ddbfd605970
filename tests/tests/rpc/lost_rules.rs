//! What a job runs is changed, and the answer is lost: the call sent again finds it done.

use emend_proto::v1::{
    ApproveJobRequest, GetJobRequest, Job, ListRevisionsRequest, ReviseJobRequest, UnitState,
    WithdrawVersionRequest,
};
use emend_tests::database::Backend;
use emend_tests::scheduler::jobs;
use tonic::transport::Channel;

use super::lost_answers::Rig;
use super::support::{make_job, units};

pub(super) async fn approve_job(backend: Backend) {
    let rig = Rig::start(backend).await;
    make_job(&rig.sound, "j", 4).await;
    let waiting = "UPDATE jobs SET canary_ppm = 1, approved = FALSE";
    rig.scheduler.database.execute(waiting).await;
    rig.scheduler.database.execute("UPDATE units SET state = 'waiting'").await;
    let approve = || ApproveJobRequest { job: "j".into() };
    rig.lose_then(async |line| jobs(&line).approve_job(approve()).await).await.unwrap();
    let units = units(&rig.sound, "j").await;
    assert!(units.iter().all(|unit| unit.state() == UnitState::Ready), "{units:?}");
    rig.stop().await;
}

pub(super) async fn revise_job(backend: Backend) {
    let rig = Rig::start(backend).await;
    make_job(&rig.sound, "j", 4).await;
    let undo = || ReviseJobRequest {
        job: "j".into(),
        rule: "n.fix".into(),
        undo: true,
        ..ReviseJobRequest::default()
    };
    let again = rig.lose_then(async |line| jobs(&line).revise_job(undo()).await).await.unwrap().into_inner();
    assert!(!again.created && again.job.unwrap().rules_off == ["n.fix"]);
    let request = ListRevisionsRequest { job: "j".into() };
    let all = jobs(&rig.sound).list_revisions(request).await.unwrap().into_inner().revisions;
    assert_eq!((all.len(), all[0].ruleset), (1, 2));
    rig.stop().await;
}

pub(super) async fn withdraw_version(backend: Backend) {
    let rig = Rig::start(backend).await;
    make_job(&rig.sound, "j", 4).await;
    let job = get(&rig.sound, "j").await;
    let withdraw = || WithdrawVersionRequest { version: job.pack.clone() };
    rig.lose_then(async |line| jobs(&line).withdraw_version(withdraw()).await).await.unwrap();
    let job = get(&rig.sound, "j").await;
    assert!(job.paused && job.ruleset == 2 && job.withdrawn.len() == 1, "once: {job:?}");
    rig.stop().await;
}

async fn get(line: &Channel, job: &str) -> Job {
    let request = GetJobRequest { job: job.into(), with_tallies: false };
    jobs(line).get_job(request).await.unwrap().into_inner().job.unwrap()
}
