//! What the model knows: the rows as the store has them, and beside them what nobody but the judge remembers.

use std::sync::LazyLock;

use emend_scheduler::domain::commit::Content;
use emend_scheduler::domain::job::JobState;
use emend_scheduler::domain::lease::{LeaseRef, Token};
use emend_scheduler::domain::results::Results;
use emend_scheduler::domain::time::Timestamp;
use emend_scheduler::domain::unit::{Receipt, Rules, Unit, UnitState};

use crate::promise::Broken;

/// Results that a worker may send for a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sent {
    /// One answer.
    A,
    /// Another answer to the same records.
    B,
    /// Results of one record more than the unit has.
    Unfit,
    /// Damaged on the way.
    Corrupt,
}

/// The digest of what the scheduler itself commits for a lone record that nothing helped.
pub(crate) const GIVEN_UP: u8 = 9;

impl Sent {
    pub(crate) fn digest(self) -> u8 {
        match self {
            Self::A => 1,
            Self::B => 2,
            Self::Unfit | Self::Corrupt => 3,
        }
    }

    /// As the store gets it.
    pub(crate) fn content(self, row: &Row) -> Content {
        let last_seq = match self {
            Self::A | Self::B => row.last,
            Self::Unfit => row.last + 1,
            Self::Corrupt => return Content::Corrupt,
        };
        let digest = vec![self.digest()];
        let (first_seq, last_seq) = (i64::from(row.first), i64::from(last_seq));
        Content::Sound(Results { first_seq, last_seq, digest, ..Results::default() })
    }
}

/// A unit's row, and what the judge counts beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) first: u8,
    pub(crate) last: u8,
    pub(crate) state: UnitState,
    pub(crate) epoch: u8,
    pub(crate) attempts: i8,
    /// Whose token is stored: the number of the lease; its hash in the real row.
    pub(crate) token: Option<u8>,
    pub(crate) holder: Option<u8>,
    pub(crate) request: Option<u8>,
    pub(crate) expires: Option<i16>,
    pub(crate) progress: Option<u8>,
    pub(crate) idle: u8,
    /// Number and digest of the commit.
    pub(crate) receipt: Option<(u8, u8)>,
    /// How often the unit was really granted, to workers or to the scheduler itself.
    pub(crate) grants: u8,
    /// This grant has cost an attempt.
    pub(crate) counted: bool,
    /// This grant was handed back, or taken away for good.
    pub(crate) closed: bool,
    /// Beats in a row that were taken although the running unit did not move.
    pub(crate) still: u8,
}

impl Row {
    pub(crate) fn new(first: u8, last: u8, attempts: u32) -> Self {
        Self {
            first,
            last,
            state: UnitState::Ready,
            epoch: 0,
            attempts: i8::try_from(attempts).expect("few attempts"),
            token: None,
            holder: None,
            request: None,
            expires: None,
            progress: None,
            idle: 0,
            receipt: None,
            grants: 0,
            counted: false,
            closed: false,
            still: 0,
        }
    }

    /// As the domain sees it.
    pub(crate) fn unit(&self, id: usize, job: JobState) -> Unit {
        Unit {
            id: unit_id(id),
            job_id: 1,
            job_state: Some(job),
            state: self.state,
            first_seq: i64::from(self.first),
            last_seq: i64::from(self.last),
            epoch: i64::from(self.epoch),
            attempts_left: i64::from(self.attempts),
            token_hash: self.token.map(|token| HASHES[usize::from(token)].clone()),
            expires_at: self.expires.map(|at| Timestamp(i64::from(at))),
            progress: self.progress.map(i64::from),
            idle_beats: i64::from(self.idle),
            receipt: self.receipt.map(|(number, digest)| Receipt {
                commit_id: number.to_string(),
                unit_id: unit_id(id),
                epoch: i64::from(self.epoch),
                digest: vec![digest],
            }),
            rules: Rules::default(),
        }
    }

    /// Closes the lease, as all hand-backs do.
    pub(crate) fn give_back(&mut self, attempts: i8) {
        self.token = None;
        self.unhold(attempts);
    }

    /// Makes the unit ready; its newest lease may still commit.
    pub(crate) fn unhold(&mut self, attempts: i8) {
        self.state = UnitState::Ready;
        self.attempts = attempts;
        (self.holder, self.request, self.expires) = (None, None, None);
        (self.progress, self.idle) = (None, 0);
    }
}

/// A lease that was granted. What its holder says may arrive at any moment, any number of times, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Grant {
    pub(crate) unit: usize,
    pub(crate) epoch: u8,
    pub(crate) token: u8,
    /// Which of the unit's grants it is.
    pub(crate) nth: u8,
}

/// A commit that was taken, as the judge remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Taken {
    pub(crate) unit: usize,
    pub(crate) nth: u8,
    pub(crate) digest: u8,
    pub(crate) number: u8,
}

/// What a scheduler has read and not yet written. The true protocol has no such thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Pending {
    /// A commit whose fence was read.
    Commit { grant: usize, sent: Sent },
    /// A lease that was found expired.
    Expire { unit: usize, clock: i16 },
}

/// A state of the model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) cancelled: bool,
    pub(crate) rows: Vec<Row>,
    pub(crate) granted: Vec<Grant>,
    pub(crate) taken: Vec<Taken>,
    pub(crate) pending: Option<Pending>,
    pub(crate) broken: Option<Broken>,
}

impl World {
    pub(crate) fn job(&self) -> JobState {
        if self.cancelled { JobState::Cancelled } else { JobState::Running }
    }

    pub(crate) fn unit(&self, id: usize) -> Unit {
        self.rows[id].unit(id, self.job())
    }

    /// The lease as its holder names it, with another's token when `stranger`.
    pub(crate) fn lease(&self, grant: usize, stranger: bool) -> LeaseRef {
        let Grant { unit, epoch, token, .. } = self.granted[grant];
        let token = if stranger { STRANGER } else { token };
        LeaseRef { unit_id: unit_id(unit), epoch: i64::from(epoch), token: self::token(token) }
    }

    pub(crate) fn is_newest(&self, grant: usize) -> bool {
        let grant = self.granted[grant];
        grant.nth == self.rows[grant.unit].grants
    }
}

/// More than any model grants.
const TOKENS: u8 = 64;
const STRANGER: u8 = TOKENS - 1;
static HASHES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| (0..TOKENS).map(|n| token(n).hash()).collect());

fn token(number: u8) -> Token {
    Token::new(vec![number; 16])
}

fn unit_id(row: usize) -> i64 {
    i64::try_from(row).expect("few units")
}
