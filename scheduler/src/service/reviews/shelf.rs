//! Records that reviewers look at, kept at hand: neighbours on the shelf go to people one after another, and reading a
//! unit's blocks for each of them would cost more than all the rest.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::card::Form;
use crate::domain::job::JobRef;
use crate::service::App;
use crate::store::{Job, ReviewedUnit, StoreError};

/// Units kept, at most: a few MiB.
const UNITS: usize = 64;
/// Jobs change seldom in what reviews need of them.
const JOB_AGE: Duration = Duration::from_secs(1);

/// What is kept, and the right to look for more: a shift that asks for cards of the same few units at the same instant has
/// each of them read once.
#[derive(Debug, Default)]
pub(in crate::service) struct Shelf {
    kept: Mutex<Kept>,
    look: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Kept {
    units: BTreeMap<Place, Arc<ReviewedUnit>>,
    /// The oldest first.
    order: VecDeque<Place>,
    jobs: HashMap<JobRef, (Instant, Arc<OfJob>)>,
}

/// A job, its ruleset, and a unit's first record: with another ruleset a unit may have other results.
type Place = (i64, i64, i64);

/// A job and its form.
#[derive(Debug)]
pub(super) struct OfJob {
    pub(super) job: Job,
    pub(super) form: Form,
}

impl Kept {
    fn unit(&self, job: &Job, seq: i64) -> Option<Arc<ReviewedUnit>> {
        let of_job = |seq| (job.id, job.ruleset, seq);
        let (_, unit) = self.units.range(of_job(i64::MIN)..=of_job(seq)).next_back()?;
        (unit.last_seq >= seq).then(|| unit.clone())
    }

    fn keep(&mut self, job: &Job, unit: Arc<ReviewedUnit>) {
        let key = (job.id, job.ruleset, unit.first_seq);
        if self.units.insert(key, unit).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > UNITS
            && let Some(oldest) = self.order.pop_front()
        {
            self.units.remove(&oldest);
        }
    }

    fn job(&mut self, job: &JobRef) -> Option<Arc<OfJob>> {
        self.jobs.retain(|_, (at, _)| at.elapsed() < JOB_AGE);
        self.jobs.get(job).map(|(_, of_job)| of_job.clone())
    }
}

impl Shelf {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// The unit of a place. Results are written once for each ruleset, so what was read stays right; while a job is being
    /// revised nothing is kept.
    pub(super) async fn unit_on_shelf(&self, job_id: i64, seq: i64) -> Result<Arc<ReviewedUnit>, StoreError> {
        let of_job = self.job_on_shelf(JobRef::Id(job_id)).await?;
        let job = &of_job.job;
        if job.revising {
            return self.store.reviewed(job_id, seq).await.map(Arc::new);
        }
        if let Some(unit) = self.shelf.kept().unit(job, seq) {
            return Ok(unit);
        }
        let _turn = self.shelf.look.lock().await;
        // Whoever had the turn before may have found it.
        if let Some(unit) = self.shelf.kept().unit(job, seq) {
            return Ok(unit);
        }
        let unit = Arc::new(self.store.reviewed(job_id, seq).await?);
        self.shelf.kept().keep(job, unit.clone());
        Ok(unit)
    }

    /// A job as it was at most a second ago.
    pub(super) async fn job_on_shelf(&self, job: JobRef) -> Result<Arc<OfJob>, StoreError> {
        if let Some(of_job) = self.shelf.kept().job(&job) {
            return Ok(of_job);
        }
        let _turn = self.shelf.look.lock().await;
        if let Some(of_job) = self.shelf.kept().job(&job) {
            return Ok(of_job);
        }
        let found = self.store.job(job.clone()).await?;
        let of_job = Arc::new(OfJob { form: Form::of(&found), job: found });
        self.shelf.kept().jobs.insert(job, (Instant::now(), of_job.clone()));
        Ok(of_job)
    }
}

pub(in crate::service) type Shared = Arc<Shelf>;
