//! The people on a job, and its pace: what is counted in the store, and what is ahead of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use emend_proto::v1;
use tokio::sync::Mutex;
use tonic::Status;

use super::work::proto_duration;
use super::{App, status};
use crate::domain::shift::{self, Ahead, Records, Reviews};
use crate::domain::time::Timestamp;
use crate::store::{Day, Job, PaceStep, Progress, ReviewerStatus, Shift, StoreError};

/// A count may be this old,
const AGE: Duration = Duration::from_secs(1);
/// or as old as so many times what it took: however many pages are open, a job costs a twentieth of one connection.
const SHARE: u32 = 20;
/// Reviewers in an answer, at most.
const MOST: usize = 2_000;

/// Something counted, and when.
#[derive(Debug)]
struct Counted<T> {
    what: Arc<T>,
    at: Instant,
    took: Duration,
}

/// The last counts, by job; who asks meanwhile waits for the one under way.
#[derive(Debug)]
struct Last<T>(Arc<Mutex<HashMap<i64, Counted<T>>>>);

/// The last counts of shifts and paces.
#[derive(Debug, Clone, Default)]
pub(super) struct Cache {
    shifts: Last<(Shift, Timestamp)>,
    days: Last<HashMap<String, Day>>,
    paces: Last<v1::GetPaceResponse>,
}

impl<T> Default for Last<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for Last<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Last<T> {
    async fn get(
        &self,
        job_id: i64,
        count: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<Arc<T>, Status> {
        let mut last = self.0.lock().await;
        last.retain(|_, counted| counted.at.elapsed() < AGE.max(counted.took * SHARE));
        if let Some(counted) = last.get(&job_id) {
            return Ok(Arc::clone(&counted.what));
        }
        let begun = Instant::now();
        let what = Arc::new(count.await.map_err(status::from_store)?);
        let counted = Counted { what: Arc::clone(&what), at: Instant::now(), took: begun.elapsed() };
        last.insert(job_id, counted);
        Ok(what)
    }
}

impl App {
    /// The people on a job.
    pub(super) async fn people(&self, job: &str) -> Result<v1::GetShiftResponse, Status> {
        let (job, now) = (self.find(job).await?, self.clock.now());
        let progress = self.progress(&job).await?;
        let counted = self.shifts.shifts.get(job.id, self.count_shift(job.id, now)).await?;
        let (shift, at) = &*counted;
        let days = self.shifts.days.get(job.id, self.store.shift_day(job.id, now)).await?;
        let deadline = job.schedule.deadline.filter(|_| !job.state.has_ended());
        let ahead = shift::ahead(&shift.reviews, &shift.lately, records(&progress), deadline, *at);
        Ok(v1::GetShiftResponse {
            reviewers: shift.reviewers.iter().take(MOST).map(|person| reviewer(person, &days, *at)).collect(),
            open_by_finding: counts(&shift.reviews),
            for_leads: shift.reviews.for_leads.unsigned_abs(),
            people: Some(lane(shift, ahead)),
        })
    }

    async fn count_shift(&self, job_id: i64, now: Timestamp) -> Result<(Shift, Timestamp), StoreError> {
        Ok((self.store.shift(job_id, now).await?, now))
    }

    /// What was done on a job, step by step.
    pub(super) async fn pace(&self, job: &str) -> Result<v1::GetPaceResponse, Status> {
        let job = self.find(job).await?;
        let until = job.ended_at.unwrap_or_else(|| self.clock.now());
        let counted = self.shifts.paces.get(job.id, self.count_pace(&job, until)).await?;
        Ok((*counted).clone())
    }

    async fn count_pace(&self, job: &Job, until: Timestamp) -> Result<v1::GetPaceResponse, StoreError> {
        let time = until.since(job.created_at);
        let step = shift::step(time);
        let pace = self.store.pace(job.id, job.created_at, step).await?;
        let last = i64::try_from(time.as_millis() / step.as_millis().max(1)).unwrap_or(0);
        let steps = (0..=last).map(|at| {
            let PaceStep { records, answers } = pace.get(&at).copied().unwrap_or_default();
            v1::PaceStep { records: records.unsigned_abs(), answers: answers.unsigned_abs() }
        });
        Ok(v1::GetPaceResponse { step: Some(proto_duration(step)), steps: steps.collect() })
    }
}

fn records(progress: &Progress) -> Records {
    let verdicts = progress.verdicts;
    let settled = verdicts.valid + verdicts.corrected + verdicts.routed + verdicts.failed;
    Records { pending: progress.records - settled, settled }
}

fn counts(reviews: &Reviews) -> HashMap<String, u64> {
    reviews.by_finding.iter().map(|(code, open)| (code.clone(), open.unsigned_abs())).collect()
}

fn reviewer(person: &ReviewerStatus, days: &HashMap<String, Day>, now: Timestamp) -> v1::ReviewerStatus {
    let day = days.get(&person.reviewer).copied().unwrap_or_default();
    v1::ReviewerStatus {
        reviewer: person.reviewer.clone(),
        answered_hour: person.hour.unsigned_abs(),
        // Counted less often: an hour is never more than its day.
        answered_day: day.answered.max(person.hour).unsigned_abs(),
        held: person.held.unsigned_abs(),
        idle: person.last_at.map(|at| proto_duration(now.since(at))),
        judged: day.judged.unsigned_abs(),
        overruled: day.overruled.unsigned_abs(),
        known: day.known.unsigned_abs(),
        known_wrong: day.known_wrong.unsigned_abs(),
        paused: person.paused,
    }
}

fn lane(shift: &Shift, ahead: Ahead) -> v1::HumanLane {
    v1::HumanLane {
        open: shift.reviews.open.unsigned_abs(),
        to_come: ahead.to_come.unsigned_abs(),
        answers_left: ahead.answers_left.unsigned_abs(),
        answers_per_second: ahead.rate,
        reviewers: shift.lately.reviewers.unsigned_abs(),
        left: ahead.left.map(proto_duration),
        reviewers_wanted: ahead.reviewers_wanted.map(i64::unsigned_abs),
        automatic: ahead.automatic,
        automatic_wanted: ahead.automatic_wanted,
    }
}
