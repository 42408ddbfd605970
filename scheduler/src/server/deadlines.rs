//! Holds each call to its caller's deadline.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::{Code, Status};
use tower::Layer;

use crate::deadline;
use crate::service::status;

/// No deadline is taken for longer than this: far above what any call takes.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Lets everything below know until when the caller waits, and answers DEADLINE_EXCEEDED when that is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines;

/// See [`Deadlines`].
#[derive(Debug, Clone)]
pub(super) struct Limited<S>(S);

impl<S> Layer<S> for Deadlines {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited(inner)
    }
}

impl<S> Service<Request<Body>> for Limited<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let timeout = timeout(request.headers());
        let answer = self.0.call(request);
        let Some(timeout) = timeout else { return Box::pin(answer) };
        let deadline = Instant::now() + timeout.min(LONGEST);
        Box::pin(async move {
            let answer = tokio::time::timeout_at(deadline.into(), deadline::until(deadline, answer)).await;
            answer.unwrap_or_else(|_| Ok(too_late().into_http()))
        })
    }
}

fn too_late() -> Status {
    status::with_reason(
        Code::DeadlineExceeded,
        "DEADLINE_EXCEEDED",
        "the time that the caller gave was not enough; the call may have taken effect",
    )
}

/// The time that a call says it has.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    parse(headers.get("grpc-timeout")?.to_str().ok()?)
}

/// `TimeoutValue TimeoutUnit` of the gRPC protocol over HTTP/2.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value.saturating_mul(3600))),
        "M" => Some(Duration::from_secs(value.saturating_mul(60))),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tower::service_fn;

    use super::*;

    #[tokio::test]
    async fn a_call_is_answered_when_its_time_is_over_and_knows_how_long_it_has() {
        let inner = service_fn(async |_: Request<Body>| {
            let left = deadline::left().expect("the caller has said so");
            assert!(left <= Duration::from_millis(20), "{left:?}");
            std::future::pending::<Result<Response<Body>, std::convert::Infallible>>().await
        });
        let mut request = Request::new(Body::empty());
        request.headers_mut().insert("grpc-timeout", "20m".parse().unwrap());
        let Ok(answer) = Deadlines.layer(inner).call(request).await;
        assert_eq!(Status::from_header_map(answer.headers()).unwrap().code(), Code::DeadlineExceeded);
        assert_eq!(deadline::left(), None);
    }

    #[test]
    fn a_callers_deadline_is_read_in_every_unit() {
        assert_eq!(parse("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(parse("1500m"), Some(Duration::from_millis(1500)));
        assert_eq!(parse("7u"), Some(Duration::from_micros(7)));
        for wrong in ["", "S", "1", "1x", "é"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
