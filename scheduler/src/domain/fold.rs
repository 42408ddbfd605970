//! What makes no difference when values are compared: the named normalisers.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// How values are folded before they are compared. Folded values are compared and never stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normaliser {
    /// Not at all.
    Exact,
    /// Letters and digits, in lower case and without marks.
    #[default]
    Text,
    /// Digits alone.
    Digits,
    /// A day, month and year as one date, whichever way round they are usual; anything else as its digits.
    Date,
}

impl Normaliser {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Exact, Self::Text, Self::Digits, Self::Date];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Text => "text",
            Self::Digits => "digits",
            Self::Date => "date",
        }
    }

    /// The normaliser of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// What is left of a value.
    pub fn fold(self, value: &str) -> Cow<'_, str> {
        match self {
            Self::Exact => Cow::Borrowed(value),
            Self::Text => Cow::Owned(text(value)),
            Self::Digits => Cow::Owned(digits(value)),
            Self::Date => Cow::Owned(date(value)),
        }
    }
}

fn text(value: &str) -> String {
    if value.is_ascii() {
        let letters = value.bytes().filter(u8::is_ascii_alphanumeric);
        return letters.map(|byte| char::from(byte.to_ascii_lowercase())).collect();
    }
    let letters = value.nfd().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase);
    // The one Vietnamese letter whose stroke is no mark to Unicode.
    letters.map(|c| if c == 'đ' { 'd' } else { c }).collect()
}

fn digits(value: &str) -> String {
    value.chars().filter(char::is_ascii_digit).collect()
}

/// Day before month, as in Viet Nam; a year of four digits says where a date begins.
fn date(value: &str) -> String {
    let parts: Vec<&str> =
        value.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
    let (year, month, day) = match parts[..] {
        [year, month, day, ..] if year.len() == 4 => (year, month, day),
        [day, month, year, ..] if year.len() == 4 => (year, month, day),
        _ => return digits(value),
    };
    format!("{year}{month:0>2}{day:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_difference() {
        use Normaliser::{Date, Digits, Exact, Text};
        for (normaliser, one, other) in [
            (Text, "NGUYỄN THỊ  ĐÀO", "nguyen thi dao."),
            (Text, "e\u{302}\u{301}", "ế"),
            (Digits, "250 123-456", "250123456"),
            (Date, "1990-05-12", "12/5/1990"),
            (Date, "1990-05-12T08:00", "12.05.1990"),
            (Date, "1990", "(1990)"),
            (Exact, "a ", "a "),
        ] {
            assert_eq!(normaliser.fold(one), normaliser.fold(other), "{one} {other}");
        }
    }

    #[test]
    fn what_does() {
        use Normaliser::{Date, Digits, Exact, Text};
        for (normaliser, one, other) in [
            (Text, "HOA", "HOA2"),
            (Digits, "12", "120"),
            (Date, "1990-05-12", "1990-12-05"),
            (Date, "1990-05-12", "1990"),
            (Exact, "a", "a "),
        ] {
            assert_ne!(normaliser.fold(one), normaliser.fold(other), "{one} {other}");
        }
        assert_eq!(Text.fold(" -./ "), "");
        for normaliser in Normaliser::ALL {
            assert_eq!(Normaliser::parse(normaliser.as_str()), Some(normaliser));
        }
    }
}
