//! What a record costs a validator, as far as it was seen.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Of so many records the pace is believed rather than what the validator says of itself.
const BELIEVED: f64 = 20.0;
/// After so many, half of what was seen is forgotten: a register that gets slower by noon is soon known for it.
const REMEMBERED: f64 = 2_000.0;

/// Time that records took.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Seen>);

#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    records: f64,
    seconds: f64,
}

impl Pace {
    /// A call about so many records took so long.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(super) fn saw(&self, records: usize, took: Duration) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.records >= REMEMBERED {
            *seen = Seen { records: seen.records / 2.0, seconds: seen.seconds / 2.0 };
        }
        seen.records += records as f64;
        seen.seconds += took.as_secs_f64();
    }

    /// What a record costs; `said` until enough were seen.
    pub(super) fn cost(&self, said: Duration) -> Duration {
        let Seen { records, seconds } = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if records < BELIEVED { said } else { Duration::from_secs_f64(seconds / records) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_believed_and_old_times_are_forgotten() {
        let (pace, said) = (Pace::default(), Duration::from_millis(5));
        pace.saw(19, Duration::from_secs(19));
        assert_eq!(pace.cost(said), said);
        pace.saw(1, Duration::from_secs(1));
        assert_eq!(pace.cost(said), Duration::from_secs(1));
        for _call in 0..400 {
            pace.saw(100, Duration::from_secs(1));
        }
        let cost = pace.cost(said).as_secs_f64();
        assert!((0.009..0.011).contains(&cost), "{cost}");
    }
}
