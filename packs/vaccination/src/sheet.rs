//! The working sheet of one record: its values as they came, the pending changes on top, the findings.
//!
//! The sheet keeps the promise *never both*: whatever rules did to a field, a finding on it puts it back.

use std::borrow::Cow;

use emend_worker::{Change, Finding, Outcome, Record};

use crate::columns::{COLUMNS, Column};
use crate::findings::FINDINGS;

/// One step of a repair: its rule's name, and the function that answers the value after it.
pub(crate) type Step = (&'static str, fn(&str) -> Option<String>);

/// How often a chain of steps may run over a value before it counts as unsettled. Real values settle
/// in one round; the second only confirms it.
const ROUNDS: usize = 4;

/// One record under correction.
pub(crate) struct Sheet<'r> {
    came: [Option<&'r str>; COLUMNS],
    /// For each column, one more than the place of its newest change; 0 when there is none.
    newest: [usize; COLUMNS],
    /// Columns, one bit each, that must leave as they came.
    kept: u16,
    routed: u16,
    changes: Vec<Change>,
    findings: Vec<Finding>,
}

impl<'r> Sheet<'r> {
    /// Takes the known columns of `record` in one pass. Of a column that stands there twice, the first counts.
    pub(crate) fn of(record: &'r Record<'_>) -> Self {
        let mut came = [None; COLUMNS];
        let mut expected = 0;
        for (name, value) in record.fields() {
            // Files keep the order of the columns, so the next one is nearly always the one that comes.
            let column = match Column::ALL.get(expected) {
                Some(column) if column.name() == name => Some(*column),
                _ => Column::named(name),
            };
            if let Some(column) = column {
                expected = column.place() + 1;
                came[column.place()].get_or_insert(value);
            }
        }
        Self { came, newest: [0; COLUMNS], kept: 0, routed: 0, changes: Vec::new(), findings: Vec::new() }
    }

    /// Whether the record has the column at all.
    pub(crate) fn has(&self, column: Column) -> bool {
        self.came[column.place()].is_some()
    }

    /// The value as it came; a column that is not there reads as empty.
    pub(crate) fn came(&self, column: Column) -> &'r str {
        self.came[column.place()].unwrap_or_default()
    }

    /// The value after all changes so far.
    pub(crate) fn value(&self, column: Column) -> &str {
        match self.newest[column.place()] {
            0 => self.came(column),
            newest => &self.changes[newest - 1].after,
        }
    }

    /// Writes `after` into `column` and logs it; nothing happens when that is the value already.
    pub(crate) fn change(&mut self, column: Column, rule: &'static str, after: String) {
        let before = self.value(column);
        if before == after {
            return;
        }
        let before = before.to_owned();
        self.changes.push(Change {
            field: Cow::Borrowed(column.name()),
            before,
            after,
            rule: Cow::Borrowed(rule),
        });
        self.newest[column.place()] = self.changes.len();
    }

    /// Runs the steps over `column` until none of them changes anything, so that a second pass over
    /// the result finds nothing to do. A value that never settles stays as it came.
    ///
    /// Answers whether it settled.
    pub(crate) fn settle(&mut self, column: Column, steps: &[Step]) -> bool {
        for _ in 0..ROUNDS {
            let logged = self.changes.len();
            for (rule, step) in steps {
                if let Some(after) = step(self.value(column)) {
                    self.change(column, rule, after);
                }
            }
            if self.changes.len() == logged {
                return true;
            }
        }
        self.keep(column);
        false
    }

    /// Lets `column` leave as it came, without a finding.
    pub(crate) fn keep(&mut self, column: Column) {
        self.kept |= 1 << column.place();
    }

    /// Sends `column` to a person. Proposals that repeat each other or the value are left out.
    pub(crate) fn route(&mut self, column: Column, code: &'static str, proposals: Vec<String>) {
        debug_assert!(FINDINGS.contains(&code), "{code} has no text for people");
        let came = self.came(column);
        let mut offered: Vec<String> = Vec::new();
        for proposal in proposals {
            if proposal != came && !offered.contains(&proposal) {
                offered.push(proposal);
            }
        }
        self.keep(column);
        self.routed |= 1 << column.place();
        self.findings.push(Finding {
            code: Cow::Borrowed(code),
            field: Cow::Borrowed(column.name()),
            proposals: offered,
            ..Finding::default()
        });
    }

    /// Sends `column` to a person with the value as rules would have left it as the proposal.
    pub(crate) fn route_repaired(&mut self, column: Column, code: &'static str) {
        let repaired = self.value(column).to_owned();
        self.route(column, code, vec![repaired]);
    }

    /// Whether `column` has a finding.
    pub(crate) fn is_routed(&self, column: Column) -> bool {
        self.routed & (1 << column.place()) != 0
    }

    /// The value as rules left it, for a comparison with other records. `None` when it is empty or when a person has
    /// to say what it should be: a value in doubt is compared with nothing.
    pub(crate) fn settled(&self, column: Column) -> Option<&str> {
        let value = self.value(column);
        (!self.is_routed(column) && !value.is_empty()).then_some(value)
    }

    /// What is left to say about the record: changes of fields without a finding, findings by column.
    pub(crate) fn into_outcome(mut self) -> Outcome {
        let dropped = Column::ALL.into_iter().any(|column| {
            let place = column.place();
            self.kept & (1 << place) != 0 && self.newest[place] != 0
        });
        if dropped {
            let kept = self.kept;
            self.changes.retain(|change| {
                Column::named(&change.field).is_none_or(|column| kept & (1 << column.place()) == 0)
            });
        }
        if self.findings.len() > 1 {
            self.findings.sort_by_key(|finding| Column::named(&finding.field));
        }
        Outcome { changes: self.changes, findings: self.findings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record<'static> {
        Record::from_fields("k", [("extra", "x"), ("phone", "1"), ("phone", "2"), ("gender", "Nam")])
    }

    #[test]
    fn changes_of_one_field_chain() {
        let record = record();
        let mut sheet = Sheet::of(&record);
        sheet.change(Column::Phone, "a", "3".into());
        sheet.change(Column::Phone, "b", "3".into());
        sheet.change(Column::Phone, "c", "4".into());
        let outcome = sheet.into_outcome();
        let chain: Vec<_> = outcome.changes.iter().map(|c| (&*c.before, &*c.after, &*c.rule)).collect();
        assert_eq!(chain, [("1", "3", "a"), ("3", "4", "c")]);
    }

    #[test]
    fn a_finding_takes_the_changes_of_its_field_back() {
        let record = record();
        let mut sheet = Sheet::of(&record);
        sheet.change(Column::Phone, "a", "3".into());
        sheet.change(Column::Gender, "b", "male".into());
        sheet.route(Column::Phone, "phone.invalid", vec!["3".into(), "1".into(), "3".into()]);
        let outcome = sheet.into_outcome();
        assert_eq!(outcome.changes.len(), 1);
        assert_eq!(outcome.changes[0].field, "gender");
        assert_eq!(outcome.findings[0].proposals, ["3"]);
    }

    #[test]
    fn a_value_that_never_settles_stays() {
        let record = record();
        let mut sheet = Sheet::of(&record);
        let flip: Step = ("flip", |value| Some(if value == "1" { "2".into() } else { "1".into() }));
        assert!(!sheet.settle(Column::Phone, &[flip]));
        assert!(sheet.into_outcome().changes.is_empty());
    }
}
