//! A scheduler that keeps a script, and a line to it that can be cut.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use emend_proto::v1::work_service_server::{WorkService, WorkServiceServer};
use emend_proto::v1::*;
use emend_worker::{Validator, WorkerConfig, WorkerError, WorkerReport};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// Far longer than anything takes; a test that waits for it has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// What the scheduler heard.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    Lease(LeaseUnitsRequest),
    Beat(HeartbeatRequest),
    Commit(CommitUnitsRequest),
    Release(ReleaseUnitsRequest),
    Fail(FailUnitsRequest),
}

/// The script, to be changed while the worker runs.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) ready: VecDeque<Lease>,
    /// Errors with which the next lease calls are answered.
    pub(crate) lease_errors: VecDeque<Status>,
    /// Whether the next commits are applied and not answered: the line is cut.
    pub(crate) cuts: u32,
    /// Refusals for the next units of commits.
    pub(crate) refusals: VecDeque<Refusal>,
    /// Units whose lease is lost at the next beat.
    pub(crate) lost: HashSet<u64>,
    /// Beats are not answered.
    pub(crate) deaf: bool,
    pub(crate) drain: bool,
    pub(crate) committed: HashSet<u64>,
    pub(crate) last_lease: Option<(String, Vec<Lease>)>,
}

/// A scheduler that keeps a script.
pub(crate) struct Fake {
    script: Mutex<Script>,
    changed: Notify,
    heard: mpsc::UnboundedSender<Heard>,
    lines: Arc<Mutex<JoinSet<()>>>,
}

/// The scheduler's side of a test.
pub(crate) struct Scheduler {
    pub(crate) fake: Arc<Fake>,
    pub(crate) url: String,
    heard: mpsc::UnboundedReceiver<Heard>,
    _tasks: JoinSet<()>,
}

impl Fake {
    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// Makes units ready.
    pub(crate) fn add(&self, leases: impl IntoIterator<Item = Lease>) {
        self.script().ready.extend(leases);
        self.changed.notify_waiters();
    }

    /// Breaks all connections.
    pub(crate) fn cut(&self) {
        self.lines.lock().unwrap().abort_all();
    }

    fn hear(&self, heard: Heard) {
        self.heard.send(heard).ok();
    }

    fn grant(&self, request: &LeaseUnitsRequest) -> Vec<Lease> {
        let mut script = self.script();
        if let Some((id, leases)) = &mut script.last_lease
            && *id == request.request_id
        {
            leases.iter_mut().for_each(|lease| lease.epoch += 1);
            return leases.clone();
        }
        let count = script.ready.len().min(request.max_units as usize);
        let leases: Vec<Lease> = script.ready.drain(..count).collect();
        if !leases.is_empty() {
            script.last_lease = Some((request.request_id.clone(), leases.clone()));
        }
        leases
    }
}

#[tonic::async_trait]
impl WorkService for Fake {
    async fn lease_units(
        &self,
        request: Request<LeaseUnitsRequest>,
    ) -> Result<Response<LeaseUnitsResponse>, Status> {
        let request = request.into_inner();
        self.hear(Heard::Lease(request.clone()));
        if let Some(status) = self.script().lease_errors.pop_front() {
            return Err(status);
        }
        let wait = request.wait.map_or(Duration::ZERO, |wait| wait.try_into().unwrap());
        let until = tokio::time::Instant::now() + wait;
        loop {
            let changed = self.changed.notified();
            let (leases, drain) = (self.grant(&request), self.script().drain);
            if !leases.is_empty() || drain || tokio::time::timeout_at(until, changed).await.is_err() {
                return Ok(Response::new(LeaseUnitsResponse { leases, drain }));
            }
        }
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        let request = request.into_inner();
        self.hear(Heard::Beat(request.clone()));
        if self.script().deaf {
            return Err(Status::unavailable("deaf"));
        }
        let script = self.script();
        let outcome = |beat: &Beat| {
            let unit_id = beat.lease.as_ref().unwrap().unit_id;
            BeatOutcome { unit_id, refusal: script.lost.contains(&unit_id).then(|| refusal("LEASE_LOST")) }
        };
        let outcomes = request.beats.iter().map(outcome).collect();
        Ok(Response::new(HeartbeatResponse { outcomes, ttl: None, drain: script.drain }))
    }

    async fn commit_units(
        &self,
        request: Request<CommitUnitsRequest>,
    ) -> Result<Response<CommitUnitsResponse>, Status> {
        let request = request.into_inner();
        self.hear(Heard::Commit(request.clone()));
        let (outcomes, cut) = {
            let mut script = self.script();
            let outcomes: Vec<_> = request.commits.iter().map(|commit| settle(&mut script, commit)).collect();
            let cut = script.cuts > 0;
            script.cuts = script.cuts.saturating_sub(1);
            (outcomes, cut)
        };
        if cut {
            self.cut();
            std::future::pending::<()>().await;
        }
        Ok(Response::new(CommitUnitsResponse { outcomes }))
    }

    async fn release_units(
        &self,
        request: Request<ReleaseUnitsRequest>,
    ) -> Result<Response<ReleaseUnitsResponse>, Status> {
        let request = request.into_inner();
        let outcomes = request.leases.iter().map(|lease| done(lease.unit_id)).collect();
        self.hear(Heard::Release(request));
        Ok(Response::new(ReleaseUnitsResponse { outcomes }))
    }

    async fn fail_units(
        &self,
        request: Request<FailUnitsRequest>,
    ) -> Result<Response<FailUnitsResponse>, Status> {
        let request = request.into_inner();
        let outcomes =
            request.failures.iter().map(|failure| done(failure.lease.as_ref().unwrap().unit_id)).collect();
        self.hear(Heard::Fail(request));
        Ok(Response::new(FailUnitsResponse { outcomes }))
    }
}

fn settle(script: &mut Script, commit: &UnitCommit) -> CommitOutcome {
    let lease = commit.lease.as_ref().unwrap();
    let unit_id = lease.unit_id;
    if let Some(refusal) = script.refusals.pop_front() {
        let outcome = Some(commit_outcome::Outcome::Refusal(refusal));
        return CommitOutcome { unit_id, outcome, ..CommitOutcome::default() };
    }
    let replayed = !script.committed.insert(unit_id);
    let receipt = Receipt { unit_id, epoch: lease.epoch, ..Receipt::default() };
    CommitOutcome { unit_id, outcome: Some(commit_outcome::Outcome::Receipt(receipt)), replayed, late: false }
}

fn done(unit_id: u64) -> UnitOutcome {
    UnitOutcome { unit_id, refusal: None }
}

pub(crate) fn refusal(reason: &str) -> Refusal {
    Refusal { code: tonic::Code::Aborted.into(), reason: reason.into(), ..Refusal::default() }
}

impl Scheduler {
    /// Starts a scheduler behind a line that can be cut.
    pub(crate) async fn start() -> Self {
        let (heard, receiver) = mpsc::unbounded_channel();
        let lines = Arc::new(Mutex::new(JoinSet::new()));
        let (script, changed) = (Mutex::default(), Notify::new());
        let fake = Arc::new(Fake { script, changed, heard, lines: Arc::clone(&lines) });
        let mut tasks = JoinSet::new();
        let behind = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = behind.local_addr().unwrap();
        let service = WorkServiceServer::from_arc(Arc::clone(&fake))
            .max_decoding_message_size(emend_proto::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(emend_proto::MAX_MESSAGE_BYTES);
        let serving = tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpIncoming::from(behind).with_nodelay(Some(true)));
        tasks.spawn(async move { serving.await.unwrap() });
        let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", front.local_addr().unwrap());
        tasks.spawn(async move {
            while let Ok((mut client, _)) = front.accept().await {
                client.set_nodelay(true).ok();
                lines.lock().unwrap().spawn(async move {
                    let mut upstream = TcpStream::connect(server).await.unwrap();
                    upstream.set_nodelay(true).ok();
                    tokio::io::copy_bidirectional(&mut client, &mut upstream).await.ok();
                });
            }
        });
        Self { fake, url, heard: receiver, _tasks: tasks }
    }

    /// Waits for something to be heard, passing over the rest.
    pub(crate) async fn hears<T>(&mut self, mut wanted: impl FnMut(Heard) -> Option<T>) -> T {
        let next = async {
            loop {
                if let Some(found) = wanted(self.heard.recv().await.unwrap()) {
                    return found;
                }
            }
        };
        tokio::time::timeout(LIMIT, next).await.expect("nothing of the kind was heard")
    }

    pub(crate) async fn hears_commit(&mut self) -> CommitUnitsRequest {
        self.hears(|heard| if let Heard::Commit(commit) = heard { Some(commit) } else { None }).await
    }

    pub(crate) async fn hears_lease(&mut self) -> LeaseUnitsRequest {
        self.hears(|heard| if let Heard::Lease(lease) = heard { Some(lease) } else { None }).await
    }

    pub(crate) async fn hears_release(&mut self) -> ReleaseUnitsRequest {
        self.hears(|heard| if let Heard::Release(release) = heard { Some(release) } else { None }).await
    }

    pub(crate) async fn hears_failure(&mut self) -> UnitFailure {
        let one = |heard| if let Heard::Fail(mut fail) = heard { fail.failures.pop() } else { None };
        self.hears(one).await
    }

    /// Everything heard and not asked for yet.
    pub(crate) fn heard(&mut self) -> Vec<Heard> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }

    pub(crate) fn config(&self, slots: usize) -> WorkerConfig {
        WorkerConfig { schedulers: vec![self.url.clone()], slots, threads: 2, ..WorkerConfig::default() }
    }
}

/// A worker that runs.
pub(crate) struct Worker {
    pub(crate) shutdown: CancellationToken,
    running: JoinHandle<Result<WorkerReport, WorkerError>>,
}

impl Worker {
    pub(crate) fn start(config: WorkerConfig, validator: Arc<dyn Validator>) -> Self {
        let shutdown = CancellationToken::new();
        let running = emend_worker::run(config, vec![validator], shutdown.clone());
        #[expect(clippy::disallowed_methods, reason = "every test waits for its worker")]
        let running = tokio::spawn(running);
        Self { shutdown, running }
    }

    pub(crate) async fn stop(self) -> WorkerReport {
        self.shutdown.cancel();
        self.ended().await.unwrap()
    }

    pub(crate) async fn ended(self) -> Result<WorkerReport, WorkerError> {
        tokio::time::timeout(LIMIT, self.running).await.expect("the worker ends").unwrap()
    }
}

/// A lease of a unit whose records do `acts`.
pub(crate) fn lease(unit_id: u64, acts: &[&str]) -> Lease {
    let first_seq = unit_id * 1000;
    let record = |(at, act): (usize, &&str)| {
        let payload = if *act == "broken" { "{".to_owned() } else { format!(r#"{{"do":"{act}"}}"#) };
        Record { key: format!("k{unit_id}.{at}"), payload: payload.into(), ..Record::default() }
    };
    let records: Vec<Record> = acts.iter().enumerate().map(record).collect();
    Lease {
        rules_off: Vec::new(),
        unit_id,
        epoch: 1,
        token: vec![7; 16],
        ttl: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
        first_seq,
        last_seq: first_seq + acts.len() as u64 - 1,
        records: Some(emend_proto::encode(&records)),
        job_id: 1,
        pack: Some(PackRef { name: "test".into(), version: "1".into() }),
        as_of: "2021-09-20".into(),
        traceparent: String::new(),
        paused_rules: Vec::new(),
        validators: Vec::new(),
        group_by: Vec::new(),
    }
}

/// The same of a grouped job; `groups` are those of the records.
pub(crate) fn grouped(mut lease: Lease, groups: &[u64]) -> Lease {
    let records = emend_proto::decode::<Record>(lease.records.as_ref().unwrap()).unwrap();
    let records: Vec<_> = records.map(Result::unwrap).collect();
    assert_eq!(records.len(), groups.len());
    let regrouped = records.into_iter().zip(groups).map(|(record, &group)| Record { group, ..record });
    lease.records = Some(emend_proto::encode(&regrouped.collect::<Vec<_>>()));
    lease.group_by = vec!["do".into()];
    lease
}

pub(crate) fn results(commit: &UnitCommit) -> Vec<RecordResult> {
    emend_proto::decode(commit.results.as_ref().unwrap()).unwrap().map(Result::unwrap).collect()
}

pub(crate) fn unit_of(commit: &UnitCommit) -> u64 {
    commit.lease.as_ref().unwrap().unit_id
}

pub(crate) fn short(mut lease: Lease, ttl: Duration) -> Lease {
    lease.ttl = Some(ttl.try_into().unwrap());
    lease
}
