//! Traces: a span for each call and each transaction, in the trace of whoever calls.
//!
//! Their target is `emend::trace`, apart from all that is logged: nothing is recorded until a program installs a
//! layer for it.

use std::collections::HashMap;

use opentelemetry::global;
use opentelemetry::propagation::Extractor;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The W3C header that carries a trace context.
const TRACEPARENT: &str = "traceparent";

/// The trace context of the current span as a W3C `traceparent`; empty when it is not traced.
pub(crate) fn current() -> String {
    let mut carrier = HashMap::new();
    let context = Span::current().context();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut carrier));
    carrier.remove(TRACEPARENT).unwrap_or_default()
}

/// A span for a call of `method`, in the trace that `carrier` names if it names one.
pub(crate) fn call_span(method: &str, carrier: &dyn Extractor) -> Span {
    let span = tracing::info_span!(
        target: "emend::trace",
        "call",
        otel.name = method,
        otel.kind = "server",
        rpc.system = "grpc"
    );
    if !span.is_disabled() {
        let parent = global::get_text_map_propagator(|propagator| propagator.extract(carrier));
        // It fails for a span that no layer takes, and that one is disabled.
        let _set = span.set_parent(parent);
    }
    span
}
