//! What a client shows to schedulers and trusts them by: files that are read again when they change.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use tonic::{Request, Status};

/// PEM files for `https`. They are read again when they change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsFiles {
    /// The authorities that schedulers are trusted by. Default: the system's.
    pub ca: Option<PathBuf>,
    /// The certificate that says who calls.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
}

/// What a client shows to schedulers and trusts them by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// For `https`.
    pub tls: TlsFiles,
    /// A file that holds a bearer token alone. It is sent over `https`, or to this machine itself.
    pub token_file: Option<PathBuf>,
}

/// What the files held when they were read.
pub(super) struct Secrets {
    pub(super) tls: ClientTlsConfig,
    pub(super) bearer: Bearer,
    /// To tell whether they have changed.
    pub(super) read: Vec<Option<Vec<u8>>>,
}

impl Credentials {
    /// Reads all files.
    ///
    /// # Errors
    /// Which one cannot be used, and why.
    pub(super) fn read(&self) -> Result<Secrets, String> {
        let read = self.bytes()?;
        let [ca, certificate, key, token] = &read[..] else { return Err("four files are read".to_owned()) };
        let mut tls = ClientTlsConfig::new();
        tls = match ca {
            Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
            None => tls.with_native_roots(),
        };
        tls = match (certificate, key) {
            (Some(certificate), Some(key)) => tls.identity(Identity::from_pem(certificate, key)),
            (None, None) => tls,
            (Some(_), None) => return Err("a client certificate is given without its key: give both".into()),
            (None, Some(_)) => return Err("a client key is given without its certificate: give both".into()),
        };
        let bearer = Bearer { token: token.as_deref().map(bearer).transpose()?, timeout: None };
        Ok(Secrets { tls, bearer, read })
    }

    /// What the files hold: CA, certificate, key, token.
    pub(super) fn bytes(&self) -> Result<Vec<Option<Vec<u8>>>, String> {
        let TlsFiles { ca, certificate, key } = &self.tls;
        let files = [("CA", ca), ("certificate", certificate), ("key", key), ("token", &self.token_file)];
        let read = files.map(|(what, path)| path.as_deref().map(|path| bytes(what, path)).transpose());
        read.into_iter().collect()
    }
}

fn bytes(what: &str, path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read the {what} file {}: {error}", path.display()))
}

fn bearer(file: &[u8]) -> Result<MetadataValue<Ascii>, String> {
    let text = std::str::from_utf8(file).unwrap_or_default().trim();
    let value = (!text.is_empty()).then(|| format!("Bearer {text}").parse().ok()).flatten();
    let mut value: MetadataValue<Ascii> =
        value.ok_or("the token file holds no token: it is one line, as `emend token new` prints it")?;
    value.set_sensitive(true);
    Ok(value)
}

/// Puts on each call the bearer token, the trace that it is part of, and how long its answer is waited for.
#[derive(Clone, Default)]
pub struct Bearer {
    token: Option<MetadataValue<Ascii>>,
    /// None for streams, which last as long as they last.
    timeout: Option<Duration>,
}

impl Bearer {
    pub(super) fn is_some(&self) -> bool {
        self.token.is_some()
    }

    /// For calls whose answers are waited for so long.
    pub(super) fn within(&self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self.clone() }
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_some() { "Bearer(***)" } else { "Bearer(none)" })
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.token {
            request.metadata_mut().insert("authorization", value.clone());
        }
        if let Some(timeout) = self.timeout {
            request.set_timeout(timeout);
        }
        crate::trace::inject(request.metadata_mut());
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_token(text: &str) -> Result<Secrets, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Credentials { token_file: Some(file.path().to_owned()), ..Credentials::default() }.read()
    }

    #[test]
    fn a_token_is_sent_and_never_shown() {
        let mut bearer = with_token(" emend_s3cret\n").unwrap().bearer;
        let request = bearer.call(Request::new(())).unwrap();
        assert_eq!(request.metadata().get("authorization").unwrap(), "Bearer emend_s3cret");
        assert!(!format!("{bearer:?}{request:?}").contains("s3cret"));
        for wrong in ["", " \n", "two\nlines"] {
            let said = with_token(wrong).err().unwrap();
            assert!(said.contains("emend token new"), "{said}");
        }
    }

    #[test]
    fn a_call_says_how_long_it_waits_and_a_stream_does_not() {
        let said = |mut bearer: Bearer| {
            let request = bearer.call(Request::new(())).unwrap();
            request.metadata().get("grpc-timeout").map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(said(Bearer::default().within(Duration::from_secs(5))).as_deref(), Some("5000000u"));
        assert_eq!(said(Bearer::default()), None);
    }

    #[test]
    fn half_an_identity_and_missing_files_are_named() {
        let tls = |certificate: Option<&str>, key: Option<&str>| TlsFiles {
            ca: None,
            certificate: certificate.map(PathBuf::from),
            key: key.map(PathBuf::from),
        };
        let said = |tls| Credentials { tls, token_file: None }.read().err().unwrap();
        let this = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        assert!(said(tls(Some(this), None)).contains("without its key"));
        assert!(said(tls(None, Some(this))).contains("without its certificate"));
        assert!(said(tls(Some("/no/such"), None)).contains("/no/such"));
    }
}
