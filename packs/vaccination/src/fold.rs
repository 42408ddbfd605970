//! Folding of place names into match keys, without allocation. Stored values are never folded.
//!
//! A key has no case and no type of sign between words; digits stand as words of their own without
//! leading zeros. There are two of each name: *plain*, without marks, and *marked*, where the tone of
//! a word stands at its end, so that `hòa` and `hoà` are one.

use crate::letters::{Letter, Tone, letter};

/// No name of a place, with its type word, folds to more.
const LONGEST: usize = 64;
const WORDS: usize = 12;

/// A short string of bytes on the stack.
#[derive(Clone, Copy)]
struct Bytes {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Bytes {
    const EMPTY: Self = Self { bytes: [0; LONGEST], length: 0 };

    fn push(&mut self, byte: u8) -> Option<()> {
        *self.bytes.get_mut(self.length)? = byte;
        self.length += 1;
        Some(())
    }
}

/// A folded name, and where its words begin.
pub(crate) struct Folded {
    plain: Bytes,
    marked: Bytes,
    /// For each word, where it begins in `plain` and in `marked`.
    words: [(usize, usize); WORDS],
    count: usize,
    /// For each word, whether it carries a mark.
    marks: [bool; WORDS],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gap,
    Letters,
    Digits,
}

impl Folded {
    /// Folds a name in NFC. `None` when it is too long or holds what no name of a place holds.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let mut folded = Self {
            plain: Bytes::EMPTY,
            marked: Bytes::EMPTY,
            words: [(0, 0); WORDS],
            count: 0,
            marks: [false; WORDS],
        };
        let (mut kind, mut tone) = (Kind::Gap, Tone::Level);
        for c in name.chars() {
            let (next, read) = classify(c)?;
            if next != kind {
                folded.end_word(&mut tone)?;
                if next != Kind::Gap {
                    folded.begin_word()?;
                }
                kind = next;
            }
            match next {
                Kind::Gap => {}
                Kind::Digits => folded.push_digit(read.code)?,
                Kind::Letters => {
                    folded.plain.push(read.plain())?;
                    folded.marked.push(read.code)?;
                    folded.marks[folded.count - 1] |= read.is_marked();
                    if read.tone != Tone::Level {
                        tone = read.tone;
                    }
                }
            }
        }
        folded.end_word(&mut tone)?;
        Some(folded)
    }

    fn begin_word(&mut self) -> Option<()> {
        if self.count > 0 {
            self.plain.push(b' ')?;
            self.marked.push(b' ')?;
        }
        *self.words.get_mut(self.count)? = (self.plain.length, self.marked.length);
        self.count += 1;
        Some(())
    }

    fn end_word(&mut self, tone: &mut Tone) -> Option<()> {
        if *tone != Tone::Level {
            self.marked.push(b'0' + *tone as u8)?;
        }
        *tone = Tone::Level;
        Some(())
    }

    /// Leading zeros do not count, but a lone 0 stays.
    fn push_digit(&mut self, digit: u8) -> Option<()> {
        let begin = self.words[self.count - 1];
        if self.plain.length == begin.0 + 1 && self.plain.bytes[begin.0] == b'0' {
            self.plain.length = begin.0;
            self.marked.length = begin.1;
        }
        self.plain.push(digit)?;
        self.marked.push(digit)
    }

    /// How many words there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The word at `place`, plain; empty when there is none.
    pub(crate) fn word(&self, place: usize) -> &[u8] {
        if place >= self.count {
            return &[];
        }
        let end = if place + 1 < self.count { self.words[place + 1].0 - 1 } else { self.plain.length };
        &self.plain.bytes[self.words[place].0..end]
    }

    /// The words from `place` on, plain.
    pub(crate) fn plain_from(&self, place: usize) -> &[u8] {
        let begin = if place < self.count { self.words[place].0 } else { self.plain.length };
        &self.plain.bytes[begin..self.plain.length]
    }

    /// The words from `place` on, with their marks.
    pub(crate) fn marked_from(&self, place: usize) -> &[u8] {
        let begin = if place < self.count { self.words[place].1 } else { self.marked.length };
        &self.marked.bytes[begin..self.marked.length]
    }

    /// Whether a mark stands in the words from `place` on.
    pub(crate) fn has_marks_from(&self, place: usize) -> bool {
        self.marks[place.min(self.count)..self.count].contains(&true)
    }
}

fn classify(c: char) -> Option<(Kind, Letter)> {
    let nothing = Letter { code: b' ', tone: Tone::Level };
    match c {
        '0'..='9' => Some((Kind::Digits, Letter { code: c as u8, tone: Tone::Level })),
        '.' | ',' | '-' => Some((Kind::Gap, nothing)),
        _ if c.is_whitespace() => Some((Kind::Gap, nothing)),
        // The one letter of addresses that is not in the alphabet: F5 is Phường 5.
        'f' | 'F' => Some((Kind::Letters, Letter { code: b'f', tone: Tone::Level })),
        _ => letter(c).map(|letter| (Kind::Letters, letter)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(name: &str) -> (String, String, bool) {
        let folded = Folded::of(name).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(folded.plain_from(0)), text(folded.marked_from(0)), folded.has_marks_from(0))
    }

    #[test]
    fn folding() {
        assert_eq!(folded("Quận 1"), ("quan 1".into(), "quBn5 1".into(), true));
        assert_eq!(folded("P.05"), ("p 5".into(), "p 5".into(), false));
        assert_eq!(folded("F5"), ("f 5".into(), "f 5".into(), false));
        assert_eq!(folded("Phường00"), ("phuong 0".into(), "phUPng1 0".into(), true));
        assert_eq!(folded(" Đa  Kao. ").0, "da kao");
        assert_eq!(folded("Hòa"), folded("HOÀ"));
        assert_eq!(folded("").0, "");
        assert_eq!(folded("..").0, "");
    }

    #[test]
    fn words() {
        let folded = Folded::of("TP.Thủ Đức").unwrap();
        assert_eq!(folded.count(), 3);
        assert_eq!(
            (folded.word(0), folded.word(1), folded.word(2), folded.word(3)),
            (&b"tp"[..], &b"thu"[..], &b"duc"[..], &b""[..])
        );
        assert_eq!(folded.plain_from(1), b"thu duc");
        assert_eq!(folded.plain_from(3), b"");
    }

    #[test]
    fn what_no_place_is_called() {
        for name in ["Quận 1/2", "Q?1", "Wall", "王", &"a".repeat(65), &"a ".repeat(13)] {
            assert!(Folded::of(name).is_none(), "{name}");
        }
    }
}
