//! What every text field gets: misread UTF-8 undone, no invisible characters, single spaces, NFC.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::columns::Column;
use crate::mojibake;
use crate::sheet::{Sheet, Step};

/// The steps of a text field, in the order of the rules.
const STEPS: [Step; 4] = [
    ("text.utf8_as_1252", mojibake::repair_whole),
    ("text.invisible", without_invisible),
    ("text.spaces", single_spaces),
    ("text.nfc", nfc),
];

/// Brings a free text into its form. A text has no findings, so one that cannot be settled stays as it came.
pub(crate) fn check(sheet: &mut Sheet<'_>, column: Column) {
    if !is_plain(sheet.came(column)) {
        sheet.settle(column, &STEPS);
    }
}

/// Quick look: nothing of [`STEPS`] can apply to Vietnamese text with single spaces.
fn is_plain(text: &str) -> bool {
    // Until a character outside windows-1252 has come by, the text may be misread UTF-8.
    let mut western = false;
    let mut eastern = false;
    let mut space = true;
    for c in text.chars() {
        match c {
            ' ' if space => return false,
            ' ' => {
                space = true;
                continue;
            }
            '!'..='~' => {}
            '\u{A1}'..='\u{AC}' | '\u{AE}'..='\u{FF}' => western = true,
            '\u{100}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => eastern |= mojibake::western_byte(c).is_none(),
            _ => return false,
        }
        space = false;
    }
    (!space || text.is_empty()) && (eastern || !western)
}

/// Zero-width characters, direction marks and the soft hyphen: nobody typed them on purpose.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{180E}' | '\u{AD}')
}

/// A value without the spaces and invisible characters around it.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// The ASCII digit of a full-width one; every other character is itself.
pub(crate) fn narrow(c: char) -> char {
    match c {
        '０'..='９' => char::from(b'0' + (c as u32 - '０' as u32) as u8),
        _ => c,
    }
}

/// Without invisible characters, if there are any.
pub(crate) fn without_invisible(text: &str) -> Option<String> {
    if text.is_ascii() || !text.chars().any(is_invisible) {
        return None;
    }
    Some(text.chars().filter(|&c| !is_invisible(c)).collect())
}

/// With every run of white space (a no-break space is one) as one space, and none around.
pub(crate) fn single_spaces(text: &str) -> Option<String> {
    let mut before_is_space = true;
    let mut single = true;
    for c in text.chars() {
        let space = c.is_whitespace();
        if space && (before_is_space || c != ' ') {
            single = false;
            break;
        }
        before_is_space = space;
    }
    if single && (!before_is_space || text.is_empty()) {
        return None;
    }
    let mut spaced = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !spaced.is_empty() {
            spaced.push(' ');
        }
        spaced.push_str(word);
    }
    Some(spaced)
}

/// In NFC, if it is not.
pub(crate) fn nfc(text: &str) -> Option<String> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return None;
    }
    let composed: String = text.nfc().collect();
    (composed != text).then_some(composed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use emend_worker::Record;

    fn checked(text: &str) -> (String, Vec<String>) {
        let record = Record::from_fields("k", [("site", text)]);
        let mut sheet = Sheet::of(&record);
        check(&mut sheet, Column::Site);
        let value = sheet.value(Column::Site).to_owned();
        (value, sheet.into_outcome().changes.into_iter().map(|change| change.rule.into_owned()).collect())
    }

    #[test]
    fn each_step_is_logged() {
        for (text, after, rules) in [
            ("", "", &[][..]),
            ("Trạm Y tế Phường 5", "Trạm Y tế Phường 5", &[]),
            ("Hà Lan", "Hà Lan", &[]),
            ("Trạm  Y tế\u{A0}P.5 ", "Trạm Y tế P.5", &["text.spaces"]),
            ("  \t", "", &["text.spaces"]),
            ("Tra\u{323}m Y te\u{302}\u{301}", "Trạm Y tế", &["text.nfc"]),
            ("Trạm\u{200B} Y tế", "Trạm Y tế", &["text.invisible"]),
            ("Tráº¡m Y táº¿", "Trạm Y tế", &["text.utf8_as_1252"]),
            ("TrÃ\u{A0}m  A", "Tràm A", &["text.utf8_as_1252", "text.spaces"]),
            ("Sai tên: Nguyá»…n", "Sai tên: Nguyá»…n", &[]),
            ("Sai tên đệm: Nguyá»…n", "Sai tên đệm: Nguyá»…n", &[]),
            ("dòng một\r\ndòng hai", "dòng một dòng hai", &["text.spaces"]),
        ] {
            let (value, logged) = checked(text);
            assert_eq!(value, after);
            assert_eq!(logged, rules, "{text}");
        }
    }

    #[test]
    fn a_step_may_uncover_another() {
        let (value, logged) = checked("Ph\u{C3}\u{200B}\u{B2}ng A");
        assert_eq!(value, "Phòng A");
        assert_eq!(logged, ["text.invisible", "text.utf8_as_1252"]);
    }

    #[test]
    fn the_quick_look_never_hides_work() {
        for text in ["Ã²", "a\u{A0}b", "ｱ", "e\u{301}", "\u{344}", "Åß", "ÄŠ", "\u{AD}", "ệ  x", "x "]
        {
            if is_plain(text) {
                assert!(STEPS.iter().all(|(_, step)| step(text).is_none()), "{text}");
            }
        }
    }
}
