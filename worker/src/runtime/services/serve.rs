//! Units behind the pack: their validators are called, one after the other, and what they say is added.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use emend_proto::v1::{self, Block, RecordResult, ValidatedRecord, Verdict};
use emend_proto::{BlockWriter, decode};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Services;
use super::batch::{Batch, Next, Place, batches, may_be_away};
use super::description::Description;
use super::merge::merge;
use super::service::Service;
use crate::Record;
use crate::runtime::WorkerError;
use crate::runtime::chain::{Chain, Member};
use crate::runtime::check::{Checked, Failure};
use crate::runtime::group::together;
use crate::runtime::held::{Held, Waiting};
use crate::runtime::leaser::Packs;
use crate::runtime::link::Link;
use crate::runtime::meters;
use crate::runtime::report::{Counters, Tally};
use crate::runtime::unit::{Order, Unit};

/// How often a unit on hold looks whether it may go on.
const ON_HOLD: Duration = Duration::from_millis(50);
/// What is assumed of a lease's time before any was seen.
const TTL: Duration = Duration::from_secs(60);

/// Takes units from the pool, and finishes them.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) link: Arc<Link>,
    pub(crate) held: Arc<Held>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) services: Services,
    pub(crate) packs: Arc<Packs>,
    /// A call may take this long, and four times what its records cost.
    pub(crate) patience: Duration,
}

/// Why a unit is not finished.
enum Stopped {
    /// A validator does not answer.
    Away,
    /// Somebody else has the lease.
    Lost,
    /// Its blocks cannot be read.
    Damaged,
}

/// The records of a unit and what the chain has made of them.
struct Work<'a> {
    unit: &'a Unit,
    key_field: &'a str,
    records: &'a [Option<Record<'a>>],
    /// The number of each record's group.
    groups: &'a [u64],
    results: &'a mut [RecordResult],
}

impl Server {
    /// Serves until `end`.
    pub(crate) async fn run(self, end: CancellationToken) -> Result<(), WorkerError> {
        let mut serving = JoinSet::new();
        loop {
            for waiting in self.held.take_waiting() {
                let server = self.clone();
                serving.spawn(async move { server.serve(waiting).await });
            }
            tokio::select! {
                () = end.cancelled() => return Ok(()),
                () = self.held.waiting.notified() => {}
                Some(ended) = serving.join_next() => ended.map_err(WorkerError::Task)?,
            }
        }
    }

    async fn serve(&self, waiting: Waiting) {
        let Waiting { unit, results, begun } = waiting;
        match self.check(&unit, results).await {
            Ok((results, tally)) => self.held.finish(&unit, results, tally, begun.elapsed()),
            Err(Stopped::Away) => self.hand_back(&unit).await,
            Err(Stopped::Damaged) => self.held.fail(&unit, "block_malformed", false),
            Err(Stopped::Lost) => {}
        }
    }

    async fn check(&self, unit: &Arc<Unit>, results: Block) -> Result<(Block, Tally), Stopped> {
        let damaged = |_| Stopped::Damaged;
        let records = decode::<v1::Record>(&unit.records).map_err(damaged)?;
        let records = Arc::new(records.collect::<Result<Vec<_>, _>>().map_err(damaged)?);
        let results = decode::<RecordResult>(&results).map_err(damaged)?;
        let mut results = results.collect::<Result<Vec<_>, _>>().map_err(damaged)?;
        // What is no JSON object has failed already.
        let parsed: Vec<_> =
            records.iter().map(|record| Record::parse(&record.key, &record.payload).ok()).collect();
        let groups: Vec<u64> = records.iter().map(|record| record.group).collect();
        let key_field = unit.chain.as_ref().map_or("", Chain::key_field);
        for link in &unit.links {
            if let Some(validator) = self.packs.get(&(link.name.clone(), link.version.clone())) {
                let member = Member::behind(link, Arc::clone(validator), &unit.job);
                results = run_here(member, Arc::clone(unit), Arc::clone(&records), results).await?;
                continue;
            }
            let (service, here) = self.services.find(link).ok_or(Stopped::Away)?;
            let mut work = Work { unit, key_field, records: &parsed, groups: &groups, results: &mut results };
            self.ask(&service, &here, &mut work).await?;
        }
        let (mut writer, mut tally) = (BlockWriter::default(), Tally::default());
        for result in &results {
            tally.count(result);
            writer.push(result);
        }
        Ok((writer.finish(), tally))
    }

    /// Asks one validator about all records.
    async fn ask(&self, service: &Service, of: &Description, work: &mut Work<'_>) -> Result<(), Stopped> {
        let ttl = self.held.shortest_ttl().unwrap_or(TTL);
        let groups = if of.groups { work.groups } else { &[] };
        let mut todo = batches(work.results, groups, of.batch_within(ttl, service.cost(of)));
        todo.reverse();
        while let Some(batch) = todo.pop() {
            may_go_on(work.unit).await?;
            let request = batch.request(of, &work.unit.job, work.records, work.results);
            let limit = self.patience + of.cost * u32::try_from(batch.places.len()).unwrap_or(u32::MAX) * 4;
            match service.validate(request, limit).await {
                Ok(answer) => {
                    meters::called(&of.name, "ok");
                    work.take(of, &batch, answer.records);
                    work.unit.add_served(batch.places.len());
                }
                Err(status) => {
                    meters::called(&of.name, "failed");
                    if may_be_away(&status) && !service.look().await {
                        service.miss();
                        return Err(Stopped::Away);
                    }
                    match batch.after(&status) {
                        Next::Again(batch, pause) => {
                            tokio::time::sleep(pause).await;
                            todo.push(batch);
                        }
                        Next::Halves(front, back) => todo.extend([back, front]),
                        Next::GiveUp(batch) => {
                            batch.places.iter().for_each(|place| work.refuse(of, place.at, "no_answer"));
                            work.unit.add_served(batch.places.len());
                        }
                        Next::LeaveIt => {
                            service.rest();
                            return Err(Stopped::Away);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// No attempt is counted: it is no fault of the unit's.
    async fn hand_back(&self, unit: &Unit) {
        let leases =
            self.held.take_back(|other| other.id() == unit.id() && other.lease.epoch == unit.lease.epoch);
        if leases.is_empty() {
            return;
        }
        self.counters.add(|report| report.released += 1);
        if let Err(status) = self.link.release(leases).await {
            tracing::warn!(
                unit = unit.id(),
                reason = status.message(),
                "cannot hand a unit back; it will expire"
            );
        }
    }
}

impl Work<'_> {
    /// Takes what was answered, record by record: what is wrong with one costs no other anything.
    fn take(&mut self, of: &Description, batch: &Batch, answers: Vec<ValidatedRecord>) {
        let mut by_id: HashMap<u32, ValidatedRecord> = HashMap::new();
        let mut twice = Vec::new();
        for answer in answers {
            if answer.id as usize >= batch.places.len() {
                meters::refused(&of.name, "foreign_record");
                tracing::warn!(
                    unit = self.unit.id(),
                    validator = of.name,
                    "it answers about a record that was not asked about"
                );
            } else if let Some(before) = by_id.insert(answer.id, answer) {
                twice.push(before.id);
            }
        }
        for (id, &Place { at, .. }) in (0..).zip(&batch.places) {
            let answer = by_id.remove(&id).filter(|_| !twice.contains(&id));
            let Some(record) = &self.records[at] else { continue };
            let merged = match answer {
                Some(answer) => {
                    merge(of, self.key_field, &self.unit.rules, record, &mut self.results[at], answer)
                }
                None if twice.contains(&id) => Err("answered_twice"),
                None => Err("no_answer"),
            };
            if let Err(why) = merged {
                self.refuse(of, at, why);
            }
        }
    }

    /// The record goes to a person.
    fn refuse(&mut self, of: &Description, at: usize, why: &'static str) {
        meters::refused(&of.name, why);
        let seq = self.results[at].seq;
        let (unit, job) = (self.unit.id(), self.unit.job_id);
        tracing::warn!(
            unit,
            job,
            seq,
            validator = of.name,
            why,
            "a validator's answer is refused; the record goes to a person"
        );
        self.results[at] = Failure::Validator.into_result(seq);
    }
}

/// Runs what stands behind a called validator and is in this process. No watchdog sees it: a rule file is bounded by itself,
/// and of anything else that hangs the scheduler takes the unit away.
async fn run_here(
    member: Member,
    unit: Arc<Unit>,
    records: Arc<Vec<v1::Record>>,
    mut results: Vec<RecordResult>,
) -> Result<Vec<RecordResult>, Stopped> {
    let run = move || {
        let mut rest = &mut results[..];
        for slice in records.chunk_by(together) {
            if unit.order() == Order::Drop {
                return Err(Stopped::Lost);
            }
            let (of_slice, behind) = rest.split_at_mut(slice.len());
            run_slice(&member, &unit, slice, of_slice);
            unit.add_served(slice.len());
            rest = behind;
        }
        Ok(results)
    };
    tokio::task::spawn_blocking(run).await.map_err(|_| Stopped::Lost)?
}

fn run_slice(member: &Member, unit: &Unit, records: &[v1::Record], results: &mut [RecordResult]) {
    let (mut sound, mut checked, mut open) = (Vec::new(), Vec::<Checked>::new(), Vec::new());
    for (record, result) in records.iter().zip(results) {
        if result.verdict() != Verdict::Failed
            && let Ok(record) = Record::parse(&record.key, &record.payload)
        {
            sound.push(record);
            checked.push(Ok(result.clone()));
            open.push(result);
        }
    }
    let key_field = unit.chain.as_ref().map_or("", Chain::key_field);
    member.run(&sound, &unit.rules, key_field, &mut checked);
    for (result, checked) in open.into_iter().zip(checked) {
        *result = checked.unwrap_or_else(|failure| unit.failed(result.seq, failure));
    }
}

/// Waits while the unit is on hold.
async fn may_go_on(unit: &Unit) -> Result<(), Stopped> {
    loop {
        match unit.order() {
            Order::Go => return Ok(()),
            Order::Drop => return Err(Stopped::Lost),
            Order::Hold => tokio::time::sleep(ON_HOLD).await,
        }
    }
}

#[cfg(test)]
mod tests;
