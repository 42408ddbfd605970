//! Counts and times every call, by its method and its code.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use http_body::{Frame, SizeHint};
use metrics::{Counter, Histogram, counter, histogram};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::codegen::{BoxFuture, Bytes, Service};
use tonic::{Code, Status};
use tower::Layer;

use crate::meters::{CALL_SECONDS, CALLS};
use crate::pulse::{Call, Pulse};

/// What is counted of a call to a method that we do not serve: whoever invents names makes no series.
const OTHER: &str = "other";
/// gRPC's codes, by their number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Puts a [`Metered`] around a service.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    methods: Arc<HashMap<String, Arc<Method>>>,
    other: Arc<Method>,
    pulse: Pulse,
}

/// A method's counters, each made when it is first wanted.
#[derive(Debug)]
struct Method {
    name: String,
    seconds: OnceLock<Histogram>,
    codes: [OnceLock<Counter>; CODES.len()],
}

impl Method {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), seconds: OnceLock::new(), codes: Default::default() }
    }

    fn count(&self, code: Code, begun: Instant) {
        let at = i32::from(code) as usize;
        let make = || counter!(CALLS, "method" => self.name.clone(), "code" => CODES[at]);
        self.codes[at].get_or_init(make).increment(1);
        let make = || histogram!(CALL_SECONDS, "method" => self.name.clone());
        self.seconds.get_or_init(make).record(begun.elapsed());
    }
}

impl Meter {
    /// For the methods of these descriptors.
    pub(super) fn new(descriptors: &[&[u8]], pulse: Pulse) -> Self {
        let sets = descriptors.iter().filter_map(|bytes| FileDescriptorSet::decode(*bytes).ok());
        let methods = sets.flat_map(|set| set.file).flat_map(|file| {
            let package = file.package().to_owned();
            file.service.into_iter().flat_map(move |service| {
                let service_name = format!("{package}.{}", service.name());
                let names =
                    service.method.into_iter().map(move |method| format!("{service_name}/{}", method.name()));
                names.collect::<Vec<_>>()
            })
        });
        let methods = methods.map(|name| (format!("/{name}"), Arc::new(Method::new(&name)))).collect();
        Self { methods: Arc::new(methods), other: Arc::new(Method::new(OTHER)), pulse }
    }
}

impl<S> Layer<S> for Meter {
    type Service = Metered<S>;

    fn layer(&self, inner: S) -> Metered<S> {
        Metered { inner, meter: self.clone() }
    }
}

/// A service whose calls are counted.
#[derive(Debug, Clone)]
pub(super) struct Metered<S> {
    inner: S,
    meter: Meter,
}

impl<S> Service<Request<Body>> for Metered<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = self.meter.methods.get(request.uri().path()).unwrap_or(&self.meter.other);
        let (method, call) = (Arc::clone(method), self.meter.pulse.call());
        // Whatever does not come to its end was called off by the caller.
        let mut running = Running { method, begun: Instant::now(), code: Code::Cancelled, _call: call };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await.inspect_err(|_| running.code = Code::Unknown)?;
            running.read(response.headers());
            Ok(response.map(|body| Body::new(Counted { body, running })))
        })
    }
}

/// A call under way; counted when it is dropped.
#[derive(Debug)]
struct Running {
    method: Arc<Method>,
    begun: Instant,
    code: Code,
    _call: Call,
}

impl Running {
    /// A call that fails at once has its code among the headers, any other in the trailers.
    fn read(&mut self, headers: &HeaderMap) {
        if let Some(status) = Status::from_header_map(headers) {
            self.code = status.code();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.method.count(self.code, self.begun);
    }
}

/// An answer on its way; its last frame says how the call ended.
struct Counted {
    body: Body,
    running: Running,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.running.read(trailers);
                }
            }
            Poll::Ready(Some(Err(status))) => self.running.code = status.code(),
            Poll::Ready(None) | Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
