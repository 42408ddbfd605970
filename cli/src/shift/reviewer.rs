//! One simulated reviewer: takes a few reviews, answers them, comes again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use emend_proto::v1::{
    Answer, DecideRequest, LeaseReviewsRequest, LeaseReviewsResponse, ReleaseReviewsRequest,
    RenewReviewsRequest, ReviewCard, ReviewLease, ReviewQueue, ReviewRef, SkipReviewRequest,
};
use tonic::Status;

use super::cluster;
use super::draw::Draw;
use super::floor::Floor;
use super::ledger::Mark;
use super::person::{Habits, Said, judge};
use crate::client::{Client, explain, is_reason};

/// Reviews held at a time: what the desk fetches ahead.
const AHEAD: u32 = 3;
/// The share of reviews that a reviewer hands back, and that it leaves to a lead. A lead does neither.
const SKIPS: f64 = 0.01;
const CANNOT: f64 = 0.01;
/// How long to wait when there is nothing: the first time, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Makes one call of `$reviewer`, when its turn has come.
macro_rules! ask {
    ($reviewer:expr, $rpc:ident($request:expr)) => {{
        let _turn = $reviewer.floor.turn().await;
        crate::client::review!($reviewer.client, $rpc($request))
    }};
}
pub(super) use ask;

/// A simulated reviewer.
pub(super) struct Reviewer {
    pub(super) floor: Arc<Floor>,
    pub(super) client: Client,
    pub(super) name: String,
    number: u32,
    lead: bool,
    wait: Duration,
}

impl Reviewer {
    pub(super) fn new(floor: Arc<Floor>, client: Client, number: u32, lead: bool) -> Self {
        Self { floor, client, name: format!("sim-{number:03}"), number, lead, wait: FIRST_WAIT }
    }

    /// Works until the shift is over.
    pub(super) async fn work(mut self) -> Result<()> {
        while !self.floor.is_over() {
            let Some(LeaseReviewsResponse { leases, queue }) = self.lease().await? else { break };
            if leases.is_empty() {
                self.pause(&queue.unwrap_or_default()).await;
                continue;
            }
            self.wait = FIRST_WAIT;
            self.floor.is_dry(self.number, false);
            for at in 0..leases.len() {
                self.look(&leases[at..]).await?;
                if self.floor.is_over() {
                    break;
                }
                self.review(&leases[at]).await?;
            }
        }
        self.sign_out().await
    }

    /// The next reviews; none once the job has ended.
    async fn lease(&self) -> Result<Option<LeaseReviewsResponse>> {
        let request = LeaseReviewsRequest {
            reviewer: self.name.clone(),
            job: self.floor.job.clone(),
            max_reviews: AHEAD,
            lead: self.lead,
            ..LeaseReviewsRequest::default()
        };
        match ask!(self, lease_reviews(request)) {
            Ok(answer) => Ok(Some(answer)),
            Err(status) if is_reason(&status, "REVIEWER_PAUSED") => {
                self.floor.ledger().paused();
                // Nobody waits for this one to bring the shift on.
                self.floor.is_dry(self.number, true);
                Ok(None)
            }
            Err(status) => Err(self.explain(&status)),
        }
    }

    /// Nothing is there: waits for as long as the queue says, within bounds, or longer each time.
    async fn pause(&mut self, queue: &ReviewQueue) {
        self.floor.is_dry(self.number, queue.held == 0 && queue.later == 0);
        let told = [queue.next_due_in, queue.next_free_in].into_iter().flatten();
        let told = told.filter_map(|time| Duration::try_from(time).ok()).min();
        let wait = told.map_or(self.wait, |told| told.clamp(FIRST_WAIT, self.wait));
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        // Not all at the same instant.
        let share = Draw::of(self.floor.order.seed, self.number, 0, 0).share();
        self.floor.sleep(wait.mul_f64(0.75 + share / 2.0)).await;
    }

    /// Looks at the first of `held` for a while. A desk whose page is looked at keeps what it holds.
    async fn look(&self, held: &[ReviewLease]) -> Result<()> {
        let pace = self.floor.order.pace;
        if pace.is_zero() {
            return Ok(());
        }
        let reviews: Vec<ReviewRef> = held.iter().filter_map(|lease| lease.review).collect();
        let seq = reviews.first().map_or(0, |review| review.seq);
        let share = Draw::of(self.floor.order.seed, self.number, seq, 0).share();
        self.floor.sleep(pace.mul_f64(0.5 + share)).await;
        let request = RenewReviewsRequest { reviewer: self.name.clone(), ttl: None, reviews };
        let renewed = ask!(self, renew_reviews(request));
        renewed.map(drop).map_err(|status| self.explain(&status))
    }

    async fn review(&self, lease: &ReviewLease) -> Result<()> {
        let (at, card) = parts(lease)?;
        if cluster::is_worth_it(card) && cluster::decide(self, lease).await? {
            return Ok(());
        }
        let said = self.judge(at, card)?;
        self.say(at, card.round, &lease.token, said).await
    }

    /// What this one makes of a card; the same each time.
    pub(super) fn judge(&self, at: ReviewRef, card: &ReviewCard) -> Result<Said> {
        let order = &self.floor.order;
        let (skips, cannot) = if self.lead { (0.0, 0.0) } else { (SKIPS, CANNOT) };
        let mut draw = Draw::of(order.seed, self.number, at.seq, card.round);
        judge(card, &self.floor.truths.of(at.seq)?, Habits { errors: order.errors, skips, cannot }, &mut draw)
    }

    /// Sends what was made of a review.
    pub(super) async fn say(&self, at: ReviewRef, round: u32, token: &[u8], said: Said) -> Result<()> {
        match said {
            Said::Skip => {
                let request = SkipReviewRequest { reviewer: self.name.clone(), review: Some(at) };
                let skipped = ask!(self, skip_review(request));
                skipped.map_err(|status| self.explain(&status))?;
                self.floor.ledger().skipped();
            }
            Said::Cannot(answer) => {
                if self.answer(at, token, answer).await? {
                    self.floor.ledger().cannot_decide();
                }
            }
            Said::Right(answer) => {
                if self.answer(at, token, answer).await? {
                    self.floor.ledger().answered(at.seq, round, Mark::Right);
                }
            }
            Said::Wrong(answer) => {
                if self.answer(at, token, answer).await? {
                    self.floor.ledger().answered(at.seq, round, Mark::Wrong);
                }
            }
        }
        Ok(())
    }

    /// Whether the answer was taken.
    async fn answer(&self, at: ReviewRef, token: &[u8], answer: Answer) -> Result<bool> {
        let request = DecideRequest {
            reviewer: self.name.clone(),
            request_id: request_id(token, at),
            review: Some(at),
            token: token.to_vec(),
            answer: Some(answer),
        };
        let taken = match ask!(self, decide(request)) {
            Ok(answer) => answer.decision.is_some(),
            Err(status) if is_overtaken(&status) => false,
            Err(status) => return Err(self.explain(&status)),
        };
        if !taken {
            self.floor.ledger().taken();
        }
        Ok(taken)
    }

    /// Hands back what is held, when the shift ended in the middle of it.
    async fn sign_out(&self) -> Result<()> {
        let request = ReleaseReviewsRequest { reviewer: self.name.clone() };
        ask!(self, release_reviews(request)).map(drop).map_err(|status| self.explain(&status))
    }

    pub(super) fn explain(&self, status: &Status) -> anyhow::Error {
        explain(status, &self.floor.order.job).context(format!("reviewer {}", self.name))
    }
}

/// What a lease holds, which a scheduler always sends.
pub(super) fn parts(lease: &ReviewLease) -> Result<(ReviewRef, &ReviewCard)> {
    let card = lease.card.as_ref().context("the scheduler sent a review without a card")?;
    Ok((lease.review.context("the scheduler sent a lease of no review")?, card))
}

/// Whether somebody else was first, or the job has ended: no fault of the answer.
pub(super) fn is_overtaken(status: &Status) -> bool {
    ["REVIEW_TAKEN", "WRONG_TOKEN", "REVIEW_NOT_FOUND", "JOB_ENDED"]
        .into_iter()
        .any(|reason| is_reason(status, reason))
}

/// Names an answer: the same when it is sent again, and no other shift's. The token is of one lease alone.
pub(super) fn request_id(token: &[u8], at: ReviewRef) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&at.job_id.to_le_bytes()).update(&at.seq.to_le_bytes()).update(token);
    hasher.finalize().to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_its_own_name_and_keeps_it() {
        let id = |token: &[u8], seq| request_id(token, ReviewRef { job_id: 1, seq });
        assert_eq!(id(b"a", 1), id(b"a", 1));
        assert_eq!(id(b"a", 1).len(), 32);
        assert!(id(b"a", 1) != id(b"a", 2) && id(b"a", 1) != id(b"b", 1));
    }
}
