//! How far reviewers can be trusted: their answers to reviews whose right answer is known.

use super::quality::Share;

/// Known answers that are looked at together.
pub const WINDOW: usize = 20;
/// Nobody is stopped for fewer.
const FEWEST: usize = 5;

/// An answer to a review whose right answer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rated {
    /// The decision.
    pub decision_id: i64,
    /// It was right.
    pub right: bool,
}

/// Of a reviewer who is wrong more often than `limit` allows, beyond doubt: the last decision that can still be trusted, 0
/// for none. That is the last one of the newest full window in which no more were wrong than `limit` allows. `None` for who
/// can be trusted. The answers come oldest first.
pub fn trusted_until(answers: &[Rated], limit: f64) -> Option<i64> {
    let error = |end: usize| {
        let window = &answers[end.saturating_sub(WINDOW)..end];
        let wrong = window.iter().filter(|answer| !answer.right).count();
        Share::of(wrong as u64, window.len() as u64)
    };
    error(answers.len()).filter(|error| answers.len() >= FEWEST && error.low > limit)?;
    let good =
        (WINDOW..=answers.len()).rev().find(|&end| error(end).is_some_and(|error| error.seen <= limit));
    Some(good.map_or(0, |end| answers[end - 1].decision_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `.` is right, `x` is wrong; decisions are numbered from 1.
    fn answers(text: &str) -> Vec<Rated> {
        (1..).zip(text.chars()).map(|(decision_id, said)| Rated { decision_id, right: said == '.' }).collect()
    }

    #[test]
    fn a_reviewer_is_stopped_only_beyond_doubt_and_by_the_newest_window() {
        for (said, until) in [
            ("", None),
            ("xxxx", None),
            ("xxxxx", Some(0)),
            ("..................xx", None),
            // Six of twelve: the interval begins at 0.25.
            ("x.x.x.x.x.x.", Some(0)),
            // Long ago, and good since.
            ("xxxxxxxxxx....................", None),
        ] {
            assert_eq!(trusted_until(&answers(said), 0.2), until, "{said}");
        }
    }

    #[test]
    fn what_came_before_the_last_good_window_stands() {
        // Twenty right ones, then only wrong ones: four of twenty are still within the limit.
        assert_eq!(trusted_until(&answers("....................xxxxxxxxxx"), 0.2), Some(24));
        assert_eq!(trusted_until(&answers("....................xxxxxxxxxx"), 0.05), Some(21));
    }
}
