//! Signs of life of one scheduler: its loops, its workers, its calls.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A worker that called within this time is seen.
const SEEN: Duration = Duration::from_secs(60);
/// Names kept: far more workers than one scheduler serves.
const MOST_WORKERS: usize = 10_000;

/// Signs of life. Cheap to clone; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pulse(Arc<Signs>);

#[derive(Debug, Default)]
struct Signs {
    loops: Mutex<BTreeMap<&'static str, Instant>>,
    workers: Mutex<HashMap<String, Instant>>,
    calls: AtomicI64,
}

/// A call under way; it has ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Call(Pulse);

impl Pulse {
    /// A loop has run well.
    pub(crate) fn ran_well(&self, name: &'static str) {
        lock(&self.0.loops).insert(name, Instant::now());
    }

    /// How long ago each loop last ran well.
    pub(crate) fn loops(&self) -> Vec<(&'static str, Duration)> {
        lock(&self.0.loops).iter().map(|(name, at)| (*name, at.elapsed())).collect()
    }

    /// A worker has called.
    pub(crate) fn saw(&self, worker: &str) {
        let mut workers = lock(&self.0.workers);
        if let Some(at) = workers.get_mut(worker) {
            *at = Instant::now();
            return;
        }
        if workers.len() >= MOST_WORKERS {
            workers.retain(|_, at| at.elapsed() < SEEN);
        }
        if workers.len() < MOST_WORKERS {
            workers.insert(worker.to_owned(), Instant::now());
        }
    }

    /// Workers that called within the last minute.
    pub(crate) fn workers(&self) -> usize {
        let mut workers = lock(&self.0.workers);
        workers.retain(|_, at| at.elapsed() < SEEN);
        workers.len()
    }

    /// A call begins.
    pub(crate) fn call(&self) -> Call {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        Call(self.clone())
    }

    /// Calls under way.
    pub(crate) fn calls(&self) -> i64 {
        self.0.calls.load(Ordering::Relaxed)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(signs: &Mutex<T>) -> MutexGuard<'_, T> {
    signs.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_calls_and_loops_are_counted() {
        let pulse = Pulse::default();
        pulse.saw("a");
        pulse.saw("b");
        pulse.saw("a");
        assert_eq!(pulse.workers(), 2);
        let (one, two) = (pulse.call(), pulse.call());
        assert_eq!(pulse.calls(), 2);
        drop((one, two));
        assert_eq!(pulse.calls(), 0);
        pulse.ran_well("expire");
        assert_eq!(pulse.loops().len(), 1);
    }

    #[test]
    fn strangers_cannot_fill_the_memory() {
        let pulse = Pulse::default();
        (0..MOST_WORKERS + 10).for_each(|number| pulse.saw(&number.to_string()));
        assert_eq!(pulse.workers(), MOST_WORKERS);
    }
}
