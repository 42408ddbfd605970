//! The whole fleet: three schedulers, six workers, PostgreSQL and RabbitMQ, every connection through the fault proxy.
//! One fault after another, and the export is byte for byte that of the same fleet undisturbed.
//!
//! The network between workers and schedulers takes its time in both runs, so that the run is long enough for many
//! faults and does not depend on the machine's cores. The long form:
//! `FLEET_RECORDS=700000 FLEET_EVERY_MS=20000 cargo test --workspace --test fleet run:: -- --nocapture`

mod events;
mod faults;
mod rig;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use emend_scheduler::store::Store;
use emend_tests::amount;
use emend_tests::database::Database;
use emend_tests::invariants;
use emend_tests::postgres::Postgres;
use emend_tests::process::Deployment;
use emend_tests::rabbitmq::RabbitMq;
use tokio_util::sync::CancellationToken;

use faults::Told;
use rig::{JOB, Rig};

/// A fault every so often makes a run at most so many times as long.
const TIMES: f64 = 2.0;
/// Below this distance of the faults their number is no measure of anything.
const SELDOM: Duration = Duration::from_secs(20);

/// How much, and how rough.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    records: u64,
    unit_records: u64,
    every: Duration,
    /// Of the network between clients and schedulers, one way.
    delay: Duration,
    seed: u64,
}

impl Plan {
    fn from_environment() -> Self {
        Self {
            records: amount("FLEET_RECORDS", 40_000),
            unit_records: amount("FLEET_UNIT", 25),
            every: Duration::from_millis(amount("FLEET_EVERY_MS", 1_500)),
            delay: Duration::from_millis(amount("FLEET_DELAY_MS", 30)),
            seed: amount("FLEET_SEED", 1),
        }
    }
}

/// What a run came to.
struct Run {
    export: Vec<u8>,
    took: Duration,
    told: Told,
    acknowledged: usize,
    events: usize,
}

/// One job from import to export. With faults, if they are asked for.
async fn run(
    plan: Plan,
    disturbed: bool,
    csv: &str,
    server: &Postgres,
    broker: &mut RabbitMq,
) -> Result<Run> {
    let name = server.create_database().await;
    broker.run().await?;
    let mut rig = Rig::start(plan, server, &name, broker).await?;
    // A consumer that is there from the start.
    drop(events::subscribe(broker).await?);
    let begun = Instant::now();
    let job = rig.job(csv);
    let mut told = Told::default();
    let over = CancellationToken::new();
    let job = async {
        let done = job.await;
        over.cancel();
        done.map(|()| begun.elapsed())
    };
    let took = if disturbed {
        // A fault that has begun when the job is over is done to its end, and mended.
        let faults = faults::go_on(plan, &mut rig, server, broker, &mut told, &over);
        let (took, broken) = tokio::join!(job, faults);
        broken.and(took)?
    } else {
        job.await?
    };
    rig.mend(server, broker).await?;
    let export = std::fs::read(rig.deployment.path("out.jsonl"))?;
    let database = Database::on(server, name);
    let events = events::all_arrive(&rig, &database, broker).await?;
    let acknowledged = rig.dismiss().await?;
    let store = Store::open(&database.url, 2).await?;
    invariants::hold(&store, &database, &acknowledged).await;
    store.close().await;
    Ok(Run { export, took, told, acknowledged: acknowledged.len(), events })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_done_to_the_fleet_the_export_is_the_same() -> Result<()> {
    let _turn = crate::turn().await;
    let plan = Plan::from_environment();
    let source = Deployment::on_sqlite()?;
    let csv = source.generate(plan.records).await?.join("records.csv").display().to_string();
    let server = Postgres::start(&[]);
    let mut broker = RabbitMq::prepare()?;
    let calm = run(plan, false, &csv, &server, &mut broker).await.context("undisturbed")?;
    let rough = run(plan, true, &csv, &server, &mut broker).await.context("disturbed")?;
    let times = rough.took.as_secs_f64() / calm.took.as_secs_f64();
    println!(
        "{} records in units of {}, {} ms each way, seed {}: undisturbed {:.1?}, with a fault every {:?} {:.1?} ({times:.2} times)\n\
         {}\n{} acknowledged commits, 0 lost; all events of {} records arrived; exports equal, {} bytes",
        plan.records,
        plan.unit_records,
        plan.delay.as_millis(),
        plan.seed,
        calm.took,
        plan.every,
        rough.took,
        rough.told,
        rough.acknowledged,
        rough.events,
        rough.export.len()
    );
    ensure!(calm.export == rough.export, "the export is not that of the undisturbed run of job {JOB}");
    ensure!(rough.told.count() >= 4, "only {} faults: give more records", rough.told.count());
    ensure!(plan.every < SELDOM || times <= TIMES, "{times:.2} times as long");
    Ok(())
}
