//! `dose_number`: `1` or `2`.

use crate::columns::Column;
use crate::mojibake;
use crate::sheet::Sheet;
use crate::text::{self, narrow};

/// Corrects the number, or routes it.
pub(crate) fn check(sheet: &mut Sheet<'_>) {
    let column = Column::DoseNumber;
    let came = sheet.came(column);
    if matches!(came, "1" | "2") {
        return;
    }
    if text::trim(came).is_empty() {
        return sheet.route(column, "dose_number.missing", Vec::new());
    }
    if let Some(meant) = mojibake::repair_whole(came) {
        sheet.change(column, "text.utf8_as_1252", meant);
    }
    match read(sheet.value(column)) {
        Some(dose) => sheet.change(column, "dose_number.word", dose.to_owned()),
        // No other code is there for what is no number at all, and neither is in range.
        None => sheet.route(column, "dose_number.range", Vec::new()),
    }
}

/// `Mũi 1`, `mũi thứ 2`, `mui 1`, `01`, `1.0`.
fn read(written: &str) -> Option<&'static str> {
    // The longest way to write it is far shorter.
    if written.len() > 64 {
        return None;
    }
    let composed = text::nfc(written);
    let lower: String = text::trim(composed.as_deref().unwrap_or(written))
        .chars()
        .flat_map(char::to_lowercase)
        .map(narrow)
        .collect();
    let mut rest = lower.as_str();
    if let Some(number) = ["mũi", "mui"].iter().find_map(|word| rest.strip_prefix(word)) {
        rest = number.trim_start();
        rest = ["thứ", "thu"].iter().find_map(|word| rest.strip_prefix(word)).unwrap_or(rest).trim_start();
    }
    let whole = match rest.split_once('.') {
        Some((whole, tail)) if !tail.is_empty() && tail.bytes().all(|byte| byte == b'0') => whole,
        Some(_) => return None,
        None => rest,
    };
    match whole.strip_prefix('0').unwrap_or(whole) {
        "1" => Some("1"),
        "2" => Some("2"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emend_worker::{Outcome, Record};

    fn outcome(value: &str) -> Outcome {
        let record = Record::from_fields("k", [("dose_number", value)]);
        let mut sheet = Sheet::of(&record);
        check(&mut sheet);
        sheet.into_outcome()
    }

    #[test]
    fn doses() {
        for (value, after) in [
            ("1", "1"),
            ("2", "2"),
            ("Mũi 1", "1"),
            ("mũi thứ 2", "2"),
            ("1.0", "1"),
            ("MUI 2", "2"),
            ("mũi2", "2"),
            (" 1 ", "1"),
            ("01", "1"),
            ("Mu\u{303}i 1", "1"),
            ("MÅ©i 1", "1"),
            ("２", "2"),
            ("Mũi 2.0", "2"),
        ] {
            let outcome = outcome(value);
            assert!(outcome.findings.is_empty(), "{value}");
            assert_eq!(outcome.changes.last().map_or(value, |change| &change.after), after);
        }
    }

    #[test]
    fn doses_for_a_person() {
        for (value, code) in [
            ("", "missing"),
            (" ", "missing"),
            ("3", "range"),
            ("0", "range"),
            ("12", "range"),
            ("1.5", "range"),
            ("Mũi", "range"),
            ("1 2", "range"),
            ("Mũi 1, 2", "range"),
            ("-1", "range"),
            ("001", "range"),
            ("1.", "range"),
        ] {
            assert_eq!(outcome(value).findings[0].code, format!("dose_number.{code}"), "{value}");
            assert!(outcome(value).changes.is_empty());
        }
    }
}
