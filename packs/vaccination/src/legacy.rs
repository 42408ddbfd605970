//! Names typed in a legacy font: TCVN3 (`NguyÔn ThÞ`) and VNI-Windows (`Nguyeãn Thò`).
//!
//! Both fonts drew Vietnamese letters over windows-1252 codes, so the text holds no other characters.
//! A reading counts only when it turns a name that is not Vietnamese into one that is, token by token.

use std::sync::LazyLock;

use encoding_rs::WINDOWS_1252;

use crate::mojibake::{western_byte, western_bytes};
use crate::syllables::is_syllable;

/// How a name reads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Nothing speaks for a legacy font.
    AsItStands,
    /// One font makes every token legal.
    Tcvn3(String),
    /// One font makes every token legal.
    Vni(String),
    /// Both fonts make every token legal, differently.
    Both(String, String),
    /// A font explains a token that is not legal as it stands, but not the whole name.
    Partly,
}

struct Charsets {
    /// By byte; a byte that TCVN3 leaves alone is its windows-1252 character.
    tcvn3: [Option<char>; 256],
    vni_single: [Option<char>; 256],
    /// Base letter and mark, sorted.
    vni_pairs: Vec<([u8; 2], char)>,
}

static CHARSETS: LazyLock<Charsets> =
    LazyLock::new(|| Charsets::parse(include_str!("../data/vn_legacy_charsets.tsv")));

impl Charsets {
    fn parse(table: &str) -> Self {
        let mut charsets = Self { tcvn3: [None; 256], vni_single: [None; 256], vni_pairs: Vec::new() };
        for byte in 0..0x80_u8 {
            charsets.tcvn3[byte as usize] = Some(byte.into());
            charsets.vni_single[byte as usize] = Some(byte.into());
        }
        for line in table.lines().skip(1) {
            let columns: Vec<_> = line.split('\t').collect();
            let [unicode, _, tcvn3, _, vni, ..] = columns[..] else { continue };
            let Some(letter) = unicode.chars().next() else { continue };
            if let Ok(byte) = u8::from_str_radix(tcvn3, 16) {
                charsets.tcvn3[byte as usize] = Some(letter);
            }
            // One byte, or a base letter and its mark.
            match (u8::from_str_radix(vni, 16), u16::from_str_radix(vni, 16)) {
                (Ok(byte), _) => charsets.vni_single[byte as usize] = Some(letter),
                (Err(_), Ok(pair)) => charsets.vni_pairs.push((pair.to_be_bytes(), letter)),
                (Err(_), Err(_)) => {}
            }
        }
        charsets.vni_pairs.sort_unstable();
        charsets
    }

    fn tcvn3(&self, bytes: &[u8]) -> Option<String> {
        bytes.iter().map(|&byte| self.tcvn3[byte as usize]).collect()
    }

    /// A toned capital is a small letter in a font of capitals.
    fn tcvn3_byte(&self, letter: char) -> Option<u8> {
        let byte = |letter| self.tcvn3.iter().position(|&at| at == Some(letter)).map(|at| at as u8);
        byte(letter).or_else(|| byte(letter.to_lowercase().next()?))
    }

    fn push_vni(&self, letter: char, bytes: &mut Vec<u8>) -> Option<()> {
        if let Some((pair, _)) = self.vni_pairs.iter().find(|(_, at)| *at == letter) {
            bytes.extend(pair);
            return Some(());
        }
        bytes.push(self.vni_single.iter().position(|&at| at == Some(letter))? as u8);
        Some(())
    }

    /// Longest match first: `ôø` is ờ before `ô` is ơ.
    fn vni(&self, mut bytes: &[u8]) -> Option<String> {
        let mut text = String::with_capacity(bytes.len() * 2);
        while let [first, rest @ ..] = bytes {
            let pair = rest.first().filter(|mark| !mark.is_ascii()).and_then(|&mark| {
                let found = self.vni_pairs.binary_search_by_key(&[*first, mark], |(pair, _)| *pair).ok()?;
                Some(self.vni_pairs[found].1)
            });
            match pair {
                Some(letter) => {
                    text.push(letter);
                    bytes = &rest[1..];
                }
                None => {
                    text.push(self.vni_single[*first as usize]?);
                    bytes = rest;
                }
            }
        }
        Some(text)
    }
}

/// A legacy font, as a way to write and to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Font {
    Tcvn3,
    Vni,
}

impl Font {
    /// The one of the two that this is not.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Tcvn3 => Self::Vni,
            Self::Vni => Self::Tcvn3,
        }
    }

    /// `text` as it was meant, if it was typed in this font.
    pub(crate) fn decode(self, text: &str) -> Option<String> {
        let bytes = western_bytes(text)?;
        match self {
            Self::Tcvn3 => CHARSETS.tcvn3(&bytes),
            Self::Vni => CHARSETS.vni(&bytes),
        }
    }

    /// `text` as it looks when typed in this font. `None` when the font lacks a letter.
    pub(crate) fn encode(self, text: &str) -> Option<String> {
        let mut bytes = Vec::with_capacity(text.len());
        for c in text.chars() {
            match self {
                _ if c.is_ascii() => bytes.push(c as u8),
                Self::Tcvn3 => bytes.push(CHARSETS.tcvn3_byte(c)?),
                Self::Vni => CHARSETS.push_vni(c, &mut bytes)?,
            }
        }
        Some(WINDOWS_1252.decode_without_bom_handling(&bytes).0.into_owned())
    }
}

/// Reads `name`. One whose tokens are all legal as they stand is left alone, whatever it might have been.
pub(crate) fn read(name: &str) -> Reading {
    if name.is_ascii() {
        return Reading::AsItStands;
    }
    // A character outside windows-1252 cannot come from these fonts, and most Vietnamese names have one.
    let western = name.chars().all(|c| western_byte(c).is_some());
    if !western || name.split_whitespace().all(is_legal_as_it_stands) {
        return Reading::AsItStands;
    }
    let Some(bytes) = western_bytes(name) else { return Reading::AsItStands };
    let legal = |text: &String| text.split_whitespace().all(is_syllable);
    let tcvn3 = CHARSETS.tcvn3(&bytes).filter(legal);
    let vni = CHARSETS.vni(&bytes).filter(legal);
    match (tcvn3, vni) {
        (Some(tcvn3), Some(vni)) if tcvn3 != vni => Reading::Both(tcvn3, vni),
        (Some(text), _) => Reading::Tcvn3(text),
        (None, Some(text)) => Reading::Vni(text),
        (None, None) if name.split_whitespace().any(is_explained) => Reading::Partly,
        (None, None) => Reading::AsItStands,
    }
}

/// `Ð` is explained by the next step, which makes it `Đ`, so it is no sign of a legacy font.
fn is_legal_as_it_stands(token: &str) -> bool {
    if token.contains(['Ð', 'ð']) {
        return is_syllable(&token.replace(['Ð', 'ð'], "đ"));
    }
    is_syllable(token)
}

/// Whether `token` is not legal as it stands, but is in one of the fonts.
fn is_explained(token: &str) -> bool {
    if token.is_ascii() || is_legal_as_it_stands(token) {
        return false;
    }
    let Some(bytes) = western_bytes(token) else { return false };
    let legal = |text: Option<String>| text.is_some_and(|text| is_syllable(&text));
    legal(CHARSETS.tcvn3(&bytes)) || legal(CHARSETS.vni(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_rules() {
        assert_eq!(read("Nguyeãn Thò Thuùy Hoøa"), Reading::Vni("Nguyễn Thị Thúy Hòa".into()));
        assert_eq!(read("Leâ Quoác Böûu Loäc"), Reading::Vni("Lê Quốc Bửu Lộc".into()));
        assert_eq!(read("NguyÔn ThÞ Thóy Hßa"), Reading::Tcvn3("Nguyễn Thị Thúy Hòa".into()));
        assert_eq!(read("Lª Quèc Böu Léc"), Reading::Tcvn3("Lê Quốc Bửu Lộc".into()));
    }

    #[test]
    fn capitals() {
        assert_eq!(read("NGUYEÃN THÒ THUÙY"), Reading::Vni("NGUYỄN THỊ THÚY".into()));
        // In TCVN3 a toned capital is a small letter in a font of capitals.
        assert_eq!(read("NGUYÔN V¡N §¹T"), Reading::Tcvn3("NGUYễN VĂN ĐạT".into()));
    }

    #[test]
    fn legal_names_are_left_alone() {
        for name in ["", "Nguyen Van A", "Lê Hà", "Sôn Hà", "Nguyễn Thò", "Ðoàn Hà", "MUÑOZ GARCÍA"]
        {
            assert_eq!(read(name), Reading::AsItStands, "{name}");
        }
    }

    #[test]
    fn one_illegal_token_is_enough_to_read_the_others_too() {
        assert_eq!(read("Nguyeãn Sôn"), Reading::Vni("Nguyễn Sơn".into()));
        assert_eq!(read("Leõ"), Reading::Vni("Lẽ".into()));
    }

    #[test]
    fn two_readings_are_both_told() {
        // ö is ư in VNI and ử in TCVN3; no other letter decides.
        assert_eq!(read("Phan Anh Thö"), Reading::Both("Phan Anh Thử".into(), "Phan Anh Thư".into()));
        assert_eq!(read("Leâ Anh Thö"), Reading::Vni("Lê Anh Thư".into()));
    }

    #[test]
    fn fonts_write_what_they_read() {
        for name in ["Nguyễn Thị Thúy Hòa", "Đỗ Ánh Ỷ", "ƯỚC ÂU", "Lê Quốc Bửu Lộc"] {
            assert_eq!(
                Font::Vni.encode(name).and_then(|typed| Font::Vni.decode(&typed)).as_deref(),
                Some(name)
            );
            let typed = Font::Tcvn3.encode(name).and_then(|typed| Font::Tcvn3.decode(&typed));
            assert_eq!(typed.map(|read| read.to_lowercase()), Some(name.to_lowercase()));
        }
        assert_eq!(Font::Tcvn3.encode("Thị").as_deref(), Some("ThÞ"));
        assert_eq!(Font::Vni.encode("Wöß"), None);
    }

    #[test]
    fn a_part_is_not_the_whole() {
        assert_eq!(read("Nguyeãn Smith"), Reading::Partly);
        assert_eq!(read("Loïc Nguyen"), Reading::Partly);
    }
}
