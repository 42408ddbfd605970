//! The certificates that schedulers show and ask for, read anew when their files change.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::{RootCertStore, ServerConfig};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::watch::{Content, Files, Watched};
use crate::config::TlsConfig;
use crate::domain::time::Timestamp;

/// What HTTP/2 and HTTP/1.1 are called where protocols are agreed on.
const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// For whom the certificates are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// Callers of gRPC, who may come without a certificate when they may have a bearer token.
    Callers { certificate_optional: bool },
    /// Browsers, which are never asked for one.
    Browsers,
}

/// TLS as it is now. A handshake takes what is current when it begins.
#[derive(Debug)]
pub(super) struct Tls {
    config: TlsConfig,
    whom: For,
    current: RwLock<Current>,
}

#[derive(Debug, Clone)]
struct Current {
    server: Arc<ServerConfig>,
    /// When the certificate ends, in seconds since the Unix epoch.
    not_after: i64,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub(super) fn read(config: &TlsConfig, whom: For, now: Timestamp) -> Result<(Self, Files), String> {
        let files = read(config)?;
        let current = RwLock::new(make(&files, whom, now)?);
        Ok((Self { config: config.clone(), whom, current }, files))
    }

    /// What a handshake that begins now uses.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).server.clone()
    }
}

impl Watched for Tls {
    fn what(&self) -> &'static str {
        "certificates"
    }

    fn files(&self) -> Result<Files, String> {
        read(&self.config)
    }

    fn measure(&self, now: Timestamp) {
        let not_after = self.current.read().unwrap_or_else(PoisonError::into_inner).not_after;
        // Below zero once it has ended.
        let seconds = not_after - now.0 / 1000;
        let metric = match self.whom {
            For::Callers { .. } => "emend_tls_certificate_expiry_seconds",
            For::Browsers => "emend_desk_certificate_expiry_seconds",
        };
        metrics::gauge!(metric).set(seconds as f64);
    }

    fn take(&self, files: &Files, now: Timestamp) -> Result<(), String> {
        let current = make(files, self.whom, now)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        Ok(())
    }
}

fn read(config: &TlsConfig) -> Result<Files, String> {
    Files::read([
        ("scheduler.tls.certificate", config.certificate.as_deref()),
        ("scheduler.tls.key", config.key.as_deref()),
        ("scheduler.tls.client_ca", config.client_ca.as_deref()),
    ])
}

fn make(files: &Files, whom: For, now: Timestamp) -> Result<Current, String> {
    let [certificate, key, client_ca] = files.contents();
    let chain = certificates(certificate.ok_or("scheduler.tls.certificate is missing")?)?;
    let not_after =
        not_after(&chain[0]).map_err(|what| format!("scheduler.tls.certificate cannot be used: {what}"))?;
    if not_after * 1000 <= now.0 {
        return Err("scheduler.tls.certificate has expired: put a new one there".into());
    }
    let key = PrivateKeyDer::from_pem_slice(&key.ok_or("scheduler.tls.key is missing")?.bytes)
        .map_err(|_| "scheduler.tls.key holds no private key in PEM".to_owned())?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match (client_ca, whom) {
        (Some(file), For::Callers { certificate_optional }) => {
            builder.with_client_cert_verifier(verifier(certificates(file)?, certificate_optional)?)
        }
        (None, _) | (_, For::Browsers) => builder.with_no_client_auth(),
    };
    let mut server = builder.with_single_cert(chain, key).map_err(|error| {
        format!("scheduler.tls.certificate and scheduler.tls.key do not go together: {error}")
    })?;
    server.alpn_protocols = match whom {
        For::Callers { .. } => vec![H2.to_vec()],
        For::Browsers => vec![H2.to_vec(), HTTP1.to_vec()],
    };
    Ok(Current { server: Arc::new(server), not_after })
}

fn verifier(
    authorities: Vec<CertificateDer<'static>>,
    certificate_optional: bool,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let unfit = |what: &dyn std::fmt::Display| format!("scheduler.tls.client_ca cannot be used: {what}");
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(|error| unfit(&error))?;
    }
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()));
    let builder = if certificate_optional { builder.allow_unauthenticated() } else { builder };
    let verifier = builder.build().map_err(|error| unfit(&error))?;
    Ok(verifier)
}

/// All certificates of a file, at least one.
fn certificates(file: &Content) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain =
        CertificateDer::pem_slice_iter(&file.bytes).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if chain.is_empty() {
        return Err(format!("{} ({}) holds no certificate in PEM", file.setting, file.path.display()));
    }
    Ok(chain)
}

/// When a certificate ends, in seconds since the Unix epoch.
fn not_after(certificate: &CertificateDer<'_>) -> Result<i64, String> {
    let (_, read) = x509_parser::parse_x509_certificate(certificate).map_err(|error| error.to_string())?;
    Ok(read.validity().not_after.timestamp())
}
