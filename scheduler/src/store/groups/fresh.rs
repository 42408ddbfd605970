//! Units that this scheduler has just imported, for whoever puts their records together meanwhile: what is still in memory
//! need not be read from the database and unpacked a second time.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use emend_proto::Messages;

/// Bytes of a job that are kept, at most. What comes beyond is read from the database.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// What is kept, by job. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Fresh(Arc<Mutex<HashMap<i64, Kept>>>);

/// Records by the place of a unit's first.
#[derive(Debug, Default)]
struct Kept {
    units: BTreeMap<i64, Messages>,
    bytes: usize,
}

/// As long as it lives, the job's units are kept.
#[derive(Debug)]
pub(super) struct Following {
    fresh: Fresh,
    job_id: i64,
}

impl Fresh {
    /// Begins to keep what is imported into this job.
    pub(super) fn follow(&self, job_id: i64) -> Following {
        self.jobs().insert(job_id, Kept::default());
        Following { fresh: self.clone(), job_id }
    }

    /// Offers units that are in the database now, by the place of their first record.
    pub(in crate::store) fn offer(&self, job_id: i64, units: Vec<(i64, Messages)>) {
        let mut jobs = self.jobs();
        let Some(kept) = jobs.get_mut(&job_id) else { return };
        for (first_seq, records) in units {
            let bytes = records.plain_bytes();
            if kept.bytes + bytes <= MOST_BYTES {
                kept.bytes += bytes;
                kept.units.insert(first_seq, records);
            }
        }
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<i64, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Following {
    /// The records of these units, which are asked for in order, or nothing when one of them is not there.
    pub(super) fn take(&self, first_seqs: &[i64]) -> Option<Vec<Messages>> {
        let mut jobs = self.fresh.jobs();
        let kept = jobs.get_mut(&self.job_id)?;
        let taken = first_seqs.iter().map(|first_seq| kept.units.remove(first_seq)).collect();
        // Nobody asks for those before them any more.
        if let Some(last) = first_seqs.last() {
            kept.units = kept.units.split_off(last);
        }
        kept.bytes = kept.units.values().map(Messages::plain_bytes).sum();
        taken
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.fresh.jobs().remove(&self.job_id);
    }
}

#[cfg(test)]
mod tests {
    use emend_proto::v1::Record;
    use emend_proto::{encode, messages};

    use super::*;

    fn unit(key: &str, payload: usize) -> Messages {
        let record = Record { key: key.into(), payload: vec![b' '; payload].into(), ..Record::default() };
        messages(&encode(&[record])).unwrap()
    }

    fn keys(units: Option<Vec<Messages>>) -> Option<usize> {
        units.map(|units| units.into_iter().flatten().map(Result::unwrap).count())
    }

    #[test]
    fn what_was_offered_is_taken_once_and_all_of_it_or_nothing() {
        let fresh = Fresh::default();
        fresh.offer(7, vec![(1, unit("early", 1))]);
        let following = fresh.follow(7);
        fresh.offer(7, ["b", "c", "d"].iter().zip(2..).map(|(key, at)| (at, unit(key, 1))).collect());
        fresh.offer(8, vec![(5, unit("another job's", 1))]);
        assert_eq!(keys(following.take(&[1, 2])), None);
        assert_eq!(keys(following.take(&[3, 4])), Some(2));
        assert_eq!(keys(following.take(&[3])), None);
        drop(following);
        assert!(fresh.jobs().is_empty());
    }

    #[test]
    fn no_more_is_kept_than_fits() {
        let fresh = Fresh::default();
        let following = fresh.follow(7);
        let large = MOST_BYTES / 4;
        fresh.offer(7, (1..=5).map(|at| (at, unit("large", large - 1024))).collect());
        assert_eq!(keys(following.take(&[5])), None);
        fresh.offer(7, (6..=9).map(|at| (at, unit("large", large - 1024))).collect());
        assert_eq!(keys(following.take(&[6, 7, 8, 9])), Some(4));
        assert_eq!(fresh.jobs()[&7].bytes, 0);
    }
}
