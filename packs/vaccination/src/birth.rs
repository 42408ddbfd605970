//! `date_of_birth`: its form, and the age on the day of the injection.

use jiff::civil::Date;

use crate::campaign::FIRST_DAY;
use crate::columns::Column;
use crate::dates::{self, When};
use crate::sheet::Sheet;
use crate::text;

/// The campaign was for adults.
const ADULT: i16 = 18;
/// Nobody in the files is older.
const OLDEST: i16 = 110;

/// Corrects the form; answers the birth, unless a person must read it. The age is checked later, when
/// the day of the injection is known.
pub(crate) fn check(sheet: &mut Sheet<'_>) -> Option<When> {
    let column = Column::DateOfBirth;
    let came = sheet.came(column);
    if text::trim(came).is_empty() {
        sheet.route(column, "date_of_birth.missing", Vec::new());
        return None;
    }
    let Some(reading) = dates::read(came) else {
        sheet.route(column, "date_of_birth.unreadable", Vec::new());
        return None;
    };
    if let Some(rule) = reading.rule {
        let written = match reading.when {
            When::Day(day) => dates::written(day),
            When::Year(year) => format!("{year:04}"),
        };
        sheet.change(column, rule, written);
    }
    Some(reading.when)
}

/// Routes a birth that makes the person too young or too old on the day of the injection.
///
/// Where a person has to find that day, it was at least no earlier than the campaign and no later than
/// the data: an age is wrong only when it is wrong on all of these days.
pub(crate) fn check_age(sheet: &mut Sheet<'_>, birth: When, injected_on: Option<Date>, as_of: Option<Date>) {
    let latest = injected_on.or(as_of);
    let earliest = injected_on.unwrap_or(FIRST_DAY);
    if latest.is_some_and(|day| is_under(birth, day)) {
        sheet.route_repaired(Column::DateOfBirth, "date_of_birth.under_18");
    } else if is_over(birth, earliest) {
        sheet.route_repaired(Column::DateOfBirth, "date_of_birth.over_110");
    }
}

/// The year of a birth.
pub(crate) fn year(birth: When) -> i16 {
    match birth {
        When::Day(day) => day.year(),
        When::Year(year) => year,
    }
}

/// Whether the person was certainly not 18 yet; born in a year alone counts as born on its first day.
fn is_under(birth: When, day: Date) -> bool {
    match birth {
        When::Day(born) => {
            (born.year() + ADULT, born.month(), born.day()) > (day.year(), day.month(), day.day())
        }
        When::Year(year) => year + ADULT > day.year(),
    }
}

/// Whether the person was certainly 111 or more; born in a year alone counts as born on its last day.
fn is_over(birth: When, day: Date) -> bool {
    let oldest = OLDEST + 1;
    match birth {
        When::Day(born) => {
            (born.year() + oldest, born.month(), born.day()) <= (day.year(), day.month(), day.day())
        }
        When::Year(year) => (year + oldest, 12, 31) <= (day.year(), day.month(), day.day()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emend_worker::{Outcome, Record};
    use jiff::civil::date;

    fn outcome(value: &str, injected_on: Option<Date>) -> Outcome {
        let record = Record::from_fields("k", [("date_of_birth", value)]);
        let mut sheet = Sheet::of(&record);
        if let Some(birth) = check(&mut sheet) {
            check_age(&mut sheet, birth, injected_on, Some(date(2021, 9, 20)));
        }
        sheet.into_outcome()
    }

    #[test]
    fn forms() {
        for (value, after) in [
            ("1990-05-12", "1990-05-12"),
            ("1985", "1985"),
            ("12/5/1990", "1990-05-12"),
            ("1985.0", "1985"),
            ("32874", "1990-01-01"),
        ] {
            let outcome = outcome(value, Some(date(2021, 8, 1)));
            assert!(outcome.findings.is_empty());
            assert_eq!(outcome.changes.last().map_or(value, |change| &change.after), after);
        }
    }

    #[test]
    fn births_for_a_person() {
        let injected_on = Some(date(2021, 8, 12));
        for (value, injected_on, code, proposals) in [
            (" ", injected_on, Some("missing"), &[][..]),
            ("12/05/90", injected_on, Some("unreadable"), &[]),
            ("2003-08-12", injected_on, None, &[]),
            ("2003-08-13", injected_on, Some("under_18"), &[]),
            ("13/08/2003", injected_on, Some("under_18"), &["2003-08-13"]),
            ("2003", injected_on, None, &[]),
            ("2004", injected_on, Some("under_18"), &[]),
            ("2055", injected_on, Some("under_18"), &[]),
            ("1910-08-13", injected_on, None, &[]),
            ("1910-08-12", injected_on, Some("over_110"), &[]),
            ("1910", injected_on, None, &[]),
            ("1909", injected_on, Some("over_110"), &[]),
            ("0101-01-01", injected_on, Some("over_110"), &[]),
            // With the injection unknown, only what holds on every day of the campaign.
            ("2003-09-21", None, Some("under_18"), &[]),
            ("2003-09-20", None, None, &[]),
            ("1910-03-09", None, None, &[]),
            ("1910-03-08", None, Some("over_110"), &[]),
        ] {
            let outcome = outcome(value, injected_on);
            let found = outcome.findings.first().map(|finding| finding.code.replace("date_of_birth.", ""));
            assert_eq!(found.as_deref(), code, "{value}");
            assert_eq!(outcome.findings.first().map_or(&[][..], |finding| &finding.proposals), proposals);
            assert!(code.is_none() || outcome.changes.is_empty());
        }
    }
}
