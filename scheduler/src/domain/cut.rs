//! Cutting records into units, and units into halves.

use std::ops::Range;
use std::time::Duration;

use super::job::JobPolicy;

/// Runs of records that make a unit each: as many as the policy's count and bytes allow, in order.
///
/// `sizes` are payload bytes; a record above `unit_bytes` has been rejected before and would stand alone.
pub fn units(sizes: impl IntoIterator<Item = usize>, policy: &JobPolicy) -> Vec<Range<usize>> {
    let (mut cutter, mut cuts) = (Cutter::new(*policy), Vec::new());
    let (mut start, mut end) = (0, 0);
    for size in sizes {
        if cutter.take(1, size) {
            cuts.push(start..end);
            start = end;
        }
        end += 1;
    }
    if end > start {
        cuts.push(start..end);
    }
    cuts
}

/// Cuts records, or groups of them, into units as they come. None is cut in two, so a unit holds more than the policy says when
/// one group does.
#[derive(Debug)]
pub struct Cutter {
    policy: JobPolicy,
    records: usize,
    bytes: usize,
}

impl Cutter {
    /// Nothing has come yet.
    pub fn new(policy: JobPolicy) -> Self {
        Self { policy, records: 0, bytes: 0 }
    }

    /// Takes a group of so many records and payload bytes; whether a new unit begins before it.
    pub fn take(&mut self, records: usize, bytes: usize) -> bool {
        let full = self.records + records > self.policy.unit_records as usize
            || self.bytes + bytes > self.policy.unit_bytes as usize;
        let cut = full && self.records > 0;
        if cut {
            (self.records, self.bytes) = (0, 0);
        }
        self.records += records;
        self.bytes += bytes;
        cut
    }
}

/// The share of a lease's time that a unit should take, and that it may take, as divisors. A worker beats meanwhile, so a unit
/// that takes longer is not lost; but it is lost as a whole with its worker, and nobody can help.
const SHOULD_TAKE: u32 = 6;
const MAY_TAKE: u32 = 3;

/// How many records a unit should have where one costs so much; `None` when its `records` take no longer than they may.
pub fn affordable(records: i64, cost: Duration, ttl: Duration) -> Option<usize> {
    let cost = cost.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let takes = records as f64 * cost;
    if takes <= (ttl / MAY_TAKE).as_secs_f64() {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between one and the unit's records"
    )]
    let most = ((ttl / SHOULD_TAKE).as_secs_f64() / cost) as usize;
    Some(most.max(1))
}

/// Cuts a unit into pieces of at most `most` records, and of more only where a group has more. `groups` as for [`split`].
pub fn pieces(groups: &[u64], most: usize) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let (mut start, mut border) = (0, 0);
    for at in 1..=groups.len() {
        if !is_border(groups, at) {
            continue;
        }
        if at - start > most && border > start {
            pieces.push(start..border);
            start = border;
        }
        border = at;
    }
    if border > start {
        pieces.push(start..border);
    }
    pieces
}

/// What becomes of a unit whose attempts are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Two halves: records in the first, and attempts for each half.
    Halves {
        /// Records in the first half.
        first: usize,
        /// Attempts of the first and of the second half.
        attempts: (u32, u32),
        /// It was a lone group: its records go on apart from each other.
        apart: bool,
    },
    /// A lone record that nothing helped: it is `failed`, and a person's.
    Failed,
}

/// Splits a unit. `groups` names the group of each of its records, 0 for one by itself; a half ends where a group does, and
/// only a lone group is taken apart. A half gets one attempt, which halves again what is left of the poison; a lone record
/// gets all of them, since here a wrong guess costs a verdict.
pub fn split(groups: &[u64], policy: &JobPolicy) -> Split {
    let records = groups.len();
    if records <= 1 {
        return Split::Failed;
    }
    let half = records / 2;
    let border = (1..records).filter(|at| is_border(groups, *at)).min_by_key(|at| at.abs_diff(half));
    let first = border.unwrap_or(half);
    let attempts = |records| if records == 1 { policy.attempts } else { 1 };
    let attempts = (attempts(first), attempts(records - first));
    Split::Halves { first, attempts, apart: border.is_none() }
}

/// Whether a group ends before the record at `at`, which is not the first.
fn is_border(groups: &[u64], at: usize) -> bool {
    groups.get(at).is_none_or(|group| *group == 0 || *group != groups[at - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_cut_by_count_and_by_bytes() {
        let policy = JobPolicy { unit_records: 3, unit_bytes: 100, attempts: 3 };
        assert_eq!(units([10; 7], &policy), [0..3, 3..6, 6..7]);
        assert_eq!(units([60, 60, 10, 10, 10, 90], &policy), [0..1, 1..4, 4..6]);
        assert_eq!(units([100, 500, 1], &policy), [0..1, 1..2, 2..3]);
        assert!(units([], &policy).is_empty());
    }

    #[test]
    fn halves_shrink_to_a_lone_record_with_all_attempts() {
        let policy = JobPolicy::default();
        assert_eq!(split(&[0; 500], &policy), Split::Halves { first: 250, attempts: (1, 1), apart: false });
        assert_eq!(split(&[0; 3], &policy), Split::Halves { first: 1, attempts: (3, 1), apart: false });
        assert_eq!(split(&[0; 2], &policy), Split::Halves { first: 1, attempts: (3, 3), apart: false });
        assert_eq!(split(&[0], &policy), Split::Failed);
    }

    #[test]
    fn halves_end_where_a_group_does_and_a_lone_group_is_taken_apart() {
        let policy = JobPolicy::default();
        let split = |groups: &[u64]| split(groups, &policy);
        assert_eq!(split(&[7, 7, 7, 9, 0, 0]), Split::Halves { first: 3, attempts: (1, 1), apart: false });
        assert_eq!(split(&[0, 7, 7, 7, 7, 7]), Split::Halves { first: 1, attempts: (3, 1), apart: false });
        assert_eq!(split(&[7, 7, 7, 7, 9, 9]), Split::Halves { first: 4, attempts: (1, 1), apart: false });
        assert_eq!(split(&[7, 7, 7]), Split::Halves { first: 1, attempts: (3, 1), apart: true });
    }

    #[test]
    fn a_unit_that_takes_long_is_cut_to_a_sixth_of_a_lease() {
        let ttl = Duration::from_secs(60);
        let affordable = |records, millis| affordable(records, Duration::from_millis(millis), ttl);
        assert_eq!(affordable(500, 0), None);
        assert_eq!(affordable(200, 100), None);
        assert_eq!(affordable(201, 100), Some(100));
        assert_eq!(affordable(1, 60_000), Some(1));
    }

    #[test]
    fn pieces_end_where_a_group_does() {
        assert_eq!(pieces(&[0; 7], 3), [0..3, 3..6, 6..7]);
        assert_eq!(pieces(&[1, 1, 0, 4, 4, 4, 4, 0, 0], 3), [0..3, 3..7, 7..9]);
        assert_eq!(pieces(&[1, 1, 3, 3], 1), [0..2, 2..4]);
        for lone in [&[1, 1, 1][..], &[0], &[]] {
            assert_eq!(pieces(lone, 1).len(), usize::from(!lone.is_empty()));
        }
    }

    #[test]
    fn no_group_is_cut_in_two() {
        let mut cutter = Cutter::new(JobPolicy { unit_records: 3, unit_bytes: 100, attempts: 3 });
        let groups = [(2, 10), (1, 10), (1, 10), (5, 10), (1, 10), (1, 90), (1, 1)];
        let cuts: Vec<_> = groups.map(|(records, bytes)| cutter.take(records, bytes)).into();
        assert_eq!(cuts, [false, false, true, true, true, false, true]);
    }
}
