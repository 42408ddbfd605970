//! Faults of dates, vaccine, dose and lot.

use jiff::civil::{Date, date};

use crate::columns::Column::{self, DateOfBirth, DoseNumber, InjectedOn, LotNumber, Vaccine};
use crate::dates::written;
use crate::generator::draw::Draw;
use crate::generator::person::{AS_OF, Draft, PRODUCTS};
use crate::generator::spoil_text::{misread, with_spaces, write};

/// Day first, as the country writes.
fn day_first(day: Date, draw: &mut Draw) -> String {
    let sign = draw.pick(&["/", "/", "-", "."]);
    if draw.chance(60) {
        format!("{:02}{sign}{:02}{sign}{}", day.day(), day.month(), day.year())
    } else {
        format!("{}{sign}{}{sign}{}", day.day(), day.month(), day.year())
    }
}

/// Month first, which shows only behind the twelfth of a month.
fn month_first(day: Date) -> Option<String> {
    (day.day() > 12).then(|| format!("{:02}/{:02}/{}", day.month(), day.day(), day.year()))
}

fn year_first(day: Date, draw: &mut Draw) -> String {
    let sign = draw.pick(&["/", "."]);
    format!("{}{sign}{:02}{sign}{:02}", day.year(), day.month(), day.day())
}

/// Days since 1899-12-30, where they cannot be taken for a year: five digits.
fn excel_serial(day: Date) -> Option<String> {
    let days = date(1899, 12, 30).until(day).ok()?.get_days();
    (days >= 10_000).then(|| days.to_string())
}

fn write_some(draft: &mut Draft, column: Column, value: Option<String>) -> bool {
    match value {
        Some(value) => write(draft, column, value),
        None => false,
    }
}

pub(crate) fn birth_day_first(draft: &mut Draft, draw: &mut Draw) -> bool {
    let value = draft.born.map(|born| day_first(born, draw));
    write_some(draft, DateOfBirth, value)
}

pub(crate) fn birth_month_first(draft: &mut Draft, _: &mut Draw) -> bool {
    write_some(draft, DateOfBirth, draft.born.and_then(month_first))
}

pub(crate) fn birth_year_first(draft: &mut Draft, draw: &mut Draw) -> bool {
    let value = draft.born.map(|born| year_first(born, draw));
    write_some(draft, DateOfBirth, value)
}

pub(crate) fn birth_excel_serial(draft: &mut Draft, _: &mut Draw) -> bool {
    write_some(draft, DateOfBirth, draft.born.and_then(excel_serial))
}

pub(crate) fn birth_year_as_number(draft: &mut Draft, draw: &mut Draw) -> bool {
    let value = format!("{}{}", draft.birth_year, draw.pick(&[".0", " "]));
    draft.born.is_none() && write(draft, DateOfBirth, value)
}

pub(crate) fn birth_missing(draft: &mut Draft, _: &mut Draw) -> bool {
    write(draft, DateOfBirth, "")
}

pub(crate) fn birth_two_digit_year(draft: &mut Draft, draw: &mut Draw) -> bool {
    let value = draft.born.map(|born| {
        let sign = draw.pick(&["/", "-"]);
        format!("{:02}{sign}{:02}{sign}{:02}", born.day(), born.month(), born.year() % 100)
    });
    write_some(draft, DateOfBirth, value)
}

/// A day that no calendar has.
pub(crate) fn birth_no_day(draft: &mut Draft, draw: &mut Draw) -> bool {
    let day = draw.pick(&["30/02", "31/04", "00/00", "32/01", "31/11"]);
    let value = format!("{day}/{}", draft.birth_year);
    write(draft, DateOfBirth, value)
}

/// Born so late that no day of the campaign finds an adult.
pub(crate) fn birth_under_18(draft: &mut Draft, draw: &mut Draw) -> bool {
    let year = draw.between(2005, 2020);
    let value = match draft.born {
        Some(born) if born.day() <= 28 => format!("{year}-{:02}-{:02}", born.month(), born.day()),
        _ => year.to_string(),
    };
    write(draft, DateOfBirth, value)
}

pub(crate) fn birth_over_110(draft: &mut Draft, draw: &mut Draw) -> bool {
    let year = draw.between(1850, 1905);
    let value = match draft.born {
        Some(born) if born.day() <= 28 => format!("{:02}/{:02}/{year}", born.day(), born.month()),
        _ => year.to_string(),
    };
    write(draft, DateOfBirth, value)
}

pub(crate) fn vaccine_name(draft: &mut Draft, draw: &mut Draw) -> bool {
    write(draft, Vaccine, draw.pick(PRODUCTS[draft.product].aliases))
}

pub(crate) fn vaccine_missing(draft: &mut Draft, _: &mut Draw) -> bool {
    write(draft, Vaccine, "")
}

pub(crate) fn vaccine_unknown(draft: &mut Draft, draw: &mut Draw) -> bool {
    write(draft, Vaccine, draw.pick(&["Nanocovax", "Covivac", "Không rõ", "mũi 1", "AZ/Moderna", "vắc xin"]))
}

/// Sputnik V came to the city after the day of the data.
pub(crate) fn vaccine_not_in_use(draft: &mut Draft, draw: &mut Draw) -> bool {
    write(draft, Vaccine, draw.pick(&["Sputnik V", "Sputnik", "Gam-COVID-Vac", "Gamaleya"]))
}

pub(crate) fn dose_word(draft: &mut Draft, draw: &mut Draw) -> bool {
    let dose = draft.truth.get(DoseNumber);
    let value = match draw.below(5) {
        0 => format!("Mũi {dose}"),
        1 => format!("mũi thứ {dose}"),
        2 => format!("Mui {dose}"),
        3 => misread(&format!("Mũi {dose}")),
        _ => format!("{dose}.0"),
    };
    write(draft, DoseNumber, value)
}

pub(crate) fn dose_missing(draft: &mut Draft, _: &mut Draw) -> bool {
    write(draft, DoseNumber, "")
}

pub(crate) fn dose_range(draft: &mut Draft, draw: &mut Draw) -> bool {
    write(draft, DoseNumber, draw.pick(&["0", "3", "4", "12", "Mũi 3", "nhắc lại"]))
}

pub(crate) fn injection_day_first(draft: &mut Draft, draw: &mut Draw) -> bool {
    let value = day_first(draft.injected_on, draw);
    write(draft, InjectedOn, value)
}

pub(crate) fn injection_month_first(draft: &mut Draft, _: &mut Draw) -> bool {
    write_some(draft, InjectedOn, month_first(draft.injected_on))
}

pub(crate) fn injection_year_first(draft: &mut Draft, draw: &mut Draw) -> bool {
    let value = year_first(draft.injected_on, draw);
    write(draft, InjectedOn, value)
}

pub(crate) fn injection_excel_serial(draft: &mut Draft, _: &mut Draw) -> bool {
    write_some(draft, InjectedOn, excel_serial(draft.injected_on))
}

/// The day with day and month swapped, if there is one.
fn swapped(day: Date) -> Option<Date> {
    Date::new(day.year(), day.day(), day.month()).ok()
}

fn possible(draft: &Draft, day: Date) -> bool {
    PRODUCTS[draft.product].first_use <= day && day <= AS_OF
}

/// Another year, in which no injection can have been.
fn other_year(draw: &mut Draw) -> i16 {
    draw.pick(&[2012, 2019, 2020, 2020, 2022, 2001])
}

fn in_year(day: Date, year: i16) -> Option<Date> {
    Date::new(year, day.month(), day.day()).ok()
}

/// Swapped to a day outside the window: swapping back is the one way in, for the year is right.
pub(crate) fn injection_swapped(draft: &mut Draft, draw: &mut Draw) -> bool {
    let Some(wrong) = swapped(draft.injected_on).filter(|&day| !possible(draft, day)) else { return false };
    let value = if draw.chance(50) { written(wrong) } else { day_first(wrong, draw) };
    write(draft, InjectedOn, value)
}

/// Whether the day with day and month swapped is a second candidate beside the day itself.
fn has_rival(draft: &Draft) -> bool {
    let rival = swapped(draft.injected_on);
    rival.is_some_and(|rival| rival != draft.injected_on && possible(draft, rival))
}

pub(crate) fn injection_year(draft: &mut Draft, draw: &mut Draw) -> bool {
    let year = other_year(draw);
    if has_rival(draft) {
        return false;
    }
    let value = in_year(draft.injected_on, year).map(written);
    write_some(draft, InjectedOn, value)
}

pub(crate) fn injection_swapped_year(draft: &mut Draft, draw: &mut Draw) -> bool {
    let year = other_year(draw);
    if has_rival(draft) {
        return false;
    }
    let value = swapped(draft.injected_on).and_then(|day| in_year(day, year)).map(written);
    write_some(draft, InjectedOn, value)
}

pub(crate) fn injection_two_candidates(draft: &mut Draft, draw: &mut Draw) -> bool {
    let year = other_year(draw);
    if !has_rival(draft) {
        return false;
    }
    let value = in_year(draft.injected_on, year).map(written);
    write_some(draft, InjectedOn, value)
}

pub(crate) fn injection_missing(draft: &mut Draft, _: &mut Draw) -> bool {
    write(draft, InjectedOn, "")
}

pub(crate) fn injection_unreadable(draft: &mut Draft, draw: &mut Draw) -> bool {
    let day = draft.injected_on;
    let value = match draw.below(3) {
        0 => format!("{:02}/{:02}/21", day.day(), day.month()),
        1 => format!("tháng {}", day.month()),
        _ => "2021".to_owned(),
    };
    write(draft, InjectedOn, value)
}

/// After the day of the data, on a day that no other month has: nothing brings it back.
pub(crate) fn injection_outside(draft: &mut Draft, draw: &mut Draw) -> bool {
    let value = format!("2021-{:02}-{:02}", draw.between(10, 12), draw.between(13, 30));
    write(draft, InjectedOn, value)
}

pub(crate) fn lot_case(draft: &mut Draft, _: &mut Draw) -> bool {
    let lot = draft.truth.get(LotNumber).to_lowercase();
    write(draft, LotNumber, lot)
}

pub(crate) fn lot_spaces(draft: &mut Draft, draw: &mut Draw) -> bool {
    let lot = draft.truth.get(LotNumber);
    if lot.is_empty() {
        return false;
    }
    let lot = if draw.chance(50) { format!("{} {}", &lot[..2], &lot[2..]) } else { with_spaces(lot, draw) };
    write(draft, LotNumber, lot)
}

pub(crate) fn lot_trailing_dot(draft: &mut Draft, draw: &mut Draw) -> bool {
    let lot = draft.truth.get(LotNumber);
    if lot.is_empty() {
        return false;
    }
    let lot = format!("{lot}{}", draw.pick(&[".", ". ", ".."]));
    write(draft, LotNumber, lot)
}
