//! Traces: what a worker or client does, in one trace with what its calls cause.
//!
//! Their target is `emend::trace`, apart from all that is logged: nothing is recorded until a program installs a
//! layer for it.

use std::collections::HashMap;

use opentelemetry::global;
use opentelemetry::propagation::Injector;
use opentelemetry::trace::TraceContextExt as _;
use tonic::metadata::{MetadataKey, MetadataMap};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Puts the current span's trace context on a call.
pub(crate) fn inject(metadata: &mut MetadataMap) {
    let context = Span::current().context();
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut Metadata(metadata));
    });
}

/// A span for a unit from its lease to its end, in the trace of the call that made its job.
pub(crate) fn unit_span(unit: u64, job: u64, epoch: u64, traceparent: &str) -> Span {
    let span = tracing::info_span!(target: "emend::trace", "unit", unit, job, epoch);
    if !span.is_disabled() && !traceparent.is_empty() {
        let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
        let parent = global::get_text_map_propagator(|propagator| propagator.extract(&carrier));
        // It fails for a span that no layer takes, and that one is disabled.
        let _set = span.set_parent(parent);
    }
    span
}

/// A span for the commit of several units: a child of the first one's, linked with all the others.
pub(crate) fn commit_span<'a>(units: impl Iterator<Item = &'a Span>) -> Span {
    let mut units = units.filter(|unit| !unit.is_disabled());
    let Some(first) = units.next() else { return Span::none() };
    let span = tracing::info_span!(target: "emend::trace", parent: first, "commit", otel.kind = "client");
    for unit in units {
        span.add_link(unit.context().span().span_context().clone());
    }
    span
}

struct Metadata<'a>(&'a mut MetadataMap);

impl Injector for Metadata<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) = (MetadataKey::from_bytes(key.as_bytes()), value.parse()) {
            self.0.insert(key, value);
        }
    }
}
