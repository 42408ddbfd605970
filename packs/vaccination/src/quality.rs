//! How well a rule pack did on records whose truth is known.

use emend_worker::{Change, Finding};
use serde::{Deserialize, Serialize};

use crate::columns::Column;
use crate::truth::{Class, Truth};

/// The verdict of the rules on one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing to change, no finding.
    Valid,
    /// Changed by rule, no finding left.
    Corrected,
    /// A finding needs a person.
    Routed,
    /// A rule crashed or ran out of time.
    Failed,
}

impl Verdict {
    /// The verdict that changes and findings amount to.
    pub fn of(changes: &[Change], findings: &[Finding]) -> Self {
        match (findings.is_empty(), changes.is_empty()) {
            (false, _) => Self::Routed,
            (true, false) => Self::Corrected,
            (true, true) => Self::Valid,
        }
    }
}

/// A share with the counts behind it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Cases that are right.
    pub right: u64,
    /// All cases.
    pub of: u64,
}

impl Share {
    pub(crate) fn count(&mut self, right: bool) {
        self.of += 1;
        self.right += u64::from(right);
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.right += other.right;
        self.of += other.of;
    }

    /// The ratio; of no cases at all it is 1, for nothing went wrong.
    pub fn ratio(&self) -> f64 {
        if self.of == 0 { 1.0 } else { self.right as f64 / self.of as f64 }
    }
}

/// The three figures of quality, summed over records. Serialises with ratios and counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Told", into = "Told")]
pub struct Quality {
    records: u64,
    precision: Share,
    closed: Share,
    routed_right: Share,
}

impl Quality {
    /// No records yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one record: its truth, its fields after the rules, and what the rules said of it.
    ///
    /// Fields that `final_fields` does not name count as empty.
    pub fn observe<'f>(
        &mut self,
        truth: &Truth,
        final_fields: impl IntoIterator<Item = (&'f str, &'f str)>,
        changes: &[Change],
        findings: &[Finding],
        verdict: Verdict,
    ) {
        let mut values = [""; crate::columns::COLUMNS];
        for (name, value) in final_fields {
            if let Some(column) = Column::named(name) {
                values[column.place()] = value;
            }
        }
        let is_true = |column: Column| values[column.place()] == truth.fields.get(column);
        let is_changed = |column: Column| changes.iter().any(|change| change.field == column.name());
        self.records += 1;
        for column in Column::ALL.into_iter().filter(|&column| is_changed(column)) {
            self.precision.count(is_true(column));
        }
        match truth.class {
            Class::Clean => {}
            Class::Form => {
                self.closed.count(verdict == Verdict::Corrected && Column::ALL.into_iter().all(is_true));
            }
            Class::Person => {
                let right = |field: &String| {
                    let found = findings.iter().any(|finding| finding.field == *field);
                    found && !changes.iter().any(|change| change.field == *field)
                };
                let reached = matches!(verdict, Verdict::Routed) && truth.person_fields.iter().all(right);
                self.routed_right.count(reached);
            }
        }
    }

    /// Adds what was counted elsewhere, on another thread.
    pub fn merge(&mut self, other: &Self) {
        self.records += other.records;
        self.precision.add(other.precision);
        self.closed.add(other.closed);
        self.routed_right.add(other.routed_right);
    }

    /// How many records were counted.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Of the fields that rules changed, those that are true now.
    pub fn precision(&self) -> Share {
        self.precision
    }

    /// Of the records with only faults of form, those that are corrected and true in every field.
    pub fn closed(&self) -> Share {
        self.closed
    }

    /// Of the records that need a person, those that reach one with every such field untouched.
    pub fn routed_right(&self) -> Share {
        self.routed_right
    }
}

/// The shape in which [`Quality`] is written down.
#[derive(Serialize, Deserialize)]
struct Told {
    precision: f64,
    closed: f64,
    routed_right: f64,
    counts: Counts,
}

#[derive(Serialize, Deserialize)]
struct Counts {
    records: u64,
    precision: Share,
    closed: Share,
    routed_right: Share,
}

impl From<Quality> for Told {
    fn from(quality: Quality) -> Self {
        let Quality { records, precision, closed, routed_right } = quality;
        Self {
            precision: precision.ratio(),
            closed: closed.ratio(),
            routed_right: routed_right.ratio(),
            counts: Counts { records, precision, closed, routed_right },
        }
    }
}

impl From<Told> for Quality {
    fn from(told: Told) -> Self {
        let Counts { records, precision, closed, routed_right } = told.counts;
        Self { records, precision, closed, routed_right }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::Values;

    fn truth(class: Class, person_fields: &[&str]) -> Truth {
        let mut fields = Values::default();
        fields.set(Column::Phone, "0912345678");
        let person_fields = person_fields.iter().map(|&field| field.into()).collect();
        Truth { key: "k".into(), class, fields, person_fields, faults: Vec::new() }
    }

    fn change(after: &str) -> Change {
        Change {
            field: "phone".into(),
            before: "x".into(),
            after: after.into(),
            rule: "phone.separators".into(),
        }
    }

    fn finding() -> Finding {
        Finding { code: "phone.invalid".into(), field: "phone".into(), ..Finding::default() }
    }

    #[test]
    fn the_three_figures() {
        let mut quality = Quality::new();
        let right = [("phone", "0912345678")];
        quality.observe(&truth(Class::Form, &[]), right, &[change("0912345678")], &[], Verdict::Corrected);
        let wrong = [("phone", "0912345679")];
        quality.observe(&truth(Class::Form, &[]), wrong, &[change("0912345679")], &[], Verdict::Corrected);
        quality.observe(&truth(Class::Person, &["phone"]), right, &[], &[finding()], Verdict::Routed);
        quality.observe(
            &truth(Class::Person, &["phone"]),
            right,
            &[change("0912345678")],
            &[finding()],
            Verdict::Routed,
        );
        quality.observe(&truth(Class::Clean, &[]), right, &[], &[], Verdict::Valid);
        assert_eq!(quality.precision(), Share { right: 2, of: 3 });
        assert_eq!(quality.closed(), Share { right: 1, of: 2 });
        assert_eq!(quality.routed_right(), Share { right: 1, of: 2 });
        assert_eq!(quality.records(), 5);
    }

    #[test]
    fn it_is_written_with_ratios_and_counts() {
        let mut quality = Quality::new();
        quality.observe(&truth(Class::Person, &["phone"]), [], &[], &[finding()], Verdict::Routed);
        let mut twice = quality.clone();
        twice.merge(&quality);
        let json = serde_json::to_value(&twice).unwrap();
        assert_eq!(json["routed_right"], 1.0);
        assert_eq!(json["counts"]["routed_right"]["of"], 2);
        assert_eq!(serde_json::from_value::<Quality>(json).unwrap(), twice);
    }
}
