//! Who calls: a name and the roles that a certificate or a bearer token gives it.

use std::fmt;
use std::sync::Arc;

/// A certificate says who its holder is by URIs of this scheme among its alternative names: `emend:worker/night-shift`.
const SCHEME: &str = "emend:";

/// A name is at most this long, so that a worker's id stays short with the name before it.
const MAX_NAME: usize = 64;

/// What a caller may be. What each may call stands in the table of `server::policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Runs jobs: imports, steers, exports.
    Operator,
    /// Works on units.
    Worker,
    /// Reads jobs and records, and changes nothing.
    Reader,
    /// Sees how jobs go on, and no record.
    Monitor,
    /// Asks how many workers are needed.
    Scaler,
    /// Decides reviews.
    Reviewer,
    /// Decides reviews, and those that reviewers cannot decide.
    Lead,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 7] =
        [Self::Operator, Self::Worker, Self::Reader, Self::Monitor, Self::Scaler, Self::Reviewer, Self::Lead];

    /// The word in certificates, token files and docs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Worker => "worker",
            Self::Reader => "reader",
            Self::Monitor => "monitor",
            Self::Scaler => "scaler",
            Self::Reviewer => "reviewer",
            Self::Lead => "lead",
        }
    }

    /// The role of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of roles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// Every role: the caller of a scheduler that asks nobody's name.
    pub const ALL: Self = Self::of(&Role::ALL);

    /// These roles.
    pub const fn of(roles: &[Role]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < roles.len() {
            bits |= 1 << roles[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    /// These and one more.
    #[must_use]
    pub const fn and(self, role: Role) -> Self {
        Self(self.0 | 1 << role as u8)
    }

    /// Whether a role is in both.
    pub fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The roles in it.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |&role| self.meet(Self::of(&[role])))
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.iter().map(Role::as_str).collect();
        f.write_str(&words.join(", "))
    }
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Its name; none when nobody was asked for one.
    pub name: Option<Arc<str>>,
    /// What it may be.
    pub roles: Roles,
    /// Findings (`field.reason`) or fields that an account is bound to; empty: it is bound to none.
    pub skills: Arc<[String]>,
}

impl Caller {
    /// Who calls a scheduler that asks nobody's name.
    pub fn anybody() -> Self {
        Self { name: None, roles: Roles::ALL, skills: Arc::default() }
    }

    /// Who has shown no name, and may be nothing.
    pub fn nobody() -> Self {
        Self { name: None, roles: Roles::default(), skills: Arc::default() }
    }

    /// A caller of one role.
    pub fn new(name: &str, role: Role) -> Self {
        Self::of(name, Roles::of(&[role]))
    }

    /// A caller of these roles.
    pub fn of(name: &str, roles: Roles) -> Self {
        Self { name: Some(name.into()), roles, skills: Arc::default() }
    }

    /// Who a certificate with these URIs speaks for: `emend:ROLE/NAME`, several for several roles, all of one name.
    /// Other URIs, and roles that this version does not know, say nothing.
    ///
    /// # Errors
    /// What keeps it from speaking for anybody.
    pub fn from_uris<'a>(uris: impl IntoIterator<Item = &'a str>) -> Result<Self, &'static str> {
        let mut found: Option<(&str, Roles)> = None;
        for uri in uris {
            let Some((role, name)) = uri.strip_prefix(SCHEME).and_then(|rest| rest.split_once('/')) else {
                continue;
            };
            let Some(role) = Role::parse(role) else { continue };
            if !is_name(name) {
                return Err("a name in it is not 1 to 64 of the characters a-z 0-9 . _ -");
            }
            let (first, roles) = found.unwrap_or((name, Roles::default()));
            if first != name {
                return Err("it speaks for two names");
            }
            found = Some((name, roles.and(role)));
        }
        let (name, roles) = found.ok_or("it holds no URI such as emend:operator/NAME")?;
        Ok(Self::of(name, roles))
    }

    /// A worker's id as it is stored and shown: with the caller's name before it, so that no worker can pass for
    /// another one's.
    pub fn worker_id(&self, given: &str) -> String {
        match &self.name {
            Some(name) => format!("{name}/{given}"),
            None => given.to_owned(),
        }
    }
}

/// Whether this may be a caller's name.
pub fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_speaks_for_one_name_and_its_roles() {
        let caller = Caller::from_uris(["https://x", "emend:worker/night", "emend:monitor/night"]).unwrap();
        assert_eq!(caller.name.as_deref(), Some("night"));
        assert_eq!(caller.roles.to_string(), "worker, monitor");
        assert_eq!(caller.worker_id("vm-1"), "night/vm-1");
        assert_eq!(Caller::anybody().worker_id("vm-1"), "vm-1");
        let from = |uri| Caller::from_uris([uri]);
        // A role of a later version is no role here.
        for uri in ["emend:chief/night", "emend:worker", "spiffe://x/worker/night", "EMEND:worker/night"] {
            assert!(from(uri).unwrap_err().contains("no URI"), "{uri}");
        }
        let long = format!("emend:worker/{}", "a".repeat(65));
        for uri in ["emend:worker/", "emend:worker/a/b", "emend:worker/A", "emend:worker/é", long.as_str()] {
            assert!(from(uri).unwrap_err().contains("characters"), "{uri}");
        }
        assert!(Caller::from_uris(["emend:worker/a", "emend:operator/b"]).unwrap_err().contains("two names"));
    }

    #[test]
    fn roles_meet_only_in_a_common_one() {
        let (both, worker) = (Roles::of(&[Role::Operator, Role::Reader]), Roles::of(&[Role::Worker]));
        assert!(both.meet(Roles::of(&[Role::Reader])) && !both.meet(worker));
        assert!(Role::ALL.iter().all(|&role| Roles::ALL.meet(Roles::of(&[role]))));
        assert!(Roles::default().is_empty() && !Roles::ALL.meet(Roles::default()));
        assert!(Role::ALL.iter().all(|role| Role::parse(role.as_str()) == Some(*role)));
    }
}
