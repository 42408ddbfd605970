//! What should happen: written from the table of the protocol, without the scheduler's code. One job, in memory, one
//! call after another.

mod imports;
mod units;

use std::collections::BTreeMap;
use std::time::Duration;

use emend_proto::v1::{Record, RecordResult, Verdict};
use emend_scheduler::domain::job::JobState;
use emend_scheduler::domain::unit::{UnitId, UnitState};
use emend_scheduler::store::{Import, Progress};
use emend_tests::bench::TTL;

use crate::call::{Answer, Call};

/// Units that a worker holds at most.
pub(crate) const MAY_HOLD: u32 = 3;

/// A unit, as it should be.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    /// Once the store has said it.
    pub(crate) id: Option<UnitId>,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) state: UnitState,
    pub(crate) epoch: i64,
    pub(crate) attempts: i64,
    pub(crate) secret: Option<Vec<u8>>,
    pub(crate) holder: Option<String>,
    pub(crate) request: Option<String>,
    pub(crate) expires: Option<i64>,
    pub(crate) progress: Option<i64>,
    pub(crate) idle: i64,
    pub(crate) done: Option<(String, Vec<RecordResult>)>,
    pub(crate) damaged: bool,
}

/// The job and its units, as they should be.
#[derive(Debug, Clone)]
pub(crate) struct Oracle {
    pub(crate) now: i64,
    pub(crate) state: JobState,
    pub(crate) paused: bool,
    pub(crate) deleted: bool,
    /// Retention has been here.
    pub(crate) gone: bool,
    ended_at: Option<i64>,
    unit_records: usize,
    pub(crate) attempts: i64,
    /// In order.
    pub(crate) records: Vec<Record>,
    pub(crate) imports: BTreeMap<String, Import>,
    pub(crate) units: Vec<Unit>,
}

fn ttl() -> i64 {
    i64::try_from(Duration::as_millis(&TTL)).expect("a short time")
}

impl Oracle {
    pub(crate) fn new(unit_records: usize, attempts: i64) -> Self {
        Self {
            now: 0,
            state: JobState::Importing,
            paused: false,
            deleted: false,
            gone: false,
            ended_at: None,
            unit_records,
            attempts,
            records: Vec::new(),
            imports: BTreeMap::new(),
            units: Vec::new(),
        }
    }

    /// What the store should answer; after it, this is as the store should be.
    pub(crate) fn apply(&mut self, call: &Call) -> Answer {
        match call {
            Call::Import(rows) => Answer::Import(self.import(rows)),
            Call::Seal => Answer::Job(self.seal()),
            Call::Pause(paused) => Answer::Job(self.steer().map(|()| {
                self.paused = *paused;
                (self.state, self.paused)
            })),
            Call::Cancel => Answer::Job(self.cancel()),
            Call::Delete => Answer::Job(self.delete()),
            Call::Retain { ended } => {
                self.retain(*ended);
                Answer::Done
            }
            Call::Lease { worker, request, tokens } => Answer::Leases(self.lease(worker, request, tokens)),
            Call::Beat { lease, progress } => Answer::Heard(self.beat(lease, *progress)),
            Call::Commit { worker, commits } => {
                Answer::Commits(commits.iter().map(|commit| self.commit(worker, commit)).collect())
            }
            Call::HandBack { lease, how } => Answer::Heard(self.hand_back(lease, *how)),
            Call::Expire { young } => Answer::Units(self.expire(*young)),
            Call::Split { commit_id } => Answer::Split(self.split(commit_id)),
            Call::Advance => Answer::Advanced(self.advance()),
            Call::Retry => Answer::Count(self.retry()),
            Call::Find { key } => Answer::Found(self.find(key)),
        }
    }

    /// Units that count: a unit that was split is its halves.
    pub(crate) fn live(&self) -> Vec<&Unit> {
        let mut live: Vec<_> = self.units.iter().filter(|unit| unit.state != UnitState::Split).collect();
        live.sort_by_key(|unit| unit.first);
        live
    }

    pub(crate) fn result(&self, seq: i64) -> Option<&RecordResult> {
        let unit = self.live().into_iter().find(|unit| (unit.first..=unit.last).contains(&seq))?;
        let (_, results) = unit.done.as_ref()?;
        results.get(usize::try_from(seq - unit.first).ok()?)
    }

    /// Counted record by record.
    pub(crate) fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        for unit in self.live() {
            *match unit.state {
                UnitState::Ready => &mut progress.ready,
                UnitState::Leased => &mut progress.leased,
                UnitState::Done => &mut progress.done,
                UnitState::SetAside => &mut progress.set_aside,
                UnitState::Waiting => &mut progress.waiting,
                UnitState::Ungrouped | UnitState::Split => continue,
            } += 1;
        }
        for seq in (1..).take(self.records.len()) {
            progress.records += 1;
            match self.result(seq).map(RecordResult::verdict) {
                Some(Verdict::Valid) => progress.verdicts.valid += 1,
                Some(Verdict::Corrected) => progress.verdicts.corrected += 1,
                Some(Verdict::Routed) => progress.verdicts.routed += 1,
                Some(Verdict::Failed) => progress.verdicts.failed += 1,
                Some(Verdict::Unspecified) | None => {}
            }
        }
        // Nobody decides here.
        progress.reviews_open = progress.verdicts.routed + progress.verdicts.failed;
        progress
    }

    fn has_ended(&self) -> bool {
        matches!(self.state, JobState::Completed | JobState::Cancelled)
    }

    /// Steering what has ended, or is gone, is refused.
    fn steer(&self) -> Result<(), String> {
        match (self.deleted, self.has_ended()) {
            (true, _) => Err("JobNotFound".into()),
            (_, true) => Err("JobState(Ended)".into()),
            _ => Ok(()),
        }
    }

    fn seal(&mut self) -> Result<(JobState, bool), String> {
        if self.deleted {
            return Err("JobNotFound".into());
        }
        match self.state {
            JobState::Cancelled => return Err("JobState(Ended)".into()),
            JobState::Importing if self.imports.values().any(|import| !import.finished) => {
                return Err("JobState(ImportUnfinished)".into());
            }
            JobState::Importing => self.state = JobState::Running,
            JobState::Running | JobState::Reviewing | JobState::Completed => {}
        }
        Ok((self.state, self.paused))
    }

    fn cancel(&mut self) -> Result<(JobState, bool), String> {
        match self.steer() {
            Err(_) if self.state == JobState::Cancelled && !self.deleted => {}
            Err(refusal) => return Err(refusal),
            Ok(()) => (self.state, self.ended_at) = (JobState::Cancelled, Some(self.now)),
        }
        Ok((self.state, self.paused))
    }

    fn delete(&mut self) -> Result<(JobState, bool), String> {
        match (self.deleted, self.has_ended()) {
            (true, _) => Err("JobNotFound".into()),
            (_, false) => Err("JobState(NotEnded)".into()),
            _ => {
                self.deleted = true;
                Ok((self.state, self.paused))
            }
        }
    }

    fn retain(&mut self, ended: bool) {
        if self.deleted {
            self.units.clear();
            self.imports.clear();
            self.records.clear();
        } else if ended && self.ended_at.is_some_and(|at| at <= self.now) {
            self.gone = true;
        }
    }

    fn advance(&mut self) -> Vec<JobState> {
        let open = |unit: &&Unit| !matches!(unit.state, UnitState::Done | UnitState::Split);
        if self.state != JobState::Running || self.deleted || self.units.iter().any(|unit| open(&unit)) {
            return Vec::new();
        }
        let verdicts = self.progress().verdicts;
        self.state = if verdicts.routed + verdicts.failed > 0 {
            JobState::Reviewing
        } else {
            self.ended_at = Some(self.now);
            JobState::Completed
        };
        vec![self.state]
    }

    fn retry(&mut self) -> u64 {
        if self.deleted {
            return 0;
        }
        let mut count = 0;
        for unit in self.units.iter_mut().filter(|unit| unit.state == UnitState::SetAside) {
            (unit.state, unit.attempts) = (UnitState::Ready, self.attempts);
            count += 1;
        }
        count
    }

    fn find(&self, key: &str) -> Result<(i64, Record, Option<RecordResult>), String> {
        let place = self.records.iter().position(|record| record.key == key).filter(|_| !self.gone);
        let place = place.ok_or("RecordNotFound")?;
        let seq = i64::try_from(place + 1).expect("few records");
        Ok((seq, self.records[place].clone(), self.result(seq).cloned()))
    }
}
