//! What identity and insurance numbers share: how they were typed.

use crate::columns::Column;
use crate::sheet::{Sheet, Step};
use crate::text::{self, narrow};

/// Undoes how a number was typed, in steps that each log their rule.
const STEPS: [Step; 4] = [
    ("identity.full_width", narrowed),
    ("identity.float_tail", without_float_tail),
    ("identity.separators", without_separators),
    ("identity.upper_case", upper_case),
];

/// Brings the number that stands in `column` into its plain form: digits, and letters in upper case.
pub(crate) fn clean(sheet: &mut Sheet<'_>, column: Column) {
    let plain = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    if !sheet.came(column).as_bytes().iter().all(plain) {
        sheet.settle(column, &STEPS);
    }
}

/// Whether the value is empty, or is nothing but space.
pub(crate) fn is_blank(sheet: &Sheet<'_>, column: Column) -> bool {
    text::trim(sheet.came(column)).is_empty()
}

/// Whether `number` has `length` digits and nothing else.
pub(crate) fn is_digits(number: &str, length: usize) -> bool {
    number.len() == length && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// A health insurance number: two letters, a digit 1-5 for the benefit, twelve digits.
pub(crate) fn is_insurance(number: &str) -> bool {
    let [first, second, benefit, rest @ ..] = number.as_bytes() else { return false };
    first.is_ascii_uppercase()
        && second.is_ascii_uppercase()
        && matches!(benefit, b'1'..=b'5')
        && rest.len() == 12
        && rest.iter().all(u8::is_ascii_digit)
}

fn narrowed(number: &str) -> Option<String> {
    number.contains(|c| narrow(c) != c).then(|| number.chars().map(narrow).collect())
}

/// A spreadsheet that took the number for one wrote it with `.0`.
fn without_float_tail(number: &str) -> Option<String> {
    let typed = text::trim(number);
    let whole = typed.trim_end_matches('0').strip_suffix('.')?;
    let float =
        typed.len() > whole.len() + 1 && !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit());
    float.then(|| whole.to_owned())
}

/// Without spaces, apostrophes and separators. A dot or comma must group digits: with one or two digits
/// behind the last one it was a decimal number, whose digits are not those of a number of identity.
fn without_separators(number: &str) -> Option<String> {
    if !number.contains(is_separator) {
        return None;
    }
    let grouped = number
        .rfind(['.', ','])
        .is_none_or(|at| !matches!(number[at + 1..].chars().filter(char::is_ascii_digit).count(), 1 | 2));
    let joined: String = number.chars().filter(|&c| !is_separator(c)).collect();
    // A lone separator is not an empty value but a sign that somebody typed.
    let blank = joined.is_empty() && !text::trim(number).is_empty();
    (grouped && !blank).then_some(joined)
}

fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || text::is_invisible(c)
        || matches!(c, '.' | ',' | '-' | '/' | '_' | ':' | '\'' | '"' | '`' | '\u{2010}'..='\u{2015}' | '\u{2018}'..='\u{201D}')
}

fn upper_case(number: &str) -> Option<String> {
    number.bytes().any(|byte| byte.is_ascii_lowercase()).then(|| number.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use emend_worker::Record;

    #[test]
    fn numbers_as_typed() {
        for (value, after, rules) in [
            ("079090123456", "079090123456", &[][..]),
            ("079 090 123 456", "079090123456", &["identity.separators"]),
            ("079.090.123.456", "079090123456", &["identity.separators"]),
            ("'079090123456", "079090123456", &["identity.separators"]),
            ("79090123456.0", "79090123456", &["identity.float_tail"]),
            ("250123456.00 ", "250123456", &["identity.float_tail"]),
            ("０７９090123456", "079090123456", &["identity.full_width"]),
            ("b 1234567", "B1234567", &["identity.separators", "identity.upper_case"]),
            ("1234567.89", "1234567.89", &[]),
            ("-", "-", &[]),
            (" ", "", &["identity.separators"]),
        ] {
            let record = Record::from_fields("k", [("national_id", value)]);
            let mut sheet = Sheet::of(&record);
            clean(&mut sheet, Column::NationalId);
            assert_eq!(sheet.value(Column::NationalId), after);
            let outcome = sheet.into_outcome();
            assert_eq!(
                outcome.changes.iter().map(|change| &*change.rule).collect::<Vec<_>>(),
                rules,
                "{value}"
            );
        }
    }
}
