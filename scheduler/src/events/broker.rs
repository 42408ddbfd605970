//! A connection to the broker. Every word to it has a time-out of ours: a broker that is frozen says nothing at all.

use std::time::Duration;

use lapin::options::{ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::FieldTable;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind, ExchangeKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// After this long without an answer the broker counts as gone.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Where all events go.
pub(super) const EXCHANGE: &str = "emend.events";
/// Only schedulers make it. Where it is missing, the broker has lost all that it knew.
const MARK: &str = "emend.mark";
/// Seconds without a sign of life after which a connection is dead.
const HEARTBEAT: u16 = 10;
/// How a client of AMQP 0-9-1 begins.
const GREETING: &[u8] = b"AMQP\0\0\x09\x01";

/// Why the broker did not do as asked. Holds no password.
#[derive(Debug, thiserror::Error)]
pub(super) enum BrokerError {
    #[error("cannot be reached: {0}")]
    Unreachable(#[from] std::io::Error),
    #[error("did not answer within {PATIENCE:?}")]
    Silent,
    #[error("has closed the connection")]
    Closed,
    #[error("did not take a message")]
    Refused,
    #[error("{0}")]
    Protocol(#[from] lapin::Error),
    #[error("the database: {0}")]
    Store(#[from] crate::store::StoreError),
}

/// Where the broker is.
#[derive(Debug, Clone)]
pub(super) struct Broker(AMQPUri);

impl Broker {
    /// Reads `amqp://USER:PASSWORD@HOST/VHOST`; the error never holds it.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let mut uri: AMQPUri = url.parse().map_err(|_| {
            "scheduler.broker is not a URL of a broker: give amqp://USER:PASSWORD@HOST or amqps://…, with other \
             characters than letters and digits of the password as %XX"
                .to_owned()
        })?;
        if url.contains("@[") || url.contains("://[") {
            return Err("scheduler.broker names its host by an IPv6 address: give a name instead".into());
        }
        if uri.vhost.is_empty() {
            return Err("scheduler.broker ends in `/`, which names a virtual host without a name: take the \
                        slash away, or name one, as in amqp://HOST/emend"
                .into());
        }
        uri.query.heartbeat = uri.query.heartbeat.or(Some(HEARTBEAT));
        Ok(Self(uri))
    }

    /// Connects; `purpose` is shown among the broker's connections.
    pub(super) async fn connect(&self, purpose: &str) -> Result<Connection, BrokerError> {
        self.knock().await?;
        let properties =
            ConnectionProperties::default().with_connection_name(format!("emend {purpose}").into());
        within(Connection::connect_uri(self.0.clone(), properties)).await
    }

    /// Whether anybody is in: the system takes connections for a frozen broker too, and the client would keep a
    /// thread waiting for each of them.
    async fn knock(&self) -> Result<(), BrokerError> {
        let place = (self.0.authority.host.as_str(), self.0.authority.port);
        let plain = self.0.scheme == AMQPScheme::AMQP;
        let knock = async {
            let mut stream = TcpStream::connect(place).await?;
            if plain {
                stream.write_all(GREETING).await?;
                stream.read_u8().await?;
            }
            Ok(())
        };
        tokio::time::timeout(PATIENCE, knock).await.map_err(|_| BrokerError::Silent)?
    }
}

/// Waits for the broker's answer, within bounds.
pub(super) async fn within<T>(answer: impl Future<Output = lapin::Result<T>>) -> Result<T, BrokerError> {
    let answer = tokio::time::timeout(PATIENCE, answer).await.map_err(|_| BrokerError::Silent)?;
    Ok(answer?)
}

/// Whether the broker has lost all that it knew, or never knew anything.
pub(super) async fn knows_nothing(connection: &Connection) -> Result<bool, BrokerError> {
    // A channel that asked for what is missing is closed by the broker.
    let channel = within(connection.create_channel()).await?;
    let look = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    let looked = channel.exchange_declare(MARK.into(), ExchangeKind::Fanout, look, FieldTable::default());
    match within(looked).await {
        Ok(()) => Ok(false),
        Err(BrokerError::Protocol(error)) if is_not_found(&error) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Makes the exchange, if it is not there.
pub(super) async fn make_exchange(connection: &Connection) -> Result<(), BrokerError> {
    declare(connection, EXCHANGE, ExchangeKind::Topic).await
}

/// Leaves the mark that the broker knows all it has to.
pub(super) async fn leave_mark(connection: &Connection) -> Result<(), BrokerError> {
    declare(connection, MARK, ExchangeKind::Fanout).await
}

/// A channel on which the broker confirms what it has taken.
pub(super) async fn confirming(connection: &Connection) -> Result<Channel, BrokerError> {
    let channel = within(connection.create_channel()).await?;
    within(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

async fn declare(connection: &Connection, name: &str, kind: ExchangeKind) -> Result<(), BrokerError> {
    let channel = within(connection.create_channel()).await?;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    within(channel.exchange_declare(name.into(), kind, durable, FieldTable::default())).await
}

fn is_not_found(error: &lapin::Error) -> bool {
    let not_found = AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND);
    matches!(error.kind(), ErrorKind::ProtocolError(error) if *error.kind() == not_found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_or_its_fault_named_and_never_shown() {
        for sound in ["amqp://mq", "amqps://me:s3cr%40t@mq:5671/emend", "amqp://me@127.0.0.1:5672/%2f"] {
            assert!(Broker::new(sound).is_ok(), "{sound}");
        }
        let wrong = [
            ("http://me:s3cret@mq", "amqp://"),
            ("mq:5672", "amqp://"),
            ("amqp://me:s3cret@mq/", "slash"),
            ("amqp://me:s3cret@[::1]:5672", "IPv6"),
        ];
        for (url, named) in wrong {
            let reason = Broker::new(url).unwrap_err();
            assert!(reason.contains(named) && reason.contains("scheduler.broker"), "{url}: {reason}");
            assert!(!reason.contains("s3cret"), "{reason}");
        }
    }
}
