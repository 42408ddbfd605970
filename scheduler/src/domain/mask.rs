//! What a person need not see of a value.

/// Digits in a row from which on they may be an identity number or a phone; a date has no more than four.
const LONG: usize = 7;
/// How many of them stay: enough to tell two apart on one screen.
const SHOWN: usize = 3;
/// What stands in a hidden digit's place.
pub const HIDDEN: char = '•';

/// The value with every long run of digits hidden but for its end; `None` when there is none to hide.
pub fn mask(value: &str) -> Option<String> {
    let characters: Vec<char> = value.chars().collect();
    let mut masked = characters.clone();
    let mut hid = false;
    let mut at = 0;
    while at < characters.len() {
        let run = characters[at..].iter().take_while(|character| character.is_numeric()).count();
        if run >= LONG {
            masked[at..at + run - SHOWN].fill(HIDDEN);
            hid = true;
        }
        at += run.max(1);
    }
    hid.then(|| masked.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_hidden_and_dates_and_words_are_not() {
        assert_eq!(mask("079090123456").as_deref(), Some("•••••••••456"));
        assert_eq!(mask("gọi 0912345678, nhà").as_deref(), Some("gọi •••••••678, nhà"));
        assert_eq!(mask("０９１２３４５６７８").as_deref(), Some("•••••••６７８"));
        for plain in ["1990-05-12", "12/05/1990", "NGUYỄN VĂN A", "", "123456", "DN 1234 56"] {
            assert_eq!(mask(plain), None, "{plain}");
        }
    }
}
