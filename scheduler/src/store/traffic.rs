//! Transactions on their way: those that run, and those that wait to begin.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span};

use super::error::StoreError;

/// All transactions of a store. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic {
    pub(super) running: TaskTracker,
    waiting: Arc<AtomicUsize>,
}

/// A transaction that waits to begin, until this is dropped.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Traffic {
    /// One more waits to begin.
    pub(crate) fn wait(&self) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self.waiting.clone())
    }

    /// How many wait to begin.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Runs a transaction in a task of its own: a caller that goes away cannot leave a pooled connection half in it.
    pub(crate) async fn run(
        &self,
        span: Span,
        work: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) -> Result<(), StoreError> {
        match self.running.spawn(work.instrument(span)).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_panic() => Err(StoreError::Internal("a transaction panicked".into())),
            Err(_) => Err(StoreError::Unavailable("the scheduler is stopping".into())),
        }
    }

    /// Waits for all of them.
    pub(crate) async fn end(&self) {
        self.running.close();
        self.running.wait().await;
    }
}
