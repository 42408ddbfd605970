//! Leases: who may speak for a unit.

use std::fmt;

use super::job::JobState;
use super::time::Timestamp;
use super::unit::{Unit, UnitId, UnitState};

/// A lease's secret. Only its hash is stored, and it never shows in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Vec<u8>);

impl Token {
    /// A token from random bytes, or from what a caller sent.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The secret itself, for its holder alone.
    pub fn secret(&self) -> &[u8] {
        &self.0
    }

    /// What is stored of it.
    pub fn hash(&self) -> Vec<u8> {
        blake3::hash(&self.0).as_bytes()[..16].to_vec()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// Names a lease, as its holder does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRef {
    /// The unit.
    pub unit_id: UnitId,
    /// The epoch that was granted.
    pub epoch: i64,
    /// The secret that was granted with it.
    pub token: Token,
}

/// What is leased, wrapped in the right to commit it.
#[derive(Debug, Clone)]
pub struct Leased<T> {
    /// What is leased.
    pub what: T,
    /// Proof of the lease.
    pub lease: LeaseRef,
    /// When it runs out unless a beat extends it.
    pub expires_at: Timestamp,
}

/// Why something was refused for one unit. Each has its gRPC status in `service::status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The lease is not the newest, or was handed back, or the unit was split.
    LeaseLost,
    /// Another lease has committed the unit.
    Superseded,
    /// The lease has committed already, other results.
    IdempotencyMismatch,
    /// The token is not that of the lease.
    WrongToken,
    /// The job was cancelled.
    JobCancelled,
    /// There is no such unit, or its job is deleted.
    UnitNotFound,
    /// The results are not those of the unit's records: field and what is wrong with it.
    ResultsDoNotFit(Vec<(String, String)>),
    /// A block is damaged.
    ChecksumMismatch,
    /// What the job runs has changed since the lease.
    RulesetChanged,
}

/// Whether `lease` is the newest one ever granted of `unit`, and still open.
///
/// Looks at no clock: an expired lease is the newest one until another is granted.
///
/// # Errors
/// The refusal to answer.
pub fn check_newest(unit: Option<&Unit>, lease: &LeaseRef) -> Result<(), Refusal> {
    let unit = unit.ok_or(Refusal::UnitNotFound)?;
    let job_state = unit.job_state.ok_or(Refusal::UnitNotFound)?;
    match unit.state {
        UnitState::Split => return Err(Refusal::LeaseLost),
        UnitState::Done if lease.epoch < unit.epoch => return Err(Refusal::Superseded),
        UnitState::Done
        | UnitState::Ready
        | UnitState::Leased
        | UnitState::SetAside
        | UnitState::Waiting
        | UnitState::Ungrouped => {}
    }
    if lease.epoch != unit.epoch {
        return Err(Refusal::LeaseLost);
    }
    match &unit.token_hash {
        None => return Err(Refusal::LeaseLost),
        Some(hash) if *hash != lease.token.hash() => return Err(Refusal::WrongToken),
        Some(_) => {}
    }
    match unit.state {
        // What was committed stays answered, whatever became of the job.
        UnitState::Done => Ok(()),
        _ if job_state == JobState::Cancelled => Err(Refusal::JobCancelled),
        UnitState::Ready | UnitState::Leased => Ok(()),
        UnitState::SetAside | UnitState::Split | UnitState::Waiting | UnitState::Ungrouped => {
            Err(Refusal::LeaseLost)
        }
    }
}

/// What handing a unit back does: at shutdown (no attempt counted) or as a failure (counted).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandBack {
    /// A worker that stops gives the unit back as it was.
    Release,
    /// The unit could not be worked on.
    Fail {
        /// Another try may go better; otherwise it is split at once.
        retryable: bool,
    },
}

/// Decides a hand-back: the attempts left afterwards, or `None` when it has been done at this epoch before.
///
/// # Errors
/// The refusal to answer.
pub fn decide_hand_back(
    unit: Option<&Unit>,
    lease: &LeaseRef,
    how: HandBack,
) -> Result<Option<i64>, Refusal> {
    if let Some(unit) = unit {
        let same_epoch = unit.epoch == lease.epoch && unit.job_state.is_some();
        if same_epoch && unit.state == UnitState::Ready && unit.token_hash.is_none() {
            return Ok(None);
        }
    }
    check_newest(unit, lease)?;
    let unit = unit.ok_or(Refusal::UnitNotFound)?;
    match (unit.state, how) {
        (UnitState::Done, _) => Err(Refusal::Superseded),
        (_, HandBack::Release) => Ok(Some(unit.attempts_left)),
        // An expired lease was counted when the loop returned it; once is enough.
        (UnitState::Ready, HandBack::Fail { retryable: true }) => Ok(Some(unit.attempts_left)),
        (_, HandBack::Fail { retryable: true }) => Ok(Some((unit.attempts_left - 1).max(0))),
        (_, HandBack::Fail { retryable: false }) => Ok(Some(0)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::unit::Rules;
    use super::*;

    pub(crate) fn token(byte: u8) -> Token {
        Token::new(vec![byte; 16])
    }

    /// A unit leased at epoch 2 with token 2.
    pub(crate) fn leased() -> Unit {
        Unit {
            id: 7,
            job_id: 1,
            job_state: Some(JobState::Running),
            state: UnitState::Leased,
            first_seq: 1,
            last_seq: 10,
            epoch: 2,
            attempts_left: 3,
            token_hash: Some(token(2).hash()),
            expires_at: Some(Timestamp(1000)),
            progress: None,
            idle_beats: 0,
            receipt: None,
            rules: Rules::default(),
        }
    }

    pub(crate) fn lease(epoch: i64, byte: u8) -> LeaseRef {
        LeaseRef { unit_id: 7, epoch, token: token(byte) }
    }

    #[test]
    fn only_the_newest_lease_with_its_token_speaks_for_a_unit() {
        let unit = leased();
        assert_eq!(check_newest(Some(&unit), &lease(2, 2)), Ok(()));
        assert_eq!(check_newest(Some(&unit), &lease(1, 1)), Err(Refusal::LeaseLost));
        assert_eq!(check_newest(Some(&unit), &lease(3, 2)), Err(Refusal::LeaseLost));
        assert_eq!(check_newest(Some(&unit), &lease(2, 1)), Err(Refusal::WrongToken));
        assert_eq!(check_newest(None, &lease(2, 2)), Err(Refusal::UnitNotFound));
        let deleted = Unit { job_state: None, ..leased() };
        assert_eq!(check_newest(Some(&deleted), &lease(2, 2)), Err(Refusal::UnitNotFound));
        let cancelled = Unit { job_state: Some(JobState::Cancelled), ..leased() };
        assert_eq!(check_newest(Some(&cancelled), &lease(2, 2)), Err(Refusal::JobCancelled));
    }

    #[test]
    fn an_expired_lease_speaks_until_another_is_granted_but_a_returned_one_does_not() {
        let expired = Unit { state: UnitState::Ready, ..leased() };
        assert_eq!(check_newest(Some(&expired), &lease(2, 2)), Ok(()));
        let returned = Unit { token_hash: None, ..expired };
        assert_eq!(check_newest(Some(&returned), &lease(2, 2)), Err(Refusal::LeaseLost));
    }

    #[test]
    fn a_hand_back_counts_as_it_should_and_may_be_said_twice() {
        let unit = leased();
        let fail = |retryable| HandBack::Fail { retryable };
        assert_eq!(decide_hand_back(Some(&unit), &lease(2, 2), HandBack::Release), Ok(Some(3)));
        assert_eq!(decide_hand_back(Some(&unit), &lease(2, 2), fail(true)), Ok(Some(2)));
        assert_eq!(decide_hand_back(Some(&unit), &lease(2, 2), fail(false)), Ok(Some(0)));
        assert_eq!(decide_hand_back(Some(&unit), &lease(1, 2), fail(true)), Err(Refusal::LeaseLost));
        let returned = Unit { state: UnitState::Ready, token_hash: None, ..leased() };
        assert_eq!(decide_hand_back(Some(&returned), &lease(2, 2), fail(true)), Ok(None));
    }
}
