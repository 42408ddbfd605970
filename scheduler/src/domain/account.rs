//! Accounts: who signs in at the desk, for how long, and what slows down who guesses.

use std::time::Duration;

use super::caller::{Role, Roles, is_name};
use super::job::Violation;
use super::time::Timestamp;

/// What an account may be. The other roles are for programs, which show certificates or tokens.
pub const ROLES: [Role; 4] = [Role::Operator, Role::Lead, Role::Reviewer, Role::Worker];

/// A session that nobody used for so long is over.
pub const IDLE: Duration = Duration::from_secs(30 * 60);
/// A session is over after this, however much it is used.
pub const ABSOLUTE: Duration = Duration::from_secs(10 * 60 * 60);

/// Skills of one account, at most.
const MOST_SKILLS: usize = 64;

/// What an account may do, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its roles.
    pub roles: Roles,
    /// Findings (`field.reason`) or fields that it is bound to; empty: it is bound to none.
    pub skills: Vec<String>,
}

impl Grant {
    /// What is wrong with it; empty when nothing is.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut check = |holds: bool, field, description: &str| {
            if !holds {
                found.push(Violation { field, description: description.to_owned() });
            }
        };
        let allowed = Roles::of(&ROLES);
        let fits = !self.roles.is_empty() && self.roles.iter().all(|role| allowed.meet(Roles::of(&[role])));
        check(fits, "roles", "must be one or more of operator, lead, reviewer, worker");
        check(self.skills.len() <= MOST_SKILLS, "skills", "must be at most 64");
        let sound = self.skills.iter().all(|skill| is_skill(skill));
        check(sound, "skills", "must be fields or findings: 1 to 128 of the characters a-z 0-9 _ .");
        found
    }
}

/// Whether an account may have this name.
///
/// # Errors
/// What a name is.
pub fn check_name(name: &str) -> Result<(), Violation> {
    if is_name(name) {
        return Ok(());
    }
    let description = "must be 1 to 64 of the characters a-z 0-9 . _ -".to_owned();
    Err(Violation { field: "name", description })
}

fn is_skill(skill: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.".contains(&byte);
    (1..=128).contains(&skill.len()) && skill.bytes().all(fits)
}

/// How failures to sign in slow down the next try.
#[derive(Debug, Clone, Copy)]
pub struct Throttle {
    /// So many cost nothing.
    free: i64,
    /// The longest wait, however many there were.
    longest: Duration,
}

/// For one account: somebody guesses its password.
pub const BY_ACCOUNT: Throttle = Throttle { free: 5, longest: Duration::from_secs(15 * 60) };
/// For one address: somebody tries many accounts. A whole office may share it.
pub const BY_ADDRESS: Throttle = Throttle { free: 50, longest: Duration::from_secs(5 * 60) };

/// The first wait; each failure after that doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// Failures are forgotten after so long without another one.
pub const FORGOTTEN: Duration = Duration::from_secs(60 * 60);

/// Failures of one account or address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failures {
    /// How many.
    pub count: i64,
    /// When the last one was.
    pub last_at: Timestamp,
    /// Nobody is let in before.
    pub locked_until: Timestamp,
}

impl Failures {
    /// How long the next try has to wait.
    pub fn wait(self, now: Timestamp) -> Duration {
        self.locked_until.since(now)
    }

    /// These and one more.
    #[must_use]
    pub fn and_one(self, throttle: Throttle, now: Timestamp) -> Self {
        let known = if now.since(self.last_at) >= FORGOTTEN { 0 } else { self.count };
        let count = known.saturating_add(1);
        let over = count - throttle.free;
        let wait = if over < 0 {
            Duration::ZERO
        } else {
            let doubled = 1_u32.checked_shl(u32::try_from(over).unwrap_or(u32::MAX)).unwrap_or(u32::MAX);
            FIRST_WAIT.saturating_mul(doubled).min(throttle.longest)
        };
        Self { count, last_at: now, locked_until: now + wait }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_out_grows_and_is_never_for_good() {
        let now = Timestamp(1_000_000);
        let mut failures = Failures::default();
        let mut waits = Vec::new();
        for _ in 0..80 {
            failures = failures.and_one(BY_ACCOUNT, now);
            waits.push(failures.wait(now).as_secs());
        }
        assert_eq!(waits[..9], [0, 0, 0, 0, 2, 4, 8, 16, 32]);
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(waits.last(), Some(&900));
        let later = now + FORGOTTEN;
        assert_eq!(failures.wait(later), Duration::ZERO);
        assert_eq!(failures.and_one(BY_ACCOUNT, later).count, 1);
    }

    #[test]
    fn a_grant_is_for_people_and_its_skills_are_names() {
        let grant = |roles: &[Role], skills: &[&str]| Grant {
            roles: Roles::of(roles),
            skills: skills.iter().map(|&skill| skill.to_owned()).collect(),
        };
        assert_eq!(grant(&[Role::Lead, Role::Operator], &["national_id", "dob.invalid"]).violations(), []);
        let field = |grant: Grant| grant.violations()[0].field;
        assert_eq!(field(grant(&[], &[])), "roles");
        assert_eq!(field(grant(&[Role::Lead, Role::Scaler], &[])), "roles");
        for skill in ["", "A", "é", "a b", &"a".repeat(129)] {
            assert_eq!(field(grant(&[Role::Lead], &[skill])), "skills", "{skill}");
        }
        assert!(check_name("lan.anh-2").is_ok() && check_name("Lan").is_err());
    }
}
