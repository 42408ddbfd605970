//! Faults of `full_name`.

use crate::columns::Column::FullName;
use crate::generator::draw::Draw;
use crate::generator::person::Draft;
use crate::generator::spoil_text::{decomposed, misread, with_invisible, with_spaces, write};
use crate::generator::words;
use crate::legacy::Font;
use crate::syllables::is_syllable;

/// As people type it, in small letters, or with capitals where they do not belong.
pub(crate) fn case(draft: &mut Draft, draw: &mut Draw) -> bool {
    let name = match draw.below(3) {
        0 => draft.name.to_lowercase(),
        1 => draft.name.split(' ').next_back().map_or_else(String::new, |given| {
            let family = draft.name.trim_end_matches(given).to_uppercase();
            format!("{family}{}", given.to_lowercase())
        }),
        _ => draft.name.clone(),
    };
    write(draft, FullName, name)
}

pub(crate) fn utf8_as_1252(draft: &mut Draft, draw: &mut Draw) -> bool {
    let name = if draw.chance(50) { draft.truth.get(FullName).to_owned() } else { draft.name.clone() };
    write(draft, FullName, misread(&name))
}

pub(crate) fn tcvn3(draft: &mut Draft, _: &mut Draw) -> bool {
    legacy(draft, Font::Tcvn3)
}

pub(crate) fn vni(draft: &mut Draft, draw: &mut Draw) -> bool {
    if draw.chance(50) {
        let name = draft.name.to_uppercase();
        if let Some(typed) = decidable(&name, Font::Vni) {
            return write(draft, FullName, typed);
        }
    }
    legacy(draft, Font::Vni)
}

fn legacy(draft: &mut Draft, font: Font) -> bool {
    match decidable(&draft.name, font) {
        Some(typed) => write(draft, FullName, typed),
        None => false,
    }
}

/// The name as typed in `font`, when the record itself tells: a token is not Vietnamese as it stands,
/// and in the other font not all of them are.
fn decidable(name: &str, font: Font) -> Option<String> {
    let typed = font.encode(name)?;
    let odd = typed.split(' ').any(|token| !is_syllable(token));
    let other = font.other().decode(&typed);
    let undecided = other.is_some_and(|reading| reading.split(' ').all(is_syllable));
    (odd && !undecided).then_some(typed)
}

pub(crate) fn d_stroke(draft: &mut Draft, draw: &mut Draw) -> bool {
    let name = if draw.chance(50) { draft.truth.get(FullName) } else { &draft.name };
    let name = name.replace('Đ', "Ð").replace('đ', "ð");
    name.contains(['Ð', 'ð']) && write(draft, FullName, name)
}

pub(crate) fn spaces(draft: &mut Draft, draw: &mut Draw) -> bool {
    let name = with_spaces(draft.truth.get(FullName), draw);
    write(draft, FullName, name)
}

pub(crate) fn invisible(draft: &mut Draft, draw: &mut Draw) -> bool {
    let name = with_invisible(draft.truth.get(FullName), draw);
    write(draft, FullName, name)
}

pub(crate) fn decomposed_name(draft: &mut Draft, _: &mut Draw) -> bool {
    let name = decomposed(draft.truth.get(FullName));
    write(draft, FullName, name)
}

pub(crate) fn missing(draft: &mut Draft, draw: &mut Draw) -> bool {
    write(draft, FullName, draw.pick(&["", "", " "]))
}

/// A letter that a program could not show.
pub(crate) fn lost_letter(draft: &mut Draft, draw: &mut Draw) -> bool {
    let sign = draw.pick(&['?', '?', '\u{FFFD}']);
    let marked: Vec<usize> =
        draft.name.char_indices().filter(|(_, c)| !c.is_ascii()).map(|(at, _)| at).collect();
    if marked.is_empty() {
        return false;
    }
    let at = draw.pick(&marked);
    let all = draw.chance(40);
    let lost = draft.name.char_indices().map(
        |(place, c)| {
            if !c.is_ascii() && (all || place == at) { sign } else { c }
        },
    );
    let name = lost.collect::<String>();
    write(draft, FullName, name)
}

pub(crate) fn digits(draft: &mut Draft, draw: &mut Draw) -> bool {
    let name = draft.truth.get(FullName);
    let digit = draw.between(0, 9);
    let name = if draw.chance(50) { format!("{name}{digit}") } else { format!("{name} {digit}") };
    write(draft, FullName, name)
}

pub(crate) fn symbols(draft: &mut Draft, draw: &mut Draw) -> bool {
    let name = draft.truth.get(FullName);
    let sign = draw.pick(&["@", "_", "/", "(", ",", "+", "*"]);
    let name =
        if draw.chance(50) { format!("{name}{sign}") } else { name.replacen(' ', &format!(" {sign}"), 1) };
    write(draft, FullName, name)
}

/// The given name alone, or all names as one word.
pub(crate) fn one_word(draft: &mut Draft, draw: &mut Draw) -> bool {
    let name = draft.truth.get(FullName);
    let name = if draw.chance(60) {
        name.split(' ').next_back().unwrap_or(name).to_owned()
    } else {
        name.replace(' ', "")
    };
    write(draft, FullName, name)
}

pub(crate) fn title(draft: &mut Draft, draw: &mut Draw) -> bool {
    let titles = if draft.female { ["Bà", "Chị", "BS.", "bà"] } else { ["Ông", "Anh", "BS", "ông"] };
    let name = format!("{} {}", draw.pick(&titles), draft.truth.get(FullName));
    write(draft, FullName, name)
}

/// A name that both fonts read well, and differently.
pub(crate) fn two_readings(draft: &mut Draft, draw: &mut Draw) -> bool {
    let surname = draw.pick(&words::AMBIGUOUS_SURNAMES);
    let middle = draw.pick(&words::AMBIGUOUS_MIDDLES);
    let given = draw.pick(&words::AMBIGUOUS_GIVENS);
    draft.set_name(format!("{surname} {middle} {given}"));
    match Font::Vni.encode(&draft.name) {
        Some(typed) => write(draft, FullName, typed),
        None => false,
    }
}

/// A legacy surname beside a name that is not Vietnamese in any font.
pub(crate) fn partly_legacy(draft: &mut Draft, draw: &mut Draw) -> bool {
    let surname = draw.pick(&["Nguyễn", "Trần", "Huỳnh", "Phạm"]);
    draft.set_name(format!("{surname} {}", draw.pick(&words::FOREIGN_GIVENS)));
    match draw.pick(&[Font::Vni, Font::Tcvn3]).encode(&draft.name) {
        Some(typed) => write(draft, FullName, typed),
        None => false,
    }
}
