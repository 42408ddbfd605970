//! What is wrong with a rule file, said to the person who wrote it.

use std::fmt;

/// A place in a file: line and column, both from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One thing that is wrong with a rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands in the file.
    pub place: Place,
    /// The rule it stands in, if it has a name already.
    pub rule: Option<String>,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.place.line, self.place.column)?;
        if let Some(rule) = &self.rule {
            write!(f, ", rule {rule}")?;
        }
        write!(f, ": {}. {}.", self.what, self.mend)
    }
}

/// The problems found so far. Reading goes on after each, so that one look finds as many as it can.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<Problem>,
    /// The rule that is being read.
    rule: Option<String>,
}

impl Problems {
    pub(crate) fn add(&mut self, place: Place, what: impl Into<String>, mend: impl Into<String>) {
        let rule = self.rule.clone();
        self.found.push(Problem { place, rule, what: what.into(), mend: mend.into() });
    }

    /// What is found from here on stands in this rule.
    pub(crate) fn enter(&mut self, rule: Option<&str>) {
        self.rule = rule.filter(|name| !name.is_empty()).map(ToOwned::to_owned);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them, in the order of the file.
    pub(crate) fn into_sorted(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| problem.place);
        self.found
    }
}
