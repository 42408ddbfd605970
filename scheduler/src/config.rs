//! How a scheduler is set up. Times are in seconds.

mod people;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::secret::Secret;

pub use people::{AuditConfig, DeskConfig, DeskTls};

/// Settings of a scheduler. Unknown ones are errors.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where jobs are kept: `sqlite://PATH` or `postgres://USER@HOST/NAME`.
    pub store: String,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Listen on other addresses than loopback without TLS, or without asking who calls.
    pub insecure: bool,
    /// Certificates.
    pub tls: TlsConfig,
    /// A file of bearer tokens, as `emend token new` prints its lines: read again when it changes.
    pub tokens: Option<PathBuf>,
    /// Describe the services to whoever asks.
    pub reflection: bool,
    /// After how long a client's connection ends and its next call opens another one, a fifth more or less: so that
    /// schedulers that join later get their share. 0: never. At most 86400.
    pub connection_age: f64,
    /// Connections to PostgreSQL, at most.
    pub connections: u32,
    /// How long a lease lasts without a heartbeat, 0.05 to 3600.
    pub lease_ttl: f64,
    /// How often a waiting worker's call looks for ready units when nobody rings, 0.01 to 60.
    pub poll: f64,
    /// Days after a job's end at which its records and results are deleted; 0: never.
    pub retention_days: u32,
    /// How long calls may take to finish when the scheduler stops.
    pub grace: f64,
    /// Where `/livez`, `/readyz` and `/metrics` are served over plain HTTP; nowhere unless given.
    pub probes: Option<SocketAddr>,
    /// How long work goes on as before once the scheduler is asked to stop and says that it is not ready: whoever
    /// sends calls its way needs that long to hear of it. 0 to 300.
    pub drain_delay: f64,
    /// The RabbitMQ that events go to: `amqp://USER:PASSWORD@HOST` or `amqps://…`. None: nobody is told, and nothing is
    /// written to be told. All schedulers of a store need the same.
    pub broker: Option<Secret>,
    /// How long consumers have to come back to a broker that lost everything, before events are said to it again, 0 to
    /// 3600.
    pub broker_settle: f64,
    /// Where records are sorted when those of a grouped job are put together: files without a name, up to twice the
    /// size of the job's records. None: the system's folder for temporary files.
    pub scratch: Option<PathBuf>,
    /// What autoscalers are told.
    pub scaler: Scaler,
    /// Where people sign in and decide.
    pub desk: DeskConfig,
    /// A reviewer whose answers to reviews with a known answer are wrong more often than this, beyond doubt, is paused: a share
    /// of 0.01 to 1; 1 pauses nobody.
    pub reviewer_error_limit: f64,
    /// How the audit log is kept.
    pub audit: AuditConfig,
    /// The store without one of its guards, for tests that must notice.
    #[cfg(feature = "test-hooks")]
    #[serde(skip)]
    pub mutant: Option<crate::store::Mutant>,
}

/// What autoscalers are told.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scaler {
    /// Records that one worker settles in a second, until a rate has been seen. Above 0, at most 1,000,000,000.
    pub records_per_second: f64,
    /// In how many seconds a job without a deadline shall be done, 1 to 31,536,000.
    pub drain: f64,
}

impl Default for Scaler {
    fn default() -> Self {
        Self { records_per_second: 10_000.0, drain: 600.0 }
    }
}

impl Scaler {
    pub(crate) fn drain(self) -> Duration {
        Duration::from_secs_f64(self.drain)
    }
}

/// TLS: PEM files, read again when they change.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The scheduler's certificate, and those between it and its authority. With it everything is TLS.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// The authorities of the callers' certificates. Unless there are tokens, a caller without a certificate of
    /// theirs does not get past the handshake.
    pub client_ca: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            store: "sqlite://emend.db".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 7070)),
            insecure: false,
            tls: TlsConfig::default(),
            tokens: None,
            reflection: true,
            connection_age: 300.0,
            connections: 10,
            lease_ttl: 60.0,
            poll: 0.5,
            retention_days: 30,
            grace: 10.0,
            probes: None,
            drain_delay: 0.0,
            scratch: None,
            scaler: Scaler::default(),
            desk: DeskConfig::default(),
            reviewer_error_limit: 0.2,
            audit: AuditConfig::default(),
            broker: None,
            broker_settle: 30.0,
            #[cfg(feature = "test-hooks")]
            mutant: None,
        }
    }
}

impl Config {
    /// What is wrong with the settings, naming the first one at fault.
    ///
    /// # Errors
    /// A sentence for whoever wrote them.
    pub fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: f64, least: f64, most: f64| {
            let holds = (least..=most).contains(&value);
            if holds {
                Ok(())
            } else {
                Err(format!("scheduler.{name} is {value}: give {least} to {most} seconds"))
            }
        };
        within("lease_ttl", self.lease_ttl, 0.05, 3600.0)?;
        within("poll", self.poll, 0.01, 60.0)?;
        within("grace", self.grace, 0.0, 3600.0)?;
        within("drain_delay", self.drain_delay, 0.0, 300.0)?;
        within("connection_age", self.connection_age, 0.0, 86_400.0)?;
        within("scaler.drain", self.scaler.drain, 1.0, 31_536_000.0)?;
        let rate = self.scaler.records_per_second;
        if !(rate > 0.0 && rate <= 1e9) {
            return Err(format!(
                "scheduler.scaler.records_per_second is {rate}: give what one worker settles in a second, above 0"
            ));
        }
        within("broker_settle", self.broker_settle, 0.0, 3600.0)?;
        if let Some(broker) = &self.broker {
            crate::events::check(broker.reveal())?;
        }
        if self.connections < 2 {
            return Err(format!("scheduler.connections is {}: give at least 2", self.connections));
        }
        self.check_people()?;
        self.check_wire()
    }

    /// Whether callers are asked for their names: else everybody may do everything.
    pub fn knows_callers(&self) -> bool {
        self.tls.client_ca.is_some() || self.tokens.is_some()
    }

    fn check_wire(&self) -> Result<(), String> {
        let TlsConfig { certificate, key, client_ca } = &self.tls;
        let has_tls = certificate.is_some();
        if has_tls != key.is_some() {
            let (there, missing) = if has_tls { ("certificate", "key") } else { ("key", "certificate") };
            return Err(format!("scheduler.tls.{there} is given without scheduler.tls.{missing}: give both"));
        }
        if client_ca.is_some() && !has_tls {
            return Err(
                "scheduler.tls.client_ca needs scheduler.tls.certificate and scheduler.tls.key".into()
            );
        }
        if self.listen.ip().is_loopback() || self.insecure {
            return Ok(());
        }
        let listen = self.listen;
        if !has_tls {
            return Err(format!(
                "scheduler.listen is {listen}, which others can reach, and there is no TLS: listen on 127.0.0.1, \
                 give scheduler.tls.certificate and scheduler.tls.key, or say --insecure if the network is yours"
            ));
        }
        if !self.knows_callers() {
            return Err(format!(
                "scheduler.listen is {listen}, which others can reach, and nobody is asked who they are: give \
                 scheduler.tls.client_ca or scheduler.tokens, or say --insecure if the network is yours"
            ));
        }
        Ok(())
    }

    pub(crate) fn lease_ttl(&self) -> Duration {
        Duration::from_secs_f64(self.lease_ttl)
    }

    pub(crate) fn poll(&self) -> Duration {
        Duration::from_secs_f64(self.poll)
    }

    pub(crate) fn grace(&self) -> Duration {
        Duration::from_secs_f64(self.grace)
    }

    pub(crate) fn connection_age(&self) -> Option<Duration> {
        (self.connection_age > 0.0).then(|| Duration::from_secs_f64(self.connection_age))
    }

    pub(crate) fn drain_delay(&self) -> Duration {
        Duration::from_secs_f64(self.drain_delay)
    }

    pub(crate) fn broker_settle(&self) -> Duration {
        Duration::from_secs_f64(self.broker_settle)
    }

    pub(crate) fn scratch(&self) -> PathBuf {
        self.scratch.clone().unwrap_or_else(std::env::temp_dir)
    }

    pub(crate) fn retention(&self) -> Option<Duration> {
        let day = Duration::from_secs(24 * 60 * 60);
        (self.retention_days > 0).then(|| day * self.retention_days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_setting_is_named() {
        assert_eq!(Config::default().check(), Ok(()));
        let wrong = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().unwrap_err()
        };
        assert!(wrong(|config| config.lease_ttl = 0.0).contains("lease_ttl"));
        assert!(wrong(|config| config.poll = f64::NAN).contains("poll"));
        assert!(wrong(|config| config.connection_age = -1.0).contains("connection_age"));
        assert!(wrong(|config| config.drain_delay = -1.0).contains("drain_delay"));
        assert!(wrong(|config| config.scaler.drain = 0.0).contains("scaler.drain"));
        assert!(wrong(|config| config.scaler.records_per_second = 0.0).contains("records_per_second"));
        assert!(wrong(|config| config.broker = Some(Secret::new("http://x"))).contains("scheduler.broker"));
        assert!(wrong(|config| config.listen = ([0, 0, 0, 0], 7070).into()).contains("--insecure"));
    }

    #[test]
    fn who_can_be_reached_by_others_has_tls_and_knows_its_callers() {
        let public = || Config { listen: ([0, 0, 0, 0], 7070).into(), ..Config::default() };
        let file = || Some(PathBuf::from("file"));
        let tls = || TlsConfig { certificate: file(), key: file(), client_ca: None };
        let said = |config: &Config| config.check().unwrap_err();
        assert!(said(&public()).contains("no TLS"));
        assert!(said(&Config { tokens: file(), ..public() }).contains("no TLS"));
        assert!(said(&Config { tls: tls(), ..public() }).contains("client_ca or scheduler.tokens"));
        let fine = [
            Config { tls: TlsConfig { client_ca: file(), ..tls() }, ..public() },
            Config { tls: tls(), tokens: file(), ..public() },
            Config { insecure: true, ..public() },
            Config { tls: tls(), insecure: true, ..public() },
        ];
        assert!(fine.iter().all(|config| config.check().is_ok()));
        let half = Config { tls: TlsConfig { key: None, ..tls() }, ..Config::default() };
        assert!(said(&half).contains("scheduler.tls.key"));
        let half =
            Config { tls: TlsConfig { client_ca: file(), ..TlsConfig::default() }, ..Config::default() };
        assert!(said(&half).contains("client_ca needs"));
    }
}
