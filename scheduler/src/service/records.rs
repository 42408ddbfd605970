//! Single records, and lists of them.

use emend_proto::v1::{self, Record, RecordResult, Verdict};
use emend_proto::{BlockError, decode};
use serde_json::json;
use tonic::Status;

use super::{App, compute, page_after, page_size, reviews, status, views};
use crate::domain::results::Verdicts;
use crate::domain::review::ReviewRef;
use crate::store::{Having, Job, JobConflict, Note, Standing, StoreError, UnitBlocks, UnitStatus};

/// Units read at a time while a list fills.
const UNITS: u32 = 8;

impl App {
    pub(super) async fn record(
        &self,
        who: String,
        request: v1::GetRecordRequest,
    ) -> Result<v1::GetRecordResponse, Status> {
        let job = self.find(&request.job).await?;
        refuse_dry(&job)?;
        refuse_gone(job.blocks_gone)?;
        let found = match (request.key.is_empty(), i64::try_from(request.seq)) {
            (true, Ok(seq @ 1..)) => self.store.record_at(job.id, seq).await,
            (false, Ok(0)) => self.store.record(job.id, request.key).await,
            _ => return Err(status::invalid("key", "give either the record's `key` or its `seq`")),
        };
        let found = found.map_err(status::from_store)?;
        let payload = found.record.payload.clone();
        let receipt = found.unit.receipt.clone().map(views::receipt);
        let unit = UnitStatus { unit: found.unit, worker: found.worker, verdicts: Verdicts::default() };
        let (now, seq) = (self.clock.now(), found.seq);
        let read = Note::new(who, "read_record", json!({})).of_record(job.id, seq);
        self.looked(read).await?;
        let standing = self.store.standing(job.id, seq, seq, now).await.map_err(status::from_store)?;
        let view = views::record(seq, found.record, found.result, standing.first());
        let view = view.map_err(status::from_store)?;
        let decisions = self.store.decisions_of(ReviewRef { job_id: job.id, seq }).await;
        let decisions = decisions.map_err(status::from_store)?.into_iter();
        let review = self.store.review_of(job.id, seq).await.map_err(status::from_store)?;
        Ok(v1::GetRecordResponse {
            record: Some(view),
            payload: payload.to_vec(),
            pack: Some(v1::PackRef { name: job.spec.pack, version: job.spec.pack_version }),
            unit: Some(views::unit(unit, now)),
            receipt,
            decisions: decisions.map(|logged| reviews::decision(logged, now)).collect(),
            review: review.map(|review| reviews::seen(review, now)),
            validators: job.spec.validators.iter().map(|link| views::pack_ref(link)).collect(),
        })
    }

    pub(super) async fn records(
        &self,
        who: String,
        request: v1::ListRecordsRequest,
    ) -> Result<v1::ListRecordsResponse, Status> {
        let job = self.find(&request.job).await?;
        refuse_dry(&job)?;
        refuse_gone(job.blocks_gone)?;
        let grouping = self.store.grouping(job.id).await.map_err(status::from_store)?;
        refuse_grouping(grouping.is_some_and(|grouping| grouping.is_replacing))?;
        let mut after = page_after(&request.page_token)?;
        let limit = page_size(request.page_size, 100, 1_000) as usize;
        let pick = Pick { verdict: request.verdict(), finding: request.finding.clone() };
        // What a caller calls a finding may be anything, and long.
        let finding: String = pick.finding.chars().take(100).collect();
        let detail = json!({ "after": after, "verdict": pick.verdict.as_str_name(), "finding": finding });
        let listed = Note::new(who, "list_records", detail).of_job(job.id);
        self.looked(listed).await?;
        let mut records = Vec::new();
        loop {
            let units = self.store.unit_blocks(job.id, pick.having(), after, UNITS).await;
            let units = units.map_err(status::from_store)?;
            let Some(last) = units.last().map(|unit| unit.last_seq) else { break };
            let (pick, before) = (pick.clone(), after);
            let standing = self.store.standing(job.id, after, last, self.clock.now()).await;
            let standing = standing.map_err(status::from_store)?;
            let found = compute(move || {
                let views = |unit| pick.views(unit, before, &standing);
                let found = units.into_iter().map(views).collect::<Result<Vec<_>, _>>();
                found.map(|found| found.into_iter().flatten().collect::<Vec<_>>())
            });
            records.extend(found.await?.map_err(status::from_store)?);
            after = last;
            if records.len() > limit {
                break;
            }
        }
        let more = records.len() > limit;
        records.truncate(limit);
        let next = records.last().filter(|_| more).map(|record| record.seq.to_string());
        Ok(v1::ListRecordsResponse { records, next_page_token: next.unwrap_or_default() })
    }
}

pub(super) fn refuse_dry(job: &Job) -> Result<(), Status> {
    let conflict = job.spec.guard.dry_run.then_some(StoreError::JobState(JobConflict::DryRun));
    conflict.map_or(Ok(()), |conflict| Err(status::from_store(conflict)))
}

pub(super) fn refuse_gone(blocks_gone: bool) -> Result<(), Status> {
    if blocks_gone { Err(status::from_store(StoreError::JobState(JobConflict::BlocksGone))) } else { Ok(()) }
}

/// Which places records have is not known just now.
pub(super) fn refuse_grouping(is_moving: bool) -> Result<(), Status> {
    if is_moving { Err(status::from_store(StoreError::JobState(JobConflict::Grouping))) } else { Ok(()) }
}

/// Which records to show.
#[derive(Debug, Clone)]
pub(super) struct Pick {
    pub(super) verdict: Verdict,
    /// A finding's code; empty: any.
    pub(super) finding: String,
}

impl Pick {
    /// Which units can hold such records.
    pub(super) fn having(&self) -> Having {
        match self.verdict {
            Verdict::Unspecified if self.finding.is_empty() => Having::Anything,
            Verdict::Unspecified | Verdict::Routed => Having::Routed,
            Verdict::Valid => Having::Valid,
            Verdict::Corrected => Having::Corrected,
            Verdict::Failed => Having::Failed,
        }
    }

    /// A unit's records of this pick that come after `after_seq`; `standing`, in order, is what people decided on them.
    pub(super) fn views(
        &self,
        unit: UnitBlocks,
        after_seq: i64,
        standing: &[Standing],
    ) -> Result<Vec<v1::RecordView>, StoreError> {
        let damaged = |error: BlockError| StoreError::Damaged(unit.unit_id, error.to_string());
        let mut results = match &unit.results {
            Some(results) => Some(decode::<RecordResult>(results).map_err(damaged)?),
            None => None,
        };
        let mut views = Vec::new();
        for (seq, record) in (unit.first_seq..).zip(decode::<Record>(&unit.records).map_err(damaged)?) {
            let result = match &mut results {
                Some(results) => {
                    let missing = || damaged(BlockError::Malformed("it holds fewer results than records"));
                    Some(results.next().ok_or_else(missing)?.map_err(damaged)?)
                }
                None => None,
            };
            let record = record.map_err(damaged)?;
            if seq > after_seq && self.takes(result.as_ref()) {
                let decided = standing.binary_search_by_key(&seq, |standing| standing.seq);
                let decided = decided.ok().map(|at| &standing[at]);
                views.push(views::record(seq, record, result, decided)?);
            }
        }
        Ok(views)
    }

    fn takes(&self, result: Option<&RecordResult>) -> bool {
        let verdict = result.map_or(Verdict::Unspecified, RecordResult::verdict);
        let found =
            |code: &str| result.is_some_and(|result| result.findings.iter().any(|found| found.code == code));
        (self.verdict == Verdict::Unspecified || self.verdict == verdict)
            && (self.finding.is_empty() || found(&self.finding))
    }
}
