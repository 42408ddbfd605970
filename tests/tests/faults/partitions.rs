//! A network that is cut, silently, one way or both: between a scheduler and PostgreSQL, and between workers and
//! schedulers. Each is on a host of its own.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use emend_proto::v1::GetJobRequest;
use emend_proto::v1::job_service_client::JobServiceClient;
use emend_scheduler::store::Store;
use emend_tests::database::Database;
use emend_tests::invariants::{self, Acknowledged};
use emend_tests::network::{Hosts, Way, Wire};
use emend_tests::postgres::Postgres;
use emend_tests::process::{Deployment, Process, eventually};

use super::{LIMIT, amount};

const JOB: &str = "cut";
const LEASE: u64 = 2;
/// Records in a unit.
const UNIT: u64 = 10;
const PORT: u16 = 7070;
/// A worker that logs each receipt.
const WORKER: [&str; 5] = ["worker", "--log-format", "json", "--log-level", "info,emend_worker=debug"];

/// A database here, a scheduler on one host, a worker on another.
struct Rig {
    database: Wire,
    worker: Wire,
    url: String,
    server: Postgres,
    name: String,
    deployment: Deployment,
    processes: Vec<Process>,
    // Last: processes end before their hosts.
    _hosts: Hosts,
}

impl Rig {
    async fn start() -> Result<Self> {
        let mut hosts = Hosts::new(2)?;
        let database = hosts.wire(None, 0)?;
        let worker = hosts.wire(Some(0), 1)?;
        let server = Postgres::start(&["listen_addresses=*"]);
        let rules = server.folder().join("data/pg_hba.conf");
        writeln!(std::fs::File::options().append(true).open(rules)?, "host all all 198.18.0.0/15 trust")?;
        server.admin("SELECT pg_reload_conf()").await;
        let name = server.create_database().await;
        let store = server.url(&name).replace("127.0.0.1", &database.left().to_string());
        let deployment = Deployment::on(&store)?
            .set("EMEND__SCHEDULER__LEASE_TTL", LEASE)
            .set("EMEND__WORKER__RECORD_TIMEOUT", "1s");
        let listen = format!("0.0.0.0:{PORT}");
        let line = ["scheduler", "--store", &store, "--listen", &listen, "--insecure"];
        let mut command = hosts.command(0, &deployment.command(line));
        let mut processes =
            vec![Process::start("scheduler", &mut command, &deployment.path("scheduler.log"))?];
        let url = format!("http://{}:{PORT}", database.right());
        eventually("a scheduler that listens", LIMIT, async || {
            (processes[0].has_ended() || JobServiceClient::connect(url.clone()).await.is_ok()).then_some(())
        })
        .await?;
        ensure!(!processes[0].has_ended(), "{}", processes[0].log());
        let mut command = hosts.command(1, &deployment.command(WORKER));
        command.env("EMEND_SCHEDULER", format!("http://{}:{PORT}", worker.left()));
        processes.push(Process::start("worker", &mut command, &deployment.path("worker.log"))?);
        Ok(Self { database, worker, url, server, name, deployment, processes, _hosts: hosts })
    }

    fn client(&self, name: &str, line: &[&str]) -> Result<Process> {
        let mut command = self.deployment.command(line);
        command.env("EMEND_SCHEDULER", &self.url);
        Process::start(name, &mut command, &self.deployment.path(&format!("{name}.log")))
    }

    /// How many units are done.
    async fn done(&self) -> Option<u64> {
        let mut client = JobServiceClient::connect(self.url.clone()).await.ok()?;
        let request = GetJobRequest { job: JOB.into(), with_tallies: false };
        Some(client.get_job(request).await.ok()?.into_inner().job?.progress?.units_done)
    }

    /// Ends all processes, and checks what they leave behind.
    async fn stop_sound(mut self, told: &[Acknowledged]) -> Result<()> {
        self.processes.clear();
        let store = Store::open(&self.server.url(&self.name), 2).await?;
        invariants::hold(&store, &Database::on(&self.server, self.name.clone()), told).await;
        store.close().await;
        Ok(())
    }
}

async fn undisturbed(calm: &Deployment, csv: &str) -> Result<Vec<u8>> {
    let _processes = (calm.scheduler(0).await?, calm.worker(0)?);
    calm.start("import", import_line(csv))?.done(LIMIT).await?;
    calm.start("wait", ["wait", JOB])?.done(LIMIT).await?;
    let out = calm.path("out.jsonl");
    let shown = out.display().to_string();
    calm.start("export", ["export", JOB, "--out", &shown, "--with-provenance"])?.done(LIMIT).await?;
    Ok(std::fs::read(out)?)
}

fn import_line(csv: &str) -> [&str; 10] {
    ["import", csv, "--job", JOB, "--pack", "vaccination", "--as-of", "2021-09-20", "--unit-size", "10"]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_cut_costs_time_only() -> Result<()> {
    let rows = amount("PARTITION_RECORDS", 60_000);
    let cut = Duration::from_secs(amount("PARTITION_SECONDS", 2 * LEASE));
    let calm = Deployment::on_sqlite()?;
    let csv = calm.generate(rows).await?.join("records.csv").display().to_string();
    let expected = undisturbed(&calm, &csv).await?;
    let rig = Rig::start().await?;
    rig.client("import", &import_line(&csv))?.done(LIMIT).await?;
    // Not by a command that waits: begun just before a long cut, it would say that it reaches nobody.
    let is_over = async || rig.done().await.is_some_and(|done| done >= rows / UNIT);
    let faults = [
        ("scheduler to PostgreSQL", &rig.database, Way::Left),
        ("PostgreSQL to scheduler", &rig.database, Way::Right),
        ("scheduler and PostgreSQL", &rig.database, Way::Both),
        ("worker to scheduler", &rig.worker, Way::Left),
        ("scheduler to worker", &rig.worker, Way::Right),
        ("worker and scheduler", &rig.worker, Way::Both),
    ];
    let mut cuts = 0;
    for (what, wire, way) in faults {
        if is_over().await {
            break;
        }
        cuts += 1;
        wire.cut(way)?;
        tokio::time::sleep(cut).await;
        wire.mend()?;
        let begun = Instant::now();
        let before = rig.done().await.unwrap_or_default();
        eventually("work after a cut", LIMIT, async || {
            (is_over().await || rig.done().await? > before).then_some(())
        })
        .await
        .with_context(|| format!("after {what} was cut"))?;
        println!("{what}: cut for {cut:?}, work {:.1?} after", begun.elapsed());
    }
    ensure!(cuts == 6, "the job was over after {cuts} cuts: give more records");
    rig.client("wait", &["wait", JOB])?.done(LIMIT).await?;
    let out = rig.deployment.path("out.jsonl").display().to_string();
    rig.client("export", &["export", JOB, "--out", &out, "--with-provenance"])?.done(LIMIT).await?;
    ensure!(std::fs::read(PathBuf::from(out))? == expected, "the export is not that of an undisturbed run");
    let told = invariants::acknowledged(&rig.processes[1].log());
    println!("{} commits acknowledged, 0 lost", told.len());
    rig.stop_sound(&told).await
}
