//! A bell between calls of one scheduler: somebody made units ready, so look again. It only saves time; who never
//! hears it polls.

use std::sync::Arc;

use tokio::sync::watch;

/// Rings for all who listen. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Bell(Arc<watch::Sender<()>>);

/// Hears every ring since it was made.
#[derive(Debug)]
pub(crate) struct Listener(watch::Receiver<()>);

impl Bell {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(())))
    }

    pub(crate) fn ring(&self) {
        self.0.send_replace(());
    }

    /// Listen first, then look, then wait: so that no ring falls between.
    pub(crate) fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

impl Listener {
    /// Waits for a ring.
    pub(crate) async fn heard(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
