//! A consumer's queue, and whether every event came to it in the end.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use emend_proto::v1::GetJobRequest;
use emend_tests::database::Database;
use emend_tests::process::eventually;
use emend_tests::rabbitmq::{RabbitMq, connect};
use lapin::options::{
    BasicAckOptions, BasicGetOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ExchangeKind};

use super::rig::{JOB, Rig};
use crate::LIMIT;

const QUEUE: &str = "fleet.cases";

/// A consumer comes, or comes back: its queue, bound to the events of records.
pub(crate) async fn subscribe(broker: &RabbitMq) -> Result<(Connection, Channel)> {
    let connection = connect(&broker.url()).await?;
    let channel = connection.create_channel().await?;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel
        .exchange_declare("emend.events".into(), ExchangeKind::Topic, durable, FieldTable::default())
        .await?;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(QUEUE.into(), durable, FieldTable::default()).await?;
    let options = QueueBindOptions::default();
    channel
        .queue_bind(QUEUE.into(), "emend.events".into(), "record.#".into(), options, FieldTable::default())
        .await?;
    Ok((connection, channel))
}

/// Waits until nothing is left to say, and compares what the queue holds with what the job says; for how many records.
pub(crate) async fn all_arrive(rig: &Rig, database: &Database, broker: &RabbitMq) -> Result<usize> {
    for at in 0..super::rig::SCHEDULERS {
        rig.deployment.serving(at).await?;
    }
    let request = GetJobRequest { job: JOB.into(), with_tallies: false };
    let job = rig.deployment.jobs(0).await?.get_job(request).await?.into_inner().job.context("a job")?;
    let progress = job.progress.context("a job has progress")?;
    let expected = usize::try_from(progress.routed + progress.failed)?;
    let (_connection, channel) = subscribe(broker).await?;
    let mut seen = BTreeSet::new();
    let arrived = async || {
        let left = database.int("SELECT COUNT(*) FROM outbox").await;
        take(&channel, &mut seen).await.ok()?;
        (left == 0 && seen.len() >= expected).then_some(())
    };
    let arrived = eventually("every event", 5 * LIMIT, arrived).await;
    arrived.with_context(|| format!("of {expected} records {} were told of", seen.len()))?;
    ensure!(seen.len() == expected, "{} records were told of, {expected} are routed or failed", seen.len());
    Ok(expected)
}

/// Takes what is in the queue: the records it speaks of.
async fn take(channel: &Channel, seen: &mut BTreeSet<u64>) -> Result<()> {
    let mut last = None;
    while let Some(got) = channel.basic_get(QUEUE.into(), BasicGetOptions::default()).await? {
        let body: serde_json::Value = serde_json::from_slice(&got.delivery.data)?;
        seen.insert(body["seq"].as_u64().context("an event names its record")?);
        last = Some(got.delivery.delivery_tag);
    }
    if let Some(tag) = last {
        channel.basic_ack(tag, BasicAckOptions { multiple: true }).await?;
    }
    Ok(())
}
