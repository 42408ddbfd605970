//! How far rules can be trusted: what people say of a sample of their changes.

/// What people said of one rule's changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleQuality {
    /// The rule.
    pub rule: String,
    /// Changes of it that people have decided on.
    pub sampled: u64,
    /// Of those, changes that they did not let stand.
    pub wrong: u64,
}

/// A share and the interval that holds the true one with a confidence of 95 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// What was seen.
    pub seen: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

/// The normal deviate of 95 %, two-sided.
const Z: f64 = 1.959_963_985;

impl Share {
    /// So many of so many, by Wilson's score interval: right for few samples and for shares near 0, where rules are. `None`
    /// of none.
    #[expect(clippy::cast_precision_loss, reason = "counts of samples are small")]
    pub fn of(hits: u64, samples: u64) -> Option<Self> {
        if samples == 0 {
            return None;
        }
        let (n, seen) = (samples as f64, hits as f64 / samples as f64);
        let scale = 1.0 + Z * Z / n;
        let middle = (seen + Z * Z / (2.0 * n)) / scale;
        let half = Z * (seen * (1.0 - seen) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
        Some(Self { seen, low: (middle - half).max(0.0), high: (middle + half).min(1.0) })
    }
}

impl RuleQuality {
    /// The share of wrong changes. `None` without samples.
    pub fn error(&self) -> Option<Share> {
        Share::of(self.wrong, self.sampled)
    }

    /// Whether the rule is wrong more often than `limit` allows, beyond doubt.
    pub fn fails(&self, limit: f64) -> bool {
        self.error().is_some_and(|error| error.low > limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality(sampled: u64, wrong: u64) -> RuleQuality {
        RuleQuality { rule: "r".into(), sampled, wrong }
    }

    /// Against values of the interval as statistics packages give them.
    #[test]
    fn the_interval_is_wilsons() {
        for (sampled, wrong, low, high) in [
            (10, 0, 0.0, 0.277_5),
            (100, 0, 0.0, 0.037_0),
            (100, 5, 0.021_5, 0.111_8),
            (1_000, 10, 0.005_4, 0.018_3),
            (10, 10, 0.722_5, 1.0),
        ] {
            let error = quality(sampled, wrong).error().unwrap();
            assert!((error.low - low).abs() < 1e-4 && (error.high - high).abs() < 1e-4, "{error:?}");
        }
        assert_eq!(quality(0, 0).error(), None);
    }

    #[test]
    fn a_rule_fails_only_beyond_doubt() {
        assert!(!quality(10, 1).fails(0.02), "one in ten may be chance");
        assert!(quality(100, 10).fails(0.02));
        assert!(!quality(0, 0).fails(0.0) && !quality(100, 0).fails(0.0));
    }
}
