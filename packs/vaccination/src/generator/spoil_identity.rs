//! Faults of gender, phone and numbers of identity.

use crate::columns::Column::{Gender, InsuranceId, NationalId, Phone};
use crate::generator::draw::Draw;
use crate::generator::person::{Draft, insurance};
use crate::generator::spoil_text::write;
use crate::generator::words;

pub(crate) fn gender_word(draft: &mut Draft, draw: &mut Draw) -> bool {
    let words = if draft.female {
        ["Nữ", "nữ", "nu", "NỮ", "Nu"]
    } else {
        ["Nam", "nam", "NAM", " Nam", "Nam "]
    };
    write(draft, Gender, draw.pick(&words))
}

pub(crate) fn gender_code(draft: &mut Draft, draw: &mut Draw) -> bool {
    let codes = if draft.female { ["F", "1"] } else { ["M", "0"] };
    write(draft, Gender, draw.pick(&codes))
}

pub(crate) fn gender_missing(draft: &mut Draft, _: &mut Draw) -> bool {
    write(draft, Gender, "")
}

pub(crate) fn gender_unreadable(draft: &mut Draft, draw: &mut Draw) -> bool {
    write(draft, Gender, draw.pick(&["x", "2", "Nam/Nữ", "-", "N", "Không rõ"]))
}

/// The true number without its leading zero, if there is a number.
fn subscriber(draft: &Draft) -> Option<String> {
    draft.truth.get(Phone).strip_prefix('0').map(str::to_owned)
}

pub(crate) fn phone_separators(draft: &mut Draft, draw: &mut Draw) -> bool {
    let number = draft.truth.get(Phone);
    if number.len() != 10 {
        return false;
    }
    let (network, middle, last) = (&number[..4], &number[4..7], &number[7..]);
    let sign = draw.pick(&[" ", ".", "-"]);
    let number = match draw.below(3) {
        0 => format!("({network}) {middle}{sign}{last}"),
        1 => format!("'{number}"),
        _ => format!("{network}{sign}{middle}{sign}{last}"),
    };
    write(draft, Phone, number)
}

pub(crate) fn phone_country_code(draft: &mut Draft, draw: &mut Draw) -> bool {
    let Some(number) = subscriber(draft) else { return false };
    let number = format!("{}{number}", draw.pick(&["+84", "84", "0084", "+84 ", "(+84) ", "+840"]));
    write(draft, Phone, number)
}

pub(crate) fn phone_leading_zero(draft: &mut Draft, _: &mut Draw) -> bool {
    match subscriber(draft) {
        Some(number) => write(draft, Phone, number),
        None => false,
    }
}

pub(crate) fn phone_prefix_2018(draft: &mut Draft, draw: &mut Draw) -> bool {
    let number = draft.truth.get(Phone);
    let old = words::OLD_NETWORKS.iter().find_map(|(old, new)| Some((*old, number.strip_prefix(new)?)));
    let Some((network, rest)) = old else { return false };
    let number = match draw.below(4) {
        0 => format!("+84{}{rest}", &network[1..]),
        1 => format!("{network} {rest}"),
        _ => format!("{network}{rest}"),
    };
    write(draft, Phone, number)
}

pub(crate) fn phone_scientific(draft: &mut Draft, _: &mut Draw) -> bool {
    let Some(number) = subscriber(draft) else { return false };
    let number = format!("{}.{}E+8", &number[..1], &number[1..6]);
    write(draft, Phone, number)
}

/// Any digit but the zero in front, which rules can restore.
pub(crate) fn phone_lost_digit(draft: &mut Draft, draw: &mut Draw) -> bool {
    let mut number = draft.truth.get(Phone).to_owned();
    if number.is_empty() {
        return false;
    }
    number.remove(draw.below(9) + 1);
    write(draft, Phone, number)
}

pub(crate) fn phone_extra_digit(draft: &mut Draft, draw: &mut Draw) -> bool {
    let number = draft.truth.get(Phone);
    if number.is_empty() {
        return false;
    }
    let number = format!("{number}{}", draw.between(0, 9));
    write(draft, Phone, number)
}

pub(crate) fn phone_landline(draft: &mut Draft, draw: &mut Draw) -> bool {
    let number = format!("028{}", draw.digits(8));
    write(draft, Phone, number)
}

pub(crate) fn national_separators(draft: &mut Draft, draw: &mut Draw) -> bool {
    let number = draft.truth.get(NationalId);
    if number.len() < 9 {
        return false;
    }
    let sign = draw.pick(&[" ", ".", "-"]);
    let number = match draw.below(3) {
        0 => format!("'{number}"),
        1 => format!("{number} "),
        _ => {
            let groups: Vec<_> = number.as_bytes().chunks(3).map(String::from_utf8_lossy).collect();
            groups.join(sign)
        }
    };
    write(draft, NationalId, number)
}

/// A number that a spreadsheet kept as a float: it loses its zeros in front, too. Of a CMND that would
/// be a loss that nothing proves; of a CCCD sex and birth year prove it.
pub(crate) fn national_float(draft: &mut Draft, _: &mut Draw) -> bool {
    let number = draft.truth.get(NationalId);
    let bare = number.trim_start_matches('0');
    let lost = number.len() - bare.len();
    let provable = match number.len() {
        12 => lost <= 2,
        9 => lost == 0,
        _ => false,
    };
    if !provable || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let number = format!("{bare}.0");
    write(draft, NationalId, number)
}

pub(crate) fn national_full_width(draft: &mut Draft, _: &mut Draw) -> bool {
    let wide = |c: char| match c {
        '0'..='9' => char::from_u32('０' as u32 + c as u32 - '0' as u32).unwrap_or(c),
        _ => c,
    };
    let number: String = draft.truth.get(NationalId).chars().map(wide).collect();
    write(draft, NationalId, number)
}

pub(crate) fn national_small_letter(draft: &mut Draft, _: &mut Draw) -> bool {
    let number = draft.truth.get(NationalId).to_lowercase();
    write(draft, NationalId, number)
}

pub(crate) fn national_lost_zeros(draft: &mut Draft, _: &mut Draw) -> bool {
    let number = draft.truth.get(NationalId);
    let bare = number.trim_start_matches('0').to_owned();
    number.len() == 12 && bare.len() >= 10 && write(draft, NationalId, bare)
}

/// The insurance number was typed into the column beside its own.
pub(crate) fn national_is_insurance(draft: &mut Draft, draw: &mut Draw) -> bool {
    let number = insurance(draw);
    draft.truth.set(NationalId, "");
    draft.truth.set(InsuranceId, number.clone());
    draft.written.set(InsuranceId, "");
    write(draft, NationalId, number)
}

/// Digits too many or too few. A CCCD short by one digit is such a fault only where a zero in front
/// would not make it agree with the person by chance.
pub(crate) fn national_length(draft: &mut Draft, draw: &mut Draw) -> bool {
    let number = draft.truth.get(NationalId);
    let number = match (number.len(), draw.below(3)) {
        (12, 0) => format!("{number}{}", draw.digits(1)),
        (12, 1) => number[..8].to_owned(),
        (12, _) => {
            let mut short = number.to_owned();
            short.remove(draw.below(6) + 6);
            if agrees(draft, &format!("0{short}")) {
                return false;
            }
            short
        }
        (9, 0) => number[..8].to_owned(),
        (9, _) => format!("{number}{}", draw.digits(4)),
        _ => return false,
    };
    write(draft, NationalId, number)
}

/// Whether twelve digits say this person's sex and birth year.
fn agrees(draft: &Draft, number: &str) -> bool {
    let century = (draft.birth_year - 1900) / 100 * 2 + i16::from(draft.female);
    number[3..6] == format!("{century}{:02}", draft.birth_year % 100)
}

pub(crate) fn national_scientific(draft: &mut Draft, _: &mut Draw) -> bool {
    let bare = draft.truth.get(NationalId).trim_start_matches('0');
    if bare.len() < 9 || !bare.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let number = format!("{}.{}E+{}", &bare[..1], &bare[1..6], bare.len() - 1);
    write(draft, NationalId, number)
}

pub(crate) fn national_province(draft: &mut Draft, draw: &mut Draw) -> bool {
    let number = draft.truth.get(NationalId);
    if number.len() != 12 {
        return false;
    }
    let number = format!("{}{}", draw.pick(&words::NO_PROVINCES), &number[3..]);
    write(draft, NationalId, number)
}

pub(crate) fn national_birth_year(draft: &mut Draft, draw: &mut Draw) -> bool {
    let number = draft.truth.get(NationalId);
    if number.len() != 12 {
        return false;
    }
    let year = (i64::from(draft.birth_year) + draw.between(1, 99)) % 100;
    let number = format!("{}{year:02}{}", &number[..4], &number[6..]);
    write(draft, NationalId, number)
}

pub(crate) fn national_sex(draft: &mut Draft, _: &mut Draw) -> bool {
    let number = draft.truth.get(NationalId);
    if number.len() != 12 {
        return false;
    }
    let century = number.as_bytes()[3] - b'0';
    let number = format!("{}{}{}", &number[..3], century ^ 1, &number[4..]);
    write(draft, NationalId, number)
}

pub(crate) fn insurance_form(draft: &mut Draft, draw: &mut Draw) -> bool {
    let number = draft.truth.get(InsuranceId);
    if number.is_empty() {
        return false;
    }
    let number = match draw.below(4) {
        0 => number.to_lowercase(),
        1 => format!("'{number}"),
        2 => format!("{} {} {}", &number[..3], &number[3..5], &number[5..]),
        _ => format!(" {number}"),
    };
    write(draft, InsuranceId, number)
}

pub(crate) fn insurance_invalid(draft: &mut Draft, draw: &mut Draw) -> bool {
    let number = draft.truth.get(InsuranceId);
    let number = match (number.len(), draw.below(3)) {
        (15, 0) => format!("{}{}{}", &number[..2], draw.between(6, 9), &number[3..]),
        (15, 1) => number[..14].to_owned(),
        (15, _) => format!("{}{}", &number[..1], &number[2..]),
        (10, 0) => number[..9].to_owned(),
        (10, _) => format!("{number}{}", draw.digits(1)),
        _ => return false,
    };
    write(draft, InsuranceId, number)
}
