//! A scheduler behind TLS, and callers of every kind.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use emend_proto::encode;
use emend_proto::v1::{
    CreateJobRequest, ImportChunk, ImportHeader, ImportRecordsRequest, JobPolicy, Lease, LeaseRef,
    LeaseUnitsRequest, PackRef, RecordList, SealJobRequest, UnitCommit, import_chunk,
    import_records_request::Part,
};
use emend_scheduler::domain::caller::Role;
use emend_scheduler::{Config, NewToken, TlsConfig};
use emend_tests::authority::{Authority, Papers};
use emend_tests::database::Backend;
use emend_tests::records::{all_valid, records};
use emend_tests::scheduler::{Scheduler, jobs};
use tempfile::TempDir;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

/// Far longer than anything takes; a test that waits for it has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A scheduler with TLS, in this process.
pub(crate) struct Site {
    pub(crate) scheduler: Scheduler,
    pub(crate) authority: Authority,
    pub(crate) folder: TempDir,
}

impl Site {
    /// One that asks for certificates.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_, _| {}).await
    }

    /// One that takes certificates or tokens.
    pub(crate) async fn with_tokens(tokens: &[&NewToken]) -> Self {
        let lines: Vec<_> = tokens.iter().map(|token| token.line.as_str()).collect();
        let text = lines.join("\n");
        Self::start_with(move |config, folder| {
            let path = folder.join("tokens");
            fs::write(&path, text).unwrap();
            config.tokens = Some(path);
        })
        .await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config, PathBuf)) -> Self {
        let (authority, folder) = (Authority::new("site"), tempfile::tempdir().unwrap());
        let (certificate, key) = authority.scheduler().write(folder.path(), "scheduler");
        let client_ca = folder.path().join("ca.pem");
        fs::write(&client_ca, authority.pem()).unwrap();
        let place = folder.path().to_owned();
        let scheduler = Scheduler::start_with(Backend::Sqlite, |config| {
            config.tls =
                TlsConfig { certificate: Some(certificate), key: Some(key), client_ca: Some(client_ca) };
            change(config, place);
        })
        .await;
        Self { scheduler, authority, folder }
    }

    /// A connection that shows these papers.
    pub(crate) fn channel(&self, papers: Option<&Papers>) -> Channel {
        secure(self.scheduler.address, self.authority.client(papers))
    }

    /// A connection of a caller of this role.
    pub(crate) fn role(&self, role: &str) -> Channel {
        self.channel(Some(&self.authority.caller(&[&format!("emend:{role}/{role}-1")])))
    }

    pub(crate) async fn stop(self) {
        self.scheduler.stop().await;
    }
}

pub(crate) fn secure(address: SocketAddr, tls: ClientTlsConfig) -> Channel {
    let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
    endpoint.connect_timeout(LIMIT).tls_config(tls).unwrap().connect_lazy()
}

pub(crate) fn token(role: Role, name: &str) -> NewToken {
    NewToken::make(role, name).unwrap()
}

/// A request that carries a bearer token.
pub(crate) fn bearing<T>(token: &NewToken, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {}", token.token).parse().unwrap());
    request
}

/// Checks an answer's code and reason.
pub(crate) fn told(status: &Status, code: Code, reason: &str) {
    let info = status.get_details_error_info();
    let found = info.map(|info| info.reason).unwrap_or_default();
    assert_eq!((status.code(), found.as_str()), (code, reason), "{status:?}");
}

/// The whole chain of what broke; empty when the scheduler answered.
pub(crate) fn broken(status: &Status) -> String {
    let mut said = String::new();
    let mut error = std::error::Error::source(status);
    while let Some(source) = error {
        said.push_str(&format!("{source}; {source:?}; "));
        error = source.source();
    }
    said
}

fn pack() -> PackRef {
    PackRef { name: "suite".into(), version: "1.0.0".into() }
}

/// Makes a sealed job of so many units of one record.
pub(crate) async fn make_job(channel: &Channel, name: &str, units: i64) {
    let mut jobs = jobs(channel);
    let policy = Some(JobPolicy { unit_records: 1, ..JobPolicy::default() });
    let job =
        CreateJobRequest { name: name.into(), pack: Some(pack()), policy, ..CreateJobRequest::default() };
    jobs.create_job(job).await.unwrap();
    let header = ImportHeader { job: name.into(), import_id: "file".into() };
    let body = Some(import_chunk::Body::Records(RecordList { records: records(1, units) }));
    let chunk = ImportChunk { body, last: true, ..ImportChunk::default() };
    let parts = [Part::Header(header), Part::Chunk(chunk)];
    let parts = parts.map(|part| ImportRecordsRequest { part: Some(part) });
    jobs.import_records(tokio_stream::iter(parts)).await.unwrap();
    jobs.seal_job(SealJobRequest { job: name.into() }).await.unwrap();
}

pub(crate) fn lease_request(worker_id: &str, request_id: &str, units: u32) -> LeaseUnitsRequest {
    LeaseUnitsRequest {
        worker_id: worker_id.into(),
        request_id: request_id.into(),
        capabilities: vec![pack()],
        slots: 16,
        max_units: units,
        wait: None,
        accept_zstd: true,
        ..LeaseUnitsRequest::default()
    }
}

/// A commit of these results by this lease.
pub(crate) fn commit(lease: &Lease) -> UnitCommit {
    let (first, last) = (lease.first_seq.cast_signed(), lease.last_seq.cast_signed());
    let reference = LeaseRef { unit_id: lease.unit_id, epoch: lease.epoch, token: lease.token.clone() };
    UnitCommit { lease: Some(reference), results: Some(encode(&all_valid(first, last))) }
}
