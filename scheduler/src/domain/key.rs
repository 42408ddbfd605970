//! Keys as the store keeps them: 128 bits that tell keys of a job apart.

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 1024;

/// 128 bits for a key.
///
/// A key of up to 15 bytes is kept as it is, padded and with its length, so that keys which come in order lie in
/// order: the index then grows at its end, and a job ten times as large takes ten times as long. A longer key is
/// its BLAKE3 hash with the last byte above every length, so the two kinds never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyCode([u8; 16]);

impl KeyCode {
    /// The code of `key`.
    pub fn of(key: &str) -> Self {
        let mut code = [0; 16];
        let bytes = key.as_bytes();
        match u8::try_from(bytes.len()) {
            Ok(length @ 0..=15) => {
                code[..bytes.len()].copy_from_slice(bytes);
                code[15] = length;
            }
            _ => {
                code.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
                code[15] |= 0x10;
            }
        }
        Self(code)
    }

    /// 32 bits that differ for nearly all keys which lie side by side.
    pub fn mark(&self) -> u32 {
        crc32fast::hash(&self.0)
    }

    /// Its 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_keys_lie_in_order_and_differ_by_length_too() {
        let codes: Vec<_> = ["HCM-000000001", "HCM-000000002", "HCM-000000010"].map(KeyCode::of).to_vec();
        assert!(codes.is_sorted());
        assert_ne!(KeyCode::of("a"), KeyCode::of("a\0"));
        assert_ne!(KeyCode::of("fifteen bytes.."), KeyCode::of("fifteen bytes..\0"));
    }

    #[test]
    fn a_long_key_never_meets_a_short_one() {
        for key in ["0123456789abcdef", "a much longer key than fits", &"x".repeat(1000)] {
            assert!(KeyCode::of(key).as_bytes()[15] >= 0x10);
        }
        assert!(KeyCode::of("0123456789abcde").as_bytes()[15] < 0x10);
    }
}
