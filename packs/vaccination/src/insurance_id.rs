//! `insurance_id`: a BHYT number of 15 characters, or the 10-digit BHXH number alone.

use crate::columns::Column;
use crate::identity;
use crate::sheet::Sheet;

/// Corrects the number, or routes it. It may be empty.
pub(crate) fn check(sheet: &mut Sheet<'_>) {
    let column = Column::InsuranceId;
    if sheet.came(column).is_empty() {
        return;
    }
    identity::clean(sheet, column);
    let number = sheet.value(column);
    if number.is_empty() || identity::is_insurance(number) || identity::is_digits(number, 10) {
        return;
    }
    // Nine digits may have lost their zero to a spreadsheet; nothing in the record proves it.
    let proposals = if identity::is_digits(number, 9) { vec![format!("0{number}")] } else { Vec::new() };
    sheet.route(column, "insurance_id.invalid", proposals);
}

#[cfg(test)]
mod tests {
    use super::*;
    use emend_worker::Record;

    #[test]
    fn insurance_numbers() {
        for (value, after) in [
            ("", Some("")),
            (" ", Some("")),
            ("GD4797912345678", Some("GD4797912345678")),
            ("gd 4 79 7912345678", Some("GD4797912345678")),
            ("7912345678", Some("7912345678")),
            ("7912345678.0", Some("7912345678")),
            ("GD6797912345678", None),
            ("GD479791234567", None),
            ("791234567", None),
            ("G14797912345678", None),
            ("079090123456", None),
            ("7.9E+9", None),
        ] {
            let record = Record::from_fields("k", [("insurance_id", value)]);
            let mut sheet = Sheet::of(&record);
            check(&mut sheet);
            let number = sheet.value(Column::InsuranceId).to_owned();
            let outcome = sheet.into_outcome();
            match after {
                Some(after) => assert_eq!((number.as_str(), outcome.findings.len()), (after, 0)),
                None => {
                    assert_eq!(outcome.findings[0].code, "insurance_id.invalid");
                    assert!(outcome.changes.is_empty());
                }
            }
        }
    }
}
