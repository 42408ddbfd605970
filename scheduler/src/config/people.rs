//! Settings of the desk and of the audit log.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::Deserialize;

use super::{Config, TlsConfig};
use crate::domain::audit::AuditKey;
use crate::secret::Secret;

/// Where people sign in and decide.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeskConfig {
    /// Where the desk is served over HTTP; nowhere unless given.
    pub listen: Option<SocketAddr>,
    /// Networks of proxies before it, such as an Ingress's: what they say in `X-Forwarded-For` of who asks is believed.
    /// None unless given.
    pub proxies: Vec<IpNet>,
    /// Its certificate; the scheduler's unless given.
    pub tls: DeskTls,
}

/// PEM files, read again when they change. People's browsers show no certificates.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeskTls {
    /// The certificate, and those between it and its authority.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
}

/// How the audit log is kept from being changed in silence.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// 64 hexadecimal digits, the same for all schedulers of a store. On SQLite a file beside the database is made
    /// unless given; on PostgreSQL entries wait until there is one.
    pub key: Option<Secret>,
    /// Where the newest entry's number and MAC are kept outside the store, of each scheduler its own. On SQLite a file
    /// beside the database unless given.
    pub head: Option<PathBuf>,
}

impl Config {
    /// The desk's certificate, which may be the scheduler's; none when it is served without TLS.
    pub(crate) fn desk_tls(&self) -> Option<TlsConfig> {
        let own = TlsConfig {
            certificate: self.desk.tls.certificate.clone(),
            key: self.desk.tls.key.clone(),
            client_ca: None,
        };
        let tls =
            if own.certificate.is_some() { own } else { TlsConfig { client_ca: None, ..self.tls.clone() } };
        tls.certificate.is_some().then_some(tls)
    }

    pub(super) fn check_people(&self) -> Result<(), String> {
        let DeskTls { certificate, key } = &self.desk.tls;
        if certificate.is_some() != key.is_some() {
            return Err("scheduler.desk.tls needs both certificate and key".into());
        }
        let limit = self.reviewer_error_limit;
        if !(0.01..=1.0).contains(&limit) {
            return Err(format!("scheduler.reviewer_error_limit is {limit}: give a share of 0.01 to 1"));
        }
        if let Some(key) = &self.audit.key {
            AuditKey::parse(key.reveal())
                .map_err(|what| format!("scheduler.audit.key cannot be used: {what}"))?;
        }
        match self.desk.listen {
            Some(listen) if !listen.ip().is_loopback() && !self.insecure && self.desk_tls().is_none() => {
                Err(format!(
                    "scheduler.desk.listen is {listen}, which others can reach, and there is no TLS: listen on \
                     127.0.0.1, give scheduler.desk.tls.certificate and scheduler.desk.tls.key, or say --insecure if \
                     the network is yours"
                ))
            }
            _ => Ok(()),
        }
    }

    /// Where the audit log's newest entry is kept outside the store.
    pub(crate) fn audit_head(&self) -> Option<PathBuf> {
        self.audit.head.clone().or_else(|| self.beside_sqlite("audit-head"))
    }

    /// A file beside a SQLite database: by whatever name, a link to the database is the database.
    pub(crate) fn beside_sqlite(&self, extension: &str) -> Option<PathBuf> {
        let path = Path::new(self.store.strip_prefix("sqlite://")?);
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        Some(PathBuf::from(format!("{}.{extension}", real.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_desk_that_others_can_reach_has_tls() {
        let public = || Config {
            desk: DeskConfig { listen: Some(([0, 0, 0, 0], 443).into()), ..DeskConfig::default() },
            ..Config::default()
        };
        let file = || Some(PathBuf::from("file"));
        assert!(public().check().unwrap_err().contains("scheduler.desk.listen"));
        assert_eq!(Config { insecure: true, ..public() }.check(), Ok(()));
        let tls = TlsConfig { certificate: file(), key: file(), client_ca: file() };
        let shared = Config { tls, ..public() };
        assert_eq!(shared.check(), Ok(()));
        // Browsers are never asked for a certificate.
        assert!(shared.desk_tls().is_some_and(|tls| tls.client_ca.is_none()));
        let mut own = public();
        own.desk.tls.certificate = file();
        assert!(own.check().unwrap_err().contains("both"));
        own.desk.tls.key = file();
        assert_eq!(own.check(), Ok(()));
    }

    #[test]
    fn a_share_of_errors_is_a_share() {
        for (limit, fine) in [(0.01, true), (1.0, true), (0.0, false), (1.1, false), (f64::NAN, false)] {
            let config = Config { reviewer_error_limit: limit, ..Config::default() };
            assert_eq!(config.check().is_ok(), fine, "{limit}");
        }
    }

    #[test]
    fn an_audit_key_is_checked_and_not_repeated() {
        let mut config = Config::default();
        config.audit.key = Some(Secret::new("s3cret"));
        let said = config.check().unwrap_err();
        assert!(said.contains("scheduler.audit.key") && !said.contains("s3cret"), "{said}");
        config.audit.key = Some(Secret::new("0f".repeat(32)));
        assert_eq!(config.check(), Ok(()));
        assert!(!format!("{config:?}").contains("0f0f"));
    }
}
