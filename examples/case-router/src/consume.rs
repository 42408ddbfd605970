//! From the broker into the inbox.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use emend_worker::endpoints::Endpoints;
use futures::{FutureExt as _, StreamExt as _};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use tokio_util::sync::CancellationToken;

use crate::catch_up;
use crate::event::Routed;
use crate::inbox::Inbox;

const EXCHANGE: &str = "emend.events";
const ROUTED: &str = "record.routed.#";
/// Deliveries that the broker hands out before it waits for acknowledgements.
const PREFETCH: u16 = 200;
/// A broker that is frozen says nothing at all: every word to it is given up after this long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Seconds without a sign of life after which a connection is dead.
const HEARTBEAT: u16 = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A queue at a broker.
#[derive(Debug)]
pub(crate) struct Source {
    broker: AMQPUri,
    queue: String,
}

impl Source {
    /// Reads the broker's URL; the error does not hold it, since it may hold a password.
    pub(crate) fn new(broker: &str, queue: String) -> Result<Self> {
        let broker: Result<AMQPUri, _> = broker.parse();
        let mut broker = broker.map_err(|_| anyhow!("--broker is no URL: give amqp://USER:PASSWORD@HOST"))?;
        broker.query.heartbeat = broker.query.heartbeat.or(Some(HEARTBEAT));
        Ok(Self { broker, queue })
    }
}

/// Consumes until `stop`, whatever becomes of the broker.
pub(crate) async fn run(source: &Source, inbox: &Inbox, schedulers: &Endpoints, stop: &CancellationToken) {
    let mut pause = FIRST_PAUSE;
    loop {
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = session(source, inbox, schedulers, &mut pause) => ended,
        };
        if let Err(error) = ended {
            tracing::warn!(error = %format!("{error:#}"), ?pause, "the broker is away");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}

async fn session(source: &Source, inbox: &Inbox, schedulers: &Endpoints, pause: &mut Duration) -> Result<()> {
    let properties = ConnectionProperties::default().with_connection_name("case-router".into());
    let connection = within(Connection::connect_uri(source.broker.clone(), properties)).await?;
    let was_there = knows(&connection, &source.queue).await;
    let channel = within(connection.create_channel()).await?;
    let mut consumer = bind(&channel, &source.queue).await?;
    if !was_there {
        // From now on nothing is missed; what was routed before is looked up.
        catch_up::run(schedulers, inbox).await.context("catching up")?;
    }
    *pause = FIRST_PAUSE;
    tracing::info!(queue = source.queue, "consuming");
    loop {
        inbox.room().await;
        let first = consumer.next().await.context("the broker closed the connection")??;
        take(&channel, first, &mut consumer, inbox).await?;
    }
}

/// Takes a delivery, and those that have come with it: one write to the disk and one acknowledgement for all.
async fn take(channel: &Channel, first: Delivery, consumer: &mut Consumer, inbox: &Inbox) -> Result<()> {
    let mut deliveries = vec![first];
    while deliveries.len() < usize::from(PREFETCH)
        && let Some(Some(next)) = consumer.next().now_or_never()
    {
        deliveries.push(next?);
    }
    let mut events = Vec::with_capacity(deliveries.len());
    let mut last = None;
    for delivery in deliveries {
        match serde_json::from_slice::<Routed>(&delivery.data) {
            Ok(event) => {
                last = Some(delivery.delivery_tag);
                events.push(event);
            }
            Err(_) => {
                tracing::error!(key = %delivery.routing_key, "an event cannot be read: rejected");
                within(channel.basic_reject(delivery.delivery_tag, BasicRejectOptions::default())).await?;
            }
        }
    }
    inbox.take(events).context("the inbox")?;
    if let Some(last) = last {
        within(channel.basic_ack(last, BasicAckOptions { multiple: true })).await?;
    }
    Ok(())
}

/// Whether the queue is there already. Asking for one that is not closes the channel.
async fn knows(connection: &Connection, queue: &str) -> bool {
    let Ok(channel) = within(connection.create_channel()).await else { return false };
    let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    within(channel.queue_declare(queue.into(), look, FieldTable::default())).await.is_ok()
}

/// A durable, replicated queue for all routed records.
async fn bind(channel: &Channel, queue: &str) -> Result<Consumer> {
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let exchange =
        channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Topic, durable, FieldTable::default());
    within(exchange).await?;
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString(LongString::from("quorum")));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    within(channel.queue_declare(queue.into(), durable, quorum)).await?;
    let bind = QueueBindOptions::default();
    within(channel.queue_bind(queue.into(), EXCHANGE.into(), ROUTED.into(), bind, FieldTable::default()))
        .await?;
    within(channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
    let consume = BasicConsumeOptions::default();
    within(channel.basic_consume(queue.into(), "".into(), consume, FieldTable::default())).await
}

async fn within<T>(answer: impl Future<Output = lapin::Result<T>>) -> Result<T> {
    let answer = tokio::time::timeout(PATIENCE, answer).await.context("the broker does not answer")?;
    Ok(answer?)
}
