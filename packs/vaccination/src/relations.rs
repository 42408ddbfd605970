//! How well the checks of groups did on a crowd whose relations are known.

use emend_worker::Finding;

use crate::generator::Related;
use crate::group::Grouping;
use crate::quality::Share;

/// What was found of relations, and how much of it is right, for records put together in one way. All counts are of
/// records and not of circles: each is routed by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relations {
    codes: &'static [&'static str],
    precision: Share,
    found: Share,
    found_of_shown: Share,
}

impl Relations {
    /// No records yet, which are put together by these fields.
    pub fn new(group_by: &[String]) -> Self {
        let (precision, found, found_of_shown) = Default::default();
        Self { codes: Grouping::of(group_by).map_or(&[], Grouping::codes), precision, found, found_of_shown }
    }

    /// Counts one record: the truth of its relation, and what the pack said of it.
    pub fn observe(&mut self, related: &Related, findings: &[Finding]) {
        let right = related.finding.as_deref().filter(|code| self.codes.contains(code));
        let said = findings.iter().filter(|finding| self.codes.contains(&&*finding.code));
        if right.is_some() {
            let found = said.clone().any(|finding| Some(&*finding.code) == right);
            self.found.count(found);
            if related.shows {
                self.found_of_shown.count(found);
            }
        }
        said.for_each(|finding| self.precision.count(Some(&*finding.code) == right));
    }

    /// Of the findings of groups, those that are right.
    pub fn precision(&self) -> Share {
        self.precision
    }

    /// Of the records whose relation needs a person, those that have the finding that is right for it.
    pub fn found(&self) -> Share {
        self.found
    }

    /// The same, of those relations alone that no other fault hides: a value in doubt is compared with nothing until
    /// a person has settled it.
    pub fn found_of_shown(&self) -> Share {
        self.found_of_shown
    }
}
