//! Records that reviewers look at, kept at hand: neighbours on the shelf go to people one after another, and reading a
//! unit's blocks for each of them would cost more than all the rest.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::card::Form;
use crate::domain::job::JobRef;
use crate::service::App;
use crate::store::{Job, ReviewedUnit, StoreError};

/// Units kept, at most: a few MiB.
const UNITS: usize = 64;
/// Jobs change seldom in what reviews need of them.
const JOB_AGE: Duration = Duration::from_secs(1);

/// What is kept.
#[derive(Debug, Default)]
pub(in crate::service) struct Shelf {
    units: BTreeMap<(i64, i64), Arc<ReviewedUnit>>,
    /// The oldest first.
    order: VecDeque<(i64, i64)>,
    jobs: BTreeMap<i64, (Instant, Arc<OfJob>)>,
}

/// A job and its form.
#[derive(Debug)]
pub(super) struct OfJob {
    pub(super) job: Job,
    pub(super) form: Form,
}

impl Shelf {
    fn unit(&self, job_id: i64, seq: i64) -> Option<Arc<ReviewedUnit>> {
        let (_, unit) = self.units.range((job_id, i64::MIN)..=(job_id, seq)).next_back()?;
        (unit.last_seq >= seq).then(|| unit.clone())
    }

    fn keep(&mut self, job_id: i64, unit: Arc<ReviewedUnit>) {
        let key = (job_id, unit.first_seq);
        if self.units.insert(key, unit).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > UNITS
            && let Some(oldest) = self.order.pop_front()
        {
            self.units.remove(&oldest);
        }
    }
}

impl App {
    /// The unit of a place. Results are written once, so what was read stays right.
    pub(super) async fn unit_on_shelf(&self, job_id: i64, seq: i64) -> Result<Arc<ReviewedUnit>, StoreError> {
        let kept = self.shelf.lock().unwrap_or_else(PoisonError::into_inner).unit(job_id, seq);
        if let Some(unit) = kept {
            return Ok(unit);
        }
        let unit = Arc::new(self.store.reviewed(job_id, seq).await?);
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner).keep(job_id, unit.clone());
        Ok(unit)
    }

    /// A job as it was at most a second ago.
    pub(super) async fn job_on_shelf(&self, job_id: i64) -> Result<Arc<OfJob>, StoreError> {
        {
            let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
            shelf.jobs.retain(|_, (at, _)| at.elapsed() < JOB_AGE);
            if let Some((_, job)) = shelf.jobs.get(&job_id) {
                return Ok(job.clone());
            }
        }
        let job = self.store.job(JobRef::Id(job_id)).await?;
        let of_job = Arc::new(OfJob { form: Form::of(&job), job });
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.jobs.insert(job_id, (Instant::now(), of_job.clone()));
        Ok(of_job)
    }
}

pub(in crate::service) type Shared = Arc<Mutex<Shelf>>;
