//! Certificate authorities of a test's own, and the certificates they sign.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// Signs certificates.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Papers {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// When no key can be made.
    pub fn new(name: &str) -> Self {
        let mut params = params(&[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, key()).expect("an authority signs itself"))
    }

    /// Its certificate in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Papers of a scheduler on loopback.
    pub fn scheduler(&self) -> Papers {
        self.scheduler_at(&["127.0.0.1", "localhost"])
    }

    /// Papers of a scheduler of these names.
    pub fn scheduler_at(&self, names: &[&str]) -> Papers {
        let mut params = params(names);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params)
    }

    /// Papers of a caller: `emend:worker/night`, or no URI at all.
    ///
    /// # Panics
    /// When a URI is none.
    pub fn caller(&self, uris: &[&str]) -> Papers {
        self.sign(&caller(uris))
    }

    /// Papers of a caller that ended long ago.
    pub fn late_caller(&self, uris: &[&str]) -> Papers {
        let mut params = caller(uris);
        (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
        self.sign(&params)
    }

    /// Papers of a scheduler that ended long ago.
    pub fn late_scheduler(&self) -> Papers {
        let mut params = params(&["127.0.0.1"]);
        (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Papers {
        let key = key();
        let certificate = params.signed_by(&key, &self.0).expect("an authority signs");
        Papers { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// What a client with these papers, or without any, trusts and shows.
    pub fn client(&self, papers: Option<&Papers>) -> ClientTlsConfig {
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(self.pem()));
        match papers {
            Some(papers) => tls.identity(Identity::from_pem(&papers.certificate, &papers.key)),
            None => tls,
        }
    }
}

impl Papers {
    /// Writes them into `folder` as `NAME.pem` and `NAME.key`, over what is there.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        for (path, text) in [(&certificate, &self.certificate), (&key, &self.key)] {
            // As a whole, as Kubernetes does.
            let new = path.with_extension("new");
            fs::write(&new, text).and_then(|()| fs::rename(&new, path)).expect("the folder takes files");
        }
        (certificate, key)
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("the system has randomness")
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    CertificateParams::new(names).expect("these are names")
}

fn caller(uris: &[&str]) -> CertificateParams {
    let mut params = params(&[]);
    let uri = |uri: &&str| SanType::URI((*uri).try_into().expect("a URI is ASCII"));
    params.subject_alt_names = uris.iter().map(uri).collect();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}
