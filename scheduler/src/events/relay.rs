//! The relay: takes rows from the outbox, publishes what they say, and deletes them once the broker has confirmed.
//!
//! Any number of schedulers may run one. No transaction is open while the broker is spoken to.

use std::time::{Duration, Instant};

use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use tokio_util::sync::CancellationToken;

use super::broker::{self, Broker, BrokerError, EXCHANGE, within};
use super::message::{Event, expand};
use super::{Backoff, sleep};
use crate::clock::Clock;
use crate::store::{Claim, Store};

/// Messages under way before their confirms are waited for.
const WINDOW: usize = 256;
/// Rows taken at once. Each may hold 10,000 results.
const ROWS: u32 = 16;
/// How long rows are this relay's. A relay that needs longer than half of it leaves the rest to the next turn.
const HOLD: Duration = Duration::from_secs(120);
/// How often an empty outbox is looked at.
const IDLE: Duration = Duration::from_millis(250);
/// While this scheduler takes commits, the relay rests so many times as long as it works: what it does not take now it
/// takes when the job is done, and nothing is lost by that.
const REST: u32 = 6;
const LONGEST_REST: Duration = Duration::from_secs(1);
/// How long a row waits whose block cannot be read.
const DAMAGED: Duration = Duration::from_secs(3600);
/// Survives a restart of the broker.
const PERSISTENT: u8 = 2;

/// All that the relay needs.
#[derive(Debug, Clone)]
pub(super) struct Relay {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) broker: Broker,
    /// How long consumers have to come back to a broker that lost everything.
    pub(super) settle: Duration,
}

/// Relays until `stop`, whatever becomes of the broker.
pub(super) async fn run(relay: Relay, stop: CancellationToken) {
    let mut backoff = Backoff::default();
    loop {
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            ended = relay.session(&mut backoff) => ended,
        };
        metrics::gauge!("emend_broker_connected").set(0.0);
        tracing::warn!(error = %ended, "the broker is away: events wait in the outbox");
        if sleep(backoff.next(), &stop).await {
            return;
        }
    }
}

impl Relay {
    /// One connection, for as long as it lasts.
    async fn session(&self, backoff: &mut Backoff) -> BrokerError {
        let opened = async {
            let connection = self.open("relay").await?;
            let channel = broker::confirming(&connection).await?;
            Ok((connection, channel))
        };
        let (connection, channel) = match opened.await {
            Ok(opened) => opened,
            Err(error) => return error,
        };
        tracing::info!("connected to the broker");
        metrics::gauge!("emend_broker_connected").set(1.0);
        backoff.reset();
        let mut line = Line { connection, channel, nobody_said: false };
        loop {
            let begun = Instant::now();
            match self.turn(&mut line).await {
                Ok(true) if self.store.tells_at(self.clock.now()) => {
                    tokio::time::sleep((begun.elapsed() * REST).min(LONGEST_REST)).await;
                }
                Ok(true) => {}
                Ok(false) => tokio::time::sleep(IDLE).await,
                Err(error) => return error,
            }
        }
    }

    /// Connects, and makes the exchange. A broker that knows nothing is to hear everything again, once consumers had
    /// time to come back; the mark comes last, so that a scheduler that dies in between leaves this to the next.
    pub(super) async fn open(&self, purpose: &str) -> Result<Connection, BrokerError> {
        let connection = self.broker.connect(purpose).await?;
        let lost = broker::knows_nothing(&connection).await?;
        if lost {
            let now = self.clock.now();
            tracing::warn!(settle = ?self.settle, "the broker knows nothing: events of unfinished jobs are said again");
            self.store.say_again(now, now + self.settle).await?;
        }
        broker::make_exchange(&connection).await?;
        if lost {
            broker::leave_mark(&connection).await?;
        }
        Ok(connection)
    }

    /// Takes some rows and publishes them; whether there was anything to do.
    async fn turn(&self, line: &mut Line) -> Result<bool, BrokerError> {
        if !line.connection.status().connected() {
            return Err(BrokerError::Closed);
        }
        // Memory or disk alarm: the broker reads nothing. It says when it is over.
        if line.connection.status().blocked() {
            return Ok(false);
        }
        let claim = match self.store.claim_outbox(ROWS, HOLD, self.clock.now()).await {
            Ok(claim) => claim,
            Err(error) => {
                tracing::warn!(%error, "the outbox cannot be read; the relay goes on");
                return Ok(false);
            }
        };
        if claim.rows.is_empty() {
            return Ok(false);
        }
        let until = claim.until;
        match publish(line, claim.clone()).await {
            Ok(done) => {
                self.store.outbox_said(Claim { rows: done.said, until }).await?;
                self.store.postpone_outbox(Claim { rows: done.left, until }, self.clock.now()).await?;
                let later = self.clock.now() + DAMAGED;
                self.store.postpone_outbox(Claim { rows: done.damaged, until }, later).await?;
                Ok(true)
            }
            Err(error) => {
                // Whether the broker has them is unknown: they are said again, by whoever comes first.
                if let Err(error) = self.store.postpone_outbox(claim, self.clock.now()).await {
                    tracing::debug!(%error, "rows are given back when their time is over");
                }
                if line.connection.status().blocked() { Ok(false) } else { Err(error) }
            }
        }
    }
}

/// An open connection.
struct Line {
    connection: Connection,
    channel: Channel,
    /// It was logged that somebody's events reach nobody.
    nobody_said: bool,
}

/// What became of the rows of a claim.
#[derive(Default)]
struct Done {
    said: Vec<crate::store::OutboxRow>,
    left: Vec<crate::store::OutboxRow>,
    damaged: Vec<crate::store::OutboxRow>,
}

async fn publish(line: &mut Line, claim: Claim) -> Result<Done, BrokerError> {
    let begun = Instant::now();
    let mut done = Done::default();
    let mut window = Vec::with_capacity(WINDOW);
    for row in claim.rows {
        if begun.elapsed() > HOLD / 2 {
            done.left.push(row);
            continue;
        }
        let (row, events) = match tokio::task::spawn_blocking(move || {
            let events = expand(&row);
            (row, events)
        })
        .await
        {
            Ok(expanded) => expanded,
            Err(_) => return Err(BrokerError::Refused),
        };
        let events = match events {
            Ok(events) => events,
            Err(error) => {
                let (job_id, unit_id) = (row.job_id, row.unit_id());
                tracing::error!(job_id, unit_id, %error, "results cannot be read: their events wait");
                done.damaged.push(row);
                continue;
            }
        };
        for event in events {
            window.push(event);
            if window.len() == WINDOW {
                line.send(std::mem::take(&mut window)).await?;
            }
        }
        done.said.push(row);
    }
    line.send(window).await?;
    Ok(done)
}

impl Line {
    /// Publishes a window of messages, and waits until the broker has confirmed each.
    async fn send(&mut self, window: Vec<Event>) -> Result<(), BrokerError> {
        let confirmed = within(async {
            let mut confirms = Vec::with_capacity(window.len());
            for event in &window {
                confirms.push(self.publish(event).await?);
            }
            let mut confirmed = Vec::with_capacity(confirms.len());
            for confirm in confirms {
                confirmed.push(confirm.await?);
            }
            Ok(confirmed)
        });
        for (event, confirmation) in window.iter().zip(confirmed.await?) {
            match confirmation {
                Confirmation::Ack(None) => {
                    metrics::counter!("emend_events_published_total", "kind" => event.kind).increment(1);
                }
                Confirmation::Ack(Some(returned)) => self.returned(event, &returned),
                Confirmation::Nack(_) | Confirmation::NotRequested => return Err(BrokerError::Refused),
            }
        }
        Ok(())
    }

    async fn publish(&self, event: &Event) -> lapin::Result<lapin::PublisherConfirm> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = BasicProperties::default()
            .with_message_id(short(&event.id))
            .with_timestamp(event.at.0.unsigned_abs() / 1000)
            .with_type(short(event.kind))
            .with_app_id(short("emend"))
            .with_content_type(short("application/json"))
            .with_delivery_mode(PERSISTENT);
        let key = short(&event.routing_key);
        self.channel.basic_publish(short(EXCHANGE), key, options, &event.body, properties).await
    }

    /// No queue is bound for it: nobody asked, so it is counted and dropped.
    fn returned(&mut self, event: &Event, returned: &BasicReturnMessage) {
        metrics::counter!("emend_events_returned_total").increment(1);
        if !self.nobody_said {
            self.nobody_said = true;
            let (key, reason) = (&event.routing_key, returned.reply_text.as_str());
            tracing::warn!(
                key,
                reason,
                "no queue is bound for an event; such events are counted and dropped"
            );
        }
    }
}

/// All that we send is far below the 255 bytes of a short string; see [`super::message`].
fn short(text: &str) -> ShortString {
    ShortString::try_new(text).unwrap_or_default()
}
