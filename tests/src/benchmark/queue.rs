//! A queue that keeps all that is told, and that nobody reads until the end.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use lapin::options::{BasicConsumeOptions, ExchangeDeclareOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ExchangeKind};

use crate::collector::{Kind, declare};
use crate::rabbitmq::connect;

/// The queue's name.
const NAME: &str = "bench";
/// All events. `#` would also take the hints among schedulers, which are neither kept nor counted.
const EVENTS: [&str; 2] = ["job.#", "record.#"];
/// How long the broker may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Durable and of the quorum type, as `docs/EVENTS.md` has it for consumers.
pub(super) struct Queue {
    connection: Connection,
}

/// What a queue held.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Held {
    /// Messages.
    pub(super) messages: usize,
    /// Events: messages with ids of their own.
    pub(super) events: usize,
}

impl Queue {
    /// Makes it, bound for all events.
    pub(super) async fn make(url: &str) -> Result<Self> {
        let connection = connect(url).await?;
        let channel = connection.create_channel().await?;
        declare(&channel, NAME, Kind::Quorum, &EVENTS.map(String::from)).await?;
        Ok(Self { connection })
    }

    /// Takes all messages out, and deletes it.
    pub(super) async fn empty(self) -> Result<Held> {
        let channel = self.connection.create_channel().await?;
        let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare(NAME.into(), look, FieldTable::default()).await?;
        let messages = usize::try_from(queue.message_count())?;
        let unasked = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let mut consumer =
            channel.basic_consume(NAME.into(), "".into(), unasked, FieldTable::default()).await?;
        let mut ids = HashSet::with_capacity(messages);
        for _ in 0..messages {
            let next = tokio::time::timeout(PATIENCE, consumer.next()).await;
            let delivery = next.context("the queue is silent")?.context("the queue has ended")??;
            let id = delivery.properties.message_id().as_ref().context("an event has an id")?;
            ids.insert(id.to_string());
        }
        channel.queue_delete(NAME.into(), QueueDeleteOptions::default()).await?;
        Ok(Held { messages, events: ids.len() })
    }
}

/// Whether a scheduler has found the broker new, and has left its mark.
pub(super) async fn is_known(url: &str) -> bool {
    let Ok(connection) = connect(url).await else { return false };
    let Ok(channel) = connection.create_channel().await else { return false };
    let look = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    channel
        .exchange_declare("emend.mark".into(), ExchangeKind::Fanout, look, FieldTable::default())
        .await
        .is_ok()
}
