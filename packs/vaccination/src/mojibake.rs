//! UTF-8 that was read as windows-1252: `Nguyá»…n`.

use std::sync::LazyLock;

use encoding_rs::WINDOWS_1252;

use crate::letters::letter;

/// The characters of the bytes 80 to 9F. The WHATWG table maps the five unused ones to C1 controls.
static HIGH: LazyLock<[char; 32]> = LazyLock::new(|| {
    std::array::from_fn(|at| {
        let byte = [0x80 + at as u8];
        WINDOWS_1252.decode_without_bom_handling(&byte).0.chars().next().unwrap_or_default()
    })
});

/// The windows-1252 byte of `c`, if it has one.
pub(crate) fn western_byte(c: char) -> Option<u8> {
    match c as u32 {
        code @ (0..=0x7F | 0xA0..=0xFF) => Some(code as u8),
        // Of the letters here eight are members; do not search for the others.
        0x100..=0x24F if !matches!(c, 'Œ' | 'œ' | 'Š' | 'š' | 'Ÿ' | 'Ž' | 'ž' | 'ƒ') => None,
        0x1E00..=0x1EFF | 0x300..=0x36F => None,
        _ => HIGH.iter().position(|&high| high == c).map(|at| 0x80 + at as u8),
    }
}

/// The windows-1252 bytes of `text`, or `None` when a character has none.
pub(crate) fn western_bytes(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        bytes.push(western_byte(c)?);
    }
    Some(bytes)
}

/// Reads `text` as it was meant, if it is UTF-8 throughout that was read as windows-1252.
///
/// Text that only happens to be UTF-8 is refused: in `LÊ`, a no-break space and `HOA`, the two in the
/// middle make a letter that nobody in the country writes. What was read wrongly twice takes two calls;
/// each shortens the text.
pub(crate) fn repair(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    // Cheap refusal first: the earliest character beyond ASCII must be a lead byte, C2 to F4, and the
    // next one a continuation, 80 to BF.
    let mut rest = text.chars().skip_while(char::is_ascii);
    let (lead, tail) = (rest.next()?, rest.next().and_then(western_byte)?);
    if !('\u{C2}'..='\u{F4}').contains(&lead) || !(0x80..=0xBF).contains(&tail) {
        return None;
    }
    let meant = String::from_utf8(western_bytes(text)?).ok()?;
    (meant.chars().all(is_plausible) && !is_capital_before_space(&meant)).then_some(meant)
}

/// Whether a letter or sign can stand in a record: what Vietnamese is written with, Latin-1, punctuation,
/// and the scripts of East Asia.
fn is_plausible(c: char) -> bool {
    if c.is_ascii() || letter(c).is_some() {
        return true;
    }
    match c {
        // What was misread twice reads as windows-1252 once more.
        'ƒ' | 'ˆ' | '˜' | '€' | '™' => true,
        '\u{A0}' | '\u{300}'..='\u{303}' | '\u{306}' | '\u{309}' | '\u{31B}' | '\u{323}' => true,
        '\u{80}'..='\u{17F}' | '\u{1E00}'..='\u{1EFF}' | '\u{2000}'..='\u{27FF}' | '\u{2E80}'.. => {
            // A letter and nothing but no-break spaces behind it were no character.
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().skip(1).any(|tail| tail != 0xA0)
        }
        _ => false,
    }
}

/// Whether every `à` of the reading was more probably the capital `Ã` before a no-break space: `LÃ HOA`.
/// Any other letter that was read along is proof enough against it.
fn is_capital_before_space(meant: &str) -> bool {
    if !meant.contains('à') || meant.chars().any(|c| !c.is_ascii() && !matches!(c, 'à' | '\u{A0}')) {
        return false;
    }
    let before_capital =
        meant.split('à').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
    let in_capitals = |word: &str| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    before_capital || meant.split_ascii_whitespace().any(in_capitals)
}

/// Repeats [`repair`] for as long as it applies.
pub(crate) fn repair_whole(text: &str) -> Option<String> {
    let mut meant = repair(text)?;
    while let Some(deeper) = repair(&meant) {
        meant = deeper;
    }
    Some(meant)
}

/// Whether `text` still holds a letter pair that only misread UTF-8 leaves: part of it was lost.
///
/// Of the continuation bytes only these are letters; the others are symbols, which names refuse anyway.
pub(crate) fn has_remains(text: &str) -> bool {
    let mut lead = false;
    for c in text.chars() {
        if lead && matches!(c, 'Š' | 'š' | 'Œ' | 'œ' | 'Ž' | 'ž' | 'Ÿ' | 'ƒ' | 'Ƒ') {
            return true;
        }
        lead = ('\u{C2}'..='\u{F4}').contains(&c);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_rules() {
        for (broken, meant) in [
            ("Nguyá»…n Thá»‹ ThÃºy HÃ²a", "Nguyễn Thị Thúy Hòa"),
            ("LÃª Quá»‘c Bá»\u{AD}u Lá»™c", "Lê Quốc Bửu Lộc"),
            ("Ph\u{C3}\u{A0}", "Phà"),
            ("\u{C4}\u{90}\u{E1}\u{BB}\u{8F}", "Đỏ"),
        ] {
            assert_eq!(repair(broken).as_deref(), Some(meant));
        }
    }

    #[test]
    fn every_letter_of_the_charset_table_comes_back() {
        for line in include_str!("../data/vn_legacy_charsets.tsv").lines().skip(1) {
            let mut columns = line.split('\t');
            let letter = columns.next().unwrap();
            let broken: String = WINDOWS_1252.decode_without_bom_handling(letter.as_bytes()).0.into_owned();
            assert_eq!(repair(&broken).as_deref(), Some(letter));
            let listed = columns.next_back().unwrap();
            // The table prints control characters as \xNN.
            if !listed.contains("\\x") {
                assert_eq!(listed, broken);
            }
        }
    }

    #[test]
    fn what_does_not_decode_whole_is_left() {
        for text in ["", "Nguyen", "Nguyễn", "Lê Hà", "Nguyá»…n Hà", "Nguyá»…n Thị", "Ã", "© 2021"]
        {
            assert_eq!(repair(text), None, "{text}");
        }
    }

    #[test]
    fn a_letter_before_a_no_break_space_is_no_misread_character() {
        for text in [
            "LÊ\u{A0}HOA",
            "NGÔ\u{A0}HOA",
            "LÃ\u{A0}HOA",
            "HOA LÃ\u{A0}",
            "Hà\u{A0}\u{A0}Lan",
            "bé\u{A0}\u{A0}Lan",
            "Ý\u{A0}LAN",
            "MÌ\u{A0}",
            "LÊ”",
            "á“”",
        ] {
            assert_eq!(repair(text), None, "{text}");
        }
        for (broken, meant) in [
            ("HÃ\u{A0}", "Hà"),
            ("HÃ\u{A0} Lan", "Hà Lan"),
            ("NGUYá»„N HÃ\u{A0}", "NGUYỄN Hà"),
            ("NguyeÌ‚Ìƒn", "Nguye\u{302}\u{303}n"),
            ("Â\u{A0}Lan", "\u{A0}Lan"),
            ("çŽ‹", "王"),
        ] {
            assert_eq!(repair(broken).as_deref(), Some(meant));
        }
    }

    #[test]
    fn twice_broken_is_twice_repaired() {
        let once: String = WINDOWS_1252.decode_without_bom_handling("Đỗ Mười".as_bytes()).0.into_owned();
        let twice: String = WINDOWS_1252.decode_without_bom_handling(once.as_bytes()).0.into_owned();
        assert_eq!(repair(&twice), Some(once));
        assert_eq!(repair_whole(&twice).as_deref(), Some("Đỗ Mười"));
    }
}
