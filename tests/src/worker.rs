//! A worker that speaks to the store directly, one step at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use emend_proto::v1::RecordResult;
use emend_scheduler::domain::beat::Beat;
use emend_scheduler::domain::commit::Content;
use emend_scheduler::domain::lease::{HandBack, LeaseRef, Leased, Refusal, Token};
use emend_scheduler::domain::time::Timestamp;
use emend_scheduler::store::{Commit, LeaseAsk, Outcome, Store, UnitToDo};

use crate::bench::{PACK, TTL};
use crate::records::{all_valid, content};

/// A leased unit.
pub type Lease = Leased<UnitToDo>;

/// Numbers tokens, requests and commits: each is used once in a process.
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// A worker.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Its id.
    pub name: String,
    /// What it can run, as `name@version`.
    pub packs: Vec<String>,
    /// It holds at most one unit more.
    pub slots: u32,
    /// What an answer holds at most, before compression.
    pub max_bytes: i64,
    /// What a record costs, by `name@version`.
    pub costs: HashMap<String, Duration>,
    /// How long its leases last.
    pub ttl: Duration,
    /// What it speaks to.
    pub store: Store,
}

impl Worker {
    /// A worker with 100 slots that can run the suite's pack.
    pub fn new(store: &Store, name: &str) -> Self {
        Self {
            name: name.into(),
            packs: vec![PACK.into()],
            slots: 100,
            max_bytes: 8 * 1024 * 1024,
            costs: HashMap::new(),
            ttl: TTL,
            store: store.clone(),
        }
    }

    /// Leases up to `count` units.
    pub async fn lease(&self, count: usize, now: Timestamp) -> Vec<Lease> {
        self.lease_as(&format!("request-{:012}", number()), count, now).await
    }

    /// Leases one unit.
    ///
    /// # Panics
    /// When there is none.
    pub async fn lease_one(&self, now: Timestamp) -> Lease {
        self.lease(1, now).await.pop().expect("a unit is ready")
    }

    /// Leases under a request id of the caller's.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn lease_as(&self, request: &str, count: usize, now: Timestamp) -> Vec<Lease> {
        self.try_lease_as(request, count, now).await.expect("the store leases")
    }

    /// As [`Worker::lease_as`], with the store's error.
    ///
    /// # Errors
    /// The store's.
    pub async fn try_lease_as(
        &self,
        request: &str,
        count: usize,
        now: Timestamp,
    ) -> Result<Vec<Lease>, emend_scheduler::store::StoreError> {
        let ask = LeaseAsk {
            worker: self.name.clone(),
            request: request.into(),
            packs: self.packs.clone(),
            may_hold: self.slots + 1,
            tokens: std::iter::repeat_with(token).take(count).collect(),
            max_bytes: self.max_bytes,
            costs: self.costs.clone(),
        };
        self.store.lease(ask, self.ttl, now).await
    }

    /// Commits a unit with every record valid.
    pub async fn commit(&self, lease: &Lease, now: Timestamp) -> Outcome {
        let results = all_valid(lease.what.first_seq, lease.what.last_seq);
        self.commit_with(&lease.lease, &results, now).await
    }

    /// Commits these results.
    pub async fn commit_with(&self, lease: &LeaseRef, results: &[RecordResult], now: Timestamp) -> Outcome {
        self.commit_content(lease, content(results), now).await
    }

    /// Commits whatever came.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn commit_content(&self, lease: &LeaseRef, content: Content, now: Timestamp) -> Outcome {
        let mut outcomes = self.commit_all(vec![(lease.clone(), content)], now).await;
        outcomes.pop().expect("one outcome for one commit")
    }

    /// Commits several units in one call.
    ///
    /// # Panics
    /// When the store fails, or does not answer each.
    pub async fn commit_all(&self, commits: Vec<(LeaseRef, Content)>, now: Timestamp) -> Vec<Outcome> {
        let count = commits.len();
        let commits = commits.into_iter().map(|(lease, content)| Commit {
            lease,
            content,
            commit_id: format!("commit-{}", number()),
        });
        let outcomes = self.store.commit(self.name.clone(), commits.collect(), now).await;
        let outcomes = outcomes.expect("the store commits");
        assert_eq!(outcomes.len(), count, "each commit has an outcome");
        outcomes
    }

    /// Beats for one unit; `None` while it is queued.
    ///
    /// # Errors
    /// The refusal.
    pub async fn beat(&self, lease: &LeaseRef, progress: Option<i64>, now: Timestamp) -> Result<(), Refusal> {
        let beats = vec![Beat { lease: lease.clone(), progress }];
        self.beat_all(beats, now).await.pop().expect("one outcome for one beat")
    }

    /// Beats for several units in one call.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn beat_all(&self, beats: Vec<Beat>, now: Timestamp) -> Vec<Result<(), Refusal>> {
        self.store.beat(beats, self.ttl, now).await.expect("the store beats")
    }

    /// Hands a unit back as it was.
    ///
    /// # Errors
    /// The refusal.
    pub async fn release(&self, lease: &LeaseRef) -> Result<(), Refusal> {
        self.hand_back(lease, HandBack::Release).await
    }

    /// Fails a unit.
    ///
    /// # Errors
    /// The refusal.
    pub async fn fail(&self, lease: &LeaseRef, retryable: bool) -> Result<(), Refusal> {
        self.hand_back(lease, HandBack::Fail { retryable }).await
    }

    async fn hand_back(&self, lease: &LeaseRef, how: HandBack) -> Result<(), Refusal> {
        let outcomes = self.store.hand_back(vec![(lease.clone(), how)]).await.expect("the store takes back");
        outcomes.into_iter().next().expect("one outcome for one lease")
    }
}

/// A number that no other call gets.
pub fn number() -> u64 {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

fn token() -> Token {
    Token::new(u128::from(number()).to_be_bytes())
}

/// Whether a commit was taken, and with which commit id.
pub fn accepted(outcome: &Outcome) -> Option<(&str, bool, bool)> {
    match outcome {
        Outcome::Accepted { receipt, replayed, late } => Some((&receipt.commit_id, *replayed, *late)),
        Outcome::Refused(_) => None,
    }
}
