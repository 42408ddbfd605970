//! `injected_on`: the day of the injection, inside the window of its vaccine.

use jiff::civil::Date;

use crate::campaign::Window;
use crate::columns::Column;
use crate::dates::{self, When};
use crate::sheet::Sheet;
use crate::text;

/// The year of the campaign, which a wrong year is read as.
const YEAR: i16 = 2021;

/// Corrects the day; answers it, unless a person must.
pub(crate) fn check(sheet: &mut Sheet<'_>, window: Window) -> Option<Date> {
    let column = Column::InjectedOn;
    let came = sheet.came(column);
    if text::trim(came).is_empty() {
        sheet.route(column, "injected_on.missing", Vec::new());
        return None;
    }
    // A year alone is not a day.
    let Some(dates::Reading { when: When::Day(day), rule }) = dates::read(came) else {
        sheet.route(column, "injected_on.unreadable", Vec::new());
        return None;
    };
    if let Some(rule) = rule {
        sheet.change(column, rule, dates::written(day));
    }
    if window.has(day) {
        return Some(day);
    }
    match fitting(day, window)[..] {
        [(meant, rule)] => {
            sheet.change(column, rule, dates::written(meant));
            Some(meant)
        }
        ref several => {
            let proposals = several.iter().map(|(day, _)| dates::written(*day)).collect();
            sheet.route(column, "injected_on.outside_window", proposals);
            None
        }
    }
}

/// Whether the day is before `first` and nothing can bring it into `window`, which begins there.
pub(crate) fn is_before(written: &str, first: Date, window: Window) -> bool {
    match dates::read(written) {
        Some(dates::Reading { when: When::Day(day), .. }) => day < first && fitting(day, window).len() != 1,
        _ => false,
    }
}

/// The other readings of a day that lie in the window, each once: day and month swapped, the year of the
/// campaign, both.
fn fitting(day: Date, window: Window) -> Vec<(Date, &'static str)> {
    let of = |year: i16, month: i8, of_month: i8| Date::new(year, month, of_month).ok();
    let candidates = [
        (of(day.year(), day.day(), day.month()), "injected_on.swapped"),
        (of(YEAR, day.month(), day.day()), "injected_on.year"),
        (of(YEAR, day.day(), day.month()), "injected_on.swapped_year"),
    ];
    let mut fitting: Vec<(Date, &'static str)> = Vec::new();
    for (candidate, rule) in candidates {
        if let Some(candidate) = candidate.filter(|&candidate| window.has(candidate))
            && !fitting.iter().any(|(day, _)| *day == candidate)
        {
            fitting.push((candidate, rule));
        }
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign;
    use crate::vaccine::Vaccine;
    use emend_worker::{Outcome, Record};

    fn outcome(value: &str, vaccine: Option<Vaccine>) -> Outcome {
        let record = Record::from_fields("k", [("injected_on", value)]);
        let mut sheet = Sheet::of(&record);
        let day = check(&mut sheet, Window::of(vaccine, campaign::as_of("2021-09-20")));
        let after = sheet.value(Column::InjectedOn).to_owned();
        let outcome = sheet.into_outcome();
        assert_eq!(day.is_some(), outcome.findings.is_empty());
        assert!(day.is_none_or(|day| dates::written(day) == after));
        outcome
    }

    #[test]
    fn one_candidate_is_taken() {
        for (value, vaccine, after, rules) in [
            ("2021-08-12", Vaccine::VeroCell, "2021-08-12", &[][..]),
            ("12/08/2021", Vaccine::VeroCell, "2021-08-12", &["date.day_first"]),
            ("2021-12-08", Vaccine::AstraZeneca, "2021-08-12", &["injected_on.swapped"]),
            ("08/12/2021", Vaccine::AstraZeneca, "2021-08-12", &["date.day_first", "injected_on.swapped"]),
            ("2020-08-15", Vaccine::AstraZeneca, "2021-08-15", &["injected_on.year"]),
            ("2020-12-08", Vaccine::AstraZeneca, "2021-08-12", &["injected_on.swapped_year"]),
            ("2012-09-09", Vaccine::AstraZeneca, "2021-09-09", &["injected_on.year"]),
            ("44538", Vaccine::AstraZeneca, "2021-08-12", &["date.excel_serial", "injected_on.swapped"]),
        ] {
            let outcome = outcome(value, Some(vaccine));
            assert!(outcome.findings.is_empty(), "{value}");
            assert_eq!(outcome.changes.last().map_or(value, |change| &change.after), after);
            assert_eq!(
                outcome.changes.iter().map(|change| &*change.rule).collect::<Vec<_>>(),
                rules,
                "{value}"
            );
        }
    }

    #[test]
    fn several_or_none_go_to_a_person() {
        for (value, vaccine, code, proposals) in [
            ("", None, "missing", &[][..]),
            ("12/08/21", None, "unreadable", &[]),
            ("2021", None, "unreadable", &[]),
            ("2020-05-06", Some(Vaccine::AstraZeneca), "outside_window", &["2021-05-06", "2021-06-05"]),
            ("2021-06-30", Some(Vaccine::Moderna), "outside_window", &[]),
            ("2021-10-30", None, "outside_window", &[]),
            ("2020-02-29", None, "outside_window", &[]),
        ] {
            let outcome = outcome(value, vaccine);
            assert!(outcome.changes.is_empty());
            assert_eq!(outcome.findings[0].code, format!("injected_on.{code}"), "{value}");
            assert_eq!(outcome.findings[0].proposals, proposals);
        }
    }
}
