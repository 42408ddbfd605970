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
#[cfg(feature = "test-hooks")]
use crate::store::Mutant;

/// No deadline is taken for longer than this: far above what any call takes.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Lets everything below know until when the caller waits, and answers DEADLINE_EXCEEDED when that is over.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Deadlines {
    #[cfg(feature = "test-hooks")]
    pub(super) mutant: Option<Mutant>,
}

/// See [`Deadlines`].
#[derive(Debug, Clone)]
pub(super) struct Limited<S> {
    inner: S,
    #[cfg(feature = "test-hooks")]
    mutant: Option<Mutant>,
}

impl<S> Layer<S> for Deadlines {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited {
            inner,
            #[cfg(feature = "test-hooks")]
            mutant: self.mutant,
        }
    }
}

impl<S> Service<Request<Body>> for Limited<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let timeout = timeout(request.headers());
        let answer = self.inner.call(request);
        let Some(timeout) = timeout else { return Box::pin(answer) };
        let deadline = Instant::now() + timeout.min(LONGEST);
        #[cfg(feature = "test-hooks")]
        match self.mutant {
            Some(Mutant::ForgetsDeadlines) => return Box::pin(answer),
            Some(Mutant::WorksForNobody) => return Box::pin(in_time(deadline, answer)),
            _ => {}
        }
        Box::pin(in_time(deadline, deadline::until(deadline, answer)))
    }
}

/// The answer, or at `deadline` the word that it comes too late.
async fn in_time<E>(
    deadline: Instant,
    answer: impl Future<Output = Result<Response<Body>, E>>,
) -> Result<Response<Body>, E> {
    let answer = tokio::time::timeout_at(deadline.into(), answer).await;
    answer.unwrap_or_else(|_| Ok(too_late().into_http()))
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

/// `TimeoutValue TimeoutUnit` of the gRPC protocol over HTTP/2: digits, and no sign before them, as Rust would take it.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let digits = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
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
        let Ok(answer) = Deadlines::default().layer(inner).call(request).await;
        assert_eq!(Status::from_header_map(answer.headers()).unwrap().code(), Code::DeadlineExceeded);
        assert_eq!(deadline::left(), None);
    }

    #[test]
    fn a_callers_deadline_is_read_in_every_unit() {
        assert_eq!(parse("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(parse("1500m"), Some(Duration::from_millis(1500)));
        assert_eq!(parse("7u"), Some(Duration::from_micros(7)));
        for wrong in ["", "S", "1", "1x", "é", "+5S", "-5S", "0x5S", " 5S", "5 S"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
