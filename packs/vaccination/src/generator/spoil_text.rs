//! Faults of any text: its encoding, its spaces, its composition.

use encoding_rs::WINDOWS_1252;
use unicode_normalization::UnicodeNormalization;

use crate::columns::Column;
use crate::generator::draw::Draw;
use crate::generator::person::Draft;

/// Writes `value` into `column`, if that is not what is true already.
pub(crate) fn write(draft: &mut Draft, column: Column, value: impl Into<String>) -> bool {
    let value = value.into();
    let differs = value != draft.truth.get(column);
    if differs {
        draft.written.set(column, value);
    }
    differs
}

/// The text as a program shows it that takes UTF-8 for windows-1252.
pub(crate) fn misread(text: &str) -> String {
    WINDOWS_1252.decode_without_bom_handling(text.as_bytes()).0.into_owned()
}

/// The text with marks as characters of their own.
pub(crate) fn decomposed(text: &str) -> String {
    text.nfd().collect()
}

/// The text without any mark.
pub(crate) fn unmarked(text: &str) -> String {
    let letters = text.nfd().filter(|c| !('\u{300}'..='\u{36F}').contains(c));
    letters
        .map(|c| {
            if c == 'đ' {
                'd'
            } else if c == 'Đ' {
                'D'
            } else {
                c
            }
        })
        .collect()
}

/// The text with a needless space somewhere.
pub(crate) fn with_spaces(text: &str, draw: &mut Draw) -> String {
    match draw.below(5) {
        0 => format!(" {text}"),
        1 => format!("{text} "),
        2 => text.replacen(' ', "\u{A0}", 1),
        3 => format!("{}\u{A0}", text.replacen(' ', "  ", 1)),
        _ => text.replacen(' ', "  ", 1),
    }
}

/// The text with an invisible character somewhere.
pub(crate) fn with_invisible(text: &str, draw: &mut Draw) -> String {
    let sign = draw.pick(&['\u{200B}', '\u{FEFF}', '\u{200E}', '\u{AD}']);
    match draw.below(3) {
        0 => format!("{sign}{text}"),
        1 => format!("{text}{sign}"),
        _ => text.replacen(' ', &format!(" {sign}"), 1),
    }
}

pub(crate) fn site(draft: &mut Draft, draw: &mut Draw) -> bool {
    any(draft, draw, Column::Site)
}

pub(crate) fn reported_fault(draft: &mut Draft, draw: &mut Draw) -> bool {
    any(draft, draw, Column::ReportedFault)
}

fn any(draft: &mut Draft, draw: &mut Draw, column: Column) -> bool {
    let text = draft.truth.get(column).to_owned();
    if text.is_empty() {
        return false;
    }
    let spoiled = match draw.below(4) {
        0 => misread(&text),
        1 => decomposed(&text),
        2 => with_invisible(&text, draw),
        _ => with_spaces(&text, draw),
    };
    write(draft, column, spoiled)
}
