//! What the functions of rules do to texts.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The digits alone; full-width ones become ordinary ones.
pub(crate) fn digits(text: &str) -> String {
    let ordinary = |c: char| match c {
        '0'..='9' => Some(c),
        '０'..='９' => char::from_digit(u32::from(c) - u32::from('０'), 10),
        _ => None,
    };
    text.chars().filter_map(ordinary).collect()
}

/// In lower case without marks, `đ` as `d`: what is left when someone types without Vietnamese letters.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let plain = text.nfd().filter(|&c| !is_combining_mark(c)).flat_map(char::to_lowercase);
    plain.map(|c| if c == 'đ' { 'd' } else { c }).collect()
}

/// With single spaces, and none around; a tab, a line's end or a no-break space is a space too.
pub(crate) fn collapse(text: &str) -> String {
    let mut single = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !single.is_empty() {
            single.push(' ');
        }
        single.push_str(word);
    }
    single
}

/// Without zero-width characters, direction marks and soft hyphens: nobody typed them on purpose.
pub(crate) fn visible(text: &str) -> String {
    let invisible = |c: char| matches!(c, '\u{AD}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}');
    text.chars().filter(|&c| !invisible(c)).collect()
}

/// In the composed form of Unicode, in which equal texts are the same characters.
pub(crate) fn nfc(text: &str) -> String {
    if text.is_ascii() { text.to_owned() } else { text.nfc().collect() }
}

/// The characters from `start` on, `length` of them or all. A negative start counts from the end; what lies outside
/// the text is left out.
pub(crate) fn sub_string(text: &str, start: i64, length: Option<i64>) -> &str {
    let behind = |start: i64| usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX);
    let skipped = if start < 0 { text.chars().count().saturating_sub(behind(start)) } else { behind(start) };
    let rest = &text[nth(text, skipped)..];
    match length {
        Some(length) => &rest[..nth(rest, usize::try_from(length).unwrap_or(0))],
        None => rest,
    }
}

/// How many characters stand before `part`, or -1 when it does not occur.
pub(crate) fn index_of(text: &str, part: &str) -> i64 {
    let before = text.find(part).map(|byte| text[..byte].chars().count());
    before.and_then(|count| i64::try_from(count).ok()).unwrap_or(-1)
}

/// Where the character of number `count` begins, or the end.
fn nth(text: &str, count: usize) -> usize {
    if text.is_ascii() {
        return count.min(text.len());
    }
    text.char_indices().nth(count).map_or(text.len(), |(byte, _)| byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_digits() {
        assert_eq!(digits("(+84) ９1-a٣"), "8491");
        assert_eq!(fold("Nguyễn Thị ĐÀO"), "nguyen thi dao");
        assert_eq!(fold("N\u{1B0}\u{303}"), "nu");
        assert_eq!(collapse(" a \u{A0}\t b\r\n"), "a b");
        assert_eq!(visible("a\u{AD}b\u{200B} \u{FEFF}c"), "ab c");
        assert_eq!(nfc("e\u{302}\u{301}"), "ế");
    }

    #[test]
    fn parts_count_in_characters() {
        for (start, length, part) in [
            (0, None, "Đỗ Mười"),
            (3, None, "Mười"),
            (-4, Some(1), "M"),
            (-99, Some(2), "Đỗ"),
            (99, None, ""),
            (0, Some(-1), ""),
            (i64::MIN, Some(i64::MAX), "Đỗ Mười"),
            (i64::MAX, None, ""),
        ] {
            assert_eq!(sub_string("Đỗ Mười", start, length), part, "{start} {length:?}");
        }
        assert_eq!(index_of("Đỗ Mười", "M"), 3);
        assert_eq!(index_of("Đỗ Mười", "x"), -1);
    }
}
