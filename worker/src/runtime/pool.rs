//! The threads that validate. They know nothing of leases and calls.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use emend_proto::BlockWriter;

use super::check::{Checked, check};
use super::held::Held;
use super::meters;
use super::unit::{SeatId, Step, Unit};

/// A fixed number of threads, and the units that wait for them.
pub(crate) struct Pool {
    held: Arc<Held>,
    desk: Mutex<Desk>,
    bell: Condvar,
}

#[derive(Default)]
struct Desk {
    queue: VecDeque<Arc<Unit>>,
    seats: Vec<Seat>,
    /// Threads that were given up and have not come back.
    stuck: usize,
    seats_ever: u64,
    closed: bool,
}

/// A thread's place in the pool, and the unit it is working on.
struct Seat {
    id: SeatId,
    unit: Option<Arc<Unit>>,
}

/// What a thread was seen at: this slice of this lease of this unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) unit_id: u64,
    pub(crate) epoch: u64,
    /// Records before the slice.
    pub(crate) done: u32,
    /// Records for which it has time: those of the slice, or one of a lease that is lost.
    pub(crate) records: u32,
}

impl Pool {
    /// Starts `threads` threads.
    pub(crate) fn start(threads: usize, held: Arc<Held>) -> io::Result<Arc<Self>> {
        let pool = Arc::new(Self { held, desk: Mutex::default(), bell: Condvar::new() });
        let mut desk = pool.desk();
        let started = (0..threads).try_for_each(|_| pool.hire(&mut desk));
        drop(desk);
        if started.is_err() {
            pool.close();
        }
        started.map(|()| pool)
    }

    /// Queues units behind those that wait.
    pub(crate) fn push(&self, units: impl IntoIterator<Item = Arc<Unit>>) {
        let mut desk = self.desk();
        let before = desk.queue.len();
        desk.queue.extend(units);
        let more = desk.queue.len() - before;
        drop(desk);
        (0..more).for_each(|_| self.bell.notify_one());
    }

    /// What each working thread is at.
    pub(crate) fn sightings(&self) -> Vec<(SeatId, Sighting)> {
        let desk = self.desk();
        let working = desk.seats.iter().filter_map(|seat| Some((seat.id, seat.unit.as_ref()?)));
        let sighting = |unit: &Unit| {
            let (done, records) = unit.at();
            Sighting { unit_id: unit.id(), epoch: unit.lease.epoch, done, records }
        };
        working.map(|(id, unit)| (id, sighting(unit))).collect()
    }

    /// Gives up the thread that does not come back from what it was seen at. A fresh one takes its place and goes on
    /// with the unit. False when the thread has come back meanwhile.
    pub(crate) fn replace(self: &Arc<Self>, seat: SeatId, seen: Sighting) -> io::Result<bool> {
        let mut desk = self.desk();
        let Some(place) = desk.seats.iter().position(|other| other.id == seat) else { return Ok(false) };
        let unit = desk.seats[place].unit.clone();
        let Some(unit) = unit.filter(|unit| (unit.id(), unit.lease.epoch) == (seen.unit_id, seen.epoch))
        else {
            return Ok(false);
        };
        if !unit.take_away(seat, seen.done) {
            return Ok(false);
        }
        // Without its seat the thread ends when it comes back.
        desk.seats.swap_remove(place);
        desk.stuck += 1;
        desk.queue.push_front(unit);
        self.hire(&mut desk)?;
        Ok(true)
    }

    /// Threads that were given up and have not come back. A thread cannot be killed.
    pub(crate) fn stuck(&self) -> usize {
        self.desk().stuck
    }

    /// Lets every thread end after the slice it is at.
    pub(crate) fn close(&self) {
        let mut desk = self.desk();
        desk.closed = true;
        desk.queue.clear();
        drop(desk);
        self.bell.notify_all();
    }

    fn hire(self: &Arc<Self>, desk: &mut Desk) -> io::Result<()> {
        desk.seats_ever += 1;
        let (pool, seat) = (Arc::clone(self), SeatId(desk.seats_ever));
        let name = format!("validate-{}", desk.seats_ever);
        std::thread::Builder::new().name(name).spawn(move || pool.serve(seat))?;
        desk.seats.push(Seat { id: seat, unit: None });
        Ok(())
    }

    /// A thread's life.
    fn serve(&self, seat: SeatId) {
        let mut spare = BlockWriter::default();
        while let Some(unit) = self.next(seat) {
            // Validators are caught one slice at a time; what arrives here is a fault of ours, and costs a unit.
            let worked = catch_unwind(AssertUnwindSafe(|| self.work(seat, &unit, &mut spare)));
            if worked.is_err() && unit.disown(seat) {
                self.held.fail(&unit, "internal", true);
            }
        }
    }

    /// Waits for a unit. `None` when the thread is to end.
    fn next(&self, seat: SeatId) -> Option<Arc<Unit>> {
        let mut desk = self.desk();
        loop {
            let Some(place) = desk.seats.iter().position(|other| other.id == seat) else {
                desk.stuck -= 1;
                return None;
            };
            desk.seats[place].unit = None;
            if desk.closed {
                return None;
            }
            if let Some(unit) = desk.queue.pop_front() {
                desk.seats[place].unit = Some(Arc::clone(&unit));
                return Some(unit);
            }
            desk = self.bell.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn work(&self, seat: SeatId, unit: &Arc<Unit>, spare: &mut BlockWriter) {
        let Some(chain) = &unit.chain else {
            // Another worker may have the pack.
            return self.held.fail(unit, "unsupported", true);
        };
        if !unit.claim(seat, spare) {
            return;
        }
        let begin = Instant::now();
        let mut results = Vec::new();
        loop {
            match unit.step(seat, &results) {
                Step::Validate { first_seq, records } => {
                    let checked = check(chain, &unit.rules, first_seq, &records);
                    let settled = |(seq, checked): (u64, Checked)| {
                        checked.unwrap_or_else(|failure| unit.failed(seq, failure))
                    };
                    results.clear();
                    results.extend((first_seq..).zip(checked).map(settled));
                }
                Step::Finish { mut writer, tally } => {
                    if tally.failed > 0 {
                        tracing::warn!(
                            unit = unit.id(),
                            job = unit.job_id,
                            failed = tally.failed,
                            "records failed"
                        );
                    }
                    let took = begin.elapsed();
                    meters::validated(took);
                    if unit.links.is_empty() {
                        self.held.finish(unit, writer.finish(), tally, took);
                    } else {
                        self.held.wait_for_validators(unit, writer.finish(), begin.into());
                    }
                    *spare = writer;
                    return;
                }
                Step::Report { category, retryable } => return self.held.fail(unit, category, retryable),
                Step::Leave => return,
            }
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
