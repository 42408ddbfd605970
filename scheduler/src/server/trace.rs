//! A span around each call.

use std::task::{Context, Poll};

use opentelemetry::propagation::Extractor;
use tonic::codegen::http::{HeaderMap, HeaderName, Request};
use tower::{Layer, Service};
use tracing::Instrument as _;
use tracing::instrument::Instrumented;

use crate::trace::call_span;

/// Puts each call into the trace of its caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traced;

/// See [`Traced`].
#[derive(Debug, Clone)]
pub(super) struct TracedService<S>(S);

impl<S> Layer<S> for Traced {
    type Service = TracedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TracedService(inner)
    }
}

impl<S, B> Service<Request<B>> for TracedService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Instrumented<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let span = call_span(request.uri().path().trim_start_matches('/'), &Headers(request.headers()));
        // The handler may do its work before its future is polled.
        let entered = span.enter();
        let future = self.0.call(request);
        drop(entered);
        future.instrument(span)
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
