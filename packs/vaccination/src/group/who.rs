//! Who a record is about, as far as its values are settled.

use crate::columns::Column;
use crate::group::match_key::MatchKey;
use crate::sheet::Sheet;

/// A name and a birth date that no person has to look at.
#[derive(Debug)]
pub(super) struct Who<'s> {
    pub(super) name: MatchKey,
    /// `YYYY-MM-DD`, or `YYYY` where only the year is known.
    pub(super) birth: &'s str,
}

impl<'s> Who<'s> {
    /// `None` when either of the two is missing or in doubt.
    pub(super) fn of(sheet: &'s Sheet<'_>) -> Option<Self> {
        let birth = sheet.settled(Column::DateOfBirth)?;
        let name = MatchKey::of(sheet.settled(Column::FullName)?);
        Some(Self { name, birth })
    }

    /// The birth year.
    pub(super) fn year(&self) -> &'s str {
        self.birth.get(..4).unwrap_or(self.birth)
    }

    /// The birth date when its day is known.
    pub(super) fn birthday(&self) -> Option<&'s str> {
        (self.birth.len() > 4).then_some(self.birth)
    }
}

/// Whether these cannot all be one person: two names, or two birth dates. A name typed without marks agrees with any
/// marks, and a birth year with any day in it.
pub(super) fn are_several(whos: &[Who<'_>]) -> bool {
    differ(whos.iter().map(|who| &who.name.plain))
        || differ(whos.iter().filter_map(|who| who.name.marked.as_ref()))
        || differ(whos.iter().map(Who::year))
        || differ(whos.iter().filter_map(Who::birthday))
}

fn differ<T: PartialEq>(mut values: impl Iterator<Item = T>) -> bool {
    values.next().is_some_and(|first| values.any(|other| other != first))
}

/// How many people these are at the least: names without marks, and birth years, that differ.
pub(super) fn at_least(whos: &[Who<'_>]) -> usize {
    let mut people: Vec<_> = whos.iter().map(|who| (&who.name.plain, who.year())).collect();
    people.sort_unstable();
    people.dedup();
    people.len()
}
