//! Draws from the seeded stream of one record.

use jiff::ToSpan;
use jiff::civil::Date;
use rand::{Rng, RngCore};
use rand_chacha::ChaCha8Rng;

/// The random stream of one record.
pub(crate) struct Draw(pub(crate) ChaCha8Rng);

impl Draw {
    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    /// A number from `first` to `last`.
    pub(crate) fn between(&mut self, first: i64, last: i64) -> i64 {
        self.0.random_range(first..=last)
    }

    /// True in `percent` of a hundred cases.
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.0.next_u32() % 100 < percent
    }

    /// One of `items`, each as likely.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// One of `items`, each as likely as its weight says.
    pub(crate) fn weighted<'t, T>(&mut self, items: &'t [T], weight: impl Fn(&T) -> u32) -> &'t T {
        let total: u32 = items.iter().map(&weight).sum();
        let mut left = self.0.random_range(0..total);
        let at = items.iter().position(|item| {
            let mine = weight(item);
            let found = left < mine;
            left = left.saturating_sub(mine);
            found
        });
        &items[at.unwrap_or(0)]
    }

    /// `count` digits.
    pub(crate) fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + (self.0.next_u32() % 10) as u8)).collect()
    }

    /// A day from `first` to `last`.
    pub(crate) fn day(&mut self, first: Date, last: Date) -> Date {
        let days = i64::from(first.until(last).map_or(0, |span| span.get_days()));
        let after = self.between(0, days.max(0));
        first.checked_add(after.days()).unwrap_or(first)
    }
}
