//! A bell between calls: somebody made units ready, so look again. It only saves time; who never hears it polls.
//!
//! It rings in this scheduler at once. With a broker it also rings in the others: `events` listens for what is to be
//! carried beyond, and rings here for what came from there.

use std::sync::Arc;

use tokio::sync::watch;

/// Rings for all who listen. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Bell {
    here: Arc<watch::Sender<()>>,
    beyond: Arc<watch::Sender<()>>,
}

/// Hears every ring since it was made. Rings that nobody has heard yet are one.
#[derive(Debug)]
pub(crate) struct Listener(watch::Receiver<()>);

impl Bell {
    pub(crate) fn new() -> Self {
        Self { here: Arc::new(watch::Sender::new(())), beyond: Arc::new(watch::Sender::new(())) }
    }

    /// Rings in this scheduler, and is to be heard by the others.
    pub(crate) fn ring(&self) {
        self.ring_here();
        self.beyond.send_replace(());
    }

    /// Rings in this scheduler alone: another one has rung.
    pub(crate) fn ring_here(&self) {
        self.here.send_replace(());
    }

    /// Listen first, then look, then wait: so that no ring falls between.
    pub(crate) fn listen(&self) -> Listener {
        Listener(self.here.subscribe())
    }

    /// Listens for rings of this scheduler that the others should hear.
    pub(crate) fn listen_beyond(&self) -> Listener {
        Listener(self.beyond.subscribe())
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
