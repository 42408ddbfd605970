//! Who writes next to SQLite, which takes one writer at a time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// How urgent a write is. A long import must not cost a lease, and retention waits for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Beats, commits and leases.
    Urgent,
    /// Imports, and what operators ask for.
    Normal,
    /// Retention.
    Idle,
}

/// The queue for the writer: by lane, then in order of arrival.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lanes(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    busy: bool,
    waiting: [VecDeque<oneshot::Sender<Turn>>; 3],
}

/// The right to write; the next in line gets it when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Option<Lanes>);

impl Lanes {
    /// Waits for a turn to write.
    pub(crate) async fn turn(&self, lane: Lane) -> Turn {
        let waiting = {
            let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !queue.busy {
                queue.busy = true;
                return Turn(Some(self.clone()));
            }
            let (turn, waiting) = oneshot::channel();
            queue.waiting[lane as usize].push_back(turn);
            waiting
        };
        waiting.await.expect("a turn is passed on, never dropped unsent")
    }

    fn pass_on(self) {
        let next = {
            let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let next = queue.waiting.iter_mut().find_map(VecDeque::pop_front);
            queue.busy = next.is_some();
            next
        };
        // Outside the lock: who no longer waits drops the turn right here, and that passes it on again.
        if let Some(next) = next {
            let _gone = next.send(Turn(Some(self)));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(lanes) = self.0.take() {
            lanes.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn the_urgent_go_first_and_those_who_left_are_passed_over() {
        let lanes = Lanes::default();
        let order = Mutex::new(Vec::new());
        let first = lanes.turn(Lane::Idle).await;
        let take = |name: &'static str, lane| {
            let (lanes, order) = (lanes.clone(), &order);
            async move {
                let _turn = lanes.turn(lane).await;
                order.lock().unwrap().push(name);
            }
        };
        let mut gone = Box::pin(take("gone", Lane::Urgent));
        assert!(futures::poll!(&mut gone).is_pending());
        let mut idle = Box::pin(take("retention", Lane::Idle));
        let mut normal = Box::pin(take("import", Lane::Normal));
        let mut urgent = Box::pin(take("commit", Lane::Urgent));
        assert!(futures::poll!(&mut idle).is_pending());
        assert!(futures::poll!(&mut normal).is_pending());
        assert!(futures::poll!(&mut urgent).is_pending());
        drop(gone);
        drop(first);
        futures::join!(idle, normal, urgent);
        assert_eq!(*order.lock().unwrap(), ["commit", "import", "retention"]);
    }
}
