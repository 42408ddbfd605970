//! How fast jobs move, over the last seconds.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use emend_proto::v1::{Job, Progress};
use tokio::time::Instant;

use super::sample::Sample;

/// A rate is taken over this time: long enough to be steady, short enough to show what an operator just did.
const WINDOW: Duration = Duration::from_secs(15);
/// Rates of all jobs together that are kept for the curve.
const CURVE: usize = 300;

/// What was seen lately.
#[derive(Debug, Default)]
pub(super) struct Rates {
    seen: VecDeque<(Instant, HashMap<u64, u64>)>,
    curve: VecDeque<u64>,
}

impl Rates {
    pub(super) fn add(&mut self, now: Instant, sample: &Sample) {
        let decided = sample.jobs.iter().map(|job| (job.id, decided(job))).collect();
        self.seen.push_back((now, decided));
        while self.seen.len() > 2 && self.seen.get(1).is_some_and(|(at, _)| now - *at >= WINDOW) {
            self.seen.pop_front();
        }
        let all = sample.jobs.iter().map(|job| self.of(job.id)).sum::<f64>();
        self.curve.push_back(all as u64);
        if self.curve.len() > CURVE {
            self.curve.pop_front();
        }
    }

    /// Records of a job decided in a second.
    pub(super) fn of(&self, job: u64) -> f64 {
        let (Some((from, before)), Some((to, after))) = (self.seen.front(), self.seen.back()) else {
            return 0.0;
        };
        let (Some(before), Some(after)) = (before.get(&job), after.get(&job)) else { return 0.0 };
        let time = (*to - *from).as_secs_f64();
        if time > 0.0 { after.saturating_sub(*before) as f64 / time } else { 0.0 }
    }

    /// The rates of all jobs together, oldest first.
    pub(super) fn curve(&self) -> Vec<u64> {
        self.curve.iter().copied().collect()
    }
}

/// Records of a job that have a verdict.
pub(super) fn decided(job: &Job) -> u64 {
    job.progress.as_ref().map_or(0, |Progress { records, pending, .. }| records.saturating_sub(*pending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(decided: u64) -> Sample {
        let progress = Progress { records: 1000, pending: 1000 - decided, ..Progress::default() };
        Sample { jobs: vec![Job { id: 7, progress: Some(progress), ..Job::default() }], ..Sample::default() }
    }

    #[test]
    fn a_rate_forgets_what_is_long_ago() {
        let (start, mut rates) = (Instant::now(), Rates::default());
        let mut at = |seconds, decided| {
            rates.add(start + Duration::from_secs(seconds), &sample(decided));
            rates.of(7)
        };
        assert_eq!(at(0, 0), 0.0);
        assert_eq!(at(10, 500), 50.0);
        assert_eq!(at(20, 500), 25.0);
        // The window begins at 20 s now: nothing has moved since.
        assert_eq!(at(40, 500), 0.0);
        assert_eq!(rates.of(8), 0.0);
        assert_eq!(rates.curve(), [0, 50, 25, 0]);
    }
}
