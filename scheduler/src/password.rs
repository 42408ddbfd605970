//! Passwords: made here, and kept as Argon2id hashes.

use std::sync::OnceLock;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::ids;

/// No longer one is looked at, in bytes: hashing it would cost.
pub(crate) const MOST: usize = 256;

/// 19 MiB, two passes, one lane: some 25 ms, and what OWASP asks for at least.
fn argon2() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).expect("these are parameters that Argon2 takes");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// What is stored of a password. Takes a while: not for a thread that serves calls.
pub(crate) fn hash(password: &str) -> String {
    let salt = SaltString::encode_b64(&ids::secret()[..16]).expect("16 bytes are a salt");
    let hash = argon2().hash_password(password.as_bytes(), &salt);
    hash.expect("Argon2 takes a password of any length that we pass on").to_string()
}

/// Whether the password is that of the hash. It takes the same time when there is no hash, and is then wrong.
pub(crate) fn verify(password: &str, hash: Option<&str>) -> bool {
    static NOBODY: OnceLock<String> = OnceLock::new();
    let known = hash.is_some();
    let hash = hash.unwrap_or_else(|| NOBODY.get_or_init(|| self::hash(&ids::password())));
    let right = PasswordHash::new(hash)
        .is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok());
    right && known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_alone() {
        let password = ids::password();
        assert!(password.len() == 23 && password != ids::password(), "{password}");
        let (one, two) = (hash(&password), hash(&password));
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && one != two);
        assert!(verify(&password, Some(&one)) && verify(&password, Some(&two)));
        assert!(!verify("another", Some(&one)) && !verify(&password, Some("no hash")));
        assert!(!verify(&password, None));
    }
}
