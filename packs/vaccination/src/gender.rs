//! `gender`: words and codes become `male` or `female`.

use crate::columns::Column;
use crate::mojibake;
use crate::sheet::Sheet;
use crate::text;

/// A person's sex as the record says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gender {
    Male,
    Female,
}

impl Gender {
    /// The canonical value.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Male => "male",
            Self::Female => "female",
        }
    }
}

/// Corrects the field; answers what it says, unless a person must.
pub(crate) fn check(sheet: &mut Sheet<'_>) -> Option<Gender> {
    let column = Column::Gender;
    match sheet.came(column) {
        "male" => return Some(Gender::Male),
        "female" => return Some(Gender::Female),
        _ => {}
    }
    if text::trim(sheet.came(column)).is_empty() {
        sheet.route(column, "gender.missing", Vec::new());
        return None;
    }
    if let Some(meant) = mojibake::repair_whole(sheet.value(column)) {
        sheet.change(column, "text.utf8_as_1252", meant);
    }
    let Some((gender, rule)) = read(sheet.value(column)) else {
        sheet.route(column, "gender.unreadable", Vec::new());
        return None;
    };
    sheet.change(column, rule, gender.as_str().to_owned());
    Some(gender)
}

/// What a written gender means, and the rule that reads it.
fn read(written: &str) -> Option<(Gender, &'static str)> {
    let composed = text::nfc(written);
    let written = text::trim(composed.as_deref().unwrap_or(written));
    let mut lower = written.chars().flat_map(char::to_lowercase);
    // The longest word has six letters; anything longer is none of them.
    let mut word = [' '; 7];
    for place in &mut word {
        let Some(c) = lower.next() else { break };
        *place = c;
    }
    match word.iter().position(|&c| c == ' ').map_or(&word[..], |end| &word[..end]) {
        ['n', 'a', 'm'] | ['m', 'a', 'l', 'e'] => Some((Gender::Male, "gender.word")),
        ['n', 'ữ' | 'u'] | ['f', 'e', 'm', 'a', 'l', 'e'] => Some((Gender::Female, "gender.word")),
        ['m' | '0'] => Some((Gender::Male, "gender.code")),
        ['f' | '1'] => Some((Gender::Female, "gender.code")),
        _ => None,
    }
    .filter(|_| !written.contains(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use emend_worker::Record;

    fn checked(value: &str) -> (String, Option<String>) {
        let record = Record::from_fields("k", [("gender", value)]);
        let mut sheet = Sheet::of(&record);
        let gender = check(&mut sheet);
        let after = sheet.value(Column::Gender).to_owned();
        let outcome = sheet.into_outcome();
        assert_eq!(gender.is_none(), !outcome.findings.is_empty());
        (after, outcome.findings.first().map(|finding| finding.code.to_string()))
    }

    #[test]
    fn words_and_codes() {
        for male in ["male", "Nam", "nam", "NAM", "M", "m", "0", " Nam ", "Male"] {
            assert_eq!(checked(male), ("male".into(), None), "{male}");
        }
        for female in ["female", "Nữ", "nữ", "NỮ", "nu", "Nu", "F", "1", "N\u{1B0}\u{303}", "Ná»¯"] {
            assert_eq!(checked(female), ("female".into(), None), "{female}");
        }
    }

    #[test]
    fn what_a_person_reads() {
        for (value, code) in [
            ("", "gender.missing"),
            (" \u{A0}", "gender.missing"),
            ("2", "gender.unreadable"),
            ("Nam/Nữ", "gender.unreadable"),
            ("Khác", "gender.unreadable"),
            ("nam giới", "gender.unreadable"),
            ("nam x", "gender.unreadable"),
            ("females", "gender.unreadable"),
            ("10", "gender.unreadable"),
        ] {
            assert_eq!(checked(value).1.as_deref(), Some(code), "{value}");
        }
    }
}
