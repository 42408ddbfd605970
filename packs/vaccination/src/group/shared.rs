//! One identity number, or one phone, in the records of several people.

use crate::columns::Column;
use crate::group::Question;
use crate::group::who::{self, Who};
use crate::sheet::Sheet;

/// How many people may share a phone without a question. Families share one, three generations of them under one roof,
/// and RULES.md forbids to read anything into it: below this a finding would send honest families to a person, who has
/// nothing to mend. Above it the number is hardly a family's but the site's or the ward's, typed where somebody had
/// none, and a certificate sent there never arrives.
const HOUSEHOLD: usize = 10;

/// An identity number is one person's. Whose of several it is only papers say, so all of its records are asked about,
/// those too whose own name is in doubt.
pub(super) fn identity_numbers(sheets: &[Sheet<'_>]) -> Vec<Question> {
    questions(sheets, Column::NationalId, "national_id.shared", who::are_several)
}

/// A phone is no key for a person, but neither is it a whole street's.
pub(super) fn phones(sheets: &[Sheet<'_>]) -> Vec<Question> {
    questions(sheets, Column::Phone, "phone.shared", |whos| who::at_least(whos) > HOUSEHOLD)
}

/// Asks about `column` of all records with the same value there, where `wrong` says so of their people.
fn questions(
    sheets: &[Sheet<'_>],
    column: Column,
    code: &'static str,
    wrong: fn(&[Who<'_>]) -> bool,
) -> Vec<Question> {
    // A group is put together by a looser key than the value itself.
    let mut holders: Vec<(&str, usize)> = sheets
        .iter()
        .enumerate()
        .filter_map(|(at, sheet)| sheet.settled(column).map(|value| (value, at)))
        .collect();
    holders.sort_unstable();
    let mut questions = Vec::new();
    for holders in holders.chunk_by(|(one, _), (other, _)| one == other) {
        let whos: Vec<_> = holders.iter().filter_map(|(_, at)| Who::of(&sheets[*at])).collect();
        if wrong(&whos) {
            let ask = |&(_, at): &(&str, usize)| Question { at, column, code, proposals: Vec::new() };
            questions.extend(holders.iter().map(ask));
        }
    }
    questions
}
