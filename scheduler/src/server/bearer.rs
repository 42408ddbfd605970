//! Bearer tokens: the file that names them by their hashes, and who a token speaks for.

use std::fmt;

use crate::domain::caller::{Caller, Role, is_name};

/// What every token begins with, so that scanners for leaked secrets find it.
const PREFIX: &str = "emend_";

/// What a hash begins with in the file.
const HASH: &str = "blake3:";

/// The tokens of one file.
#[derive(Default)]
pub(super) struct Tokens(Vec<(blake3::Hash, Caller)>);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

impl Tokens {
    /// Reads a file: lines of role, name and hash; empty ones and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// The line at fault and what is wrong with it; never what stands there.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().zip(1..).map(|(line, number)| (line.trim(), number));
        let lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
        let tokens = lines.map(|(line, number)| {
            parse_line(line).ok_or_else(|| {
                format!("line {number} is not `ROLE NAME {HASH}HEX` as `emend token new` prints it")
            })
        });
        tokens.collect::<Result<_, _>>().map(Self)
    }

    /// Who a token speaks for. It is compared with all of them, each in constant time.
    pub(super) fn caller(&self, token: &str) -> Option<&Caller> {
        let hash = blake3::hash(token.as_bytes());
        let mut found = None;
        for (known, caller) in &self.0 {
            if *known == hash {
                found = Some(caller);
            }
        }
        found
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn parse_line(line: &str) -> Option<(blake3::Hash, Caller)> {
    let mut words = line.split_whitespace();
    let role = Role::parse(words.next()?)?;
    let name = words.next().filter(|name| is_name(name))?;
    let hash = blake3::Hash::from_hex(words.next()?.strip_prefix(HASH)?).ok()?;
    words.next().is_none().then_some((hash, Caller::new(name, role)))
}

/// A new bearer token.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// What its holder keeps in a file of its own. It is known nowhere else.
    pub token: String,
    /// What goes into the scheduler's token file.
    pub line: String,
}

impl NewToken {
    /// Makes a token of 256 random bits for `name` in `role`.
    ///
    /// # Errors
    /// When `name` cannot be one.
    pub fn make(role: Role, name: &str) -> Result<Self, String> {
        if !is_name(name) {
            return Err(format!("{name:?} is no name: give 1 to 64 of the characters a-z 0-9 . _ -"));
        }
        let hex: String = crate::ids::secret().iter().map(|byte| format!("{byte:02x}")).collect();
        let token = format!("{PREFIX}{hex}");
        let line = format!("{role} {name} {HASH}{}", blake3::hash(token.as_bytes()).to_hex());
        Ok(Self { token, line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_is_known_by_its_line_alone() {
        let (one, two) =
            (NewToken::make(Role::Worker, "a").unwrap(), NewToken::make(Role::Reader, "b").unwrap());
        let file = format!("# comment\n\n{}\n  {}  \n", one.line, two.line);
        let tokens = Tokens::parse(&file).unwrap();
        assert_eq!(tokens.caller(&one.token), Some(&Caller::new("a", Role::Worker)));
        assert_eq!(tokens.caller(&two.token), Some(&Caller::new("b", Role::Reader)));
        let hash = one.line.rsplit(' ').next().unwrap();
        for wrong in ["", "emend_", hash, &one.token[..one.token.len() - 1], &one.token.to_uppercase()] {
            assert_eq!(tokens.caller(wrong), None, "{wrong}");
        }
        assert!(!file.contains(&one.token) && one.token.len() == PREFIX.len() + 64);
        assert_eq!(format!("{tokens:?}"), "2 tokens");
        assert!(NewToken::make(Role::Worker, "a b").is_err());
    }

    #[test]
    fn a_line_at_fault_is_named_and_not_repeated() {
        let good = NewToken::make(Role::Worker, "a").unwrap().line;
        let hash = good.rsplit(' ').next().unwrap().to_owned();
        for bad in [
            "worker a".to_owned(),
            format!("chief a {hash}"),
            format!("worker A {hash}"),
            format!("worker a {hash} more"),
            format!("worker a {}", hash.trim_start_matches(HASH)),
            "worker a blake3:s3cret".to_owned(),
        ] {
            let said = Tokens::parse(&format!("{good}\n{bad}\n")).unwrap_err();
            assert!(said.contains("line 2") && !said.contains("s3cret"), "{said}");
        }
    }
}
