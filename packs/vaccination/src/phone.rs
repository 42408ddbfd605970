//! `phone`: a Vietnamese mobile number, or a person asks for one.

use crate::columns::Column;
use crate::sheet::Sheet;
use crate::text::{narrow, trim};

/// Corrects the number, or routes it. It may be empty.
pub(crate) fn check(sheet: &mut Sheet<'_>) {
    let column = Column::Phone;
    let came = sheet.came(column);
    if came.is_empty() || is_valid(came) {
        return;
    }
    if trim(came).is_empty() {
        return sheet.change(column, "text.spaces", String::new());
    }
    let Some(digits) = digits(came) else {
        return sheet.route(column, "phone.invalid", Vec::new());
    };
    // `912345678.0` is a number that a spreadsheet took for one. Its last 0 is no digit of the phone, but
    // the rules do not say so for phones, so a person confirms it.
    if let Some(whole) = trim(came).strip_suffix(".0") {
        let mut proposals = Vec::new();
        if let Some(number) = self::digits(whole).and_then(|digits| national(&digits)) {
            proposals.push(number);
        }
        return sheet.route(column, "phone.invalid", proposals);
    }
    sheet.change(column, "phone.separators", digits);
    for (rule, step) in [
        ("phone.country_code", without_country_code as fn(&str) -> Option<String>),
        ("phone.leading_zero", with_leading_zero),
        ("phone.prefix_2018", converted_2018),
    ] {
        if let Some(after) = step(sheet.value(column)) {
            sheet.change(column, rule, after);
        }
    }
    if !is_valid(sheet.value(column)) {
        let proposals = guess(sheet.value(column)).into_iter().collect();
        sheet.route(column, "phone.invalid", proposals);
    }
}

/// `^0(3[2-9]|5[25689]|7[06-9]|8[1-9]|9[0-46-9])[0-9]{7}$`
pub(crate) fn is_valid(number: &str) -> bool {
    let [b'0', network, digit, rest @ ..] = number.as_bytes() else { return false };
    let known = match network {
        b'3' => matches!(digit, b'2'..=b'9'),
        b'5' => matches!(digit, b'2' | b'5' | b'6' | b'8' | b'9'),
        b'7' => matches!(digit, b'0' | b'6'..=b'9'),
        b'8' => matches!(digit, b'1'..=b'9'),
        b'9' => matches!(digit, b'0'..=b'4' | b'6'..=b'9'),
        _ => false,
    };
    known && rest.len() == 7 && rest.iter().all(u8::is_ascii_digit)
}

/// The digits alone, or `None` when something tells that some are missing: a letter, or a sign that
/// stands for an unknown digit.
fn digits(written: &str) -> Option<String> {
    let mut digits = String::with_capacity(16);
    for c in written.chars().map(narrow) {
        match c {
            '0'..='9' => digits.push(c),
            '?' | '*' | '#' | '\u{FFFD}' => return None,
            _ if c.is_alphanumeric() => return None,
            _ => {}
        }
    }
    (!digits.is_empty()).then_some(digits)
}

/// `84` counts as the country's code only in front of a whole number: of nine digits, or ten by the old plan.
fn without_country_code(digits: &str) -> Option<String> {
    let dialled = digits.strip_prefix("00").filter(|rest| rest.starts_with("84")).unwrap_or(digits);
    if !matches!(dialled.len(), 11 | 12) {
        return None;
    }
    let number = dialled.strip_prefix("84")?;
    // `+84 (0)912…` keeps the zero that the code replaces.
    Some(if number.starts_with('0') { number.to_owned() } else { format!("0{number}") })
}

fn with_leading_zero(digits: &str) -> Option<String> {
    (digits.len() == 9 && !digits.starts_with('0')).then(|| format!("0{digits}"))
}

/// The numbering plan of 2018 shortened the networks of eleven digits; the last seven digits stayed.
fn converted_2018(digits: &str) -> Option<String> {
    if digits.len() != 11 {
        return None;
    }
    let (network, number) = digits.split_at(4);
    let network = match network {
        "0162" => "032",
        "0163" => "033",
        "0164" => "034",
        "0165" => "035",
        "0166" => "036",
        "0167" => "037",
        "0168" => "038",
        "0169" => "039",
        "0120" => "070",
        "0121" => "079",
        "0122" => "077",
        "0126" => "076",
        "0128" => "078",
        "0123" => "083",
        "0124" => "084",
        "0125" => "085",
        "0127" => "081",
        "0129" => "082",
        "0186" => "056",
        "0188" => "058",
        "0199" => "059",
        _ => return None,
    };
    Some(format!("{network}{number}"))
}

/// All steps at once.
fn national(digits: &str) -> Option<String> {
    let mut number = digits.to_owned();
    for step in [without_country_code, with_leading_zero, converted_2018] {
        number = step(&number).unwrap_or(number);
    }
    is_valid(&number).then_some(number)
}

/// An old number that lost its zero is probable enough to propose, not to write.
fn guess(digits: &str) -> Option<String> {
    if digits.len() != 10 || !digits.starts_with('1') {
        return None;
    }
    national(&format!("0{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use emend_worker::{Outcome, Record};

    fn outcome(value: &str) -> Outcome {
        let record = Record::from_fields("k", [("phone", value)]);
        let mut sheet = Sheet::of(&record);
        check(&mut sheet);
        sheet.into_outcome()
    }

    #[test]
    fn numbers_by_rule() {
        for (value, after, rules) in [
            ("0912345678", "0912345678", &[][..]),
            ("", "", &[]),
            ("  ", "", &["text.spaces"]),
            ("091 234.5678", "0912345678", &["phone.separators"]),
            ("(+84) 912-345-678", "0912345678", &["phone.separators", "phone.country_code"]),
            ("84912345678", "0912345678", &["phone.country_code"]),
            ("0084912345678", "0912345678", &["phone.country_code"]),
            ("+84 (0)912345678", "0912345678", &["phone.separators", "phone.country_code"]),
            ("841621234567", "0321234567", &["phone.country_code", "phone.prefix_2018"]),
            ("912345678", "0912345678", &["phone.leading_zero"]),
            ("841234567", "0841234567", &["phone.leading_zero"]),
            ("０９１２３４５６７８", "0912345678", &["phone.separators"]),
            ("'0912345678", "0912345678", &["phone.separators"]),
        ] {
            let outcome = outcome(value);
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
    fn the_plan_of_2018() {
        let plan = "0162 032 0163 033 0164 034 0165 035 0166 036 0167 037 0168 038 0169 039 0120 070 0121 079 0122 077 \
            0126 076 0128 078 0123 083 0124 084 0125 085 0127 081 0129 082 0186 056 0188 058 0199 059";
        let plan: Vec<_> = plan.split_whitespace().collect();
        for pair in plan.chunks(2) {
            let outcome = outcome(&format!("{}7654321", pair[0]));
            assert_eq!(outcome.changes[0].after, format!("{}7654321", pair[1]));
            assert_eq!(outcome.changes[0].rule, "phone.prefix_2018");
        }
    }

    #[test]
    fn numbers_for_a_person() {
        for (value, proposals) in [
            ("9.0123456E+8", &[][..]),
            ("091234567", &[]),
            ("09123456789", &[]),
            ("0951234567", &[]),
            ("02838291234", &[]),
            ("01602345678", &[]),
            ("8412345678", &[]),
            ("0912345678/0987654321", &[]),
            ("không có", &[]),
            ("-", &[]),
            ("0912 34?678", &[]),
            ("09123456**", &[]),
            ("912345678.0", &["0912345678"]),
            ("91234567.0", &[]),
            ("1621234567", &["0321234567"]),
        ] {
            let outcome = outcome(value);
            assert!(outcome.changes.is_empty());
            assert_eq!(outcome.findings[0].code, "phone.invalid", "{value}");
            assert_eq!(outcome.findings[0].proposals, proposals, "{value}");
        }
    }
}
