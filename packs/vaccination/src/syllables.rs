//! Which tokens are legal Vietnamese syllables, strictly.
//!
//! The test decides whether a name was written in a legacy font: RULES asks for a known onset, nucleus
//! and coda, and at most one tone on its right vowel. Letters are written in the codes of [`Letter`].

use crate::letters::{Letter, Tone, letter};

/// `nghiêng` is as long as it gets.
const LONGEST: usize = 7;

/// Whether a nucleus must, may or must not be followed by a coda.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coda {
    Never,
    Maybe,
    Always,
}

/// Whether `token` is a legal syllable, in any case.
pub(crate) fn is_syllable(token: &str) -> bool {
    let Some(spelled) = Spelled::of(token.chars()) else { return false };
    spelled.is_legal()
}

/// A token taken apart: letter codes, and the one tone with its place.
struct Spelled {
    codes: [u8; LONGEST],
    length: usize,
    tone: Tone,
    tone_at: usize,
}

impl Spelled {
    fn of(token: impl Iterator<Item = char>) -> Option<Self> {
        let mut spelled = Self { codes: [0; LONGEST], length: 0, tone: Tone::Level, tone_at: 0 };
        for c in token {
            let Letter { code, tone } = letter(c)?;
            if tone != Tone::Level {
                if spelled.tone != Tone::Level {
                    return None;
                }
                (spelled.tone, spelled.tone_at) = (tone, spelled.length);
            }
            *spelled.codes.get_mut(spelled.length)? = code;
            spelled.length += 1;
        }
        (spelled.length > 0).then_some(spelled)
    }

    fn is_legal(&self) -> bool {
        let codes = &self.codes[..self.length];
        let Some(onset) = onset(codes) else { return false };
        let (onset, rime) = codes.split_at(onset);
        let vowels = rime.iter().take_while(|&&code| is_vowel(code)).count();
        let (nucleus, coda) = rime.split_at(vowels);
        let Some((needs, tone_from, tone_to)) = shape(nucleus, coda.is_empty()) else { return false };
        fits_spelling(onset, nucleus)
            && fits_coda(nucleus, coda, needs, onset == b"qu")
            && self.tone_fits(onset, nucleus, coda, tone_from..=tone_to)
    }

    fn tone_fits(
        &self,
        onset: &[u8],
        nucleus: &[u8],
        coda: &[u8],
        place: std::ops::RangeInclusive<usize>,
    ) -> bool {
        if matches!(coda, b"c" | b"ch" | b"p" | b"t") && !matches!(self.tone, Tone::Acute | Tone::Dot) {
            return false;
        }
        if self.tone == Tone::Level {
            return true;
        }
        match self.tone_at.checked_sub(onset.len()) {
            Some(at) => place.contains(&at),
            // `Qúy` is the open `uy` with its tone on the first vowel.
            None => onset == b"qu" && nucleus == b"y" && coda.is_empty() && self.tone_at == 1,
        }
    }
}

fn is_vowel(code: u8) -> bool {
    matches!(code, b'a' | b'A' | b'B' | b'e' | b'E' | b'i' | b'o' | b'O' | b'P' | b'u' | b'U' | b'y')
}

/// How many letters the onset has; `None` when there is no such onset.
fn onset(codes: &[u8]) -> Option<usize> {
    let length = match codes {
        [b'n', b'g', b'h', ..] => 3,
        [b'n', b'g' | b'h', ..] | [b'c' | b'g' | b'k' | b'p' | b't', b'h', ..] | [b't', b'r', ..] => 2,
        [b'q', b'u', ..] => 2,
        // `gi` before a vowel is an onset (Gia, Giêng); alone or before a consonant it is g and i (gì, gìn).
        [b'g', b'i', next, ..] if is_vowel(*next) => 2,
        [b'b' | b'c' | b'd' | b'D' | b'g' | b'h' | b'k' | b'l' | b'm' | b'n', ..] => 1,
        [b'p' | b'r' | b's' | b't' | b'v' | b'x', ..] => 1,
        [first, ..] if is_vowel(*first) => 0,
        _ => return None,
    };
    Some(length)
}

/// What a nucleus asks of a coda, and the first and last vowel that may carry the tone.
fn shape(nucleus: &[u8], open: bool) -> Option<(Coda, usize, usize)> {
    use Coda::{Always, Maybe, Never};
    let shape = match nucleus {
        b"a" | b"e" | b"E" | b"i" | b"o" | b"O" | b"P" | b"u" | b"U" | b"y" => (Maybe, 0, 0),
        b"A" | b"B" => (Always, 0, 0),
        // The two schools of writing, hòa and hoà, differ in the open syllable only.
        b"oa" | b"oe" | b"uy" if open => (Maybe, 0, 1),
        b"oa" | b"oe" | b"uy" | b"uE" => (Maybe, 1, 1),
        b"iE" | b"yE" | b"uO" | b"UP" | b"oA" | b"uB" => (Always, 1, 1),
        b"uyE" => (Always, 2, 2),
        b"ai" | b"ao" | b"au" | b"ay" | b"Bu" | b"By" | b"eo" | b"Eu" | b"ia" | b"iu" => (Never, 0, 0),
        b"oi" | b"Oi" | b"Pi" | b"ua" | b"ui" | b"Ua" | b"Ui" | b"Uu" => (Never, 0, 0),
        b"oai" | b"oay" | b"oao" | b"oeo" | b"uBy" | b"uOi" | b"UPi" | b"UPu" | b"iEu" | b"yEu" => {
            (Never, 1, 1)
        }
        b"uP" | b"uya" | b"uyu" => (Never, 1, 1),
        _ => return None,
    };
    Some(shape)
}

/// `k gh ngh` stand before e, ê, i and y only, `c g ng` before the others; y opens a syllable where i cannot.
fn fits_spelling(onset: &[u8], nucleus: &[u8]) -> bool {
    let front = matches!(nucleus.first(), Some(b'e' | b'E' | b'i' | b'y'));
    let agrees = match onset {
        b"k" | b"gh" | b"ngh" => front,
        b"c" | b"ng" => !front,
        b"g" => !front || nucleus == b"i",
        // The u of `qu` is the glide already.
        b"qu" => !matches!(nucleus.first(), Some(b'u' | b'U' | b'o')),
        _ => true,
    };
    agrees
        && match nucleus {
            b"iE" | b"iEu" | b"ia" => !onset.is_empty(),
            b"yE" | b"yEu" => onset.is_empty() || onset == b"qu",
            _ => true,
        }
}

fn fits_coda(nucleus: &[u8], coda: &[u8], needs: Coda, after_qu: bool) -> bool {
    match coda {
        b"" => needs != Coda::Always,
        _ if needs == Coda::Never => false,
        // A y takes a coda only as part of uy: huynh, quýt.
        _ if nucleus == b"y" && !after_qu => false,
        b"ch" | b"nh" => matches!(nucleus, b"a" | b"E" | b"i" | b"oa" | b"uE" | b"uy" | b"y"),
        b"c" | b"m" | b"n" | b"ng" | b"p" | b"t" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_are_legal() {
        let names = "Nguyễn Trần Lê Phạm Huỳnh Hoàng Phan Vũ Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý Thị Văn Thúy Thuý \
            Hòa Hoà Quốc Bửu Lộc Sơn Sôn Nghĩa Nguyệt Khuê Giang Gia Giỏi Quỳnh Quyên Quý Qúy Quí Yến Yên Ý Uyên \
            Oanh Hoài Thoại Tuấn Khương Diễm Diệu Kiều Châu Bảo Khải Hữu Khoa Hoằng Hoạch Huệ Tuyết Thủy Thuỷ Ánh \
            Út Ái Ân Nhường Duy Vy My Kỳ Sỹ Trưởng Phước Xuân Luân Nghi Nghiêm Ngọc Tươi Người Muối Gì Giêng Thuở \
            Khuyến Mỹ PHƯƠNG đạt";
        for name in names.split_whitespace() {
            assert!(is_syllable(name), "{name}");
        }
    }

    #[test]
    fn what_no_vietnamese_writes_is_not() {
        let others = "Leõ Phaùm Nguyeãn Thuùy Hoøa Hßa ThÞ Quoác Böûu NguyÔn Nguyen Smith José Loïc Hoá́ Tâń Lât Căch \
            Mươ Khă Tiê Hoàì Cieng Kan Ngien Aic Hoèt Q Qa Ng Nghh Ghan Huyenn Nghiêngg Hai1 Đ H'Hen Iên";
        for token in others.split_whitespace() {
            assert!(!is_syllable(token), "{token}");
        }
        assert!(!is_syllable(""));
    }

    #[test]
    fn a_stop_wants_acute_or_dot() {
        for (token, legal) in
            [("Lắc", true), ("Lặc", true), ("Lac", false), ("Làc", false), ("Tệp", true), ("Tếch", true)]
        {
            assert_eq!(is_syllable(token), legal, "{token}");
        }
    }

    #[test]
    fn the_tone_of_a_closed_syllable_has_one_place() {
        for (token, legal) in [
            ("Hoàn", true),
            ("Hòan", false),
            ("Huýt", true),
            ("Hóa", true),
            ("Hoá", true),
            ("Mùa", true),
            ("Muà", false),
        ] {
            assert_eq!(is_syllable(token), legal, "{token}");
        }
    }
}
