//! Which expired leases the loop may return.

use std::time::Duration;

use super::time::Timestamp;

/// Below this many live leases, many expiring at once says nothing.
const MASS: i64 = 10;

/// What a scheduler sees when it looks for expired leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Now, by the store's clock.
    pub now: Timestamp,
    /// When this scheduler began.
    pub started_at: Timestamp,
    /// How long a lease lasts.
    pub ttl: Duration,
    /// Leases held, expired ones included.
    pub leased: i64,
    /// Of them expired.
    pub expired: i64,
}

/// Leases that expired at this moment or before go back.
///
/// Usually that is now. When the silence may be our own (this scheduler has just begun, or most leases run
/// out at once), workers get one more TTL to be heard; leases that are older than that always go.
pub fn cutoff(sight: Sight) -> Timestamp {
    let young = sight.now.since(sight.started_at) < sight.ttl;
    let mass = sight.leased >= MASS && sight.expired * 2 > sight.leased;
    if young || mass { sight.now - sight.ttl } else { sight.now }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(60);

    fn sight(leased: i64, expired: i64) -> Sight {
        Sight { now: Timestamp(1_000_000), started_at: Timestamp(0), ttl: TTL, leased, expired }
    }

    #[test]
    fn expired_leases_go_back_at_once() {
        assert_eq!(cutoff(sight(100, 50)), Timestamp(1_000_000));
        assert_eq!(cutoff(sight(9, 9)), Timestamp(1_000_000));
    }

    #[test]
    fn our_own_outage_costs_nobody_a_lease() {
        assert_eq!(cutoff(sight(10, 6)), Timestamp(940_000));
        let young = Sight { started_at: Timestamp(940_001), ..sight(1, 1) };
        assert_eq!(cutoff(young), Timestamp(940_000));
    }
}
