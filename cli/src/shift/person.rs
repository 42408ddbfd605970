//! What a simulated person makes of a review: right by the truth, with errors, or not at all.

use anyhow::{Result, bail};
use emend_proto::v1::{Answer, AnswerKind, FieldValue, ReviewCard};
use emend_vaccination::{Column, Values};

use super::draw::Draw;

/// Of all errors, rejections of a record that is a good one.
const REJECTIONS: f64 = 0.1;
/// Why a simulated person says no more; the log wants a reason.
const NOT_KNOWN: &str = "simulated: cannot tell from what is here";
const NOT_USED: &str = "simulated: taken for a record of nobody";

/// How somebody decides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    /// The share of answers that are wrong.
    pub(super) errors: f64,
    /// The share of reviews that are handed back.
    pub(super) skips: f64,
    /// The share of reviews that are left to a lead.
    pub(super) cannot: f64,
}

/// What somebody says of a review.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// Nothing: it goes back.
    Skip,
    /// A lead shall decide.
    Cannot(Answer),
    /// This, by the truth.
    Right(Answer),
    /// This, which the truth says is wrong.
    Wrong(Answer),
}

/// What the truth says of a whole cluster, as the API has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// The proposal at this place.
    Proposal(u32),
    /// The value as it stands.
    AsItIs,
}

/// Looks at a card.
///
/// # Errors
/// When the truth has no word on a field at issue.
pub(super) fn judge(card: &ReviewCard, truth: &Values, habits: Habits, draw: &mut Draw) -> Result<Said> {
    let right = right(card, truth)?;
    if draw.chance(habits.skips) {
        return Ok(Said::Skip);
    }
    if draw.chance(habits.cannot) {
        return Ok(Said::Cannot(no_values(AnswerKind::CannotDecide, NOT_KNOWN)));
    }
    if draw.chance(habits.errors) {
        return Ok(Said::Wrong(wrong(card, &right, draw)));
    }
    Ok(Said::Right(values(right)))
}

/// The true value of each field at issue, and of each that stands beside them in plain sight and is wrong: where a ward
/// is in doubt, the rules leave its district as it came. Of a record on which the rules gave up, of every field on the card.
fn right(card: &ReviewCard, truth: &Values) -> Result<Vec<FieldValue>> {
    let mut values: Vec<FieldValue> = Vec::new();
    for finding in &card.findings {
        let Some(column) = Column::named(&finding.field) else {
            bail!("the truth has no field `{}`", finding.field);
        };
        values.push(FieldValue { field: finding.field.clone(), value: truth.get(column).to_owned() });
    }
    for shown in &card.fields {
        let Some(column) = Column::named(&shown.name) else { continue };
        let value = truth.get(column);
        if card.findings.is_empty() || (!shown.masked && shown.value != value) {
            values.push(FieldValue { field: shown.name.clone(), value: value.to_owned() });
        }
    }
    values.sort_by(|a, b| a.field.cmp(&b.field));
    values.dedup_by(|a, b| a.field == b.field);
    Ok(values)
}

fn wrong(card: &ReviewCard, right: &[FieldValue], draw: &mut Draw) -> Answer {
    let rejection = no_values(AnswerKind::Rejected, NOT_USED);
    if right.is_empty() || draw.chance(REJECTIONS) {
        return rejection;
    }
    let at = draw.below(right.len());
    let FieldValue { field, value } = &right[at];
    let of_field = card.findings.iter().filter(|finding| finding.field == *field);
    let proposals: Vec<&String> = of_field.flat_map(|finding| &finding.proposals).collect();
    let mut others: Vec<String> = proposals.iter().map(|&proposal| proposal.clone()).collect();
    others.extend(value_of(card, field).map(str::to_owned));
    if !proposals.contains(&value) {
        others.extend(typo(value, draw));
    }
    others.retain(|other| other != value);
    if others.is_empty() {
        return rejection;
    }
    let mut said = right.to_vec();
    said[at].value = others.swap_remove(draw.below(others.len()));
    values(said)
}

/// What stands in a field, where the card shows it whole.
fn value_of<'c>(card: &'c ReviewCard, field: &str) -> Option<&'c str> {
    card.fields.iter().find(|shown| shown.name == field && !shown.masked).map(|shown| shown.value.as_str())
}

/// The value with one character wrong, or in the wrong place.
fn typo(value: &str, draw: &mut Draw) -> Option<String> {
    // What nobody can type came in so, and stays.
    let mut letters: Vec<char> = value.chars().filter(|letter| !letter.is_control()).collect();
    if letters.is_empty() {
        return None;
    }
    let at = draw.below(letters.len());
    match letters[at].to_digit(10) {
        Some(digit) => {
            let other = (digit + 1 + u32::try_from(draw.below(9)).unwrap_or_default()) % 10;
            letters[at] = char::from_digit(other, 10)?;
        }
        None if at + 1 < letters.len() && letters[at] != letters[at + 1] => letters.swap(at, at + 1),
        None => {
            letters.remove(at);
        }
    }
    Some(letters.into_iter().collect())
}

/// What an answer to a single finding would say of every member of its cluster.
pub(super) fn choice(card: &ReviewCard, said: &Said) -> Option<Choice> {
    let ([finding], Said::Right(answer) | Said::Wrong(answer)) = (&card.findings[..], said) else {
        return None;
    };
    let [FieldValue { value, .. }] = &answer.values[..] else { return None };
    match finding.proposals.iter().position(|proposal| proposal == value) {
        Some(at) => u32::try_from(at).ok().map(Choice::Proposal),
        None => (value_of(card, &finding.field) == Some(value)).then_some(Choice::AsItIs),
    }
}

fn values(values: Vec<FieldValue>) -> Answer {
    Answer { kind: AnswerKind::Values.into(), values, reason: String::new() }
}

fn no_values(kind: AnswerKind, reason: &str) -> Answer {
    Answer { kind: kind.into(), values: Vec::new(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
