//! Logs, to stderr, and traces, to a collector.

use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Result;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry};

use crate::exit::Usage;
use crate::settings::{LogFormat, TraceSettings};

/// The spans that are traces and no logs.
const TRACES: &str = "emend::trace";

/// How long the last spans may take on their way out.
const FLUSH: Duration = Duration::from_secs(2);

/// What sends spans: one for the process.
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Sends what is left of the traces. For the end of the program.
pub fn finish() {
    if let Some(Err(error)) = PROVIDER.get().map(|provider| provider.shutdown_with_timeout(FLUSH)) {
        tracing::debug!(%error, "the last spans were not sent");
    }
}

/// The root of what a command does.
pub fn command_span(name: &'static str) -> tracing::Span {
    tracing::info_span!(target: "emend::trace", "command", otel.name = name)
}

/// Begins to log what `level` lets through, and to trace where `traces` says.
///
/// # Errors
/// [`Usage`], when the filter or the collector's address cannot be read.
pub fn start(level: &str, format: LogFormat, traces: &TraceSettings) -> Result<()> {
    let filter = EnvFilter::try_new(level).map_err(|error| {
        Usage::new(format!("--log-level `{level}`: {error}; write info, or info,emend_worker=debug"))
    })?;
    let filter = filter.add_directive(format!("{TRACES}=off").parse()?);
    let logs = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let logs = match format {
        LogFormat::Human => logs.with_filter(filter).boxed(),
        LogFormat::Json => logs.json().flatten_event(true).with_filter(filter).boxed(),
    };
    let provider = provider(traces)?;
    let spans = provider.as_ref().map(|provider| {
        let only = Targets::new().with_target(TRACES, LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("emend"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(only)
    });
    // Tests start it more than once in a process.
    drop(Registry::default().with(logs).with(spans).try_init());
    if let Some(provider) = provider {
        drop(PROVIDER.set(provider));
    }
    Ok(())
}

fn provider(traces: &TraceSettings) -> Result<Option<SdkTracerProvider>> {
    if !(0.0..=1.0).contains(&traces.share) {
        return Err(Usage::new(format!("traces.share is {}: give 0 to 1", traces.share)));
    }
    let Some(endpoint) = &traces.endpoint else { return Ok(None) };
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build().map_err(|error| {
        Usage::new(format!("traces.endpoint `{endpoint}`: {error}; write it like http://127.0.0.1:4317"))
    })?;
    let process = KeyValue::new("service.instance.id", std::process::id().to_string());
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(traces.share))))
        .with_resource(Resource::builder().with_service_name("emend").with_attribute(process).build());
    let provider = provider.build();
    global::set_text_map_propagator(TraceContextPropagator::new());
    Ok(Some(provider))
}
