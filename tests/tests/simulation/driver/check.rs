//! What is compared after each step, and what must hold in the end.

use emend_proto::decode;
use emend_proto::v1::{Record, RecordResult, Verdict};
use emend_scheduler::domain::job::{JobRef, JobState};
use emend_scheduler::domain::lease::Token;
use emend_scheduler::domain::unit::UnitState;
use emend_scheduler::store::{Having, StoreError, UnitStatus};
use emend_tests::bench::TTL;
use emend_tests::worker::number;

use super::{Driver, Wrong, records};
use crate::call::{Answer, Call, Rows, Sending};
use crate::op::Sent;
use crate::oracle::Unit;
use crate::rules;

/// Everything that is to be seen of a unit.
fn seen(status: &UnitStatus) -> String {
    let UnitStatus { unit, worker, .. } = status;
    let commit = unit.receipt.as_ref().map(|receipt| &receipt.commit_id);
    let expires = unit.expires_at.map(|at| at.0);
    format!(
        "{}..={} {:?} epoch {} attempts {} expires {expires:?} progress {:?} idle {} worker {worker:?} commit {commit:?}",
        unit.first_seq,
        unit.last_seq,
        unit.state,
        unit.epoch,
        unit.attempts_left,
        unit.progress,
        unit.idle_beats
    )
}

fn foreseen(unit: &Unit) -> String {
    let Unit { first, last, state, epoch, attempts, expires, progress, idle, holder, .. } = unit;
    let commit = unit.done.as_ref().map(|(commit_id, _)| commit_id);
    format!(
        "{first}..={last} {state:?} epoch {epoch} attempts {attempts} expires {expires:?} progress {progress:?} idle {idle} worker {holder:?} commit {commit:?}"
    )
}

impl Driver<'_> {
    /// Whether the store is as the oracle says.
    pub(super) async fn same(&mut self) -> Result<(), Wrong> {
        let failed = |error: StoreError| error.to_string();
        let job = match self.store().job(JobRef::Id(self.job.id)).await {
            Err(StoreError::JobNotFound) if self.oracle.deleted => return Ok(()),
            job => job.map_err(failed)?,
        };
        let is = (job.state, job.paused, job.blocks_gone, job.records());
        let records = i64::try_from(self.oracle.records.len()).expect("few records");
        let should = (self.oracle.state, self.oracle.paused, self.oracle.gone, records);
        if is != should {
            return Err(format!("the job is {is:?}, expected {should:?}"));
        }
        let units = self.store().units(self.job.id, None, 0, 1000).await.map_err(failed)?;
        let (is, should): (Vec<_>, Vec<_>) =
            (units.iter().map(seen).collect(), self.oracle.live().into_iter().map(foreseen).collect());
        if is != should {
            return Err(format!(
                "units are\n    {}\n  expected\n    {}",
                is.join("\n    "),
                should.join("\n    ")
            ));
        }
        let (is, should) =
            (self.store().progress(self.job.id).await.map_err(failed)?, self.oracle.progress());
        if is != should {
            return Err(format!("progress is {is:?}, expected {should:?}"));
        }
        self.learn(&units)
    }

    /// New units' ids; a unit keeps the one that it has.
    fn learn(&mut self, units: &[UnitStatus]) -> Result<(), Wrong> {
        for status in units {
            let (id, first) = (status.unit.id, status.unit.first_seq);
            let live = |unit: &&mut Unit| unit.first == first && unit.state != UnitState::Split;
            let known = self.oracle.units.iter_mut().find(live).ok_or("a unit too many")?;
            if *known.id.get_or_insert(id) != id {
                return Err(format!("the unit at {first} has another id"));
            }
        }
        Ok(())
    }

    /// Nothing goes wrong any more: the work is done, and what must hold in the end is looked at.
    pub(crate) async fn end(&mut self) -> Result<(), Wrong> {
        self.skew = 0;
        self.repair().await?;
        if !matches!(self.oracle.state, JobState::Cancelled | JobState::Completed) {
            self.work_off().await?;
        }
        self.same().await?;
        if self.oracle.deleted {
            self.step(Call::Retain { ended: false }).await?;
            let rows =
                self.database.int("SELECT (SELECT COUNT(*) FROM units) + (SELECT COUNT(*) FROM blocks)");
            return match rows.await {
                0 => Ok(()),
                rows => Err(format!("{rows} rows of a deleted job are still there")),
            };
        }
        self.say_again().await?;
        if self.oracle.gone {
            return Ok(());
        }
        let done = self.oracle.live().into_iter().filter(|unit| unit.state == UnitState::Done).count();
        let blocks = self.database.int("SELECT COUNT(*) FROM blocks WHERE revision > 0").await;
        if usize::try_from(blocks) != Ok(done) {
            return Err(format!("{done} units are done, and there are {blocks} blocks of results"));
        }
        self.export().await
    }

    async fn work_off(&mut self) -> Result<(), Wrong> {
        let unfinished = self.oracle.imports.values().filter(|import| !import.finished);
        let ends: Vec<_> = unfinished
            .map(|import| Rows {
                source: import.import_id.clone(),
                offset: import.next_offset,
                records: Vec::new(),
                rejects: 0,
                last: true,
            })
            .collect();
        for end in ends {
            self.step(Call::Import(end)).await?;
        }
        self.step(Call::Pause(false)).await?;
        self.step(Call::Seal).await?;
        for _ in 0..200 {
            if self.oracle.live().iter().all(|unit| unit.state == UnitState::Done) {
                self.step(Call::Advance).await?;
                let settled = matches!(self.oracle.state, JobState::Completed | JobState::Reviewing);
                return if settled { Ok(()) } else { Err("all units are done, and the job is not".into()) };
            }
            self.now = self.now + TTL;
            self.step(Call::Expire { young: false }).await?;
            while self.step(Call::Split { commit_id: format!("split-{}", number()) }).await?
                != Answer::Split(None)
            {
                self.same().await?;
            }
            self.commit_all().await?;
        }
        Err("units are left that nobody can finish".into())
    }

    async fn commit_all(&mut self) -> Result<(), Wrong> {
        let tokens = (0..3).map(|_| Token::new(u128::from(number()).to_be_bytes())).collect();
        let leases = self.lease_now("calm".into(), format!("request-{}", number()), tokens).await?;
        let sending = leases.iter().map(|lease| Sending {
            lease: lease.lease.clone(),
            what: Sent::Honest,
            results: rules::results(Sent::Honest, lease.what.first_seq, &records(lease)),
            commit_id: format!("commit-{}", number()),
        });
        let commits = sending.collect();
        self.step(Call::Commit { worker: "calm".into(), commits }).await?;
        self.same().await
    }

    /// Everything that was ever sent, once more: the receipts are the same, and nothing else happens.
    async fn say_again(&mut self) -> Result<(), Wrong> {
        for (worker, sending) in std::mem::take(&mut self.sent) {
            let again = Sending { commit_id: format!("commit-{}", number()), ..sending };
            self.step(Call::Commit { worker, commits: vec![again] }).await?;
        }
        self.same().await
    }

    /// The export: what was imported, in order, with the results that were taken, each change with its provenance.
    async fn export(&self) -> Result<(), Wrong> {
        let pages = self.store().unit_blocks(self.job.id, Having::Anything, 0, 1000).await;
        let (mut exported, mut found) = (Vec::new(), Vec::new());
        for page in pages.map_err(|error| error.to_string())? {
            let block = decode::<Record>(&page.records).map_err(|error| error.to_string())?;
            exported.extend(block.map(|record| record.expect("a record")));
            let count = usize::try_from(page.last_seq - page.first_seq + 1).expect("few records");
            match page.results {
                None => found.extend(std::iter::repeat_n(None, count)),
                Some(block) => {
                    let results = decode::<RecordResult>(&block).map_err(|error| error.to_string())?;
                    found.extend(results.map(|result| Some(result.expect("a result"))));
                }
            }
        }
        if exported != self.oracle.records || found.len() != exported.len() {
            return Err("the export does not hold the records that were imported".into());
        }
        let finished = matches!(self.oracle.state, JobState::Completed | JobState::Reviewing);
        for (seq, (record, result)) in (1..).zip(exported.iter().zip(&found)) {
            if result.as_ref() != self.oracle.result(seq) || (finished && result.is_none()) {
                return Err(format!("record {seq} is exported with {result:?}"));
            }
            let Some(result) = result else { continue };
            let other = result.changes.iter().any(|change| change.rule == "n.other");
            let undisturbed = *result == rules::honest(seq, record);
            if !undisturbed && !other && result.verdict() != Verdict::Failed {
                return Err(format!("record {seq}: a run that nobody disturbed says otherwise: {result:?}"));
            }
            if !rules::has_provenance(record, result) {
                return Err(format!("record {seq}: a change without its provenance: {result:?}"));
            }
        }
        Ok(())
    }
}
