//! The job with events on: a relay that tells a RabbitMQ of every routed record.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use sqlx::{Connection as _, PgConnection};

use super::data::Data;
use super::floor;
use super::pipeline::{JOB, Run, Told, file_to_file};
use super::queue::{Queue, is_known};
use super::report::{Table, median, seconds};
use super::server::{Server, settle};
use crate::process::{Deployment, Usage, eventually, tree_cpu};
use crate::rabbitmq::RabbitMq;

/// What it is called in tables.
pub(super) const NAME: &str = "Emend on PostgreSQL, events on";
/// A job tells that it is importing, that it runs, and that it waits for people.
const JOB_EVENTS: usize = 3;
/// Far above what the relay needs after a job.
const LIMIT: Duration = Duration::from_secs(1800);
/// How often the outbox is looked at; each look costs PostgreSQL next to nothing.
const LOOK: Duration = Duration::from_millis(50);
/// The milliseconds since the last unit, once the job has nothing left to do or to say.
const SILENT: &str = "
    SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint - (SELECT MAX(done_at) FROM units)
    FROM jobs WHERE state IN ('reviewing', 'completed') AND NOT EXISTS (SELECT FROM outbox)";

/// A RabbitMQ that runs only while it is needed, so that the other contenders have the machine for themselves.
pub(super) struct Broker(RabbitMq);

impl Broker {
    /// A broker that schedulers know. To one that is new they would say everything again half a minute later.
    pub(super) async fn prepare() -> Result<Self> {
        let mut node = RabbitMq::prepare()?;
        node.run().await?;
        let url = node.url();
        let first = Deployment::on_sqlite()?.set("EMEND__SCHEDULER__BROKER", &url);
        let _scheduler = first.scheduler(0).await?;
        eventually("the broker's mark", LIMIT, async || is_known(&url).await.then_some(())).await?;
        node.stop().await?;
        Ok(Self(node))
    }
}

/// Import, wait, export, and then until everything is told.
pub(super) async fn run(data: &Data, server: &Server, broker: &mut Broker) -> Result<Run> {
    let node = &mut broker.0;
    node.run().await?;
    let queue = Queue::make(&node.url()).await?;
    let database = server.fresh_database().await?;
    let deployment = Deployment::on(&server.url(&database))?.set("EMEND__SCHEDULER__BROKER", node.url());
    let cpu = (server.cpu(), tree_cpu(node.id()?));
    let mut scheduler = deployment.scheduler(0).await?;
    let mut worker = deployment.worker(0)?;
    let begun = Instant::now();
    let told = async {
        let after = silent(deployment.store()).await?;
        Ok((after, begun.elapsed()))
    };
    let (mut run, (after, total)) = tokio::try_join!(file_to_file(data, &deployment, None), told)?;
    run.name = NAME;
    run.used.insert(0, ("worker", worker.usage()));
    run.used.insert(0, ("scheduler", scheduler.usage()));
    run.used.push(("postgres", Usage { cpu_seconds: server.cpu() - cpu.0, peak_rss: 0 }));
    run.used.push(("rabbitmq", Usage { cpu_seconds: tree_cpu(node.id()?) - cpu.1, peak_rss: 0 }));
    let expected = expected(&deployment).await?;
    let held = queue.empty().await?;
    ensure!(held.events == expected, "{} events of {expected} are in the queue", held.events);
    run.told = Some(Told { events: expected, again: held.messages - expected, after, total });
    drop((worker, scheduler));
    server.drop_database(&database).await;
    node.stop().await?;
    settle()?;
    Ok(run)
}

/// Waits until the job has nothing left to say; how long that is after its last unit, by the database's clock.
async fn silent(store: &str) -> Result<Duration> {
    let mut connection = PgConnection::connect(store).await?;
    let look = async {
        loop {
            if let Some(since) = sqlx::query_scalar(SILENT).fetch_optional(&mut connection).await? {
                let since: i64 = since;
                return Ok(Duration::from_millis(since.unsigned_abs()));
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(LIMIT, look).await.context("the outbox does not become empty")?
}

/// How many events the job must have had: by what an export says of its records, not by what the relay counted.
async fn expected(deployment: &Deployment) -> Result<usize> {
    let out = deployment.path("people.jsonl");
    let text = out.display().to_string();
    let export = ["export", JOB, "--only", "routed,failed", "--with-provenance", "--out", &text];
    deployment.start("export-people", export)?.done(LIMIT).await?;
    let mut count = JOB_EVENTS;
    for line in std::fs::read_to_string(&out)?.lines() {
        let record: serde_json::Value = serde_json::from_str(line)?;
        let findings = record["findings"].as_array().context("a record has findings")?;
        let codes: BTreeSet<_> = findings.iter().filter_map(|finding| finding["code"].as_str()).collect();
        count += if record["verdict"] == "failed" { 1 } else { codes.len() };
    }
    Ok(count)
}

/// What the table cannot say: that all events arrived, and when.
pub(super) fn markdown(table: &Table) -> String {
    let told: Vec<Told> = table.runs().filter_map(|run| run.told).collect();
    let Some(first) = told.first() else { return String::new() };
    let times = |value: fn(&Told) -> Duration| told.iter().map(value).map(|time| time.as_secs_f64());
    let middle = |value| Duration::from_secs_f64(median(times(value).collect()).unwrap_or_default());
    let slowest = told.iter().map(|told| told.after).max().unwrap_or_default();
    let total = middle(|told| told.total);
    let ratio = table.median(floor::NAME).map_or_else(String::new, |floor| {
        format!(", {:.2}× the floor", total.as_secs_f64() / floor.as_secs_f64())
    });
    format!(
        "With events on, a RabbitMQ on the same machine keeps each of them in a durable quorum queue that nobody reads: \
         all {} were there at the end of every run ({} came twice). The outbox was empty {} after the last unit (slowest \
         {}), {} after the import's start{ratio}.\n",
        first.events,
        told.iter().map(|told| told.again).sum::<usize>(),
        seconds(middle(|told| told.after)),
        seconds(slowest),
        seconds(total),
    )
}
