//! What only several records together tell: a dose that was keyed twice, one number on two people.
//!
//! Runs over the records of one group after the rules of each record, on the values that those left. It changes
//! nothing: which of two records is wrong is a fact that no record proves, so it asks a person, and that person alone
//! rejects a record. A value that a person has to look at anyway is compared with nothing.

mod doses;
mod match_key;
mod people;
mod shared;
mod who;

use emend_worker::Record;

use crate::columns::Column;
use crate::sheet::Sheet;

/// What the records of a group have in common, where that says which checks they can stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grouping {
    Person,
    NationalId,
    Phone,
}

impl Grouping {
    /// The grouping by exactly these fields, in any order. Any other is none: with fewer fields a group is no person,
    /// and with more it may miss some of the person's records.
    pub(crate) fn of(fields: &[String]) -> Option<Self> {
        let columns: Option<Vec<_>> = fields.iter().map(|field| Column::named(field)).collect();
        let mut columns = columns?;
        columns.sort_unstable();
        columns.dedup();
        match columns[..] {
            [Column::FullName, Column::DateOfBirth] => Some(Self::Person),
            [Column::NationalId] => Some(Self::NationalId),
            [Column::Phone] => Some(Self::Phone),
            _ => None,
        }
    }

    /// Those of [`crate::GROUP_FINDINGS`] that it can show.
    pub(crate) const fn codes(self) -> &'static [&'static str] {
        match self {
            Self::Person => &["dose_number.duplicate", "dose_number.two_first", "dose_number.no_first"],
            Self::NationalId => &["national_id.shared"],
            Self::Phone => &["phone.shared"],
        }
    }
}

/// Something that a person is to be asked about one record of the group.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    /// The record's place in the group.
    at: usize,
    column: Column,
    code: &'static str,
    /// What may be right, best first; the value as the record's own rules left it comes after them.
    proposals: Vec<String>,
}

/// Checks the records of one group against each other, and routes what only a person can say.
pub(crate) fn check(grouping: Grouping, records: &[Record<'_>], sheets: &mut [Sheet<'_>]) {
    let questions = match grouping {
        Grouping::Person => doses::questions(records, sheets),
        Grouping::NationalId => shared::identity_numbers(sheets),
        Grouping::Phone => shared::phones(sheets),
    };
    for Question { at, column, code, mut proposals } in questions {
        // The finding takes the changes of its field back, so what they made of it is offered.
        proposals.push(sheets[at].value(column).to_owned());
        sheets[at].route(column, code, proposals);
    }
}

#[cfg(test)]
mod tests;
