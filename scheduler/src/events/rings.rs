//! A bell between schedulers: when one makes units ready, calls that wait on the others look at once.
//!
//! A ring is a hint. It is neither kept nor confirmed, many at once are one, and without the broker polling does.

use std::time::Duration;

use futures::StreamExt as _;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Consumer};
use tokio_util::sync::CancellationToken;

use super::broker::{BrokerError, EXCHANGE, within};
use super::message::{UNIT_READY, ready};
use super::relay::Relay;
use super::{Backoff, sleep};
use crate::bell::Bell;
use crate::ids;

/// Rings that follow each other more closely are one.
const GAP: Duration = Duration::from_millis(50);
/// Rings that wait for a scheduler that does not read.
const WAITING: i32 = 16;

/// Carries rings to and from the other schedulers until `stop`.
pub(super) async fn run(relay: Relay, bell: Bell, stop: CancellationToken) {
    // Whoever hears this body has rung itself.
    let own = ready(&ids::commit_id());
    let mut backoff = Backoff::default();
    loop {
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            ended = session(&relay, &bell, &own, &mut backoff) => ended,
        };
        tracing::debug!(error = ?ended.err(), "no rings between schedulers: they poll");
        if sleep(backoff.next(), &stop).await {
            return;
        }
    }
}

async fn session(relay: &Relay, bell: &Bell, own: &[u8], backoff: &mut Backoff) -> Result<(), BrokerError> {
    let connection = relay.open("rings").await?;
    let channel = within(connection.create_channel()).await?;
    let mut consumer = listen(&channel).await?;
    let mut outward = bell.listen_beyond();
    backoff.reset();
    // Whatever was rung in the meantime.
    bell.ring_here();
    loop {
        tokio::select! {
            heard = consumer.next() => match heard {
                Some(Ok(delivery)) if delivery.data == own => {}
                Some(Ok(_)) => bell.ring_here(),
                Some(Err(error)) => return Err(error.into()),
                None => return Err(BrokerError::Closed),
            },
            () = outward.heard() => {
                let options = BasicPublishOptions::default();
                let properties = BasicProperties::default().with_content_type("application/json".into());
                let sent = channel.basic_publish(EXCHANGE.into(), UNIT_READY.into(), options, own, properties);
                // The channel confirms nothing: this waits until it is written, no longer.
                within(async { sent.await?.await }).await?;
                tokio::time::sleep(GAP).await;
            }
        }
    }
}

/// A queue of this connection's own, which goes with it.
async fn listen(channel: &Channel) -> Result<Consumer, BrokerError> {
    let options =
        QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let mut bounded = FieldTable::default();
    bounded.insert("x-max-length".into(), WAITING.into());
    let queue = within(channel.queue_declare("".into(), options, bounded)).await?;
    let (name, bind) = (queue.name().clone(), QueueBindOptions::default());
    let bound =
        channel.queue_bind(name.clone(), EXCHANGE.into(), UNIT_READY.into(), bind, FieldTable::default());
    within(bound).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    within(channel.basic_consume(name, "".into(), options, FieldTable::default())).await
}
