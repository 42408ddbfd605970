//! `district` and `ward`: names become the codes of 2021.
//!
//! Resolution 1111/NQ-UBTVQH14 joined Quận 2, Quận 9 and Quận Thủ Đức into Thành phố Thủ Đức, so an old
//! district is read together with its ward.

use std::borrow::Cow;

use crate::columns::Column;
use crate::fold::Folded;
use crate::mojibake;
use crate::places::{Found, Kind, PLACES, district_kind};
use crate::sheet::Sheet;
use crate::text;

/// Thành phố Thủ Đức.
const THU_DUC: &str = "769";
/// The ward An Khánh of 2021, and Thủ Thiêm, of which the old An Khánh became a part.
const AN_KHANH: [&str; 2] = ["27094", "27118"];

/// What stands in `district`.
#[derive(Debug, PartialEq, Eq)]
enum District {
    Missing,
    /// None of the city; perhaps this one was meant.
    Unknown(Option<usize>),
    /// One of the three that became Thành phố Thủ Đức.
    Old,
    /// Its place in the table.
    Known(usize),
}

/// What stands in `ward`.
#[allow(
    clippy::large_enum_variant,
    reason = "it lives on the stack for one record; a box would cost an allocation"
)]
enum Ward {
    Missing,
    /// Its place in the table.
    Code(usize),
    Named(Folded),
    /// Nothing that could be a ward's name.
    Unreadable,
}

/// Corrects both fields, or routes them.
pub(crate) fn check(sheet: &mut Sheet<'_>) {
    let district = read_district(sheet);
    let ward = read_ward(sheet);
    match district {
        District::Known(place) => check_ward(sheet, place, &ward),
        District::Old => check_old(sheet, &ward),
        District::Missing => {
            sheet.route(Column::District, "district.missing", home_of(&ward));
            check_ward_alone(sheet, &ward);
        }
        District::Unknown(near) => {
            let mut proposals =
                near.map(|place| vec![PLACES.districts[place].code.to_owned()]).unwrap_or_default();
            proposals.extend(home_of(&ward));
            sheet.route(Column::District, "district.unknown", proposals);
            check_ward_alone(sheet, &ward);
        }
    }
}

fn read_district(sheet: &mut Sheet<'_>) -> District {
    let came = sheet.came(Column::District);
    if let Some(place) = PLACES.district_of_code(came) {
        return District::Known(place);
    }
    let written = text::trim(came);
    if written.is_empty() {
        return District::Missing;
    }
    if let Some(place) = PLACES.district_of_code(written) {
        sheet.change(Column::District, "text.spaces", written.to_owned());
        return District::Known(place);
    }
    let Some(name) = fold(sheet, Column::District) else { return District::Unknown(None) };
    if is_old(&name) {
        return District::Old;
    }
    match PLACES.district_named(&name) {
        Ok(place) => {
            sheet.change(Column::District, "district.name", PLACES.districts[place].code.to_owned());
            District::Known(place)
        }
        Err(near) => District::Unknown(near),
    }
}

fn read_ward(sheet: &mut Sheet<'_>) -> Ward {
    let came = sheet.came(Column::Ward);
    if let Some(place) = PLACES.ward_of_code(came) {
        return Ward::Code(place);
    }
    let written = text::trim(came);
    if written.is_empty() {
        return Ward::Missing;
    }
    if let Some(place) = PLACES.ward_of_code(written) {
        sheet.change(Column::Ward, "text.spaces", written.to_owned());
        return Ward::Code(place);
    }
    fold(sheet, Column::Ward).map_or(Ward::Unreadable, Ward::Named)
}

/// Folds the name in `column` after its encoding was repaired. A bare number of more than two digits is
/// a code of no place here, and not the number of a district or ward.
fn fold(sheet: &mut Sheet<'_>, column: Column) -> Option<Folded> {
    if let Some(meant) = mojibake::repair_whole(sheet.value(column)) {
        sheet.change(column, "text.utf8_as_1252", meant);
    }
    let mut name = Cow::Borrowed(text::trim(sheet.value(column)));
    if name.len() > 2 && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    for step in [text::without_invisible, text::nfc] {
        if let Some(after) = step(&name) {
            name = Cow::Owned(after);
        }
    }
    Folded::of(&name).filter(|folded| folded.count() > 0)
}

/// Quận 2, Quận 9, Quận Thủ Đức. `Thủ Đức` without a type word is the city of today.
fn is_old(name: &Folded) -> bool {
    let (kind, from) = district_kind(name);
    match name.plain_from(from) {
        b"2" | b"9" => matches!(kind, None | Some(Kind::Quan)),
        b"thu duc" => {
            kind == Some(Kind::Quan) && (!name.has_marks_from(from) || name.marked_from(from) == b"thu3 DUc2")
        }
        _ => false,
    }
}

/// The ward beside a known district.
fn check_ward(sheet: &mut Sheet<'_>, district: usize, ward: &Ward) {
    let column = Column::Ward;
    match ward {
        Ward::Missing => sheet.route(column, "ward.missing", Vec::new()),
        Ward::Unreadable => sheet.route(column, "ward.unknown", Vec::new()),
        Ward::Code(place) if PLACES.wards[*place].district == district => {}
        Ward::Code(_) => sheet.route(column, "ward.not_in_district", Vec::new()),
        Ward::Named(name) => match PLACES.wards_named(name, Some(district)) {
            Found::One(place) => sheet.change(column, "ward.name", PLACES.wards[place].code.to_owned()),
            Found::Several(places) => sheet.route(column, "ward.ambiguous", codes(&places)),
            Found::Near(places) => sheet.route(column, absent(name), codes(&places)),
        },
    }
}

/// The ward beside an old district, which maps to Thành phố Thủ Đức only together with a ward of today.
fn check_old(sheet: &mut Sheet<'_>, ward: &Ward) {
    let Some(district) = PLACES.district_of_code(THU_DUC) else { return };
    let place = match ward {
        Ward::Code(place) if PLACES.wards[*place].district == district => Some(*place),
        Ward::Named(name) => match PLACES.wards_named(name, Some(district)) {
            Found::One(place) => Some(place),
            Found::Several(_) | Found::Near(_) => None,
        },
        _ => None,
    };
    let Some(place) = place else {
        // The district's successor is plain to see, but the rules map it by the ward alone.
        sheet.route(Column::District, "district.unknown", vec![THU_DUC.to_owned()]);
        return check_ward(sheet, district, ward);
    };
    let code = PLACES.wards[place].code;
    if code == AN_KHANH[0] {
        sheet.keep(Column::District);
        return sheet.route(Column::Ward, "ward.ambiguous", AN_KHANH.map(str::to_owned).to_vec());
    }
    sheet.change(Column::District, "district.thu_duc", THU_DUC.to_owned());
    if matches!(ward, Ward::Named(_)) {
        sheet.change(Column::Ward, "ward.name", code.to_owned());
    }
}

/// The ward beside a district that a person has to name. Its code says all; its name means nothing yet.
fn check_ward_alone(sheet: &mut Sheet<'_>, ward: &Ward) {
    let column = Column::Ward;
    match ward {
        Ward::Code(_) => {}
        Ward::Missing => sheet.route(column, "ward.missing", Vec::new()),
        Ward::Unreadable => sheet.route(column, "ward.unknown", Vec::new()),
        Ward::Named(name) => match PLACES.wards_named(name, None) {
            Found::One(place) => sheet.route(column, "ward.no_district", codes(&[place])),
            // A numbered ward is in half of the districts: so many proposals are none.
            Found::Several(places) if places.len() > 3 => sheet.route(column, "ward.no_district", Vec::new()),
            Found::Several(places) => sheet.route(column, "ward.no_district", codes(&places)),
            Found::Near(places) if places.is_empty() => sheet.route(column, "ward.unknown", Vec::new()),
            Found::Near(places) => sheet.route(column, "ward.no_district", codes(&places)),
        },
    }
}

/// A ward of that name elsewhere in the city is in the wrong district; otherwise there is none.
fn absent(name: &Folded) -> &'static str {
    match PLACES.wards_named(name, None) {
        Found::One(_) | Found::Several(_) => "ward.not_in_district",
        Found::Near(_) => "ward.unknown",
    }
}

/// The one district that has such a ward, as a proposal.
fn home_of(ward: &Ward) -> Vec<String> {
    let place = match ward {
        Ward::Code(place) => Some(*place),
        Ward::Named(name) => match PLACES.wards_named(name, None) {
            Found::One(place) => Some(place),
            Found::Several(_) | Found::Near(_) => None,
        },
        Ward::Missing | Ward::Unreadable => None,
    };
    place.map(|place| PLACES.districts[PLACES.wards[place].district].code.to_owned()).into_iter().collect()
}

fn codes(places: &[usize]) -> Vec<String> {
    places.iter().map(|&place| PLACES.wards[place].code.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use emend_worker::{Outcome, Record};

    fn outcome(district: &str, ward: &str) -> (String, String, Outcome) {
        let record = Record::from_fields("k", [("district", district), ("ward", ward)]);
        let mut sheet = Sheet::of(&record);
        check(&mut sheet);
        let values = (sheet.value(Column::District).to_owned(), sheet.value(Column::Ward).to_owned());
        (values.0, values.1, sheet.into_outcome())
    }

    #[test]
    fn names_become_codes() {
        for (district, ward, codes) in [
            ("760", "26734", ("760", "26734")),
            ("Quận 1", "Phường Tân Định", ("760", "26734")),
            ("Q.1", "tan dinh", ("760", "26734")),
            ("Q1", "P.Đa Kao", ("760", "26737")),
            ("1", "ĐA KAO", ("760", "26737")),
            ("quan binh thanh", "F05", ("765", "26923")),
            ("Bình Thạnh", "5", ("765", "26923")),
            ("H. Củ Chi", "TT Củ Chi", ("783", "27496")),
            ("Huyện Bình Chánh", "Xã Bình Chánh", ("785", "27637")),
            ("TP. Thủ Đức", "An Khánh", ("769", "27094")),
            ("Thủ Đức", "An Khánh", ("769", "27094")),
            ("Quận 2", "Thảo Điền", ("769", "27088")),
            ("Q.9", "P. Tăng Nhơn Phú A", ("769", "26842")),
            ("Quận Thủ Đức", "26800", ("769", "26800")),
            ("Quáº\u{AD}n 1", "PhÆ°á»\u{9D}ng Báº¿n NghÃ©", ("760", "26740")),
            (" 760", "26734 ", ("760", "26734")),
            ("Qua\u{323}\u{302}n 7", "Tân\u{A0}Quy", ("778", "27481")),
        ] {
            let (after_district, after_ward, outcome) = outcome(district, ward);
            assert!(outcome.findings.is_empty(), "{district}, {ward}: {:?}", outcome.findings);
            assert_eq!((after_district.as_str(), after_ward.as_str()), codes);
        }
    }

    #[test]
    fn addresses_for_a_person() {
        for (district, ward, expected) in [
            ("", "26734", "district.missing[760]"),
            ("", "Đa Kao", "district.missing[760] ward.no_district[26737]"),
            ("", "Phường 5", "district.missing[] ward.no_district[]"),
            ("", "", "district.missing[] ward.missing[]"),
            ("Quận 13", "Phường 5", "district.unknown[] ward.no_district[]"),
            ("Hà Nội", "Tràng Tiền", "district.unknown[] ward.unknown[]"),
            ("Huyện Tân Bình", "P5", "district.unknown[766] ward.no_district[]"),
            ("001", "P5", "district.unknown[] ward.no_district[]"),
            ("760", "", "ward.missing[]"),
            ("760", "Tràng Tiền", "ward.unknown[]"),
            ("760", "99999", "ward.unknown[]"),
            ("760", "@", "ward.unknown[]"),
            ("760", "Phường 5", "ward.not_in_district[]"),
            ("760", "26764", "ward.not_in_district[]"),
            ("Quận 7", "Tân Quý", "ward.not_in_district[27481]"),
            ("Quận 2", "An Khánh", "ward.ambiguous[27094,27118]"),
            ("Q9", "an khanh", "ward.ambiguous[27094,27118]"),
            ("Quận 2", "Bình An", "district.unknown[769] ward.unknown[]"),
            ("Quận 2", "", "district.unknown[769] ward.missing[]"),
            ("Quận 9", "Phường 5", "district.unknown[769] ward.not_in_district[]"),
        ] {
            let outcome = outcome(district, ward).2;
            let told: Vec<_> =
                outcome.findings.iter().map(|f| format!("{}[{}]", f.code, f.proposals.join(","))).collect();
            assert_eq!(told.join(" "), expected, "{district}, {ward}");
            let routed =
                |change: &emend_worker::Change| outcome.findings.iter().any(|f| f.field == change.field);
            assert!(!outcome.changes.iter().any(routed));
        }
    }

    #[test]
    fn an_ambiguous_ward_leaves_the_old_district_as_it_came() {
        assert!(outcome("Quận 2", "An Khánh").2.changes.is_empty());
        assert_eq!(outcome("Quận 1", "Phường 5").2.changes[0].field, "district");
    }
}
