//! How many retries the callers of one set of endpoints may make together.

use std::time::Duration;

use tokio::time::Instant;

/// Retries that may follow each other without a wait.
const BURST: u32 = 20;

/// The pace after that: five retries a second, however many calls are waiting.
const PACE: Duration = Duration::from_millis(200);

/// Paces retries. Everything may be dead: then hundreds of waiting calls must not become a storm that meets the
/// scheduler when it comes back. An answered call earns a retry back.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// When the retries so far would be over at the pace; the further ahead, the more was spent.
    spent_until: Option<Instant>,
}

impl Budget {
    /// Takes one retry and answers how long to wait before making it.
    pub(super) fn spend(&mut self, now: Instant) -> Duration {
        let until = self.spent_until.map_or(now, |until| until.max(now)) + PACE;
        self.spent_until = Some(until);
        (until - now).saturating_sub(PACE * BURST)
    }

    pub(super) fn earn(&mut self) {
        self.spent_until = self.spent_until.and_then(|until| until.checked_sub(PACE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_burst_retries_come_at_the_pace() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        assert!((0..BURST).all(|_| budget.spend(now).is_zero()));
        assert_eq!(budget.spend(now), PACE);
        assert_eq!(budget.spend(now), PACE * 2);
        budget.earn();
        assert_eq!(budget.spend(now), PACE * 2);
        assert!(budget.spend(now + PACE * 100).is_zero());
    }
}
