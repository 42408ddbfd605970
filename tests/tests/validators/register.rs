//! A validator as somebody else may write it: a register of people, that knows some and tells lies about others.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use emend_proto::v1::validator_service_server::{ValidatorService, ValidatorServiceServer};
use emend_proto::v1::{
    DescribeRequest, DescribeResponse, Finding, ProposedChange, RecordToValidate, ValidateRequest,
    ValidateResponse, ValidatedRecord,
};
use emend_tests::process::free_port;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// What it does about a record instead of answering well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// It changes a field that it did not declare.
    Undeclared,
    /// It speaks of another record too.
    Foreign,
    /// It answers fifty megabytes.
    Huge,
    /// It never answers.
    Silent,
    /// It breaks the connection off.
    Closes,
    /// It says that it cannot check it.
    Error,
}

/// How it behaves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ways {
    /// By the record's number.
    pub(crate) lies: HashMap<u64, Lie>,
    /// What a record costs; it says so.
    pub(crate) cost: Duration,
    pub(crate) batch: u32,
    /// For so many calls it says that it cannot now.
    pub(crate) busy: u64,
}

/// A register that serves, until it is dropped or killed.
pub(crate) struct Register {
    pub(crate) port: u16,
    ways: Ways,
    checked: Arc<AtomicU64>,
    /// A runtime of its own: its end cuts off whatever is under way, as the end of a process would.
    serving: Option<Runtime>,
}

#[derive(Debug, Clone)]
struct Answers {
    ways: Ways,
    checked: Arc<AtomicU64>,
    calls: Arc<AtomicU64>,
}

impl Register {
    /// With an address, where nobody serves yet.
    pub(crate) fn away(ways: Ways) -> Self {
        Self { port: free_port(), ways, checked: Arc::default(), serving: None }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn start(&mut self) -> Result<()> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", self.port))?;
        listener.set_nonblocking(true)?;
        let answers =
            Answers { ways: self.ways.clone(), checked: self.checked.clone(), calls: Arc::default() };
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.spawn(async move {
            let incoming = TcpListenerStream::new(TcpListener::from_std(listener)?);
            let server =
                tonic::transport::Server::builder().add_service(ValidatorServiceServer::new(answers));
            server.serve_with_incoming(incoming).await?;
            anyhow::Ok(())
        });
        self.serving = Some(runtime);
        Ok(())
    }

    /// As if its process were killed.
    pub(crate) fn kill(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.shutdown_background();
        }
    }

    /// Records that it has answered about.
    pub(crate) fn checked(&self) -> u64 {
        self.checked.load(Ordering::SeqCst)
    }
}

impl Drop for Register {
    fn drop(&mut self) {
        self.kill();
    }
}

#[tonic::async_trait]
impl ValidatorService for Answers {
    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(DescribeResponse {
            name: "register".into(),
            version: "1.0".into(),
            reads: vec!["full_name".into(), "phone".into()],
            changes: vec!["full_name".into()],
            findings: vec!["phone.unregistered".into()],
            batch_size: self.ways.batch,
            deterministic: true,
            seconds_per_record: self.ways.cost.as_secs_f64(),
            groups: false,
        }))
    }

    async fn validate(
        &self,
        request: Request<ValidateRequest>,
    ) -> Result<Response<ValidateResponse>, Status> {
        if self.calls.fetch_add(1, Ordering::SeqCst) < self.ways.busy {
            return Err(Status::unavailable("the register is being copied"));
        }
        let asked = request.into_inner().records;
        let lie = |record: &RecordToValidate| self.ways.lies.get(&number(&record.key)).copied();
        let lies: Vec<_> = asked.iter().filter_map(lie).collect();
        if lies.contains(&Lie::Silent) {
            std::future::pending::<()>().await;
        }
        assert!(!lies.contains(&Lie::Closes), "this breaks the connection off, on purpose");
        tokio::time::sleep(self.ways.cost * u32::try_from(asked.len()).expect("a batch is small")).await;
        let mut records: Vec<_> = asked.iter().map(|record| judge(record, lie(record))).collect();
        if lies.contains(&Lie::Foreign) {
            records.push(ValidatedRecord { id: 999, ..ValidatedRecord::default() });
        }
        self.checked.fetch_add(asked.len() as u64, Ordering::SeqCst);
        Ok(Response::new(ValidateResponse { records }))
    }
}

/// The number in a generated record's key.
pub(crate) fn number(key: &str) -> u64 {
    key.trim_start_matches("HCM-").parse().expect("a generated key")
}

/// Of ten people one has moved and one has another phone.
fn judge(record: &RecordToValidate, lie: Option<Lie>) -> ValidatedRecord {
    let mut answer = ValidatedRecord { id: record.id, ..ValidatedRecord::default() };
    let change =
        |field: &str, after: String| ProposedChange { field: field.into(), after, rule: "lookup".into() };
    match lie {
        Some(Lie::Undeclared) => answer.changes.push(change("gender", "1".into())),
        Some(Lie::Huge) => answer.changes.push(change("full_name", "x".repeat(50_000_000))),
        Some(Lie::Error) => answer.error = "register_locked".into(),
        _ => match number(&record.key) % 10 {
            0 if !record.routed.contains(&"full_name".into()) => {
                answer.changes.push(change("full_name", format!("{} 0", record.fields["full_name"])));
            }
            1 => answer.findings.push(Finding {
                code: "phone.unregistered".into(),
                field: "phone".into(),
                ..Finding::default()
            }),
            _ => {}
        },
    }
    answer
}
