//! Which records one look can settle together: those whose single finding would be mended by the same edit, in the
//! same place.
//!
//! People decide hundreds of records at once by the number that is made here, so it must be neither too narrow (each
//! record a cluster of its own) nor too wide (two mistakes under one decision). It hangs on the edit that each proposal
//! makes, and not on the value around it: `ÔNG NGUYỄN VĂN A` → `NGUYỄN VĂN A` and `ÔNG LÊ B` → `LÊ B` both take `ÔNG`
//! away in front. An edit is written down like this, in lower case and with single spaces:
//!
//! - What the edit leaves in front and behind is `_` for one word or number, `…` for more.
//! - Words that it touches stand as they are; of a word that becomes another only the letters that differ.
//! - Numbers are so many 9s. One that comes from another place is `#` and that place; one whose digits are the same in
//!   another order is `~`; of one that only grows or shrinks, what comes or goes.
//!
//! Only the form of a value that identifies a person can be alike. A value of another field is one of a few, so there
//! the words that an edit leaves are kept too: `AZ/Moderna` is not `AZ/Pfizer`.
//!
//! A proposal that rules would only send to a person again settles nothing: a birth date of 1890 in its proper form is
//! still one of 1890, and what is true then differs from person to person. Such records are like no other. Nor is one alike
//! whose finding only its group shows: asked about alone, any proposal would seem to settle it.

use super::{Change, Finding, JobContext, Manifest, Outcome, Record, Validator};

/// Changes when the pattern does, so that old and new numbers never meet by chance.
const VERSION: &[u8] = b"emend alike 1";

/// A number that is the same for records that one look can settle together, on every worker; 0 for a record that is
/// like no other: one without a finding, with several, or with no proposal that would settle it.
///
/// `outcome` is what `validator` says of `record`, which it is asked again with each proposal in turn.
pub fn alike(validator: &dyn Validator, job: &JobContext, record: &Record<'_>, outcome: &Outcome) -> u64 {
    alike_of(validator, job, record, outcome, job.group_by.is_empty())
}

/// As [`alike`]; `is_alone`: the outcome is that of the record without others beside it.
pub(crate) fn alike_of(
    validator: &dyn Validator,
    job: &JobContext,
    record: &Record<'_>,
    outcome: &Outcome,
    is_alone: bool,
) -> u64 {
    let [finding] = &outcome.findings[..] else { return 0 };
    // Asked before the proposals: most findings of a grouped job's groups end here.
    if !is_alone && !is_own(validator, job, record, finding) {
        return 0;
    }
    let settles = |proposal: &String| {
        let mended = record.with([(finding.field.as_ref(), proposal.as_str())]);
        validator.validate(job, &[mended]).iter().all(|outcome| outcome.findings.is_empty())
    };
    if !finding.proposals.iter().any(settles) {
        return 0;
    }
    number(validator.manifest(), record, outcome, finding)
}

/// Whether the record alone gets the finding, or the change that was held back for it.
fn is_own(validator: &dyn Validator, job: &JobContext, record: &Record<'_>, finding: &Finding) -> bool {
    let outcomes = validator.validate(job, std::slice::from_ref(record));
    let Some(own) = outcomes.first() else { return false };
    let found = |own: &Finding| own.code == finding.code && own.field == finding.field;
    let held =
        |own: &Change| own.field == finding.field && finding.rule.split(',').any(|rule| rule == own.rule);
    own.findings.iter().any(found) || own.changes.iter().any(held)
}

fn number(manifest: &Manifest, record: &Record<'_>, outcome: &Outcome, finding: &Finding) -> u64 {
    let mut hasher = blake3::Hasher::new();
    // With its length before it, no part runs into the next.
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(VERSION);
    part(finding.code.as_bytes());
    part(source(manifest, record, outcome).as_bytes());
    part(&(finding.proposals.len() as u64).to_le_bytes());
    for pattern in patterns(manifest, record, finding) {
        part(pattern.as_bytes());
    }
    let number = hasher.finalize().as_bytes().first_chunk().copied().map_or(0, u64::from_le_bytes);
    number.max(1)
}

/// Where the record was made, as the rules left it: a place is one however it was typed.
fn source<'a>(manifest: &Manifest, record: &'a Record<'_>, outcome: &'a Outcome) -> &'a str {
    let field = manifest.source_field.as_str();
    let changed = outcome.changes.iter().rfind(|change| change.field == field);
    changed.map(|change| change.after.as_str()).or_else(|| record.get(field)).unwrap_or_default()
}

fn patterns(manifest: &Manifest, record: &Record<'_>, finding: &Finding) -> Vec<String> {
    let field = manifest.fields.iter().find(|field| field.name == finding.field);
    let personal = field.is_some_and(|field| field.sensitive);
    let before = record.get(&finding.field).unwrap_or_default();
    finding.proposals.iter().map(|after| pattern(before, after, personal)).collect()
}

/// The edit that makes `after` of `before`.
fn pattern(before: &str, after: &str, personal: bool) -> String {
    let (before, after) = (before.to_lowercase(), after.to_lowercase());
    let (before, after) = (tokens(&before), tokens(&after));
    let front = common(before.iter().zip(&after));
    let most = before.len().min(after.len()) - front;
    let behind = common(before.iter().rev().zip(after.iter().rev()).take(most));
    let gone = &before[front..before.len() - behind];
    let come = &after[front..after.len() - behind];
    let mut text = String::new();
    left(&before[..front], personal, &mut text);
    if gone.len() == come.len() {
        for (at, (old, new)) in gone.iter().zip(come).enumerate() {
            if old == new {
                left(&gone[at..=at], personal, &mut text);
            } else {
                replaced(*old, *new, gone, &mut text);
            }
        }
    } else {
        gone.iter().for_each(|token| written(*token, &mut text));
        text.push('→');
        come.iter().for_each(|token| moved_or_written(*token, gone, &mut text));
    }
    left(&before[before.len() - behind..], personal, &mut text);
    text
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Number(&'a str),
    Sign(char),
}

/// Words, numbers, and whatever stands between them; white space is one space, and none at the ends.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut rest = text.trim();
    let mut found = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (token, length) = if is_letter(first) {
            let word = run(rest, is_letter);
            (Token::Word(word), word.len())
        } else if first.is_numeric() {
            let number = run(rest, char::is_numeric);
            (Token::Number(number), number.len())
        } else if first.is_whitespace() {
            (Token::Sign(' '), run(rest, char::is_whitespace).len())
        } else {
            (Token::Sign(first), first.len_utf8())
        };
        found.push(token);
        rest = &rest[length..];
    }
    found
}

/// A letter, or a mark that is typed after one.
fn is_letter(c: char) -> bool {
    c.is_alphabetic() || matches!(c, '\u{300}'..='\u{36F}')
}

fn run(text: &str, belongs: fn(char) -> bool) -> &str {
    &text[..text.find(|c| !belongs(c)).unwrap_or(text.len())]
}

/// How many pairs are equal before the first that is not.
fn common<T: PartialEq>(pairs: impl Iterator<Item = (T, T)>) -> usize {
    pairs.take_while(|(old, new)| old == new).count()
}

/// What the edit does not touch.
fn left(tokens: &[Token<'_>], personal: bool, text: &mut String) {
    match tokens.iter().filter(|token| !matches!(token, Token::Sign(_))).count() {
        kept if kept == 0 || !personal => tokens.iter().for_each(|token| written(*token, text)),
        1 => text.push('_'),
        _ => text.push('…'),
    }
}

fn written(token: Token<'_>, text: &mut String) {
    match token {
        Token::Word(word) => text.push_str(word),
        Token::Number(number) => text.extend(number.chars().map(|_| '9')),
        Token::Sign(sign) => text.push(sign),
    }
}

/// Something that comes: a number that stood elsewhere before is named by its place there.
fn moved_or_written(token: Token<'_>, gone: &[Token<'_>], text: &mut String) {
    let mut numbers = gone.iter().filter(|other| matches!(other, Token::Number(_)));
    let place = numbers.position(|other| *other == token);
    match place.and_then(|place| char::from_digit(u32::try_from(place + 1).ok()?, 36)) {
        Some(place) => text.extend(['#', place]),
        None => written(token, text),
    }
}

/// One token in the place of another.
fn replaced(old: Token<'_>, new: Token<'_>, gone: &[Token<'_>], text: &mut String) {
    match (old, new) {
        (Token::Word(old), Token::Word(new)) => differing(old, new, char::from, text),
        (Token::Number(_), Token::Number(_)) if gone.contains(&new) => {
            written(old, text);
            text.push('→');
            moved_or_written(new, gone, text);
        }
        (Token::Number(old), Token::Number(new)) if old.len() != new.len() => {
            differing(old, new, |_| '9', text);
        }
        (Token::Number(number), Token::Number(other)) if sorted(number) == sorted(other) => {
            written(old, text);
            text.push_str("→~");
        }
        _ => {
            written(old, text);
            text.push('→');
            written(new, text);
        }
    }
}

/// What differs within a word or a number.
fn differing(old: &str, new: &str, shown: fn(char) -> char, text: &mut String) {
    let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    let front = common(old.iter().zip(&new));
    let most = old.len().min(new.len()) - front;
    let behind = common(old.iter().rev().zip(new.iter().rev()).take(most));
    if front > 0 {
        text.push('_');
    }
    text.extend(old[front..old.len() - behind].iter().copied().map(shown));
    text.push('→');
    text.extend(new[front..new.len() - behind].iter().copied().map(shown));
    if behind > 0 {
        text.push('_');
    }
}

fn sorted(number: &str) -> Vec<char> {
    let mut digits: Vec<char> = number.chars().collect();
    digits.sort_unstable();
    digits
}

#[cfg(test)]
mod tests;
