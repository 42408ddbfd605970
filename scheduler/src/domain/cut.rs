//! Cutting records into units, and units into halves.

use std::ops::Range;

use super::job::JobPolicy;

/// Runs of records that make a unit each: as many as the policy's count and bytes allow, in order.
///
/// `sizes` are payload bytes; a record above `unit_bytes` has been rejected before and would stand alone.
pub fn units(sizes: impl IntoIterator<Item = usize>, policy: &JobPolicy) -> Vec<Range<usize>> {
    let mut cuts: Vec<Range<usize>> = Vec::new();
    let (mut start, mut end, mut bytes) = (0, 0, 0);
    for size in sizes {
        let full = end - start == policy.unit_records as usize || bytes + size > policy.unit_bytes as usize;
        if full && end > start {
            cuts.push(start..end);
            (start, bytes) = (end, 0);
        }
        end += 1;
        bytes += size;
    }
    if end > start {
        cuts.push(start..end);
    }
    cuts
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
    },
    /// A lone record that nothing helped: it is `failed`, and a person's.
    Failed,
}

/// Splits a unit of `records`. A half gets one attempt, which halves again what is left of the poison; a
/// lone record gets all of them, since here a wrong guess costs a verdict.
pub fn split(records: usize, policy: &JobPolicy) -> Split {
    if records <= 1 {
        return Split::Failed;
    }
    let attempts = |records| if records == 1 { policy.attempts } else { 1 };
    let first = records / 2;
    Split::Halves { first, attempts: (attempts(first), attempts(records - first)) }
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
        assert_eq!(split(500, &policy), Split::Halves { first: 250, attempts: (1, 1) });
        assert_eq!(split(3, &policy), Split::Halves { first: 1, attempts: (3, 1) });
        assert_eq!(split(2, &policy), Split::Halves { first: 1, attempts: (3, 3) });
        assert_eq!(split(1, &policy), Split::Failed);
    }
}
