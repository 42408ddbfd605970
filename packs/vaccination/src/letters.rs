//! The letters of Vietnamese: base letter, quality (circumflex, breve, horn, stroke) and tone.

/// A tone mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tone {
    Level,
    Grave,
    Acute,
    Hook,
    Tilde,
    Dot,
}

const TONES: [Tone; 6] = [Tone::Level, Tone::Grave, Tone::Acute, Tone::Hook, Tone::Tilde, Tone::Dot];

/// One letter, without its case.
///
/// `code` is the plain letter in lower case, or for a letter with a quality a capital that stands
/// for it: `A` ă, `B` â, `E` ê, `O` ô, `P` ơ, `U` ư, `D` đ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) code: u8,
    pub(crate) tone: Tone,
}

impl Letter {
    /// The letter without any mark: `a` for `ậ`, `d` for `đ`.
    pub(crate) const fn plain(self) -> u8 {
        match self.code {
            b'B' => b'a',
            b'P' => b'o',
            code => code.to_ascii_lowercase(),
        }
    }

    /// Whether it carries a quality or a tone.
    pub(crate) const fn is_marked(self) -> bool {
        self.code.is_ascii_uppercase() || !matches!(self.tone, Tone::Level)
    }
}

/// Every vowel with its code, in both cases, by tone.
const VOWELS: [(u8, [char; 6], [char; 6]); 12] = [
    (b'a', ['a', 'à', 'á', 'ả', 'ã', 'ạ'], ['A', 'À', 'Á', 'Ả', 'Ã', 'Ạ']),
    (b'A', ['ă', 'ằ', 'ắ', 'ẳ', 'ẵ', 'ặ'], ['Ă', 'Ằ', 'Ắ', 'Ẳ', 'Ẵ', 'Ặ']),
    (b'B', ['â', 'ầ', 'ấ', 'ẩ', 'ẫ', 'ậ'], ['Â', 'Ầ', 'Ấ', 'Ẩ', 'Ẫ', 'Ậ']),
    (b'e', ['e', 'è', 'é', 'ẻ', 'ẽ', 'ẹ'], ['E', 'È', 'É', 'Ẻ', 'Ẽ', 'Ẹ']),
    (b'E', ['ê', 'ề', 'ế', 'ể', 'ễ', 'ệ'], ['Ê', 'Ề', 'Ế', 'Ể', 'Ễ', 'Ệ']),
    (b'i', ['i', 'ì', 'í', 'ỉ', 'ĩ', 'ị'], ['I', 'Ì', 'Í', 'Ỉ', 'Ĩ', 'Ị']),
    (b'o', ['o', 'ò', 'ó', 'ỏ', 'õ', 'ọ'], ['O', 'Ò', 'Ó', 'Ỏ', 'Õ', 'Ọ']),
    (b'O', ['ô', 'ồ', 'ố', 'ổ', 'ỗ', 'ộ'], ['Ô', 'Ồ', 'Ố', 'Ổ', 'Ỗ', 'Ộ']),
    (b'P', ['ơ', 'ờ', 'ớ', 'ở', 'ỡ', 'ợ'], ['Ơ', 'Ờ', 'Ớ', 'Ở', 'Ỡ', 'Ợ']),
    (b'u', ['u', 'ù', 'ú', 'ủ', 'ũ', 'ụ'], ['U', 'Ù', 'Ú', 'Ủ', 'Ũ', 'Ụ']),
    (b'U', ['ư', 'ừ', 'ứ', 'ử', 'ữ', 'ự'], ['Ư', 'Ừ', 'Ứ', 'Ử', 'Ữ', 'Ự']),
    (b'y', ['y', 'ỳ', 'ý', 'ỷ', 'ỹ', 'ỵ'], ['Y', 'Ỳ', 'Ý', 'Ỷ', 'Ỹ', 'Ỵ']),
];

const CONSONANTS: &[u8] = b"bcdghklmnpqrstvx";

/// Two ranges hold all letters: up to U+01FF, and U+1E00 to U+1EFF.
const LOW: usize = 0x200;
const TABLE: [Option<Letter>; LOW + 0x100] = build();

const fn slot(c: char) -> Option<usize> {
    let code = c as usize;
    match code {
        0..LOW => Some(code),
        0x1E00..=0x1EFF => Some(LOW + code - 0x1E00),
        _ => None,
    }
}

const fn build() -> [Option<Letter>; LOW + 0x100] {
    let mut table = [None; LOW + 0x100];
    let mut row = 0;
    while row < VOWELS.len() {
        let (code, small, capital) = VOWELS[row];
        let mut tone = 0;
        while tone < TONES.len() {
            let letter = Some(Letter { code, tone: TONES[tone] });
            if let (Some(small), Some(capital)) = (slot(small[tone]), slot(capital[tone])) {
                table[small] = letter;
                table[capital] = letter;
            }
            tone += 1;
        }
        row += 1;
    }
    let mut at = 0;
    while at < CONSONANTS.len() {
        let code = CONSONANTS[at];
        table[code as usize] = Some(Letter { code, tone: Tone::Level });
        table[code.to_ascii_uppercase() as usize] = Some(Letter { code, tone: Tone::Level });
        at += 1;
    }
    table['đ' as usize] = Some(Letter { code: b'D', tone: Tone::Level });
    table['Đ' as usize] = Some(Letter { code: b'D', tone: Tone::Level });
    table
}

/// The letter that `c` is, or `None` when it is none of the Vietnamese alphabet (f, j, w and z are not).
pub(crate) fn letter(c: char) -> Option<Letter> {
    slot(c).and_then(|slot| TABLE[slot])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_fall_apart_into_code_and_tone() {
        let dissect = |c| letter(c).map(|l| (l.code, l.tone, l.plain()));
        assert_eq!(dissect('Ậ'), Some((b'B', Tone::Dot, b'a')));
        assert_eq!(dissect('ở'), Some((b'P', Tone::Hook, b'o')));
        assert_eq!(dissect('Đ'), Some((b'D', Tone::Level, b'd')));
        assert_eq!(dissect('n'), Some((b'n', Tone::Level, b'n')));
        for stranger in ['f', 'Ð', 'ø', 'Š', '5', ' ', 'я', '\u{301}'] {
            assert_eq!(letter(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn both_cases_are_one_letter() {
        let marked = ('\u{C0}'..='\u{1EF9}').filter(|&c| letter(c).is_some());
        let mut count = 0;
        for c in marked {
            count += 1;
            assert!(letter(c).is_some_and(Letter::is_marked));
            assert!(c.to_lowercase().chain(c.to_uppercase()).all(|other| letter(other) == letter(c)));
        }
        // 12 vowels in 6 tones without the 6 plain ones, and đ, in two cases: the rows of the charset table.
        assert_eq!(count, 134);
    }
}
