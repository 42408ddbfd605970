//! The one source of randomness: lease tokens, bearer tokens and the ids of commits.

use rand::RngCore as _;

use crate::domain::lease::Token;

/// A fresh token: 128 bits from the operating system's generator.
#[expect(clippy::disallowed_methods, reason = "this is the seam that the ban points to")]
pub(crate) fn token() -> Token {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    Token::new(bytes)
}

/// 256 fresh bits from the operating system's generator, for a bearer token.
#[expect(clippy::disallowed_methods, reason = "this is the seam that the ban points to")]
pub(crate) fn secret() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// A fresh commit id; later ones sort after earlier ones.
#[expect(clippy::disallowed_methods, reason = "this is the seam that the ban points to")]
pub(crate) fn commit_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// A share of one, for jitter.
#[expect(clippy::disallowed_methods, reason = "this is the seam that the ban points to")]
pub(crate) fn share() -> f64 {
    f64::from(rand::rng().next_u32()) / f64::from(u32::MAX)
}

/// A fresh password: 100 bits in letters and digits that look like no other ones, in groups that can be read out.
pub(crate) fn password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let bytes = secret();
    let mut text = String::with_capacity(23);
    for (at, byte) in bytes[..20].iter().enumerate() {
        if at > 0 && at % 5 == 0 {
            text.push('-');
        }
        text.push(char::from(LETTERS[usize::from(byte % 32)]));
    }
    text
}
