//! A scheduler in a process of its own under one attack after another, while a worker goes on committing: nothing it
//! commits fails, and the scheduler's memory stays what it was.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use emend_proto::v1::commit_outcome::Outcome;
use emend_proto::v1::{CommitUnitsRequest, Lease};
use emend_scheduler::NewToken;
use emend_scheduler::domain::caller::Role;
use emend_tests::authority::Authority;
use emend_tests::process::{Deployment, eventually};
use emend_tests::scheduler::work;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::attacks;
use super::support::{LIMIT, commit, lease_request, make_job, secure, token};

/// What the scheduler's peak may grow by under all attacks together, in bytes: a few messages of the largest kind,
/// which any caller with a role may send.
const GROWTH: u64 = 96 * 1024 * 1024;

/// A scheduler under siege, and the one who besieges it.
pub(crate) struct Siege {
    pub(crate) address: SocketAddr,
    pub(crate) authority: Authority,
    /// A worker that has turned, with a role and all.
    pub(crate) traitor: Channel,
    /// A lease of the traitor's own.
    pub(crate) lease: Lease,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attacks_are_answered_and_a_worker_commits_meanwhile() {
    let (authority, known) = (Authority::new("siege"), token(Role::Worker, "nobody-has-it"));
    let deployment = deployment(&authority, &known);
    let mut scheduler = deployment.start_scheduler(0).unwrap();
    let address: SocketAddr = deployment.url(0).trim_start_matches("http://").parse().unwrap();
    let channel = |uri| secure(address, authority.client(Some(&authority.caller(&[uri]))));
    let operator = channel("emend:operator/o");
    let mut jobs = emend_tests::scheduler::jobs(&operator);
    let up = async || jobs.list_jobs(emend_proto::v1::ListJobsRequest::default()).await.is_ok().then_some(());
    let started = eventually("the scheduler", LIMIT, up).await;
    assert!(started.is_ok(), "{}", scheduler.log());
    make_job(&operator, "j", 10_000).await;
    let traitor = channel("emend:worker/traitor");
    let leases = work(&traitor).lease_units(lease_request("t", "r", 1)).await.unwrap().into_inner().leases;
    let lease = leases.into_iter().next().unwrap();
    let mut worker = Honest::start(channel("emend:worker/honest"));
    worker.goes_on("at first").await;
    let before = scheduler.usage().peak_rss;
    let siege = Siege { address, authority, traitor, lease };
    macro_rules! under {
        ($($attack:ident),* $(,)?) => {$(
            let begin = Instant::now();
            attacks::$attack(&siege).await;
            worker.goes_on(stringify!($attack)).await;
            let grown = scheduler.usage().peak_rss.saturating_sub(before);
            eprintln!("{}: {:.1?}, peak + {} KiB", stringify!($attack), begin.elapsed(), grown / 1024);
            assert!(grown < GROWTH, "{} grew the peak by {grown} bytes", stringify!($attack));
        )*};
    }
    under!(
        silent_connections,
        resets,
        huge_headers,
        headers_without_end,
        oversize_messages,
        lying_lengths,
        compressed_messages,
        bombs,
        calls_without_a_name,
    );
    let commits = worker.stop().await;
    eprintln!("{commits} commits meanwhile; the peak was {} KiB before", before / 1024);
    assert!(!scheduler.has_ended() && !scheduler.log().contains("panicked"), "{}", scheduler.log());
}

fn deployment(authority: &Authority, known: &NewToken) -> Deployment {
    let deployment = Deployment::on_sqlite().unwrap();
    let folder = deployment.path("");
    let (certificate, key) = authority.scheduler().write(&folder, "scheduler");
    let (client_ca, tokens) = (folder.join("ca.pem"), folder.join("tokens"));
    std::fs::write(&client_ca, authority.pem()).unwrap();
    std::fs::write(&tokens, &known.line).unwrap();
    deployment
        .set("EMEND__SCHEDULER__TLS__CERTIFICATE", certificate.display())
        .set("EMEND__SCHEDULER__TLS__KEY", key.display())
        .set("EMEND__SCHEDULER__TLS__CLIENT_CA", client_ca.display())
        .set("EMEND__SCHEDULER__TOKENS", tokens.display())
}

/// A worker that leases and commits one unit after another, each once, and expects each to be taken.
struct Honest {
    commits: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    task: JoinSet<()>,
}

impl Honest {
    fn start(channel: Channel) -> Self {
        let (commits, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, told) = (commits.clone(), stop.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut client = work(&channel);
            let mut number = 0;
            while !told.load(Ordering::SeqCst) {
                number += 1;
                let request = lease_request("h", &number.to_string(), 1);
                let lease = client.lease_units(request).await.unwrap().into_inner().leases.remove(0);
                let request = CommitUnitsRequest { worker_id: "h".into(), commits: vec![commit(&lease)] };
                let outcome = client.commit_units(request).await.unwrap().into_inner().outcomes.remove(0);
                assert!(matches!(outcome.outcome, Some(Outcome::Receipt(_))), "{outcome:?}");
                counted.fetch_add(1, Ordering::SeqCst);
                // It must not run out of units before the attacks are over.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        Self { commits, stop, task }
    }

    /// Waits for two more commits: the one under way may have been nearly done.
    async fn goes_on(&mut self, when: &str) {
        let so_far = self.commits.load(Ordering::SeqCst);
        let more = async || {
            assert!(self.task.try_join_next().is_none_or(|ended| ended.is_ok()), "the worker failed: {when}");
            (self.commits.load(Ordering::SeqCst) >= so_far + 2).then_some(())
        };
        eventually(when, LIMIT, more).await.unwrap();
    }

    async fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.task.join_next().await.unwrap().unwrap();
        self.commits.load(Ordering::SeqCst)
    }
}
