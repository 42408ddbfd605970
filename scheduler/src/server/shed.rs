//! Turns calls away before they are read when there is more to do than can be done, the least urgent first.
//!
//! What shows an overload is the queue for the store: calls that only wait for work cost nothing and are not in it. Each
//! class of calls has its own length of that queue from which on it is turned away, so that exports stop long before
//! commits do; and its own bound on calls under way, which bounds what they hold in memory.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Bytes, Service};
use tower::Layer;

use crate::meters::SHED;
use crate::service::status;
#[cfg(feature = "test-hooks")]
use crate::store::Mutant;
use crate::store::Store;

/// How urgent a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Settles work that is done or keeps it: beats, commits, hand-backs. What is refused here is done again.
    Settle,
    /// Takes new work.
    Lease,
    /// Changes a job.
    Steer,
    /// Shows one thing.
    Look,
    /// Moves many records.
    Bulk,
    /// Waits for news and asks the store for little: watches, autoscalers.
    Watch,
    /// Asks whether we are there, maybe without a name, and never the store. It must not take the others' places.
    Probe,
}

/// What a class may take.
struct Share {
    name: &'static str,
    /// Calls under way at one scheduler, at most.
    calls: usize,
    /// With so many transactions waiting for the store, calls of this class are turned away.
    queue: usize,
    /// How long to wait before coming again.
    retry: Duration,
}

impl Class {
    const COUNT: usize = 7;

    /// `docs/SECURITY.md` shows the same values.
    const fn share(self) -> Share {
        let (name, calls, queue, retry) = match self {
            Self::Settle => ("settle", 1024, 1024, 100),
            Self::Lease => ("lease", 4096, 256, 250),
            Self::Steer => ("steer", 256, 128, 500),
            Self::Look => ("look", 256, 64, 500),
            Self::Bulk => ("bulk", 64, 32, 2000),
            Self::Watch => ("watch", 1024, 1024, 1000),
            Self::Probe => ("probe", 1024, usize::MAX, 1000),
        };
        Share { name, calls, queue, retry: Duration::from_millis(retry) }
    }

    /// As docs and metrics call it.
    pub(super) const fn name(self) -> &'static str {
        self.share().name
    }
}

/// Takes calls on, or turns them away.
#[derive(Debug, Clone)]
pub(super) struct Shed {
    store: Store,
    running: Arc<[AtomicUsize; Class::COUNT]>,
}

/// A call's place among those under way.
#[derive(Debug)]
struct Place(Arc<[AtomicUsize; Class::COUNT]>, Class);

impl Drop for Place {
    fn drop(&mut self) {
        self.0[self.1 as usize].fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shed {
    pub(super) fn new(store: Store) -> Self {
        Self { store, running: Arc::default() }
    }

    fn admit(&self, class: Class) -> Result<Place, Status> {
        let Share { calls, queue, retry, .. } = class.share();
        let place = Place(self.running.clone(), class);
        let before = self.running[class as usize].fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "test-hooks")]
        if self.store.mutant() == Some(Mutant::NeverSheds) {
            return Ok(place);
        }
        let what = if before >= calls {
            "calls of this kind under way"
        } else if self.store.waiting() >= queue {
            "calls waiting for the store"
        } else {
            return Ok(place);
        };
        metrics::counter!(SHED, "class" => class.name()).increment(1);
        Err(status::busy(format!("too many {what}: come again later"), retry))
    }
}

impl<S> Layer<S> for Shed {
    type Service = Shedding<S>;

    fn layer(&self, inner: S) -> Shedding<S> {
        Shedding { shed: self.clone(), inner }
    }
}

/// A service that gets no more calls than it can answer.
#[derive(Debug, Clone)]
pub(super) struct Shedding<S> {
    shed: Shed,
    inner: S,
}

impl<S> Service<Request<Body>> for Shedding<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The gate has put it there.
        let class = request.extensions().get().copied().unwrap_or(Class::Bulk);
        match self.shed.admit(class) {
            Ok(place) => {
                let answer = self.inner.call(request);
                Box::pin(
                    async move { Ok(answer.await?.map(|body| Body::new(Placed { body, _place: place }))) },
                )
            }
            #[cfg(feature = "test-hooks")]
            Err(status) if self.shed.store.mutant() == Some(Mutant::RefusesInTurn) => {
                let store = self.shed.store.clone();
                Box::pin(async move {
                    drop(store.now().await);
                    Ok(status.into_http())
                })
            }
            Err(status) => Box::pin(std::future::ready(Ok(status.into_http()))),
        }
    }
}

/// An answer on its way; it keeps the call's place until it has arrived.
struct Placed {
    body: Body,
    _place: Place,
}

impl http_body::Body for Placed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
