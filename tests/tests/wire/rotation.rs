//! Certificates and tokens that change under a running job: whole jobs by the real program, each part with papers of
//! its own, and no call fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use emend_proto::MAX_MESSAGE_BYTES;
use emend_proto::v1::ListJobsRequest;
use emend_proto::v1::job_service_client::JobServiceClient;
use emend_tests::authority::{Authority, Papers};
use emend_tests::process::{Deployment, Process, eventually};
use emend_worker::endpoints::{Credentials, Endpoints, RetryPolicy, TlsFiles};

use super::raw;
use super::support::LIMIT;

/// A scheduler, a worker and an operator, with their files in one folder.
struct Cluster {
    deployment: Deployment,
    folder: PathBuf,
    scheduler: Process,
    _worker: Process,
    url: String,
}

impl Cluster {
    async fn start(authority: &Authority) -> Self {
        let deployment = Deployment::on_sqlite().unwrap();
        let folder = deployment.path("");
        let url = deployment.url(0).replace("http://", "https://");
        issue(authority, &folder);
        fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
        let file = |name: &str| folder.join(name).display().to_string();
        let deployment = deployment
            .set("EMEND__SCHEDULER__TLS__CERTIFICATE", file("scheduler.pem"))
            .set("EMEND__SCHEDULER__TLS__KEY", file("scheduler.key"))
            .set("EMEND__SCHEDULER__TLS__CLIENT_CA", file("ca.pem"))
            .set("EMEND__SCHEDULER__CONNECTIONS", 4)
            .set("EMEND_CA", file("ca.pem"))
            .set("EMEND_CERTIFICATE", file("operator.pem"))
            .set("EMEND_KEY", file("operator.key"));
        let scheduler = deployment.start_scheduler(0).unwrap();
        let papers = (file("worker.pem"), file("worker.key"));
        let worker = ["worker", "--scheduler", &url, "--certificate", &papers.0, "--key", &papers.1];
        let worker = deployment.start("worker", worker).unwrap();
        Self { deployment, folder, scheduler, _worker: worker, url }
    }

    /// Runs a whole job; what was exported.
    async fn job(&self, name: &str, csv: &str) -> Vec<u8> {
        let url = self.url.as_str();
        let import = ["import", csv, "--job", name, "--as-of", "2021-09-20", "--scheduler", url];
        self.deployment.run(import).await.unwrap().ok().unwrap();
        let wait = ["wait", name, "--timeout", "60s", "--scheduler", url];
        self.deployment.run(wait).await.unwrap().ok().unwrap();
        let out = self.folder.join(format!("{name}.csv"));
        let shown = out.display().to_string();
        let export = ["export", name, "--out", &shown, "--scheduler", url];
        self.deployment.run(export).await.unwrap().ok().unwrap();
        fs::read(out).unwrap()
    }

    /// The scheduler's log says this.
    async fn says(&self, words: &str) {
        let said = async || self.scheduler.log().contains(words).then_some(());
        eventually(words, LIMIT, said).await.unwrap();
    }

    /// The scheduler shows this certificate.
    async fn shows(&self, papers: &Papers, authority: &Authority) {
        let address = self.url.trim_start_matches("https://").parse().unwrap();
        let expected = raw::der(&papers.certificate);
        let shown = async || (raw::shown(address, authority).await? == expected).then_some(());
        eventually("the new certificate", LIMIT, shown).await.unwrap();
    }
}

/// New papers for everybody, in place of the old ones; those of the scheduler.
fn issue(authority: &Authority, folder: &Path) -> Papers {
    authority.caller(&["emend:operator/me"]).write(folder, "operator");
    authority.caller(&["emend:worker/night"]).write(folder, "worker");
    let scheduler = authority.scheduler();
    scheduler.write(folder, "scheduler");
    scheduler
}

/// Calls every few milliseconds until it is told to stop: how many calls there were. None may fail.
async fn caller(url: &str, folder: &Path, stop: &AtomicBool) -> u64 {
    let tls = TlsFiles {
        ca: Some(folder.join("ca.pem")),
        certificate: Some(folder.join("operator.pem")),
        key: Some(folder.join("operator.key")),
    };
    let endpoints = Endpoints::with(&[url.to_owned()], Credentials { tls, token_file: None }).unwrap();
    // One try for each call: a failure is not hidden by a second one.
    let mut calls = 0;
    let call = |policy: RetryPolicy| {
        let endpoints = endpoints.clone();
        async move {
            let list = |line| async move {
                let mut client = JobServiceClient::new(line).max_decoding_message_size(MAX_MESSAGE_BYTES);
                client.list_jobs(ListJobsRequest::default()).await.map(drop)
            };
            endpoints.call(&policy, list).await
        }
    };
    call(RetryPolicy::default()).await.unwrap();
    while !stop.load(Ordering::SeqCst) {
        let once = RetryPolicy {
            max_elapsed: Duration::from_secs(20),
            min_delay: Duration::from_secs(20),
            max_delay: Duration::from_secs(20),
            ..RetryPolicy::default()
        };
        call(once).await.unwrap();
        calls += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    calls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_and_authorities_change_under_a_running_job() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let cluster = Cluster::start(&old).await;
    let generated = cluster.deployment.generate(2_000).await.unwrap();
    let csv = generated.join("records.csv").display().to_string();
    let stop = AtomicBool::new(false);
    let ca = cluster.folder.join("ca.pem");
    let (url, folder) = (cluster.url.clone(), cluster.folder.clone());
    let calling = caller(&url, &folder, &stop);
    let changing = async {
        let first = cluster.job("first", &csv).await;
        // New papers by the same authority.
        let papers = issue(&old, &cluster.folder);
        cluster.shows(&papers, &old).await;
        assert_eq!(cluster.job("second", &csv).await, first);
        // A broken file changes nothing, and is said.
        fs::write(cluster.folder.join("scheduler.pem"), "no certificate").unwrap();
        cluster.says("cannot be used").await;
        cluster.shows(&papers, &old).await;
        assert_eq!(cluster.job("third", &csv).await, first);
        // One that has ended is as bad.
        old.late_scheduler().write(&cluster.folder, "scheduler");
        cluster.says("has expired").await;
        cluster.shows(&papers, &old).await;
        // Another authority: both are trusted first, then everybody has new papers, then the old one goes.
        papers.write(&cluster.folder, "scheduler");
        fs::write(&ca, format!("{}{}", old.pem(), new.pem())).unwrap();
        let uses = "files have changed and are in use";
        let so_far = cluster.scheduler.log().matches(uses).count();
        let more = async || (cluster.scheduler.log().matches(uses).count() > so_far).then_some(());
        eventually("both authorities", LIMIT, more).await.unwrap();
        // The callers look every two seconds too: they must know the new authority before it signs for the scheduler.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let papers = issue(&new, &cluster.folder);
        cluster.shows(&papers, &new).await;
        assert_eq!(cluster.job("fourth", &csv).await, first);
        fs::write(&ca, new.pem()).unwrap();
        let so_far = cluster.scheduler.log().matches(uses).count();
        let more = async || (cluster.scheduler.log().matches(uses).count() > so_far).then_some(());
        eventually("the new authority alone", LIMIT, more).await.unwrap();
        assert_eq!(cluster.job("fifth", &csv).await, first);
        stop.store(true, Ordering::SeqCst);
    };
    let (calls, ()) = tokio::join!(calling, changing);
    eprintln!("{calls} calls, none failed");
    assert!(calls > 100, "{calls}");
    let units = cluster.deployment.run(["units", "fifth", "--scheduler", &cluster.url]).await.unwrap();
    assert!(units.ok().unwrap().stdout.contains("night/"), "the worker's certificate names it");
}
