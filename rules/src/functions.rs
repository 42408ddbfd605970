//! The functions that expressions may call. There are no others: each is pure, and takes time and room in
//! proportion to its texts.

use std::collections::HashMap;
use std::sync::Arc;

use regex::Regex;
use rhai::{Array, Engine, EvalAltResult};

use crate::{dates, text};

/// No value is longer, neither what a rule sees nor what it makes, in bytes.
pub const LONGEST_VALUE: usize = 64 * 1024;

/// What an expression can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text in double quotes, a field, or what a function makes of one.
    Text,
    /// A whole number.
    Number,
    /// True or false.
    Truth,
    /// A list of texts, for `in`.
    Texts,
}

impl Kind {
    /// What it is, in the words of a problem.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Truth => "true or false",
            Self::Texts => "a list of texts",
        }
    }
}

/// A function, as an expression may call it: `digits(phone)` or `phone.digits()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// What it is given.
    pub takes: &'static [Kind],
    /// What it gives.
    pub gives: Kind,
    /// What it does.
    pub about: &'static str,
}

const fn function(name: &'static str, takes: &'static [Kind], gives: Kind, about: &'static str) -> Function {
    Function { name, takes, gives, about }
}

use Kind::{Number, Text, Texts, Truth};

/// All functions, with their arguments.
pub const FUNCTIONS: &[Function] = &[
    function("len", &[Text], Number, "how many characters it has"),
    function("starts_with", &[Text, Text], Truth, "whether it begins with the second"),
    function("ends_with", &[Text, Text], Truth, "whether it ends with the second"),
    function("contains", &[Text, Text], Truth, "whether the second stands in it"),
    function("contains", &[Texts, Text], Truth, "whether the text is one of the list; as `text in [..]`"),
    function("index_of", &[Text, Text], Number, "how many characters stand before the second; -1 without it"),
    function(
        "sub_string",
        &[Text, Number],
        Text,
        "from the character of that number on, counted from 0; -2 is the last two",
    ),
    function("sub_string", &[Text, Number, Number], Text, "the same, but so many characters at most"),
    function("upper", &[Text], Text, "in capitals"),
    function("lower", &[Text], Text, "in small letters"),
    function("trim", &[Text], Text, "without the spaces around it"),
    function("collapse", &[Text], Text, "with single spaces, and none around it"),
    function("visible", &[Text], Text, "without zero-width characters and other signs that cannot be seen"),
    function("digits", &[Text], Text, "its digits alone, full-width ones as ordinary ones"),
    function("fold", &[Text], Text, "in small letters without Vietnamese marks: `Nữ` is `nu`"),
    function("nfc", &[Text], Text, "with letters and their marks in one piece (Unicode NFC)"),
    function(
        "pad_left",
        &[Text, Number, Text],
        Text,
        "with the one character before it until it has that length",
    ),
    function("replace", &[Text, Text, Text], Text, "with the third wherever the second stood"),
    function("matches", &[Text, Text], Truth, "whether the pattern (a regular expression) is found in it"),
    function(
        "extract",
        &[Text, Text],
        Text,
        "what the pattern's first group, or the pattern, finds; else empty",
    ),
    function(
        "replace_pattern",
        &[Text, Text, Text],
        Text,
        "with the third wherever the pattern was found; `$1` is its first group",
    ),
    function(
        "lookup",
        &[Text, Text],
        Text,
        "what the table of that name says for the text; empty if nothing",
    ),
    function("is_number", &[Text], Truth, "whether it is a whole number of up to 18 digits"),
    function("number", &[Text], Number, "the number it is; fails when it is none"),
    function("text", &[Number], Text, "the number, written"),
    function("is_date", &[Text], Truth, "whether it is a real day, written YYYY-MM-DD"),
    function(
        "years_between",
        &[Text, Text],
        Number,
        "whole years from the first day to the second; fails when one is no day",
    ),
    function(
        "days_between",
        &[Text, Text],
        Number,
        "days from the first day to the second; fails when one is no day",
    ),
];

/// Functions whose argument at this place is a regular expression that must be written out.
pub(crate) fn pattern_place(name: &str) -> Option<usize> {
    matches!(name, "matches" | "extract" | "replace_pattern").then_some(1)
}

/// The tables of a file, by their names.
pub(crate) type Tables = HashMap<String, HashMap<String, String>>;

/// The patterns of a file, by how they are written.
pub(crate) type Patterns = HashMap<String, Regex>;

type Failing<T> = Result<T, Box<EvalAltResult>>;

/// Registers all functions.
pub(crate) fn register(engine: &mut Engine, tables: Tables, patterns: Patterns) {
    texts(engine);
    days_and_numbers(engine);
    by_pattern(engine, patterns);
    engine.register_fn("lookup", move |table: &str, key: &str| {
        tables.get(table).and_then(|table| table.get(key)).cloned().unwrap_or_default()
    });
}

fn texts(engine: &mut Engine) {
    engine
        .register_fn("len", |text: &str| i64::try_from(text.chars().count()).unwrap_or(i64::MAX))
        .register_fn("starts_with", |text: &str, part: &str| text.starts_with(part))
        .register_fn("ends_with", |text: &str, part: &str| text.ends_with(part))
        .register_fn("contains", |text: &str, part: &str| text.contains(part))
        .register_fn("contains", |texts: &mut Array, text: &str| {
            texts.iter().any(|one| one.read_lock::<rhai::ImmutableString>().is_some_and(|one| *one == text))
        })
        .register_fn("index_of", text::index_of)
        .register_fn("sub_string", |text: &str, start: i64| text::sub_string(text, start, None).to_owned())
        .register_fn("sub_string", |text: &str, start: i64, length: i64| {
            text::sub_string(text, start, Some(length)).to_owned()
        })
        .register_fn("upper", |text: &str| text.to_uppercase())
        .register_fn("lower", |text: &str| text.to_lowercase())
        .register_fn("trim", |text: &str| text.trim().to_owned())
        .register_fn("collapse", text::collapse)
        .register_fn("visible", text::visible)
        .register_fn("digits", text::digits)
        .register_fn("fold", text::fold)
        .register_fn("nfc", text::nfc)
        .register_fn("pad_left", pad_left)
        .register_fn("replace", replace);
}

fn days_and_numbers(engine: &mut Engine) {
    let day = |text: &str| -> Failing<jiff::civil::Date> {
        dates::day(text).ok_or_else(|| "a date is no day written YYYY-MM-DD".into())
    };
    engine
        .register_fn("is_number", |text: &str| number(text).is_some())
        .register_fn("number", |text: &str| -> Failing<i64> {
            number(text).ok_or_else(|| "a text is no whole number".into())
        })
        .register_fn("text", |number: i64| number.to_string())
        .register_fn("is_date", |text: &str| dates::day(text).is_some())
        .register_fn("years_between", move |from: &str, to: &str| -> Failing<i64> {
            Ok(dates::years(day(from)?, day(to)?))
        })
        .register_fn("days_between", move |from: &str, to: &str| -> Failing<i64> {
            Ok(dates::days(day(from)?, day(to)?))
        });
}

fn by_pattern(engine: &mut Engine, patterns: Patterns) {
    let patterns = Arc::new(patterns);
    let (in_matches, in_extract) = (Arc::clone(&patterns), Arc::clone(&patterns));
    engine
        .register_fn("matches", move |text: &str, pattern: &str| -> Failing<bool> {
            Ok(compiled(&in_matches, pattern)?.is_match(text))
        })
        .register_fn("extract", move |text: &str, pattern: &str| -> Failing<String> {
            let Some(captures) = compiled(&in_extract, pattern)?.captures(text) else {
                return Ok(String::new());
            };
            let found = if captures.len() > 1 { captures.get(1) } else { captures.get(0) };
            Ok(found.map_or("", |found| found.as_str()).to_owned())
        })
        .register_fn("replace_pattern", move |text: &str, pattern: &str, with: &str| -> Failing<String> {
            replace_pattern(compiled(&patterns, pattern)?, text, with)
        });
}

/// Every pattern was compiled when the file was read. It is lent, not cloned: a clone begins without its caches.
fn compiled<'p>(patterns: &'p Patterns, pattern: &str) -> Failing<&'p Regex> {
    patterns.get(pattern).ok_or_else(|| "a pattern is not written out".into())
}

/// Digits with a minus before them or not, few enough for any arithmetic of one step.
fn number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = (1..=18).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn pad_left(text: &str, length: i64, with: &str) -> Failing<String> {
    let mut characters = with.chars();
    let (Some(with), None) = (characters.next(), characters.next()) else {
        return Err("pad_left pads with one character".into());
    };
    let missing = usize::try_from(length).unwrap_or(0).saturating_sub(text.chars().count());
    if missing > LONGEST_VALUE {
        return Err(TOO_LONG.into());
    }
    Ok(std::iter::repeat_n(with, missing).chain(text.chars()).collect())
}

const TOO_LONG: &str = "a text became too long";

/// As the standard library does it, but the result may not outgrow a value: it could be the product of two.
fn replace(text: &str, what: &str, with: &str) -> Failing<String> {
    let mut replaced = String::with_capacity(text.len());
    let mut end = 0;
    for (at, part) in text.match_indices(what) {
        push(&mut replaced, &text[end..at])?;
        push(&mut replaced, with)?;
        end = at + part.len();
    }
    push(&mut replaced, &text[end..])?;
    Ok(replaced)
}

fn replace_pattern(pattern: &Regex, text: &str, with: &str) -> Failing<String> {
    let mut replaced = String::with_capacity(text.len());
    let mut end = 0;
    for captures in pattern.captures_iter(text) {
        let Some(found) = captures.get(0) else { continue };
        push(&mut replaced, &text[end..found.start()])?;
        // Names the whole match at most once for each two bytes of `with`, and both are bounded.
        let mut expanded = String::new();
        if with.len().saturating_mul(found.len()) > LONGEST_VALUE * 16 {
            return Err(TOO_LONG.into());
        }
        captures.expand(with, &mut expanded);
        push(&mut replaced, &expanded)?;
        end = found.end();
    }
    push(&mut replaced, &text[end..])?;
    Ok(replaced)
}

fn push(text: &mut String, part: &str) -> Failing<()> {
    if text.len() + part.len() > LONGEST_VALUE {
        return Err(TOO_LONG.into());
    }
    text.push_str(part);
    Ok(())
}
