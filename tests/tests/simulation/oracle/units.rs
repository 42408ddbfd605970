//! A unit's life: the table of the protocol, line by line.

use emend_scheduler::domain::job::JobState;
use emend_scheduler::domain::lease::{HandBack, LeaseRef, Refusal, Token};
use emend_scheduler::domain::unit::{UnitId, UnitState};

use super::{MAY_HOLD, Oracle, Unit, ttl};
use crate::call::{Receipted, Sending};
use crate::op::Sent;
use crate::rules;

impl Oracle {
    pub(super) fn lease(
        &mut self,
        worker: &str,
        request: &str,
        tokens: &[Token],
    ) -> Vec<(i64, i64, i64, Vec<u8>)> {
        let held = |unit: &Unit| unit.state == UnitState::Leased && unit.holder.as_deref() == Some(worker);
        let same = |unit: &Unit| held(unit) && unit.request.as_deref() == Some(request);
        let places = 0..self.units.len();
        let mut picked: Vec<usize> = places.clone().filter(|at| same(&self.units[*at])).collect();
        if picked.is_empty() {
            let open = matches!(self.state, JobState::Importing | JobState::Running);
            let holds = self.units.iter().filter(|unit| held(unit)).count();
            let room = (MAY_HOLD as usize).saturating_sub(holds);
            // A unit that was lost before goes alone, to a worker that holds nothing.
            let suspect = |at: usize| self.units[at].attempts < self.attempts;
            let ready = |at: &usize| {
                let unit = &self.units[*at];
                unit.state == UnitState::Ready && unit.attempts > 0 && (holds == 0 || !suspect(*at))
            };
            if open && !self.paused && !self.deleted {
                picked = places.filter(ready).collect();
            }
            picked.sort_by_key(|at| self.units[*at].first);
            picked.truncate(room.min(tokens.len()));
            if let Some(first) = picked.iter().position(|at| suspect(*at)) {
                picked.truncate(first.max(1));
            }
        } else {
            // Asked again for fewer, it gets those that were made first.
            picked.truncate(tokens.len());
            picked.sort_by_key(|at| self.units[*at].first);
        }
        let mut granted = Vec::new();
        for (at, token) in picked.into_iter().zip(tokens) {
            let unit = &mut self.units[at];
            unit.epoch += 1;
            if unit.damaged {
                unit.free(unit.attempts);
                unit.state = UnitState::SetAside;
                continue;
            }
            unit.state = UnitState::Leased;
            unit.secret = Some(token.secret().to_vec());
            (unit.holder, unit.request) = (Some(worker.into()), Some(request.into()));
            (unit.expires, unit.progress, unit.idle) = (Some(self.now + ttl()), None, 0);
            granted.push((unit.first, unit.last, unit.epoch, token.secret().to_vec()));
        }
        granted
    }

    /// The unit that this lease may speak for, or the refusal of the table.
    fn speaks(&mut self, lease: &LeaseRef) -> Result<&mut Unit, Refusal> {
        let (deleted, cancelled) = (self.deleted, self.state == JobState::Cancelled);
        let unit = self.units.iter_mut().find(|unit| unit.id == Some(lease.unit_id));
        let unit = unit.filter(|_| !deleted).ok_or(Refusal::UnitNotFound)?;
        let done = unit.state == UnitState::Done;
        if done && lease.epoch < unit.epoch {
            return Err(Refusal::Superseded);
        }
        if unit.state == UnitState::Split || lease.epoch != unit.epoch {
            return Err(Refusal::LeaseLost);
        }
        match &unit.secret {
            None => Err(Refusal::LeaseLost),
            Some(secret) if secret != lease.token.secret() => Err(Refusal::WrongToken),
            Some(_) if cancelled && !done => Err(Refusal::JobCancelled),
            Some(_) => Ok(unit),
        }
    }

    pub(super) fn beat(&mut self, lease: &LeaseRef, progress: Option<i64>) -> Result<(), Refusal> {
        let now = self.now;
        let unit = self.speaks(lease)?;
        if unit.state != UnitState::Leased {
            return Err(Refusal::LeaseLost);
        }
        let stands = matches!((unit.progress, progress), (Some(before), Some(after)) if after <= before);
        unit.idle = if stands { unit.idle + 1 } else { 0 };
        if unit.idle == 3 {
            unit.free(unit.attempts - 1);
            return Err(Refusal::LeaseLost);
        }
        if !stands && progress.is_some() {
            unit.progress = progress;
        }
        unit.expires = Some(now + ttl());
        Ok(())
    }

    pub(super) fn commit(&mut self, worker: &str, commit: &Sending) -> Result<Receipted, String> {
        let now = self.now;
        let unit = self.speaks(&commit.lease).map_err(|refusal| format!("{refusal:?}"))?;
        let epoch = unit.epoch;
        if let Some((commit_id, results)) = &unit.done {
            if commit.what == Sent::Corrupt || *results != commit.results {
                return Err("IdempotencyMismatch".into());
            }
            return Ok(Receipted { commit_id: commit_id.clone(), epoch, replayed: true, late: false });
        }
        let leased = unit.state == UnitState::Leased;
        match commit.what {
            Sent::Corrupt => {
                unit.free(unit.attempts);
                unit.state = UnitState::SetAside;
                return Err("ChecksumMismatch".into());
            }
            Sent::Unfit => {
                unit.free(unit.attempts - i64::from(leased));
                return Err("ResultsDoNotFit".into());
            }
            Sent::Honest | Sent::Other | Sent::Stranger => {}
        }
        let late = !leased || unit.expires.is_some_and(|at| at <= now);
        unit.state = UnitState::Done;
        unit.done = Some((commit.commit_id.clone(), commit.results.clone()));
        (unit.holder, unit.expires) = (Some(worker.into()), None);
        Ok(Receipted { commit_id: commit.commit_id.clone(), epoch, replayed: false, late })
    }

    pub(super) fn hand_back(&mut self, lease: &LeaseRef, how: HandBack) -> Result<(), Refusal> {
        let deleted = self.deleted;
        let said = self.units.iter().find(|unit| unit.id == Some(lease.unit_id));
        let handed_back = |unit: &Unit| unit.state == UnitState::Ready && unit.secret.is_none();
        if !deleted && said.is_some_and(|unit| unit.epoch == lease.epoch && handed_back(unit)) {
            return Ok(());
        }
        let unit = self.speaks(lease)?;
        let leased = unit.state == UnitState::Leased;
        match how {
            _ if unit.state == UnitState::Done => return Err(Refusal::Superseded),
            HandBack::Release => unit.free(unit.attempts),
            HandBack::Fail { retryable: true } => unit.free(unit.attempts - i64::from(leased)),
            HandBack::Fail { retryable: false } => unit.free(0),
        }
        Ok(())
    }

    pub(super) fn expire(&mut self, young: bool) -> Vec<UnitId> {
        let now = self.now;
        let leased = self.units.iter().filter(|unit| unit.state == UnitState::Leased);
        let (all, expired) =
            (leased.clone().count(), leased.filter(|unit| unit.expires.is_some_and(|at| at <= now)).count());
        let held_back = young || (all >= 10 && expired * 2 > all);
        let mut returned = Vec::new();
        for unit in self.units.iter_mut().filter(|unit| unit.state == UnitState::Leased) {
            unit.expires = unit.expires.map(|at| at.min(now + ttl()));
            let limit = if held_back { now - ttl() } else { now };
            if expired > 0 && unit.expires.is_some_and(|at| at <= limit) {
                let secret = unit.secret.take();
                unit.free(unit.attempts - 1);
                unit.secret = secret;
                returned.extend(unit.id);
            }
        }
        returned.sort_unstable();
        returned
    }

    pub(super) fn split(&mut self, commit_id: &str) -> Option<(&'static str, UnitId)> {
        if self.deleted || !matches!(self.state, JobState::Importing | JobState::Running) {
            return None;
        }
        let exhausted = |unit: &Unit| unit.state == UnitState::Ready && unit.attempts <= 0;
        let attempts = self.attempts;
        let unit = self.units.iter_mut().find(|unit| exhausted(unit))?;
        let id = unit.id.unwrap_or_default();
        if unit.damaged {
            unit.free(unit.attempts);
            unit.state = UnitState::SetAside;
            return Some(("set aside", id));
        }
        (unit.epoch, unit.secret) = (unit.epoch + 1, None);
        let (first, last) = (unit.first, unit.last);
        if first == last {
            unit.state = UnitState::Done;
            unit.done = Some((commit_id.to_owned(), vec![rules::given_up(first)]));
            unit.holder = Some("scheduler".into());
            return Some(("failed", id));
        }
        unit.state = UnitState::Split;
        let middle = first + (last - first + 1) / 2;
        for (first, last) in [(first, middle - 1), (middle, last)] {
            let attempts = if first == last { attempts } else { 1 };
            self.units.push(Unit::ready(first, last, attempts));
        }
        Some(("halved", id))
    }
}

impl Unit {
    /// Nobody has it any more, and its lease is closed.
    fn free(&mut self, attempts: i64) {
        self.state = UnitState::Ready;
        self.attempts = attempts.max(0);
        (self.secret, self.holder, self.request) = (None, None, None);
        (self.expires, self.progress, self.idle) = (None, None, 0);
    }
}
