//! The one place where the worker takes randomness. Nothing that is decided about a record depends on it.

use std::time::Duration;

use rand::TryRngCore as _;
use rand::rngs::OsRng;
use uuid::Uuid;

/// A name that nobody else has drawn: 32 hexadecimal digits.
pub(crate) fn id() -> String {
    format!("{:016x}{:016x}", draw(), draw())
}

/// The same, of ids that ascend with time.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub(crate) fn ascending_id() -> String {
    Uuid::now_v7().to_string()
}

/// Some time below `limit`, so that many who wait for one thing do not come back at one instant.
pub(crate) fn up_to(limit: Duration) -> Duration {
    // 53 bits are what a double holds exactly.
    #[expect(clippy::cast_precision_loss, reason = "the upper 53 bits are exact")]
    let share = (draw() >> 11) as f64 / (1_u64 << 53) as f64;
    limit.mul_f64(share)
}

/// A place among `count`, which is above 0.
pub(crate) fn below(count: usize) -> usize {
    usize::try_from(draw() % count as u64).unwrap_or_default()
}

fn draw() -> u64 {
    OsRng.try_next_u64().expect("the operating system gives random bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_waits_stay_below_their_limit() {
        assert_ne!(id(), id());
        assert!(ascending_id() < ascending_id());
        assert_eq!(id().len(), 32);
        let limit = Duration::from_millis(10);
        assert!((0..1000).all(|_| up_to(limit) < limit));
        let drawn: std::collections::BTreeSet<_> = (0..1000).map(|_| below(3)).collect();
        assert_eq!(drawn, [0, 1, 2].into());
    }
}
