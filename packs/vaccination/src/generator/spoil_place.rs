//! Faults of district and ward.

use crate::columns::Column::{District, Ward};
use crate::generator::draw::Draw;
use crate::generator::person::Draft;
use crate::generator::spoil_text::{misread, unmarked, with_spaces, write};
use crate::places::PLACES;

/// The districts that became Thành phố Thủ Đức.
const OLD_DISTRICTS: [&str; 7] = ["Quận 2", "Quận 9", "Quận Thủ Đức", "Q.2", "Q9", "quan 2", "Q. Thủ Đức"];
const THU_DUC: &str = "769";
const AN_KHANH: &str = "27094";
const THU_THIEM: &str = "27118";

/// The names of the true district and ward, as the table has them.
fn names_of(draft: &Draft) -> (&'static str, &'static str) {
    let ward = &PLACES.wards[draft.ward];
    (PLACES.districts[ward.district].name, ward.name)
}

fn write_both(draft: &mut Draft, district: impl Into<String>, ward: impl Into<String>) -> bool {
    write(draft, District, district) && write(draft, Ward, ward)
}

/// The name without its type word.
fn bare(name: &str) -> &str {
    let types = ["Quận ", "Huyện ", "Thành phố ", "Phường ", "Xã ", "Thị trấn "];
    types.iter().find_map(|word| name.strip_prefix(word)).unwrap_or(name)
}

/// The name with its type word cut short.
fn abbreviated(name: &str, draw: &mut Draw) -> String {
    let short = [
        ("Quận ", ["Q.", "Q", "Q. "]),
        ("Huyện ", ["H.", "H. ", "H "]),
        ("Thành phố ", ["TP.", "TP ", "TP. "]),
        ("Phường ", ["P.", "F.", "P. "]),
        ("Xã ", ["X.", "X. ", "X "]),
        ("Thị trấn ", ["TT.", "TT ", "TT. "]),
    ];
    for (word, forms) in short {
        if let Some(rest) = name.strip_prefix(word) {
            let number = rest.starts_with(|c: char| c.is_ascii_digit());
            let form = draw.pick(&forms);
            // Q1 and P5 are written, but QBình Thạnh is not.
            let form = if form == "Q" && !number { "Q." } else { form };
            let rest = if number && draw.chance(50) { rest.trim_start_matches('0') } else { rest };
            return format!("{form}{rest}");
        }
    }
    name.to_owned()
}

pub(crate) fn names(draft: &mut Draft, draw: &mut Draw) -> bool {
    let (district, ward) = names_of(draft);
    match draw.below(4) {
        0 => write_both(draft, district.to_uppercase(), ward.to_uppercase()),
        1 => write_both(draft, bare(district), bare(ward)),
        2 => {
            let ward = with_spaces(ward, draw);
            write(draft, Ward, ward)
        }
        _ => write_both(draft, district, ward),
    }
}

pub(crate) fn without_marks(draft: &mut Draft, draw: &mut Draw) -> bool {
    let (district, ward) = names_of(draft);
    let (district, ward) = (unmarked(district), unmarked(ward));
    if draw.chance(40) {
        return write_both(draft, district.to_lowercase(), ward.to_lowercase());
    }
    write_both(draft, district, ward)
}

pub(crate) fn short(draft: &mut Draft, draw: &mut Draw) -> bool {
    let (district, ward) = names_of(draft);
    let (district, ward) = (abbreviated(district, draw), abbreviated(ward, draw));
    write_both(draft, district, ward)
}

pub(crate) fn utf8_as_1252(draft: &mut Draft, _: &mut Draw) -> bool {
    let (district, ward) = names_of(draft);
    write_both(draft, misread(district), misread(ward))
}

/// An old district with a ward that kept its name. An Khánh did not: its name moved to another place.
pub(crate) fn old_district(draft: &mut Draft, draw: &mut Draw) -> bool {
    let ward = &PLACES.wards[draft.ward];
    if PLACES.districts[ward.district].code != THU_DUC || ward.code == AN_KHANH {
        return false;
    }
    let name = if draw.chance(50) { ward.name } else { bare(ward.name) };
    write_both(draft, draw.pick(&OLD_DISTRICTS), name)
}

pub(crate) fn district_missing(draft: &mut Draft, _: &mut Draw) -> bool {
    write(draft, District, "")
}

pub(crate) fn district_unknown(draft: &mut Draft, draw: &mut Draw) -> bool {
    write(
        draft,
        District,
        draw.pick(&["Quận 13", "Quận Mới", "999", "Huyện Bình Thạnh", "TP.HCM", "Quận 1/3"]),
    )
}

pub(crate) fn ward_missing(draft: &mut Draft, draw: &mut Draw) -> bool {
    if draw.chance(50) {
        let district = names_of(draft).0;
        draft.written.set(District, district);
    }
    write(draft, Ward, "")
}

pub(crate) fn ward_unknown(draft: &mut Draft, draw: &mut Draw) -> bool {
    write(draft, Ward, draw.pick(&["Phường Không Tên", "Phường 99", "99999", "Xã Mới Lập", "?", "Khu phố 3"]))
}

pub(crate) fn ward_no_district(draft: &mut Draft, _: &mut Draw) -> bool {
    let ward = names_of(draft).1;
    write_both(draft, "", ward)
}

/// A ward of another district, by its code, or by a name that the true district does not have.
pub(crate) fn ward_not_in_district(draft: &mut Draft, draw: &mut Draw) -> bool {
    let other = &PLACES.wards[draw.below(PLACES.wards.len())];
    let home = PLACES.wards[draft.ward].district;
    let name = |name: &str| unmarked(bare(name)).to_lowercase().trim_start_matches('0').to_owned();
    let has_it = PLACES.wards.iter().any(|ward| ward.district == home && name(ward.name) == name(other.name));
    if has_it {
        return false;
    }
    if draw.chance(50) {
        let district = names_of(draft).0;
        draft.written.set(District, district);
    }
    write(draft, Ward, if draw.chance(50) { other.code } else { other.name })
}

/// The An Khánh of an old district may be today's, or a part of Thủ Thiêm.
pub(crate) fn ward_ambiguous(draft: &mut Draft, draw: &mut Draw) -> bool {
    let code = draw.pick(&[AN_KHANH, THU_THIEM]);
    let Some(place) = PLACES.ward_of_code(code) else { return false };
    draft.set_ward(place);
    write_both(
        draft,
        draw.pick(&OLD_DISTRICTS),
        draw.pick(&["Phường An Khánh", "An Khánh", "P. An Khánh", "an khanh"]),
    )
}
