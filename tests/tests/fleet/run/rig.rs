//! The fleet's processes, and the lines between them.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use emend_tests::invariants::Acknowledged;
use emend_tests::postgres::Postgres;
use emend_tests::process::{Deployment, Process, Signal};
use emend_tests::proxy::{Network, Proxy};
use emend_tests::rabbitmq::RabbitMq;
use emend_tests::receipts;

use super::Plan;
use crate::LIMIT;

pub(crate) const JOB: &str = "fleet";
pub(crate) const SCHEDULERS: usize = 3;
pub(crate) const WORKERS: usize = 6;
/// In seconds.
pub(crate) const LEASE: u64 = 5;

pub(crate) struct Rig {
    pub(crate) deployment: Deployment,
    pub(crate) schedulers: Vec<Process>,
    pub(crate) workers: Vec<Process>,
    /// From clients to each scheduler.
    pub(crate) fronts: Vec<Proxy>,
    /// From each scheduler to PostgreSQL.
    pub(crate) backs: Vec<Proxy>,
    /// From all schedulers to RabbitMQ.
    pub(crate) rings: Proxy,
    stores: Vec<String>,
    calm: Network,
    plan: Plan,
}

fn local(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

impl Rig {
    pub(crate) async fn start(
        plan: Plan,
        server: &Postgres,
        database: &str,
        broker: &RabbitMq,
    ) -> Result<Self> {
        let calm = Network { delay: plan.delay, ..Network::default() };
        let rings = Proxy::start(local(broker.port())).await;
        let ring =
            broker.url().replace(&format!(":{}", broker.port()), &format!(":{}", rings.address.port()));
        let store = server.url(database);
        let mut deployment = Deployment::on(&store)?
            .schedulers(SCHEDULERS)
            .set("EMEND__SCHEDULER__LEASE_TTL", LEASE)
            .set("EMEND__SCHEDULER__BROKER", ring)
            .set("EMEND__SCHEDULER__BROKER_SETTLE", 3)
            .set("EMEND__WORKER__RECORD_TIMEOUT", "2s")
            .set("EMEND__WORKER__SLOTS", 1);
        let (mut fronts, mut backs) = (Vec::new(), Vec::new());
        for at in 0..SCHEDULERS {
            let front = Proxy::start(deployment.url(at).trim_start_matches("http://").parse()?).await;
            front.network(calm);
            fronts.push(front);
            backs.push(Proxy::start(local(server.port())).await);
        }
        let urls: Vec<_> = fronts.iter().map(|front| format!("http://{}", front.address)).collect();
        deployment = deployment.set("EMEND_SCHEDULER", urls.join(","));
        let port = |back: &Proxy| format!(":{}/", back.address.port());
        let stores = backs.iter().map(|back| store.replace(&format!(":{}/", server.port()), &port(back)));
        let stores = stores.collect();
        let (schedulers, workers) = (Vec::new(), Vec::new());
        let mut rig = Self { deployment, schedulers, workers, fronts, backs, rings, stores, calm, plan };
        for at in 0..SCHEDULERS {
            let scheduler = rig.scheduler(at)?;
            rig.schedulers.push(scheduler);
        }
        for at in 0..SCHEDULERS {
            rig.deployment.serving(at).await?;
        }
        for at in 0..WORKERS {
            let worker = receipts::worker(&rig.deployment, at)?;
            rig.workers.push(worker);
        }
        Ok(rig)
    }

    /// Starts a scheduler, on its own line to the database.
    pub(crate) fn scheduler(&self, at: usize) -> Result<Process> {
        let listen = self.deployment.url(at).trim_start_matches("http://").to_owned();
        let line = ["scheduler", "--store", &self.stores[at], "--listen", &listen];
        self.deployment.start(&format!("scheduler-{at}"), line)
    }

    /// Imports, waits, and exports: all of it through the proxies.
    pub(crate) fn job(&self, csv: &str) -> impl Future<Output = Result<()>> + use<> {
        let (out, size) =
            (self.deployment.path("out.jsonl").display().to_string(), self.plan.unit_records.to_string());
        let import = [
            "import",
            csv,
            "--job",
            JOB,
            "--pack",
            "vaccination",
            "--as-of",
            "2021-09-20",
            "--unit-size",
            &size,
        ];
        let commands = [
            self.deployment.command(import),
            self.deployment.command(["wait", JOB]),
            self.deployment.command(["export", JOB, "--out", &out, "--with-provenance"]),
        ];
        let log = self.deployment.path("clients.log");
        async move {
            for mut command in commands {
                Process::start("client", &mut command, &log)?.done(30 * LIMIT).await?;
            }
            Ok(())
        }
    }

    /// What a supervisor does: starts what has ended.
    pub(crate) fn supervise(&mut self) -> Result<()> {
        for at in 0..SCHEDULERS {
            if self.schedulers[at].has_ended() {
                self.schedulers[at] = self.scheduler(at)?;
            }
        }
        for worker in &mut self.workers {
            ensure!(!worker.has_ended(), "{} ended by itself:\n{}", worker.name(), worker.log());
        }
        Ok(())
    }

    /// The network as it is when nothing is wrong with it.
    pub(crate) fn calm(&self) -> Network {
        self.calm
    }

    /// Takes back whatever a fault was in the middle of.
    pub(crate) async fn mend(&mut self, server: &Postgres, broker: &mut RabbitMq) -> Result<()> {
        self.fronts.iter().for_each(|front| front.network(self.calm));
        self.backs.iter().for_each(|back| back.network(Network::default()));
        self.rings.network(Network::default());
        for worker in &mut self.workers {
            worker.signal(Signal::Continue)?;
        }
        // One that does not run is not frozen.
        let _not_running = broker.thaw();
        broker.run().await?;
        server.answers().await?;
        self.supervise()
    }

    /// Lets everybody end as they want. What the workers were told of.
    pub(crate) async fn dismiss(mut self) -> Result<Vec<Acknowledged>> {
        for process in self.workers.iter_mut().chain(&mut self.schedulers) {
            process.signal(Signal::Terminate)?;
        }
        for worker in &mut self.workers {
            worker.done(LIMIT).await?;
        }
        for scheduler in &mut self.schedulers {
            scheduler.end(LIMIT).await?;
        }
        receipts::acknowledged(&self.deployment, WORKERS)
    }
}
