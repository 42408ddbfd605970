//! Reading and writing days. The country writes the day first.

use jiff::ToSpan;
use jiff::civil::{Date, date};

use crate::text::{narrow, trim};

/// Day 0 of a spreadsheet.
const SERIAL_EPOCH: Date = date(1899, 12, 30);

/// What a date field says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Day(Date),
    /// Only the year is known.
    Year(i16),
}

/// A date that was read, and the rule that read it; `None` when it stood in its canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) when: When,
    pub(crate) rule: Option<&'static str>,
}

/// Reads a day in one of the layouts of the rules, or a year alone. Nothing else is a date: two-digit
/// years, times of day and words are unreadable.
pub(crate) fn read(written: &str) -> Option<Reading> {
    if let Some(day) = canonical(written) {
        return Some(Reading { when: When::Day(day), rule: None });
    }
    if written.len() == 4
        && let Some(year) = year(written)
    {
        return Some(Reading { when: When::Year(year), rule: None });
    }
    let mut plain = [0; 24];
    let plain = compact(written, &mut plain)?;
    let (when, rule) = number(plain).or_else(|| parts(plain))?;
    Some(Reading { when, rule: Some(rule) })
}

/// Writes a day in its canonical form.
pub(crate) fn written(day: Date) -> String {
    let year = day.year().unsigned_abs();
    let (month, day) = (u16::from(day.month().unsigned_abs()), u16::from(day.day().unsigned_abs()));
    let places = [
        (year / 1000, 0),
        (year / 100, 1),
        (year / 10, 2),
        (year, 3),
        (month / 10, 5),
        (month, 6),
        (day / 10, 8),
        (day, 9),
    ];
    let mut text = *b"0000-00-00";
    for (number, place) in places {
        text[place] = b'0' + (number % 10) as u8;
    }
    text.iter().map(|&byte| char::from(byte)).collect()
}

/// `YYYY-MM-DD`, and a day of the calendar.
pub(crate) fn canonical(written: &str) -> Option<Date> {
    let bytes = written.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    day(decimal(&bytes[..4])?, decimal(&bytes[5..7])?, decimal(&bytes[8..])?)
}

/// A day of the calendar, from year 1 on.
pub(crate) fn day(year: u32, month: u32, day: u32) -> Option<Date> {
    let year = i16::try_from(year).ok().filter(|&year| year >= 1)?;
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn decimal(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 5 {
        return None;
    }
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
}

/// Four digits, not all of them 0.
fn year(written: &str) -> Option<i16> {
    decimal(written.as_bytes()).and_then(|year| i16::try_from(year).ok()).filter(|&year| year >= 1)
}

/// The text in ASCII without spaces, in `buffer`. No layout is longer than the buffer.
fn compact<'b>(written: &str, buffer: &'b mut [u8; 24]) -> Option<&'b [u8]> {
    let mut length = 0;
    for c in trim(written).chars().map(narrow).filter(|c| !c.is_whitespace()) {
        if !c.is_ascii() {
            return None;
        }
        *buffer.get_mut(length)? = c as u8;
        length += 1;
    }
    Some(&buffer[..length])
}

/// A bare number, perhaps with the `.0` that a spreadsheet adds: a year has four digits, a serial day
/// five. Serials of four digits (before 1927) would be years, so only those from 10000 on are plausible;
/// the last plausible one is in 2099.
fn number(plain: &[u8]) -> Option<(When, &'static str)> {
    let whole = match plain.iter().position(|&byte| byte == b'.') {
        Some(dot) if plain[dot + 1..].iter().all(|&byte| byte == b'0') && dot + 1 < plain.len() => {
            &plain[..dot]
        }
        Some(_) => return None,
        None => plain,
    };
    match (whole.len(), decimal(whole)?) {
        (4, year @ 1..) => Some((When::Year(i16::try_from(year).ok()?), "date.year")),
        (5, serial @ 10_000..) => {
            let day = SERIAL_EPOCH.checked_add(i64::from(serial).days()).ok()?;
            (day.year() < 2100).then_some((When::Day(day), "date.excel_serial"))
        }
        _ => None,
    }
}

/// Three numbers between two equal separators.
fn parts(plain: &[u8]) -> Option<(When, &'static str)> {
    let separator = *plain.iter().find(|byte| !byte.is_ascii_digit())?;
    if !matches!(separator, b'/' | b'-' | b'.') {
        return None;
    }
    let mut parts = plain.split(|&byte| byte == separator);
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let numbers = (decimal(first)?, decimal(second)?, decimal(third)?);
    match (first.len(), second.len(), third.len()) {
        (4, 1..=2, 1..=2) => {
            let (year, month, of_month) = numbers;
            day(year, month, of_month).map(|day| (When::Day(day), "date.year_first"))
        }
        (1..=2, 1..=2, 4) => {
            let (first, second, year) = numbers;
            match day(year, second, first) {
                Some(day) => Some((When::Day(day), "date.day_first")),
                None => day(year, first, second).map(|day| (When::Day(day), "date.month_first")),
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(text: &str) -> Option<(String, &'static str)> {
        let reading = read(text)?;
        let when = match reading.when {
            When::Day(day) => written(day),
            When::Year(year) => year.to_string(),
        };
        Some((when, reading.rule.unwrap_or("")))
    }

    #[test]
    fn layouts() {
        for (text, day, rule) in [
            ("1990-05-12", "1990-05-12", ""),
            ("1985", "1985", ""),
            ("12/05/1990", "1990-05-12", "date.day_first"),
            ("1/2/1990", "1990-02-01", "date.day_first"),
            ("01-02-1990", "1990-02-01", "date.day_first"),
            ("1.2.1990", "1990-02-01", "date.day_first"),
            (" 12 / 05 / 1990 ", "1990-05-12", "date.day_first"),
            ("05/13/1990", "1990-05-13", "date.month_first"),
            ("1990/05/12", "1990-05-12", "date.year_first"),
            ("1990-5-1", "1990-05-01", "date.year_first"),
            ("1990.05.12", "1990-05-12", "date.year_first"),
            (" 1990-05-12", "1990-05-12", "date.year_first"),
            ("44291", "2021-04-05", "date.excel_serial"),
            ("44291.0", "2021-04-05", "date.excel_serial"),
            ("10000", "1927-05-18", "date.excel_serial"),
            ("1985.0", "1985", "date.year"),
            ("１２/０５/１９９０", "1990-05-12", "date.day_first"),
            ("29/02/2000", "2000-02-29", "date.day_first"),
        ] {
            assert_eq!(reads(text), Some((day.to_owned(), rule)), "{text}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "12/05/90",
            "12/05/190",
            "0000",
            "00/00/1990",
            "29/02/1990",
            "31/04/1990",
            "1990-13-01",
            "1990-02-30",
            "1990/13/05",
            "12/05-1990",
            "12/05",
            "12/05/1990 08:00",
            "1990-05-12T00:00:00",
            "ngày 12 tháng 5",
            "44291.5",
            "9999999",
            "99999",
            "04429",
            "1.2.3.1990",
            "12//1990",
            "-1990-05-12",
            "+1985",
            "1990-05-1２x",
            "²/5/1990",
            "0000-01-01",
            "1985.",
            "12/05/1990/",
        ] {
            assert_eq!(reads(text), None, "{text}");
        }
    }
}
