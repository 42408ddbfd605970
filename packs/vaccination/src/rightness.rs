//! How right records are, before people and after, where their truth is known.

use serde::{Deserialize, Serialize};

use crate::columns::{COLUMNS, Column};
use crate::quality::Share;
use crate::truth::{Class, Truth};

/// One figure, before people and after.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// As the rules left it.
    pub before: Share,
    /// With what people decided over it.
    pub after: Share,
}

impl Turn {
    fn add(&mut self, other: Self) {
        self.before.add(other.before);
        self.after.add(other.after);
    }
}

/// The records of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassRightness {
    /// How many there are.
    pub records: u64,
    /// Of all their fields, those that are true.
    pub fields: Turn,
    /// Of the fields that need a person, those that are true.
    pub at_issue: Turn,
    /// Of the records, those that are true in every field.
    pub whole: Turn,
    /// Marked by people as not to be used. They count above as they stand.
    pub rejected: u64,
}

impl ClassRightness {
    fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.fields.add(other.fields);
        self.at_issue.add(other.at_issue);
        self.whole.add(other.whole);
        self.rejected += other.rejected;
    }
}

/// How right records are, by their class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rightness {
    /// Nothing was wrong with them.
    pub clean: ClassRightness,
    /// Rules can close them.
    pub form: ClassRightness,
    /// They need a person.
    pub person: ClassRightness,
}

impl Rightness {
    /// Counts one record: its fields as the rules left them, and as they are now. A field that is not named counts as
    /// empty.
    pub fn observe<'f>(
        &mut self,
        truth: &Truth,
        before: impl IntoIterator<Item = (&'f str, &'f str)>,
        after: impl IntoIterator<Item = (&'f str, &'f str)>,
        rejected: bool,
    ) {
        let (before, after) = (by_column(before), by_column(after));
        let class = match truth.class {
            Class::Clean => &mut self.clean,
            Class::Form => &mut self.form,
            Class::Person => &mut self.person,
        };
        class.records += 1;
        class.rejected += u64::from(rejected);
        for (values, fields, at_issue, whole) in [
            (before, &mut class.fields.before, &mut class.at_issue.before, &mut class.whole.before),
            (after, &mut class.fields.after, &mut class.at_issue.after, &mut class.whole.after),
        ] {
            let mut all_true = true;
            for column in Column::ALL {
                let is_true = values[column.place()] == truth.fields.get(column);
                all_true &= is_true;
                fields.count(is_true);
                if truth.person_fields.iter().any(|field| field == column.name()) {
                    at_issue.count(is_true);
                }
            }
            whole.count(all_true);
        }
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &Self) {
        self.clean.add(&other.clean);
        self.form.add(&other.form);
        self.person.add(&other.person);
    }

    /// All classes together.
    pub fn all(&self) -> ClassRightness {
        let mut all = self.clean;
        all.add(&self.form);
        all.add(&self.person);
        all
    }
}

fn by_column<'f>(fields: impl IntoIterator<Item = (&'f str, &'f str)>) -> [&'f str; COLUMNS] {
    let mut values = [""; COLUMNS];
    for (name, value) in fields {
        if let Some(column) = Column::named(name) {
            values[column.place()] = value;
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::Values;

    #[test]
    fn what_people_did_shows_as_the_difference() {
        let mut fields = Values::default();
        fields.set(Column::Phone, "0912345678");
        fields.set(Column::Gender, "male");
        let truth = |class| Truth {
            key: "k".into(),
            class,
            fields: fields.clone(),
            person_fields: vec!["phone".into()],
            faults: Vec::new(),
        };
        let (wrong, right) =
            ([("phone", "9"), ("gender", "male")], [("phone", "0912345678"), ("gender", "male")]);
        let mut rightness = Rightness::default();
        rightness.observe(&truth(Class::Person), wrong, right, false);
        rightness.observe(&truth(Class::Person), wrong, wrong, true);
        rightness.observe(&truth(Class::Form), right, right, false);
        let person = rightness.person;
        assert_eq!((person.records, person.rejected), (2, 1));
        assert_eq!(person.at_issue.before, Share { right: 0, of: 2 });
        assert_eq!(person.at_issue.after, Share { right: 1, of: 2 });
        let of = 2 * COLUMNS as u64;
        assert_eq!(person.fields.before, Share { right: of - 2, of });
        assert_eq!(person.fields.after, Share { right: of - 1, of });
        assert_eq!((person.whole.before.right, person.whole.after.right), (0, 1));
        let mut twice = rightness.clone();
        twice.merge(&rightness);
        assert_eq!(twice.all().records, 6);
        assert_eq!(twice.all().whole.after, Share { right: 4, of: 6 });
    }
}
