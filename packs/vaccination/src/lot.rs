//! `lot_number`: upper case, no spaces, no trailing dot. It may be empty, and has no findings.

use crate::columns::Column;
use crate::sheet::{Sheet, Step};
use crate::text;

const STEPS: [Step; 3] = [
    ("lot_number.spaces", without_spaces),
    ("lot_number.trailing_dot", without_dot),
    ("lot_number.upper_case", upper),
];

/// Corrects the number. One with characters outside ASCII is no lot number but a remark, and stays as it came.
pub(crate) fn check(sheet: &mut Sheet<'_>) {
    let column = Column::LotNumber;
    let came = sheet.came(column);
    let canonical = |byte: &u8| matches!(byte, b'!'..=b'~') && !byte.is_ascii_lowercase();
    if came.as_bytes().iter().all(canonical) && !came.ends_with('.') {
        return;
    }
    if came.chars().all(|c| c.is_ascii() || c.is_whitespace() || text::is_invisible(c)) {
        sheet.settle(column, &STEPS);
    }
}

fn without_spaces(lot: &str) -> Option<String> {
    let space = |c: char| c.is_whitespace() || text::is_invisible(c);
    lot.contains(space).then(|| lot.chars().filter(|&c| !space(c)).collect())
}

fn without_dot(lot: &str) -> Option<String> {
    lot.ends_with('.').then(|| lot.trim_end_matches('.').to_owned())
}

fn upper(lot: &str) -> Option<String> {
    lot.bytes().any(|byte| byte.is_ascii_lowercase()).then(|| lot.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use emend_worker::Record;

    #[test]
    fn lots() {
        for (value, after, rules) in [
            ("", "", &[][..]),
            ("NL0054", "NL0054", &[]),
            (
                "nl 0054.",
                "NL0054",
                &["lot_number.spaces", "lot_number.trailing_dot", "lot_number.upper_case"],
            ),
            ("FF5102. ", "FF5102", &["lot_number.spaces", "lot_number.trailing_dot"]),
            ("ABV-1234", "ABV-1234", &[]),
            ("2021\u{A0}06", "202106", &["lot_number.spaces"]),
            (" ", "", &["lot_number.spaces"]),
            ("..", "", &["lot_number.trailing_dot"]),
            ("không rõ", "không rõ", &[]),
        ] {
            let record = Record::from_fields("k", [("lot_number", value)]);
            let mut sheet = Sheet::of(&record);
            check(&mut sheet);
            assert_eq!(sheet.value(Column::LotNumber), after);
            let outcome = sheet.into_outcome();
            assert_eq!(outcome.changes.iter().map(|change| &*change.rule).collect::<Vec<_>>(), rules);
        }
    }
}
