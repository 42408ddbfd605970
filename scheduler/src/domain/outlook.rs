//! How much work is left, how long it takes, and how many workers it wants: for autoscalers and for people.
//!
//! Everything is derived from what the store holds, so any scheduler gives the same answer at any time.

use std::collections::HashMap;
use std::time::Duration;

use super::time::Timestamp;

/// Commits longer ago than this before the newest one say little about the rate now.
const RECENT: Duration = Duration::from_secs(15 * 60);
/// A worker that commits nothing for this many times the usual had nothing to do.
const IDLE: u32 = 8;
/// The share of the time until a deadline that is planned with: rates waver, and workers take time to start.
const AIM: f64 = 0.9;
/// What is planned with at least, also after a deadline: sooner than that no worker is there.
const SHORTEST: Duration = Duration::from_secs(5);

/// A unit that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Who committed it.
    pub worker: String,
    /// Its records.
    pub records: i64,
    /// When it was done.
    pub at: Timestamp,
}

/// Records that one worker settles in a second, as these commits show it; `None` when they do not.
///
/// Counted from each worker's commit to its next one, since the time before the first is not known. Pauses in which a
/// worker had nothing to do are left out, with the commit that ended them.
pub fn rate(samples: &[Sample]) -> Option<f64> {
    let newest = samples.iter().map(|sample| sample.at).max()?;
    let mut workers: HashMap<&str, Vec<(Timestamp, i64)>> = HashMap::new();
    for sample in samples.iter().filter(|sample| newest.since(sample.at) <= RECENT) {
        workers.entry(&sample.worker).or_default().push((sample.at, sample.records));
    }
    let mut steps: Vec<(Duration, i64)> = workers.into_values().flat_map(steps).collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len() / 2)?.0;
    let busy = steps.iter().filter(|(took, _)| *took <= usual * IDLE);
    let (took, records) =
        busy.fold((Duration::ZERO, 0), |(all, sum), (took, records)| (all + *took, sum + records));
    (records > 0 && !took.is_zero()).then(|| real(records) / took.as_secs_f64())
}

/// How long a worker took from each commit to the next, and for how many records. One call commits several units.
fn steps(mut commits: Vec<(Timestamp, i64)>) -> Vec<(Duration, i64)> {
    commits.sort_unstable();
    let mut calls: Vec<(Timestamp, i64)> = Vec::new();
    for (at, records) in commits {
        match calls.last_mut() {
            Some(last) if last.0 == at => last.1 += records,
            _ => calls.push((at, records)),
        }
    }
    calls.windows(2).map(|pair| (pair[1].0.since(pair[0].0), pair[1].1)).collect()
}

/// What an unfinished job still has to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// Records without a verdict in units that are ready or leased.
    pub records: i64,
    /// Those units.
    pub units: i64,
    /// Workers that hold some of them now.
    pub workers: i64,
    /// Records that one worker settles in a second.
    pub rate: f64,
    /// When it shall be done.
    pub deadline: Option<Timestamp>,
    /// Jobs of a higher one go first.
    pub priority: i64,
    /// Its share of the workers among the jobs of its priority.
    pub weight: i64,
}

impl Work {
    /// Seconds that one worker needs for it.
    pub fn seconds(&self) -> f64 {
        if self.records > 0 { real(self.records) / self.rate } else { 0.0 }
    }

    /// How long it takes with the workers that are at it. `None` when there is none, or nothing to do.
    pub fn left(&self) -> Option<Duration> {
        let takes = (self.workers > 0 && self.records > 0).then(|| self.seconds() / real(self.workers))?;
        Duration::try_from_secs_f64(takes).ok()
    }
}

/// Workers that these jobs want in order to be done in time: by their deadlines, or within `drain` where there is
/// none.
///
/// Jobs of a higher priority are served first; those of one priority share the workers by weight, and what one of them
/// leaves goes to the others. So a job is done in time when its share does it after all that goes before, or when so
/// many work that everything of its priority is done by then. More workers than units are of no use.
pub fn workers_wanted(jobs: &[Work], now: Timestamp, drain: Duration) -> i64 {
    let mut jobs: Vec<&Work> = jobs.iter().filter(|job| job.units > 0).collect();
    jobs.sort_by_key(|job| std::cmp::Reverse(job.priority));
    let (mut wanted, mut before) = (0.0_f64, 0.0);
    for level in jobs.chunk_by(|one, other| one.priority == other.priority) {
        let all: f64 = level.iter().map(|job| job.seconds()).sum();
        let weights: f64 = level.iter().map(|job| real(job.weight)).sum();
        for job in level {
            let time = time_for(job, now, drain);
            let by_share = before + job.seconds() * weights / real(job.weight.max(1));
            wanted = wanted.max(by_share.min(before + all) / time);
        }
        before += all;
    }
    let units = jobs.iter().map(|job| job.units).sum();
    // Rounding errors are no reason for one more.
    ceil(wanted - 1e-6).clamp(i64::from(units > 0), units)
}

/// Seconds in which a job shall be done.
fn time_for(job: &Work, now: Timestamp, drain: Duration) -> f64 {
    let time = job.deadline.map_or(drain, |deadline| deadline.since(now).mul_f64(AIM));
    time.max(SHORTEST).as_secs_f64()
}

/// A count as a real number.
#[expect(clippy::cast_precision_loss, reason = "an estimate of counts far below 2^53")]
fn real(count: i64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, reason = "what is out of range saturates")]
fn ceil(value: f64) -> i64 {
    value.ceil() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);
    const DRAIN: Duration = Duration::from_secs(600);

    fn sample(worker: &str, records: i64, second: f64) -> Sample {
        Sample { worker: worker.into(), records, at: Timestamp(0) + Duration::from_secs_f64(second) }
    }

    /// A job of so many seconds for one worker.
    fn work(seconds: i64) -> Work {
        let (rate, deadline) = (10.0, None);
        Work { records: seconds * 10, units: seconds, workers: 0, rate, deadline, priority: 0, weight: 100 }
    }

    fn due(seconds: i64, within: u64) -> Work {
        Work { deadline: Some(NOW + Duration::from_secs(within)), ..work(seconds) }
    }

    fn wanted(jobs: &[Work]) -> i64 {
        workers_wanted(jobs, NOW, DRAIN)
    }

    #[test]
    fn the_rate_is_that_of_one_worker() {
        let one: Vec<_> = (0..5_u32).map(|step| sample("a", 100, f64::from(step) * 2.0)).collect();
        assert_eq!(rate(&one), Some(50.0));
        // Another that is at it at the same time does not make either of them quicker.
        let two = (0..5_u32).map(|step| sample("b", 100, 1.0 + f64::from(step) * 2.0));
        assert_eq!(rate(&one.into_iter().chain(two).collect::<Vec<_>>()), Some(50.0));
    }

    #[test]
    fn one_commit_of_a_worker_shows_no_rate() {
        assert_eq!(rate(&[]), None);
        assert_eq!(rate(&[sample("a", 100, 1.0), sample("b", 100, 9.0)]), None);
        // Nor do two units of one call.
        assert_eq!(rate(&[sample("a", 100, 1.0), sample("a", 100, 1.0)]), None);
    }

    #[test]
    fn units_of_one_call_count_together() {
        let samples =
            [sample("a", 1, 0.0), sample("a", 30, 1.0), sample("a", 70, 1.0), sample("a", 100, 2.0)];
        assert_eq!(rate(&samples), Some(100.0));
    }

    #[test]
    fn a_pause_without_work_does_not_slow_the_rate() {
        let steps = |from: f64| (0..5_u32).map(move |step| sample("a", 100, from + f64::from(step)));
        let samples: Vec<_> = steps(0.0).chain(steps(500.0)).collect();
        assert_eq!(rate(&samples), Some(100.0));
        // What is long past is forgotten: before it the worker was ten times as quick.
        let quick = (0..50_u32).map(|step| sample("a", 100, f64::from(step) / 10.0));
        let slow = (0..5_u32).map(|step| sample("a", 100, 2_000.0 + f64::from(step)));
        assert_eq!(rate(&quick.chain(slow).collect::<Vec<_>>()), Some(100.0));
    }

    #[test]
    fn nothing_to_do_wants_nobody() {
        assert_eq!(wanted(&[]), 0);
        assert_eq!(wanted(&[work(0)]), 0);
        assert_eq!(work(0).left(), None);
    }

    #[test]
    fn little_to_do_wants_one_and_more_wants_as_many_as_the_time_asks_for() {
        assert_eq!(wanted(&[work(1)]), 1);
        assert_eq!(wanted(&[work(600)]), 1);
        assert_eq!(wanted(&[work(6_000)]), 10);
        // A tenth of the time is kept in hand.
        assert_eq!(wanted(&[due(9_000, 1_000)]), 10);
        assert_eq!(wanted(&[due(9_100, 1_000)]), 11);
    }

    #[test]
    fn no_more_workers_than_units() {
        let late = due(1_000, 0);
        assert_eq!(wanted(std::slice::from_ref(&late)), 200);
        assert_eq!(wanted(&[Work { units: 7, ..late }]), 7);
    }

    #[test]
    fn jobs_of_one_priority_share_by_weight() {
        let (urgent, large) = (due(1_000, 1_000), due(45_000, 100_000));
        assert_eq!((wanted(std::slice::from_ref(&urgent)), wanted(std::slice::from_ref(&large))), (2, 1));
        // Half of the workers are the large one's, however long it has.
        assert_eq!(wanted(&[urgent.clone(), large.clone()]), 3);
        // With a hundredth of the share it is done in time when everything is.
        let urgent = Work { weight: 1, ..urgent };
        let large = Work { weight: 99, ..large };
        assert_eq!(wanted(&[urgent, large]), 52);
    }

    #[test]
    fn what_has_a_higher_priority_goes_before() {
        let (urgent, large) = (due(900, 1_000), due(8_100, 90_000));
        assert_eq!(wanted(&[Work { priority: 1, ..urgent.clone() }, large.clone()]), 1);
        // The other way round the urgent one waits for all of the large one.
        assert_eq!(wanted(&[urgent, Work { priority: 1, ..large }]), 10);
    }

    #[test]
    fn the_time_left_is_that_of_the_workers_at_work() {
        assert_eq!(work(100).left(), None);
        assert_eq!(Work { workers: 4, ..work(100) }.left(), Some(Duration::from_secs(25)));
    }
}
