//! `national_id`: CCCD, CMND or passport, and whether a CCCD agrees with the rest of the record.
//!
//! Circular 07/2016/TT-BCA: a CCCD is `PPP G YY RRRRRR`, where `PPP` is the province of registration,
//! `G` the century and sex, and `YY` two digits of the birth year.

use crate::columns::Column;
use crate::gender::Gender;
use crate::identity::{clean, is_blank, is_digits, is_insurance};
use crate::sheet::Sheet;

/// The provinces that register citizens.
const PROVINCES: [u8; 63] = [
    1, 2, 4, 6, 8, 10, 11, 12, 14, 15, 17, 19, 20, 22, 24, 25, 26, 27, 30, 31, 33, 34, 35, 36, 37, 38, 40,
    42, 44, 45, 46, 48, 49, 51, 52, 54, 56, 58, 60, 62, 64, 66, 67, 68, 70, 72, 74, 75, 77, 79, 80, 82, 83,
    84, 86, 87, 89, 91, 92, 93, 94, 95, 96,
];

/// What the record says elsewhere; `None` where a person has to say it, so that nothing is compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Person {
    pub(crate) birth_year: Option<i16>,
    pub(crate) gender: Option<Gender>,
}

/// Corrects the number, moves an insurance number to its own column, or routes it. It may be empty.
///
/// `insurance_id` has been checked before.
pub(crate) fn check(sheet: &mut Sheet<'_>, person: Person) {
    let column = Column::NationalId;
    if sheet.came(column).is_empty() {
        return;
    }
    clean(sheet, column);
    let number = sheet.value(column);
    if number.is_empty() || is_digits(number, 9) || is_passport(number) {
        return;
    }
    if is_insurance(number) {
        return move_to_insurance(sheet);
    }
    if is_digits(number, 12) {
        return check_cccd(sheet, person);
    }
    if let Some(padded) = padded(number) {
        return restore_zeros(sheet, padded, person);
    }
    sheet.route(column, "national_id.length", Vec::new());
}

/// The parts of a CCCD that say something.
struct Cccd {
    province: u16,
    /// `None` for the digits 6 to 9, which stand for no century.
    born: Option<(Gender, i16)>,
}

impl Cccd {
    /// Reads twelve digits.
    fn of(number: &str) -> Option<Self> {
        let digits: &[u8; 6] = number.as_bytes().first_chunk()?;
        let [p1, p2, p3, century, y1, y2] = digits.map(|byte| byte.wrapping_sub(b'0'));
        let gender = if century % 2 == 0 { Gender::Male } else { Gender::Female };
        let year = 1900 + 100 * i16::from(century / 2) + i16::from(y1 * 10 + y2);
        Some(Self {
            province: u16::from(p1) * 100 + u16::from(p2) * 10 + u16::from(p3),
            born: (century <= 5).then_some((gender, year)),
        })
    }

    fn has_known_province(&self) -> bool {
        u8::try_from(self.province).is_ok_and(|province| PROVINCES.binary_search(&province).is_ok())
    }
}

/// One letter and seven digits.
fn is_passport(number: &str) -> bool {
    let [letter, digits @ ..] = number.as_bytes() else { return false };
    letter.is_ascii_uppercase() && digits.len() == 7 && digits.iter().all(u8::is_ascii_digit)
}

/// The CCCD that a spreadsheet may have cut down: one or two zeros in front.
fn padded(number: &str) -> Option<String> {
    match number.len() {
        10 if is_digits(number, 10) => Some(format!("00{number}")),
        11 if is_digits(number, 11) => Some(format!("0{number}")),
        _ => None,
    }
}

/// The zeros come back only when the number then agrees with a known sex *and* birth year: a digit lost
/// elsewhere would otherwise shift the whole number unseen.
fn restore_zeros(sheet: &mut Sheet<'_>, padded: String, person: Person) {
    let Some(cccd) = Cccd::of(&padded).filter(Cccd::has_known_province) else {
        return sheet.route(Column::NationalId, "national_id.length", Vec::new());
    };
    match (cccd.born, person.gender, person.birth_year) {
        (Some(born), Some(gender), Some(year)) if born == (gender, year) => {
            sheet.change(Column::NationalId, "national_id.leading_zeros", padded);
        }
        // Where a person has to say the sex or the birth year, the number may still be right.
        (Some((sex, born)), gender, year)
            if gender.is_none_or(|gender| gender == sex) && year.is_none_or(|year| year == born) =>
        {
            sheet.route(Column::NationalId, "national_id.length", vec![padded]);
        }
        _ => sheet.route(Column::NationalId, "national_id.length", Vec::new()),
    }
}

fn check_cccd(sheet: &mut Sheet<'_>, person: Person) {
    let column = Column::NationalId;
    let Some(cccd) = Cccd::of(sheet.value(column)) else { return };
    // The first finding does not take the value away: it is only put back when the record is done.
    let mut route = |code| sheet.route_repaired(column, code);
    if !cccd.has_known_province() {
        route("national_id.province");
    }
    match (cccd.born, person.birth_year) {
        (Some((_, born)), Some(year)) if born != year => route("national_id.birth_year"),
        // No century: it disagrees with any birth date, and without one it is still no CCCD.
        (None, Some(_)) => route("national_id.birth_year"),
        (None, None) => route("national_id.length"),
        _ => {}
    }
    if let (Some((sex, _)), Some(gender)) = (cccd.born, person.gender)
        && sex != gender
    {
        route("national_id.sex");
    }
}

/// An insurance number stands in the wrong column. It moves when its own is there and empty; otherwise
/// a person says which of the two is right.
fn move_to_insurance(sheet: &mut Sheet<'_>) {
    let free = sheet.has(Column::InsuranceId) && is_blank(sheet, Column::InsuranceId);
    if !free {
        return sheet.route(Column::NationalId, "national_id.length", Vec::new());
    }
    let number = sheet.value(Column::NationalId).to_owned();
    sheet.change(Column::NationalId, "national_id.to_insurance_id", String::new());
    sheet.change(Column::InsuranceId, "national_id.to_insurance_id", number);
}

#[cfg(test)]
mod tests {
    use super::*;
    use emend_worker::{Outcome, Record};

    const MAN_OF_1990: Person = Person { birth_year: Some(1990), gender: Some(Gender::Male) };
    const UNKNOWN: Person = Person { birth_year: None, gender: None };

    fn outcome(national: &str, insurance: &str, person: Person) -> Outcome {
        let record = Record::from_fields("k", [("national_id", national), ("insurance_id", insurance)]);
        let mut sheet = Sheet::of(&record);
        crate::insurance_id::check(&mut sheet);
        check(&mut sheet, person);
        sheet.into_outcome()
    }

    #[test]
    fn numbers_by_rule() {
        for (value, after, rules) in [
            ("", "", &[][..]),
            ("079090123456", "079090123456", &[]),
            ("250123456", "250123456", &[]),
            ("B1234567", "B1234567", &[]),
            ("c1234567", "C1234567", &["identity.upper_case"]),
            ("79090123456", "079090123456", &["national_id.leading_zeros"]),
            ("1090123456", "001090123456", &["national_id.leading_zeros"]),
            ("79090123456.0", "079090123456", &["identity.float_tail", "national_id.leading_zeros"]),
        ] {
            let outcome = outcome(value, "", MAN_OF_1990);
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
    fn numbers_for_a_person() {
        let born_1991 = Person { birth_year: Some(1991), ..MAN_OF_1990 };
        let woman = Person { gender: Some(Gender::Female), ..MAN_OF_1990 };
        for (value, person, codes, proposals) in [
            ("07909012345", MAN_OF_1990, &["length"][..], 0),
            ("7.9090123E+10", MAN_OF_1990, &["length"], 0),
            ("12345678", MAN_OF_1990, &["length"], 0),
            ("BB1234567", MAN_OF_1990, &["length"], 0),
            ("không có", MAN_OF_1990, &["length"], 0),
            ("-", MAN_OF_1990, &["length"], 0),
            ("079690123456", UNKNOWN, &["length"], 0),
            ("079690123456", MAN_OF_1990, &["birth_year"], 0),
            ("003090123456", MAN_OF_1990, &["province"], 0),
            ("999090123456", UNKNOWN, &["province"], 0),
            ("079 090 123 456", born_1991, &["birth_year"], 1),
            ("079090123456", woman, &["sex"], 0),
            ("000191123456", MAN_OF_1990, &["province", "birth_year", "sex"], 0),
            ("79090123456", woman, &["length"], 0),
            ("79090123456", Person { birth_year: None, ..MAN_OF_1990 }, &["length"], 1),
            ("79090123456", Person { birth_year: None, ..woman }, &["length"], 0),
        ] {
            let outcome = outcome(value, "", person);
            assert!(outcome.changes.is_empty());
            let found: Vec<_> =
                outcome.findings.iter().map(|finding| finding.code.replace("national_id.", "")).collect();
            assert_eq!(found, codes, "{value}");
            assert_eq!(outcome.findings[0].proposals.len(), proposals, "{value}");
        }
    }

    #[test]
    fn an_insurance_number_goes_home() {
        let moved = outcome("gd4797912345678", " ", UNKNOWN);
        let chain: Vec<_> = moved.changes.iter().map(|c| (&*c.field, &*c.before, &*c.after)).collect();
        assert_eq!(
            chain,
            [
                ("insurance_id", " ", ""),
                ("national_id", "gd4797912345678", "GD4797912345678"),
                ("national_id", "GD4797912345678", ""),
                ("insurance_id", "", "GD4797912345678"),
            ]
        );
        let taken = outcome("GD4797912345678", "GD4797912345679", UNKNOWN);
        assert!(taken.changes.is_empty());
        assert_eq!(taken.findings[0].code, "national_id.length");
        let record = Record::from_fields("k", [("national_id", "GD4797912345678")]);
        let mut sheet = Sheet::of(&record);
        check(&mut sheet, UNKNOWN);
        assert_eq!(sheet.into_outcome().findings.len(), 1);
    }
}
