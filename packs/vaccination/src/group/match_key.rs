//! Match keys of names and texts: what is compared between records, and never stored.

use crate::fold::Folded;

/// A folded text. Case, signs between words and the place of a tone mark in its word make no difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MatchKey {
    /// Without any mark.
    pub(super) plain: Vec<u8>,
    /// With its marks; `None` when none stands in it. Where marks were not typed, they say nothing.
    pub(super) marked: Option<Vec<u8>>,
}

impl MatchKey {
    /// Folds word by word, so that a word that is not Vietnamese stands as it is and the others are folded.
    pub(super) fn of(text: &str) -> Self {
        let (mut plain, mut marked, mut has_marks) = (Vec::new(), Vec::new(), false);
        for word in text.split(|c: char| c.is_whitespace() || matches!(c, '.' | ',' | '-')) {
            if word.is_empty() {
                continue;
            }
            if !plain.is_empty() {
                plain.push(b' ');
                marked.push(b' ');
            }
            match Folded::of(word) {
                Some(folded) => {
                    plain.extend_from_slice(folded.plain_from(0));
                    marked.extend_from_slice(folded.marked_from(0));
                    has_marks |= folded.has_marks_from(0);
                }
                None => {
                    let word = word.to_lowercase();
                    plain.extend_from_slice(word.as_bytes());
                    marked.extend_from_slice(word.as_bytes());
                }
            }
        }
        Self { plain, marked: has_marks.then_some(marked) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_difference() {
        for (one, other) in [
            ("NGUYỄN THỊ THÚY HÒA", "nguyễn  thị thuý hoà"),
            ("LÊ-HÀ", "LÊ HÀ."),
            ("NGUYỄN THÚY WENDY", "NGUYỄN THUÝ Wendy"),
            ("H'HEN NIÊ", "h'hen niê"),
        ] {
            assert_eq!(MatchKey::of(one), MatchKey::of(other));
        }
    }

    #[test]
    fn what_does() {
        for (one, other) in
            [("HÒA", "HOA"), ("HÒA", "HÓA"), ("LÊ HÀ", "LÊHÀ"), ("JÜRGEN MAI", "JURGEN MAI"), ("MƠ", "MO")]
        {
            assert_ne!(MatchKey::of(one), MatchKey::of(other));
        }
    }

    #[test]
    fn a_name_without_marks_says_so() {
        let typed = MatchKey::of("NGUYEN VAN HOA");
        assert_eq!(typed.marked, None);
        assert_eq!(typed.plain, MatchKey::of("NGUYỄN VĂN HÒA").plain);
    }
}
