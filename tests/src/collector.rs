//! A consumer that remembers every event it gets, from a durable queue, whatever becomes of the broker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Channel, Connection, Consumer, ExchangeKind};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::process::eventually;
use crate::rabbitmq::connect;

/// How long anything here may take, the start of a broker on a busy machine among it.
const LIMIT: Duration = Duration::from_secs(240);

/// An event as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Its routing key.
    pub key: String,
    /// What it says.
    pub body: Value,
    /// How often it came.
    pub times: u32,
}

/// What kind of queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As consumers should have it.
    Quorum,
    /// RabbitMQ 3.10 was seen to lose the leader of a quorum queue for good when it is killed within seconds of the
    /// queue's declaration, as tests do.
    Classic,
}

/// Events by their id.
pub type Events = BTreeMap<String, Heard>;

/// Collects until it is dropped. Its queue stays.
#[derive(Debug)]
pub struct Collector {
    events: Arc<Mutex<Events>>,
    _task: JoinSet<()>,
}

impl Collector {
    /// Begins to collect what `keys` are bound to in the queue `name`; returns once the queue is bound.
    ///
    /// # Errors
    /// When the broker does not answer in time.
    pub async fn start(url: &str, name: &str, kind: Kind, keys: &[&str]) -> Result<Self> {
        let events = Arc::new(Mutex::new(Events::new()));
        let (url, name) = (format!("{url}?heartbeat=4"), name.to_owned());
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let look = async || bind(&url, &name, kind, &keys).await.ok();
        let mut bound = Some(eventually("a collector's queue", LIMIT, look).await?);
        let mut task = JoinSet::new();
        let into = events.clone();
        task.spawn(async move {
            loop {
                if let Some((_connection, channel, consumer)) = bound.take() {
                    let _gone = collect(&channel, consumer, &into).await;
                }
                let again =
                    tokio::time::timeout(Duration::from_secs(5), bind(&url, &name, kind, &keys)).await;
                bound = again.ok().and_then(Result::ok);
                if bound.is_none() {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        });
        Ok(Self { events, _task: task })
    }

    /// All it has got so far.
    pub fn events(&self) -> Events {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until each of these has come at least once.
    ///
    /// # Errors
    /// Naming one that has not.
    pub async fn has(&self, wanted: &[String], limit: Duration) -> Result<()> {
        let missing = || {
            let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
            wanted.iter().filter(|id| !events.contains_key(*id)).cloned().collect::<Vec<_>>()
        };
        let all = eventually("events", limit, async || missing().is_empty().then_some(())).await;
        all.with_context(|| {
            let missing = missing();
            format!("{} of {} are missing, such as {:?}", missing.len(), wanted.len(), missing.first())
        })
    }
}

async fn bind(url: &str, name: &str, kind: Kind, keys: &[String]) -> Result<(Connection, Channel, Consumer)> {
    let connection = connect(url).await?;
    let channel = connection.create_channel().await?;
    declare(&channel, name, kind, keys).await?;
    channel.basic_qos(500, BasicQosOptions::default()).await?;
    let consume = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(name.into(), "".into(), consume, FieldTable::default()).await?;
    Ok((connection, channel, consumer))
}

/// Makes a durable queue, bound for `keys`.
pub(crate) async fn declare(channel: &Channel, name: &str, kind: Kind, keys: &[String]) -> Result<()> {
    let exchange = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declared =
        channel.exchange_declare("emend.events".into(), ExchangeKind::Topic, exchange, FieldTable::default());
    declared.await?;
    let kind = match kind {
        Kind::Quorum => "quorum",
        Kind::Classic => "classic",
    };
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString(LongString::from(kind)));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.into(), durable, arguments).await?;
    for key in keys {
        let bind = QueueBindOptions::default();
        let (queue, exchange, key) = (name.into(), "emend.events".into(), key.as_str().into());
        channel.queue_bind(queue, exchange, key, bind, FieldTable::default()).await?;
    }
    Ok(())
}

async fn collect(channel: &Channel, mut consumer: Consumer, into: &Mutex<Events>) -> Result<()> {
    while let Some(delivery) = consumer.next().await {
        let delivery = delivery?;
        let body: Value = serde_json::from_slice(&delivery.data)?;
        let id = delivery.properties.message_id().as_ref().map(ToString::to_string);
        // Hints have none.
        let id = id.unwrap_or_else(|| delivery.routing_key.to_string());
        {
            let mut events = into.lock().unwrap_or_else(PoisonError::into_inner);
            let key = delivery.routing_key.to_string();
            let heard = events.entry(id).or_insert(Heard { key, body: body.clone(), times: 0 });
            heard.times += 1;
            assert_eq!(heard.body, body, "an id names one message");
        }
        channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await?;
    }
    Ok(())
}
