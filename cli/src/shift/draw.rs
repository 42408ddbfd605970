//! Chance, the same in every run of one seed.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

/// What chance has in store for one reviewer with one review. Who gets which review hangs on who asks first; what becomes
/// of it then does not.
pub(super) struct Draw(ChaCha8Rng);

impl Draw {
    pub(super) fn of(seed: u64, reviewer: u32, seq: u64, round: u32) -> Self {
        let mut from = [0; 32];
        for (at, part) in [seed, reviewer.into(), seq, round.into()].into_iter().enumerate() {
            from[8 * at..8 * at + 8].copy_from_slice(&part.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(from))
    }

    /// True in this share of cases.
    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.share() < share
    }

    /// From 0 to below 1.
    pub(super) fn share(&mut self) -> f64 {
        self.0.random()
    }

    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }
}
