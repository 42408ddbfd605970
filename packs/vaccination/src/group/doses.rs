//! The doses of one person: keyed twice, two of them the first, or none of them.
//!
//! A file holds only records that somebody reported, so a second dose whose first is not there is no fault. It is one
//! only where another record of the person stands for a second dose as well.

use emend_worker::Record;

use crate::columns::Column;
use crate::group::Question;
use crate::group::match_key::MatchKey;
use crate::group::people::{self, Person};
use crate::sheet::Sheet;

/// A dose of which number, day and vaccine are settled. The order of the fields is that of comparison.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Dose<'s> {
    number: &'s str,
    day: &'s str,
    vaccine: &'s str,
    site: Vec<u8>,
    /// The record's key: of a dose that was keyed twice the first by key stays, in whatever order the records come.
    key: &'s str,
    at: usize,
}

impl<'s> Dose<'s> {
    fn of(at: usize, record: &'s Record<'_>, sheet: &'s Sheet<'_>) -> Option<Self> {
        let site = MatchKey::of(sheet.settled(Column::Site).unwrap_or_default());
        Some(Self {
            number: sheet.settled(Column::DoseNumber)?,
            day: sheet.settled(Column::InjectedOn)?,
            vaccine: sheet.settled(Column::Vaccine)?,
            site: site.marked.unwrap_or(site.plain),
            key: record.key(),
            at,
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        (self.number, self.day, self.vaccine, &self.site)
            == (other.number, other.day, other.vaccine, &other.site)
    }

    fn ask(&self, code: &'static str, proposals: Vec<String>) -> Question {
        Question { at: self.at, column: Column::DoseNumber, code, proposals }
    }
}

/// What is to be asked about the doses of the people in the group.
pub(super) fn questions(records: &[Record<'_>], sheets: &[Sheet<'_>]) -> Vec<Question> {
    let mut questions = Vec::new();
    for person in people::people(sheets) {
        ask(&person, records, sheets, &mut questions);
    }
    questions
}

fn ask(person: &Person, records: &[Record<'_>], sheets: &[Sheet<'_>], questions: &mut Vec<Question>) {
    let mut doses: Vec<_> =
        person.records.iter().filter_map(|&at| Dose::of(at, &records[at], &sheets[at])).collect();
    // Every record that might be of this person tells its dose.
    let all_told = person.alone && doses.len() == person.records.len();
    doses.sort_unstable();
    let (mut firsts, mut seconds) = (Vec::new(), Vec::new());
    for same in doses.chunk_by(Dose::is_same) {
        let [kept, later @ ..] = same else { continue };
        questions.extend(later.iter().map(|dose| dose.ask("dose_number.duplicate", Vec::new())));
        if kept.number == "1" { &mut firsts } else { &mut seconds }.push(kept);
    }
    if firsts.len() > 1 {
        let proposals = if all_told && seconds.is_empty() { by_day(&firsts) } else { None };
        number(&firsts, "dose_number.two_first", proposals, questions);
    } else if firsts.is_empty() && seconds.len() > 1 && all_told {
        number(&seconds, "dose_number.no_first", by_day(&seconds), questions);
    }
}

/// Which of exactly two doses is the first, where their days say it.
fn by_day(doses: &[&Dose<'_>]) -> Option<[&'static str; 2]> {
    matches!(doses, [earlier, later] if earlier.day < later.day).then_some(["1", "2"])
}

/// Asks for the number of each of these doses, which are in the order of their days.
fn number(
    doses: &[&Dose<'_>],
    code: &'static str,
    proposals: Option<[&'static str; 2]>,
    questions: &mut Vec<Question>,
) {
    for (place, dose) in doses.iter().enumerate() {
        let proposal = proposals.and_then(|numbers| numbers.get(place).copied());
        questions.push(dose.ask(code, proposal.map(str::to_owned).into_iter().collect()));
    }
}
