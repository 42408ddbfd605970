//! Callers' deadlines, down to the database.

use std::net::SocketAddr;
use std::time::Duration;

use emend_proto::v1::job_service_client::JobServiceClient;
use emend_proto::v1::{GetJobRequest, Job, ListRecordsRequest, PauseJobRequest};
use emend_scheduler::store::Mutant;
use emend_tests::database::Backend;
use emend_tests::mutants::fails_on;
use emend_tests::process::eventually;
use emend_tests::scheduler::Scheduler;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codegen::http::{Request as HttpRequest, Response as HttpResponse, Uri};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use tower::util::BoxCloneService;

use super::support::{LIMIT, make_job};

super::on_both_backends!(
    what_nobody_waits_for_is_not_begun,
    whoever_waits_no_more_leaves_the_queue,
    a_scheduler_that_forgets_deadlines_is_noticed,
    a_scheduler_that_works_for_nobody_is_noticed,
);

/// The time of a call that cannot succeed within it, and by when it must have been answered: before the store says by
/// itself that it is busy.
const SHORT: Duration = Duration::from_millis(300);
const ANSWERED: Duration = Duration::from_secs(3);
/// Statements that look for a job by its name.
const LOOKING: &str = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'emend' AND state = 'active' AND query LIKE '%FROM jobs WHERE name = $1%'";

type Line = BoxCloneService<HttpRequest<Body>, HttpResponse<hyper::body::Incoming>, hyper::Error>;

/// A caller that leaves it to the scheduler to say when the time is over. Tonic's channel keeps the same time and says
/// CANCELLED itself at the same moment, so with it nobody could tell what the scheduler does.
struct Caller {
    jobs: JobServiceClient<Line>,
    _connection: JoinSet<hyper::Result<()>>,
}

impl Caller {
    async fn of(address: SocketAddr) -> Self {
        let line = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), line).await.unwrap();
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        let line = tower::service_fn(move |request| sender.clone().send_request(request));
        let origin: Uri = format!("http://{address}").parse().unwrap();
        let jobs = JobServiceClient::with_origin(BoxCloneService::new(line), origin);
        Self { jobs, _connection: connections }
    }

    fn pause(
        &self,
        job: &'static str,
        timeout: Duration,
    ) -> impl Future<Output = Result<(), Status>> + use<> {
        let mut jobs = self.jobs.clone();
        let request = within(timeout, PauseJobRequest { job: job.into() });
        async move { jobs.pause_job(request).await.map(drop) }
    }

    fn get(&self, timeout: Duration) -> impl Future<Output = Result<Job, Status>> + use<> {
        let mut jobs = self.jobs.clone();
        let request = within(timeout, GetJobRequest { job: "j".into(), with_tallies: false });
        async move { Ok(jobs.get_job(request).await?.into_inner().job.unwrap()) }
    }
}

fn within<T>(timeout: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

/// Whoever notices first, the scheduler or the database, the caller hears one word.
fn is_late(status: &Status) {
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert_eq!(status.get_details_error_info().unwrap().reason, "DEADLINE_EXCEEDED");
}

/// A call that waits for its turn until nobody waits for it has no effect when the turn comes.
async fn what_nobody_waits_for_is_not_begun(backend: Backend) {
    let mut scheduler = Scheduler::start_with(backend, |config| config.connections = 2).await;
    let channel = scheduler.channel();
    make_job(&channel, "held", 2).await;
    make_job(&channel, "late", 2).await;
    let caller = Caller::of(scheduler.address).await;
    let hold = scheduler.database.hold().await;
    // They take the connections, or SQLite's one turn to write. PostgreSQL has two.
    let mut first = JoinSet::new();
    for _ in 0..2 {
        first.spawn(caller.pause("held", LIMIT));
    }
    let late = timeout(ANSWERED, caller.pause("late", SHORT)).await;
    is_late(&late.expect("no answer when the time is over").unwrap_err());
    hold.let_go().await;
    for paused in first.join_all().await {
        paused.unwrap();
    }
    // A scheduler that has stopped has ended every transaction: its turn has come and gone.
    scheduler.ask_to_stop();
    scheduler.stopped().await;
    let paused = "SELECT COUNT(*) FROM jobs WHERE paused AND name = ";
    assert_eq!(scheduler.database.int(&format!("{paused}'held'")).await, 1);
    let late = scheduler.database.int(&format!("{paused}'late'")).await;
    assert_eq!(late, 0, "what nobody waited for was done");
    scheduler.database.close().await;
}

/// The queue's length is what calls are refused by, so those who have gone must not be in it.
async fn whoever_waits_no_more_leaves_the_queue(backend: Backend) {
    let scheduler = Scheduler::start_with(backend, |config| config.connections = 2).await;
    make_job(&scheduler.channel(), "held", 2).await;
    let caller = Caller::of(scheduler.address).await;
    let hold = scheduler.database.hold().await;
    let mut first = JoinSet::new();
    for _ in 0..2 {
        first.spawn(caller.pause("held", LIMIT));
    }
    // As many as may wait before lists of records are refused.
    let mut gone = JoinSet::new();
    for _ in 0..32 {
        gone.spawn(caller.pause("held", SHORT));
    }
    for late in gone.join_all().await {
        is_late(&late.unwrap_err());
    }
    let list = ListRecordsRequest { job: "held".into(), ..ListRecordsRequest::default() };
    let listed = caller.jobs.clone().list_records(within(SHORT, list)).await;
    // It is not refused for those who are gone; but what is shown is noted first, and nobody can write now.
    is_late(&listed.unwrap_err());
    hold.let_go().await;
    for paused in first.join_all().await {
        paused.unwrap();
    }
    scheduler.stop().await;
}

async fn a_scheduler_that_forgets_deadlines_is_noticed(backend: Backend) {
    let test = what_nobody_waits_for_is_not_begun(backend);
    fails_on(Mutant::ForgetsDeadlines, "no answer when the time is over", test).await;
}

async fn a_scheduler_that_works_for_nobody_is_noticed(backend: Backend) {
    let test = what_nobody_waits_for_is_not_begun(backend);
    fails_on(Mutant::WorksForNobody, "what nobody waited for was done", test).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_ends_with_its_callers_patience() {
    statements_end_with_their_callers_patience().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_outlasts_its_caller_is_noticed() {
    let test = statements_end_with_their_callers_patience();
    fails_on(Mutant::WorksForNobody, "statements that look for a job", test).await;
}

async fn statements_end_with_their_callers_patience() {
    let scheduler = Scheduler::start(Backend::Postgres).await;
    make_job(&scheduler.channel(), "j", 2).await;
    let caller = Caller::of(scheduler.address).await;
    let hold = scheduler.database.hold().await;
    let looking = async |count| {
        let look = async || (scheduler.database.int(LOOKING).await == count).then_some(());
        eventually("statements that look for a job", 4 * ANSWERED, look).await.unwrap();
    };
    let mut calls = JoinSet::new();
    calls.spawn(caller.get(LIMIT));
    looking(1).await;
    calls.spawn(caller.get(10 * SHORT));
    looking(2).await;
    // PostgreSQL gives up what nobody waits for any more, and only that.
    looking(1).await;
    let late = calls.join_next().await.unwrap().unwrap().unwrap_err();
    is_late(&late);
    hold.let_go().await;
    assert_eq!(calls.join_next().await.unwrap().unwrap().unwrap().name, "j");
    scheduler.stop().await;
}
