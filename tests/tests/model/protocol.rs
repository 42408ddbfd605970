//! The protocol, step by step. What is decided, the scheduler's own domain decides; what is written here is what the
//! store's statements do with the decision. Each step is one transaction, unless a mutant says otherwise.

use std::time::Duration;

use emend_scheduler::domain::beat::{self, Beat, decide_beat};
use emend_scheduler::domain::commit::{self, Content, decide_commit};
use emend_scheduler::domain::cut::{Split, split};
use emend_scheduler::domain::expiry::{Sight, cutoff};
use emend_scheduler::domain::job::JobPolicy;
use emend_scheduler::domain::lease::{HandBack, Refusal, decide_hand_back};
use emend_scheduler::domain::time::Timestamp;
use emend_scheduler::domain::unit::UnitState;

use crate::mutant::Mutant;
use crate::world::{GIVEN_UP, Grant, Pending, Row, Sent, World};

/// How long a lease lasts, in the model's ticks.
pub(crate) const TTL: i16 = 5;

/// What a caller hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// No call: a loop, an operator, or half of a mutant's transaction.
    Nothing,
    /// A lease: its place in `granted`. `None` when nothing is ready.
    Granted(Option<usize>),
    /// A beat or a hand-back.
    Heard(Result<(), Refusal>),
    /// A receipt: the commit's number.
    Accepted { number: u8, replayed: bool },
    /// A commit that was not taken.
    Refused(Refusal),
}

/// The rules, whole or with one guard taken out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protocol {
    pub(crate) mutant: Option<Mutant>,
    pub(crate) attempts: u32,
}

impl Protocol {
    fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn policy(&self) -> JobPolicy {
        JobPolicy { attempts: self.attempts, ..JobPolicy::default() }
    }

    /// `store/leases.rs`: the units of the same request again, or the first that is ready.
    pub(crate) fn lease(&self, world: &mut World, worker: u8, request: u8, clock: i16) -> Answer {
        let asked = (Some(worker), Some(request));
        let again = world
            .rows
            .iter()
            .position(|row| row.state == UnitState::Leased && (row.holder, row.request) == asked)
            .filter(|_| !self.has(Mutant::RepeatGrantsOthers));
        let open = |row: &Row| {
            row.state == UnitState::Ready
                || self.has(Mutant::LeaseTakesLeased) && row.state == UnitState::Leased
        };
        let ready = || {
            let ready = |row: &Row| open(row) && row.attempts > 0 && !world.cancelled;
            let mut found: Vec<_> = (0..world.rows.len()).filter(|id| ready(&world.rows[*id])).collect();
            found.sort_by_key(|id| world.rows[*id].first);
            found.first().copied()
        };
        let Some(id) = again.or_else(ready) else { return Answer::Granted(None) };
        let token = u8::try_from(world.granted.len()).expect("few leases");
        let row = &mut world.rows[id];
        let kept = match again {
            Some(_) => self.has(Mutant::EpochNotBumpedOnRepeat),
            None => self.has(Mutant::EpochNotBumped) && row.epoch > 0,
        };
        row.epoch += u8::from(!kept);
        row.attempts -= i8::from(again.is_some() && self.has(Mutant::RepeatCounts));
        row.state = UnitState::Leased;
        (row.token, row.holder, row.request) = (Some(token), Some(worker), Some(request));
        (row.expires, row.progress, row.idle) = (Some(clock + TTL), None, 0);
        // What the judge counts, whatever the epoch says.
        row.grants += 1;
        (row.counted, row.closed, row.still) = (false, false, 0);
        world.granted.push(Grant { unit: id, epoch: row.epoch, token, nth: row.grants });
        Answer::Granted(Some(world.granted.len() - 1))
    }

    /// `store/beats.rs`.
    pub(crate) fn beat(&self, world: &mut World, grant: usize, progress: Option<u8>, clock: i16) -> Answer {
        let id = world.granted[grant].unit;
        let said = Beat { lease: world.lease(grant, false), progress: progress.map(i64::from) };
        let mut unit = world.unit(id);
        if self.has(Mutant::BeatOfAnyEpoch) {
            (unit.epoch, unit.token_hash) = (said.lease.epoch, Some(said.lease.token.hash()));
        }
        if self.has(Mutant::BeatRevives) && unit.state == UnitState::Ready {
            unit.state = UnitState::Leased;
        }
        let mut decision = decide_beat(Some(&unit), &said);
        if self.has(Mutant::HungIsHeld) && decision == beat::Decision::End {
            decision = beat::Decision::Extend { progress: unit.progress, idle_beats: unit.idle_beats };
        }
        let row = &mut world.rows[id];
        match decision {
            beat::Decision::Extend { progress, idle_beats } => {
                row.state = unit.state;
                row.expires = Some(clock + TTL);
                row.progress = progress.map(small);
                row.idle = small(idle_beats);
                Answer::Heard(Ok(()))
            }
            beat::Decision::End => {
                row.give_back((row.attempts - 1).max(0));
                Answer::Heard(Err(Refusal::LeaseLost))
            }
            beat::Decision::Refuse(refusal) => Answer::Heard(Err(refusal)),
        }
    }

    /// `store/commits.rs`.
    pub(crate) fn commit(
        &self,
        world: &mut World,
        grant: usize,
        sent: Sent,
        stranger: bool,
        clock: i16,
    ) -> Answer {
        let decision = self.decide_commit(world, grant, sent, stranger, clock);
        if self.has(Mutant::FenceOutsideWrite) && matches!(decision, commit::Decision::Apply { .. }) {
            world.pending = Some(Pending::Commit { grant, sent });
            return Answer::Nothing;
        }
        let id = world.granted[grant].unit;
        let row = &mut world.rows[id];
        match decision {
            commit::Decision::Apply { .. } => self.apply(world, grant, sent),
            commit::Decision::Replay(receipt) => {
                let number: u8 = receipt.commit_id.parse().expect("a number");
                let number = number + u8::from(self.has(Mutant::ReplayNewReceipt));
                Answer::Accepted { number, replayed: true }
            }
            commit::Decision::Refuse(refusal) => Answer::Refused(refusal),
            commit::Decision::HandBack(refusal) => {
                let counted = i8::from(row.state == UnitState::Leased);
                row.give_back((row.attempts - counted).max(0));
                Answer::Refused(refusal)
            }
            commit::Decision::Again(refusal) => {
                row.give_back(row.attempts);
                Answer::Refused(refusal)
            }
            commit::Decision::SetAside => {
                row.give_back(row.attempts);
                row.state = UnitState::SetAside;
                Answer::Refused(Refusal::ChecksumMismatch)
            }
        }
    }

    fn decide_commit(
        &self,
        world: &World,
        grant: usize,
        sent: Sent,
        stranger: bool,
        clock: i16,
    ) -> commit::Decision {
        let id = world.granted[grant].unit;
        let (lease, mut unit) = (world.lease(grant, stranger), world.unit(id));
        let mut content = sent.content(&world.rows[id]);
        let refuse = |refusal| commit::Decision::Refuse(refusal);
        match self.mutant {
            Some(Mutant::StateOnly) => {
                return match unit.state {
                    UnitState::Leased => commit::Decision::Apply { late: false },
                    _ => refuse(Refusal::LeaseLost),
                };
            }
            Some(Mutant::TokenNotCompared) if unit.token_hash.is_some() => {
                unit.token_hash = Some(lease.token.hash());
            }
            Some(Mutant::CommitByClock) if unit.receipt.is_none() => {
                let expired = unit.expires_at.is_none_or(|at| at <= Timestamp(i64::from(clock)));
                if expired {
                    return refuse(Refusal::LeaseLost);
                }
            }
            Some(Mutant::CancelNotChecked) => {
                unit.job_state = Some(emend_scheduler::domain::job::JobState::Running);
            }
            Some(Mutant::ReplayIgnoresDigest) => {
                if let (Some(receipt), Content::Sound(results)) = (&unit.receipt, &mut content) {
                    results.digest.clone_from(&receipt.digest);
                }
            }
            Some(Mutant::CoverNotChecked) => {
                if let Content::Sound(results) = &mut content {
                    (results.first_seq, results.last_seq) = (unit.first_seq, unit.last_seq);
                }
            }
            _ => {}
        }
        decide_commit(Some(&unit), &lease, &content, Timestamp(i64::from(clock)))
    }

    /// Writes results: the row as the store's guarded statement does.
    fn apply(&self, world: &mut World, grant: usize, sent: Sent) -> Answer {
        let Grant { unit: id, nth, .. } = world.granted[grant];
        let number = small(i64::try_from(world.taken.len()).expect("few commits")) * 2;
        let row = &mut world.rows[id];
        row.state = UnitState::Done;
        row.receipt = Some((number, sent.digest()));
        row.expires = None;
        world.taken.push(crate::world::Taken { unit: id, nth, digest: sent.digest(), number });
        Answer::Accepted { number, replayed: false }
    }

    /// `store/handbacks.rs`.
    pub(crate) fn hand_back(&self, world: &mut World, grant: usize, how: HandBack) -> Answer {
        let (id, lease) = (world.granted[grant].unit, world.lease(grant, false));
        let mut unit = world.unit(id);
        let fails = matches!(how, HandBack::Fail { .. });
        if self.has(Mutant::FailOfAnyEpoch) && fails {
            (unit.epoch, unit.token_hash) = (lease.epoch, Some(lease.token.hash()));
        }
        if self.has(Mutant::FailCountsAgain) && fails && unit.state == UnitState::Ready {
            unit.state = UnitState::Leased;
        }
        let row = &mut world.rows[id];
        Answer::Heard(decide_hand_back(Some(&unit), &lease, how).map(|attempts_left| {
            let Some(attempts_left) = attempts_left else { return };
            let token = row.token;
            row.give_back(i8::try_from(attempts_left).expect("few attempts"));
            if how == HandBack::Release && self.has(Mutant::ReleaseCounts) {
                row.attempts = (row.attempts - 1).max(0);
            }
            if self.has(Mutant::ReleaseKeepsToken) {
                row.token = token;
            }
        }))
    }

    /// `store/handbacks.rs`, the loop.
    pub(crate) fn expire(&self, world: &mut World, clock: i16, young: bool) {
        let held = |row: &&mut Row| row.state == UnitState::Leased;
        let longest = clock + TTL;
        let held_now = world.rows.iter().filter(|row| row.state == UnitState::Leased);
        let expired = held_now.clone().filter(|row| row.expires <= Some(clock)).count();
        let sight = Sight {
            now: time(clock),
            started_at: if young { time(clock) } else { Timestamp(i64::MIN) },
            ttl: Duration::from_millis(TTL.unsigned_abs().into()),
            leased: i64::try_from(held_now.count()).expect("few units"),
            expired: i64::try_from(expired).expect("few units"),
        };
        let cutoff = if self.has(Mutant::NoHoldBack) { sight.now } else { cutoff(sight) };
        if !self.has(Mutant::NoClamp) {
            for row in world.rows.iter_mut().filter(held).filter(|row| row.expires > Some(longest)) {
                row.expires = Some(longest);
            }
        }
        let runs_out = |row: &Row| row.expires.is_some_and(|at| time(at) <= cutoff);
        if self.has(Mutant::ExpiryOutside) {
            let found = world.rows.iter().position(|row| row.state == UnitState::Leased && runs_out(row));
            world.pending = found.map(|unit| Pending::Expire { unit, clock });
            return;
        }
        for row in world.rows.iter_mut().filter(held).filter(|row| runs_out(row)) {
            self.return_expired(row);
        }
    }

    fn return_expired(&self, row: &mut Row) {
        row.unhold((row.attempts - i8::from(!self.has(Mutant::ExpiryForgetsAttempt))).max(0));
        if self.has(Mutant::ExpiryClosesLease) {
            row.token = None;
        }
    }

    /// `store/splits.rs`.
    pub(crate) fn split(&self, world: &mut World) {
        let exhausted = |row: &Row| row.state == UnitState::Ready && row.attempts <= 0 && !world.cancelled;
        let Some(id) = world.rows.iter().position(exhausted) else { return };
        if self.has(Mutant::NoSplit) {
            return;
        }
        let Row { first, last, .. } = world.rows[id];
        let decided = split(&vec![0; usize::from(last - first) + 1], &self.policy());
        let row = &mut world.rows[id];
        if !self.has(Mutant::GiveUpWithoutGrant) {
            (row.epoch, row.token) = (row.epoch + 1, None);
        }
        row.grants += 1;
        match decided {
            Split::Halves { first: records, attempts, .. } => {
                if !self.has(Mutant::SplitKeepsParent) {
                    row.state = UnitState::Split;
                }
                let middle = first + small(i64::try_from(records).expect("few records"));
                let skipped = u8::from(self.has(Mutant::SplitLosesRecord));
                world.rows.push(Row::new(first, middle - 1, attempts.0));
                world.rows.push(Row::new(middle + skipped, last, attempts.1));
            }
            Split::Failed => {
                let number = small(i64::try_from(world.taken.len()).expect("few commits")) * 2;
                (row.state, row.receipt) = (UnitState::Done, Some((number, GIVEN_UP)));
                let nth = row.grants;
                world.taken.push(crate::world::Taken { unit: id, nth, digest: GIVEN_UP, number });
            }
        }
    }

    /// The second transaction of a mutant that needs two.
    pub(crate) fn write(&self, world: &mut World) -> Answer {
        match world.pending.take() {
            Some(Pending::Commit { grant, sent }) => self.apply(world, grant, sent),
            Some(Pending::Expire { unit, .. }) => {
                if world.rows[unit].state == UnitState::Leased {
                    self.return_expired(&mut world.rows[unit]);
                }
                Answer::Nothing
            }
            None => Answer::Nothing,
        }
    }

    /// An operator looks at damaged units and gives them all attempts again (`store/progress.rs`).
    pub(crate) fn retry(&self, world: &mut World) {
        for row in world.rows.iter_mut().filter(|row| row.state == UnitState::SetAside) {
            row.state = UnitState::Ready;
            row.attempts = i8::try_from(self.attempts).expect("few attempts");
        }
    }
}

fn time(clock: i16) -> Timestamp {
    Timestamp(clock.into())
}

fn small(number: i64) -> u8 {
    u8::try_from(number).expect("a small number")
}
