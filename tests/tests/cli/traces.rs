//! One trace from the command through scheduler and worker to the store, at a collector of our own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use emend_tests::process::{Deployment, Signal, eventually};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::{generated, import};

const LIMIT: Duration = Duration::from_secs(60);

/// Keeps every span.
#[derive(Debug, Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let spans = resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
        self.0.lock().map_err(|_| Status::internal("poisoned"))?.extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    fn spans(&self) -> Vec<Span> {
        self.0.lock().map(|spans| spans.clone()).unwrap_or_default()
    }

    /// Spans of that name that are children of one of `parents`, in its trace.
    fn children(&self, parents: &[Span], name: &str) -> Vec<Span> {
        let is_child = |span: &Span| {
            let of = |parent: &Span| {
                (parent.span_id.as_slice(), parent.trace_id.as_slice())
                    == (&span.parent_span_id, &span.trace_id)
            };
            span.name == name && parents.iter().any(of)
        };
        self.spans().into_iter().filter(is_child).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_goes_from_the_command_to_the_store() -> Result<()> {
    let collector = Collector::default();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let mut server = JoinSet::new();
    let service = TraceServiceServer::new(collector.clone());
    server.spawn(Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)));
    let deployment = Deployment::on_sqlite()?.set("EMEND__TRACES__ENDPOINT", endpoint);
    let mut scheduler = deployment.scheduler(0).await?;
    let mut worker = deployment.worker(0)?;
    let csv = generated(&deployment, 2000).await?;
    deployment.run(import(&csv.display().to_string(), "traced")).await?.ok()?;
    deployment.run(["wait", "traced"]).await?.ok()?;
    // What ends sends its last spans.
    for process in [&mut worker, &mut scheduler] {
        process.signal(Signal::Terminate)?;
        process.done(LIMIT).await?;
    }
    let chain = eventually("a whole trace", LIMIT, async || {
        let mut spans: Vec<_> =
            collector.spans().into_iter().filter(|span| span.name == "emend import").collect();
        let create = collector.children(&spans, "emend.v1.JobService/CreateJob");
        let made = collector.children(&create, "store.write");
        spans = create;
        for name in ["unit", "commit", "emend.v1.WorkService/CommitUnits", "store.write"] {
            spans = collector.children(&spans, name);
        }
        (!made.is_empty() && !spans.is_empty()).then_some(spans)
    });
    let names =
        || collector.spans().into_iter().map(|span| span.name).collect::<std::collections::BTreeSet<_>>();
    chain.await.with_context(|| format!("{:?}", names()))?;
    // No value of a record is in any of them.
    let all = format!("{:?}", collector.spans());
    let mut rows = csv::Reader::from_path(&csv)?;
    let first = rows.records().next().context("a record")??;
    for value in first.iter().filter(|value| value.len() > 7) {
        ensure!(!all.contains(value), "a trace holds a value of a record");
    }
    Ok(())
}
