//! A reviewer who speaks to the store directly, one step at a time.

use std::time::Duration;

use emend_scheduler::domain::lease::Token;
use emend_scheduler::domain::review::{AnswerKind, Effect, HandChange, ReviewRef};
use emend_scheduler::domain::time::Timestamp;
use emend_scheduler::store::{Decided, Decision, Held, Job, Member, ReviewAsk, Reviewer, Store, StoreError};

use crate::bench::{Bench, T0};
use crate::records::routed;
use crate::worker::number;

/// How long a review is held.
pub const HOLD: Duration = Duration::from_secs(20 * 60);
/// How long a decision may be taken back.
pub const UNDO: Duration = Duration::from_secs(5 * 60);

/// A person.
#[derive(Debug, Clone)]
pub struct Person {
    /// Who.
    pub reviewer: Reviewer,
    /// Only reviews with this finding; empty: any.
    pub finding: String,
    /// That of the last lease.
    pub token: Token,
    store: Store,
}

impl Person {
    /// A reviewer who knows everything and is no lead.
    pub fn new(store: &Store, name: &str) -> Self {
        Self {
            reviewer: Reviewer { name: name.into(), lead: false, skills: None },
            finding: String::new(),
            token: Token::new(u128::from(number()).to_be_bytes()),
            store: store.clone(),
        }
    }

    /// The name.
    pub fn name(&self) -> String {
        self.reviewer.name.clone()
    }

    /// Leases up to `most` reviews, of any job.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn lease(&mut self, most: u32, now: Timestamp) -> Vec<Held> {
        self.token = Token::new(u128::from(number()).to_be_bytes());
        let ask = ReviewAsk {
            reviewer: self.reviewer.clone(),
            job_id: None,
            finding: self.finding.clone(),
            most,
            token: self.token.clone(),
            ttl: HOLD,
        };
        self.store.lease_reviews(ask, now).await.expect("the store leases reviews").held
    }

    /// Leases one review.
    ///
    /// # Panics
    /// When there is none.
    pub async fn lease_one(&mut self, now: Timestamp) -> Held {
        self.lease(1, now).await.pop().expect("a review is open")
    }

    /// A decision of this person's on these reviews of one job, not sent yet.
    ///
    /// # Panics
    /// When there is no review.
    pub fn decision(&self, reviews: &[ReviewRef], effect: &Effect, needs_two: bool) -> Decision {
        let member = |review: &ReviewRef| Member {
            seq: review.seq,
            effect: effect.clone(),
            needs_two,
            draft: b"draft".to_vec(),
        };
        Decision {
            job_id: reviews.first().expect("a review").job_id,
            reviewer: self.name(),
            request_id: format!("decision-{}", number()),
            token: self.token.clone(),
            kind: effect.kind,
            reason: String::new(),
            pack_version: "1".into(),
            undo: UNDO,
            members: reviews.iter().map(member).collect(),
        }
    }

    /// Decides one review; nobody else is needed.
    pub async fn decide(&self, review: ReviewRef, effect: &Effect, now: Timestamp) -> Decided {
        self.send(self.decision(&[review], effect, false), now).await
    }

    /// Decides one review on which two must agree.
    pub async fn decide_of_two(&self, review: ReviewRef, effect: &Effect, now: Timestamp) -> Decided {
        self.send(self.decision(&[review], effect, true), now).await
    }

    /// Sends a decision.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn send(&self, decision: Decision, now: Timestamp) -> Decided {
        self.try_send(decision, now).await.expect("the store decides")
    }

    /// Sends a decision.
    ///
    /// # Errors
    /// The store's.
    pub async fn try_send(&self, decision: Decision, now: Timestamp) -> Result<Decided, StoreError> {
        self.store.decide(decision, now).await
    }

    /// Takes a decision back; how many reviews that opens.
    ///
    /// # Errors
    /// The store's.
    pub async fn undo(&self, decision_id: i64, now: Timestamp) -> Result<usize, StoreError> {
        self.store.undo_decision(decision_id, self.name(), HOLD, now).await
    }
}

impl Bench {
    /// A person of that name.
    pub fn person(&self, name: &str) -> Person {
        Person::new(&self.store, name)
    }

    /// A sealed job whose records 1 to `records` all wait for people, in units of ten.
    pub async fn job_for_people(&self, name: &str, records: i64) -> Job {
        let job = self.job(name, records, 10).await;
        let worker = self.worker("rules");
        loop {
            let leases = worker.lease(100, T0).await;
            if leases.is_empty() {
                return job;
            }
            for lease in leases {
                let results: Vec<_> = (lease.what.first_seq..=lease.what.last_seq).map(routed).collect();
                worker.commit_with(&lease.lease, &results, T0).await;
            }
        }
    }
}

/// Field `n` is `after` now.
pub fn says(after: &str) -> Effect {
    let change = HandChange { field: "n".into(), before: "1".into(), after: after.into() };
    Effect { kind: AnswerKind::Values, changes: vec![change] }
}

/// The id of a decision that was written.
///
/// # Panics
/// When it was not.
pub fn written(decided: Decided) -> i64 {
    match decided {
        Decided::Written { decision_id, .. } => decision_id,
        other => panic!("not written: {other:?}"),
    }
}
