//! The days of the campaign: from the first use of each vaccine in the city to the day of the data.

use jiff::civil::{Date, date};

use crate::dates;
use crate::vaccine::Vaccine;

/// The first injection of the campaign, whatever the vaccine.
pub(crate) const FIRST_DAY: Date = date(2021, 3, 8);

/// The days on which an injection may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    first: Date,
    last: Date,
}

impl Window {
    /// The window of `vaccine`, or of the whole campaign where a person has to name it.
    ///
    /// A job without a readable `as_of` has no last day: the window stays open to the end of the
    /// calendar, so that no record is called late by a day that nobody stated.
    pub(crate) fn of(vaccine: Option<Vaccine>, as_of: Option<Date>) -> Self {
        Self { first: vaccine.map_or(FIRST_DAY, Vaccine::first_use), last: as_of.unwrap_or(Date::MAX) }
    }

    /// Whether `day` lies in it.
    pub(crate) fn has(self, day: Date) -> bool {
        self.first <= day && day <= self.last
    }

    /// Whether no day lies in it.
    pub(crate) fn is_empty(self) -> bool {
        self.last < self.first
    }
}

/// Reads a job's `as_of`. An empty or unreadable one is none.
pub(crate) fn as_of(written: &str) -> Option<Date> {
    dates::canonical(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows() {
        let as_of = as_of("2021-09-20");
        let moderna = Window::of(Some(Vaccine::Moderna), as_of);
        assert!(moderna.has(date(2021, 7, 1)) && moderna.has(date(2021, 9, 20)));
        assert!(!moderna.has(date(2021, 6, 30)) && !moderna.has(date(2021, 9, 21)));
        assert!(Window::of(None, as_of).has(date(2021, 3, 8)));
        assert!(Window::of(Some(Vaccine::SputnikV), as_of).is_empty());
    }

    #[test]
    fn without_a_day_of_the_data_nothing_is_late() {
        for text in ["", "2021-9-20", "yesterday", "2021-02-30"] {
            assert_eq!(as_of(text), None);
        }
        assert!(Window::of(None, None).has(date(2031, 1, 1)));
    }
}
