//! The response is dropped after the transaction, on every RPC that changes something: the call sent again gets the
//! same result.

use emend_proto::v1::{
    Beat, CancelJobRequest, CommitUnitsRequest, DeleteJobRequest, FailUnitsRequest, HeartbeatRequest,
    JobState, PauseJobRequest, ReleaseUnitsRequest, ResumeJobRequest, RetryUnitsRequest, ScheduleChange,
    SealJobRequest, UnitFailure, UnitState, UpdateJobRequest, beat, commit_outcome,
};
use emend_tests::database::Backend;
use emend_tests::proxy::Proxy;
use emend_tests::scheduler::{Scheduler, channel, jobs, work};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::lost_accounts::{add_account, disable_account, enable_account, grant_account, reset_password};
use super::lost_reviews::{
    add_known_answers, decide_cluster, decide_one as decide, lease_cluster, lease_reviews, open_review,
    release_reviews, renew_reviews, resume_reviewer, reveal_field, save_draft, skip_review, undo_decision,
};
use super::lost_rules::{approve_job, revise_job, withdraw_version};
use super::support::{chunk, commit, header, job_request, lease, make_job, reference, units};

/// Tests by the name of their RPC, so that none is forgotten.
macro_rules! each_rpc {
    ($($name:ident),* $(,)?) => {
        super::on_both_backends!($($name),*);
        const COVERED: &[&str] = &[$(stringify!($name)),*];
    };
}
each_rpc!(
    create_job,
    import_records,
    seal_job,
    pause_job,
    resume_job,
    update_job,
    cancel_job,
    delete_job,
    lease_units,
    heartbeat,
    commit_units,
    release_units,
    fail_units,
    retry_units,
    approve_job,
    revise_job,
    withdraw_version,
    lease_reviews,
    renew_reviews,
    save_draft,
    decide,
    skip_review,
    release_reviews,
    undo_decision,
    lease_cluster,
    open_review,
    decide_cluster,
    reveal_field,
    add_known_answers,
    resume_reviewer,
    add_account,
    grant_account,
    reset_password,
    disable_account,
    enable_account,
);

/// RPCs that change nothing.
const READS: &[&str] = &[
    "export_records",
    "get_job",
    "get_record",
    "list_jobs",
    "list_records",
    "list_rejects",
    "list_units",
    "list_workers",
    "list_samples",
    "list_revisions",
    "get_pace",
    "get_shift",
    "list_accounts",
    "list_decisions",
    "watch_job",
];

/// What the contract says, not what somebody remembered.
#[test]
fn every_rpc_that_changes_something_is_covered() {
    let files = FileDescriptorSet::decode(emend_proto::DESCRIPTORS).unwrap().file;
    let services = files.iter().filter(|file| file.package() == "emend.v1").flat_map(|file| &file.service);
    // Ours to serve; a validator is served by whoever wrote it.
    let served = services.filter(|service| service.name() != "ValidatorService");
    let rpcs: Vec<_> = served.flat_map(|service| &service.method).map(|rpc| snake(rpc.name())).collect();
    let known = |rpc: &String| COVERED.contains(&rpc.as_str()) != READS.contains(&rpc.as_str());
    let forgotten: Vec<_> = rpcs.iter().filter(|rpc| !known(rpc)).collect();
    assert!(forgotten.is_empty(), "no test loses the answer of {forgotten:?}");
    assert_eq!(rpcs.len(), COVERED.len() + READS.len(), "a test or a read is of no RPC");
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

mod mutants {
    use emend_scheduler::store::Mutant;
    use emend_tests::database::Backend;
    use emend_tests::mutants::fails_on;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_commit_that_is_forgotten() {
        for backend in [Backend::Sqlite, Backend::Postgres] {
            fails_on(Mutant::ForgetsCommits, "the receipt again", super::commit_units(backend)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_request_that_is_forgotten() {
        for backend in [Backend::Sqlite, Backend::Postgres] {
            fails_on(Mutant::ForgetsRequests, "the same units", super::lease_units(backend)).await;
        }
    }
}

/// A scheduler, and a line to it that may lose an answer.
pub(crate) struct Rig {
    pub(crate) scheduler: Scheduler,
    pub(crate) proxy: Proxy,
    /// A line that loses nothing.
    pub(crate) sound: Channel,
}

impl Rig {
    pub(crate) async fn start(backend: Backend) -> Self {
        let scheduler = Scheduler::start(backend).await;
        let proxy = Proxy::start(scheduler.address).await;
        let sound = scheduler.channel();
        Self { scheduler, proxy, sound }
    }

    /// Makes a call whose answer is lost.
    pub(crate) async fn lose<T>(&self, call: impl AsyncFnOnce(Channel) -> Result<T, Status>) {
        let lost = self.proxy.lost();
        self.proxy.lose_next_answer();
        let heard = call(channel(self.proxy.address)).await;
        let error = heard.err().expect("the answer was lost");
        assert!(
            matches!(error.code(), Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal),
            "{error:?}"
        );
        assert_eq!(self.proxy.lost(), lost + 1, "the scheduler had answered");
    }

    /// Makes a call twice, as a caller does that lost the first answer; gives the second.
    pub(crate) async fn lose_then<T>(
        &self,
        call: impl AsyncFn(Channel) -> Result<T, Status>,
    ) -> Result<T, Status> {
        self.lose(&call).await;
        call(channel(self.proxy.address)).await
    }

    /// Stops the scheduler, and checks what it leaves behind.
    pub(crate) async fn stop(self) {
        drop(self.proxy);
        self.scheduler.stop_sound().await;
    }
}

async fn create_job(backend: Backend) {
    let rig = Rig::start(backend).await;
    let created = rig.lose_then(async |line| jobs(&line).create_job(job_request("j")).await).await.unwrap();
    let created = created.into_inner();
    assert!(!created.created, "the lost call had made it");
    let there =
        jobs(&rig.sound).list_jobs(emend_proto::v1::ListJobsRequest::default()).await.unwrap().into_inner();
    assert_eq!(there.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [created.job.unwrap().id]);
    rig.stop().await;
}

async fn import_records(backend: Backend) {
    let rig = Rig::start(backend).await;
    jobs(&rig.sound).create_job(job_request("j")).await.unwrap();
    let parts = || tokio_stream::iter(vec![header("j", "file"), chunk(0, 1, 5, false), chunk(5, 6, 9, true)]);
    let again = rig.lose_then(async |line| jobs(&line).import_records(parts()).await).await.unwrap();
    let import = again.into_inner().import.unwrap();
    assert_eq!((import.next_offset, import.accepted, import.already_there), (9, 9, 0));
    let records: u64 =
        units(&rig.sound, "j").await.iter().map(|unit| unit.last_seq - unit.first_seq + 1).sum();
    assert!(import.finished && records == 9, "{records} records");
    rig.stop().await;
}

async fn seal_job(backend: Backend) {
    let rig = Rig::start(backend).await;
    jobs(&rig.sound).create_job(job_request("j")).await.unwrap();
    let parts = vec![header("j", "file"), chunk(0, 1, 4, true)];
    jobs(&rig.sound).import_records(tokio_stream::iter(parts)).await.unwrap();
    let seal = || SealJobRequest { job: "j".into() };
    let sealed = rig.lose_then(async |line| jobs(&line).seal_job(seal()).await).await.unwrap().into_inner();
    assert_eq!(sealed.job.unwrap().state(), JobState::Running);
    rig.stop().await;
}

async fn pause_job(backend: Backend) {
    let rig = Rig::start(backend).await;
    make_job(&rig.sound, "j", 4).await;
    let pause = || PauseJobRequest { job: "j".into() };
    let paused = rig.lose_then(async |line| jobs(&line).pause_job(pause()).await).await.unwrap();
    assert!(paused.into_inner().job.unwrap().paused);
    assert!(lease(&rig.sound, "r", 1).await.unwrap().leases.is_empty());
    rig.stop().await;
}

async fn resume_job(backend: Backend) {
    let rig = Rig::start(backend).await;
    make_job(&rig.sound, "j", 4).await;
    jobs(&rig.sound).pause_job(PauseJobRequest { job: "j".into() }).await.unwrap();
    let resume = || ResumeJobRequest { job: "j".into() };
    let resumed = rig.lose_then(async |line| jobs(&line).resume_job(resume()).await).await.unwrap();
    assert!(!resumed.into_inner().job.unwrap().paused);
    assert_eq!(lease(&rig.sound, "s", 1).await.unwrap().leases.len(), 1);
    rig.stop().await;
}

async fn update_job(backend: Backend) {
    let rig = Rig::start(backend).await;
    make_job(&rig.sound, "j", 4).await;
    let schedule = ScheduleChange { priority: Some(7), ..ScheduleChange::default() };
    let update = || UpdateJobRequest { job: "j".into(), schedule: Some(schedule) };
    let updated = rig.lose_then(async |line| jobs(&line).update_job(update()).await).await.unwrap();
    assert_eq!(updated.into_inner().job.unwrap().schedule.unwrap().priority, 7);
    rig.stop().await;
}

async fn cancel_job(backend: Backend) {
    let rig = Rig::start(backend).await;
    make_job(&rig.sound, "j", 4).await;
    let cancel = || CancelJobRequest { job: "j".into() };
    let cancelled = rig.lose_then(async |line| jobs(&line).cancel_job(cancel()).await).await.unwrap();
    assert_eq!(cancelled.into_inner().job.unwrap().state(), JobState::Cancelled);
    rig.stop().await;
}

async fn delete_job(backend: Backend) {
    let rig = Rig::start(backend).await;
    make_job(&rig.sound, "j", 4).await;
    jobs(&rig.sound).cancel_job(CancelJobRequest { job: "j".into() }).await.unwrap();
    let delete = || DeleteJobRequest { job: "j".into() };
    let again = rig.lose_then(async |line| jobs(&line).delete_job(delete()).await).await;
    assert_eq!(again.unwrap_err().code(), Code::NotFound);
    rig.stop().await;
}

/// More of it in `lost_leases`.
async fn lease_units(backend: Backend) {
    let rig = Rig::start(backend).await;
    make_job(&rig.sound, "j", 8).await;
    rig.lose(async |line| lease(&line, "r", 3).await).await;
    let before: Vec<_> = units(&rig.sound, "j").await.into_iter().filter(|unit| unit.epoch == 1).collect();
    let leases = lease(&channel(rig.proxy.address), "r", 3).await.unwrap().leases;
    let lost: Vec<_> = before.iter().map(|unit| unit.unit_id).collect();
    let again: Vec<_> = leases.iter().map(|lease| lease.unit_id).collect();
    assert_eq!(again, lost, "the same units do not come again");
    assert!(leases.len() == 3 && leases.iter().all(|lease| lease.epoch == 2));
    rig.stop().await;
}

async fn heartbeat(backend: Backend) {
    let rig = Rig::start(backend).await;
    make_job(&rig.sound, "j", 4).await;
    let leases = lease(&rig.sound, "r", 2).await.unwrap().leases;
    let beat =
        |lease| Beat { lease: Some(reference(lease)), state: beat::State::Running.into(), progress: 1 };
    let beats = || HeartbeatRequest { worker_id: "w".into(), beats: leases.iter().map(beat).collect() };
    let again = rig.lose_then(async |line| work(&line).heartbeat(beats()).await).await.unwrap().into_inner();
    assert!(again.outcomes.len() == 2 && again.outcomes.iter().all(|outcome| outcome.refusal.is_none()));
    let held = units(&rig.sound, "j").await;
    assert!(
        held.iter().all(|unit| unit.state() == UnitState::Leased && unit.progress == 1 && unit.epoch == 1)
    );
    rig.stop().await;
}

async fn commit_units(backend: Backend) {
    let rig = Rig::start(backend).await;
    make_job(&rig.sound, "j", 4).await;
    let leases = lease(&rig.sound, "r", 2).await.unwrap().leases;
    let commits =
        || CommitUnitsRequest { worker_id: "w".into(), commits: leases.iter().map(commit).collect() };
    let send = async |line: Channel| work(&line).commit_units(commits()).await;
    rig.lose(send).await;
    assert!(units(&rig.sound, "j").await.iter().all(|unit| unit.state() == UnitState::Done));
    let receipt = async |key: &str| {
        let request = emend_proto::v1::GetRecordRequest { job: "j".into(), key: key.into(), seq: 0 };
        jobs(&rig.sound).get_record(request).await.unwrap().into_inner().receipt.unwrap()
    };
    let before = [receipt("K-000001").await, receipt("K-000003").await];
    for _again in 0..2 {
        let outcomes = send(channel(rig.proxy.address)).await.unwrap().into_inner().outcomes;
        for (outcome, receipt) in outcomes.iter().zip(&before) {
            let expected = commit_outcome::Outcome::Receipt(receipt.clone());
            assert_eq!(outcome.outcome.as_ref(), Some(&expected), "not the receipt again");
            assert!(outcome.replayed);
        }
        assert_eq!(outcomes.len(), 2);
    }
    rig.stop().await;
}

async fn release_units(backend: Backend) {
    let rig = Rig::start(backend).await;
    make_job(&rig.sound, "j", 4).await;
    let leases = lease(&rig.sound, "r", 2).await.unwrap().leases;
    let release =
        || ReleaseUnitsRequest { worker_id: "w".into(), leases: leases.iter().map(reference).collect() };
    let again =
        rig.lose_then(async |line| work(&line).release_units(release()).await).await.unwrap().into_inner();
    assert!(again.outcomes.len() == 2 && again.outcomes.iter().all(|outcome| outcome.refusal.is_none()));
    let units = units(&rig.sound, "j").await;
    assert!(
        units.iter().all(|unit| unit.state() == UnitState::Ready && unit.attempts_left == 3),
        "{units:?}"
    );
    rig.stop().await;
}

async fn fail_units(backend: Backend) {
    let rig = Rig::start(backend).await;
    make_job(&rig.sound, "j", 4).await;
    let leases = lease(&rig.sound, "r", 2).await.unwrap().leases;
    let failure =
        |lease| UnitFailure { lease: Some(reference(lease)), category: "panic".into(), retryable: true };
    let fail = || FailUnitsRequest { worker_id: "w".into(), failures: leases.iter().map(failure).collect() };
    let again = rig.lose_then(async |line| work(&line).fail_units(fail()).await).await.unwrap().into_inner();
    assert!(again.outcomes.len() == 2 && again.outcomes.iter().all(|outcome| outcome.refusal.is_none()));
    let units = units(&rig.sound, "j").await;
    assert!(
        units.iter().all(|unit| unit.state() == UnitState::Ready && unit.attempts_left == 2),
        "{units:?}"
    );
    rig.stop().await;
}

async fn retry_units(backend: Backend) {
    let rig = Rig::start(backend).await;
    make_job(&rig.sound, "j", 4).await;
    rig.scheduler.database.execute("UPDATE units SET state = 'set_aside', attempts_left = 1").await;
    let retry = || RetryUnitsRequest { job: "j".into(), unit_ids: Vec::new() };
    rig.lose_then(async |line| jobs(&line).retry_units(retry()).await).await.unwrap();
    let units = units(&rig.sound, "j").await;
    assert!(
        units.iter().all(|unit| unit.state() == UnitState::Ready && unit.attempts_left == 3),
        "{units:?}"
    );
    rig.stop().await;
}
