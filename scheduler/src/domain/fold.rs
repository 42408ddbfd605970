//! What makes no difference when values are compared: the named normalisers.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

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
    let mut folded = String::with_capacity(value.len());
    for c in value.chars() {
        match LETTERS.get(c as usize) {
            Some(Letter::One(letter)) => folded.push(*letter),
            Some(Letter::Gone) => {}
            Some(Letter::Unusual) | None => return any_text(value),
        }
    }
    folded
}

/// What [`any_text`] makes of one letter, whatever stands beside it.
#[derive(Debug, Clone, Copy)]
enum Letter {
    One(char),
    Gone,
    Unusual,
}

impl Letter {
    fn of(c: char) -> Self {
        let text = any_text(c.encode_utf8(&mut [0; 4]));
        let mut letters = text.chars();
        match (letters.next(), letters.next()) {
            (None, _) => Self::Gone,
            // The place of a mark depends on those beside it.
            (Some(letter), None) if canonical_combining_class(c) == 0 => Self::One(letter),
            _ => Self::Unusual,
        }
    }
}

/// Letters and marks up to the last that Vietnamese has a place for: looked up, since millions of them are folded.
static LETTERS: LazyLock<Vec<Letter>> = LazyLock::new(|| ('\0'..'\u{1F00}').map(Letter::of).collect());

/// Any script's letters.
fn any_text(value: &str) -> String {
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_letter_that_is_looked_up_is_folded_like_any(value in "([\\x00-\\u{1F40}]|[\u{C0}-\u{370}\u{1EA0}-\u{1EF9}]){0,12}") {
            prop_assert_eq!(text(&value), any_text(&value));
        }
    }

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
