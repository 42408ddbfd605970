//! The scheduler with a guard taken out, of its store in most cases. A safety test that does not fail on its mutant shows
//! nothing, so the suites run their checks on each of these and expect violations. Nothing but the `test-hooks` feature
//! makes one.

mod beats;
pub(super) mod clock;
mod commits;
pub(super) mod leases;
mod reviews;

use super::Store;

/// Which guard is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// A commit is taken whenever the unit is leased, by whomever.
    StateOnly,
    /// A commit is taken whoever holds the unit, or has done it.
    NoFence,
    /// The fence is read in one transaction and the results are written in another.
    FenceOutsideWrite,
    /// What there is to tell is written in a transaction of its own, after the commit's.
    OutboxOutsideEffect,
    /// A relay's rows are deleted when it takes them, not when the broker has confirmed.
    ForgetBeforeConfirm,
    /// A commit is taken whatever the job ran when its unit was leased.
    IgnoresRuleset,
    /// A commit is answered, and written after that.
    AnswersFirst,
    /// A commit that was taken is not known when it is sent again.
    ForgetsCommits,
    /// A call for leases that is sent again is a new one.
    ForgetsRequests,
    /// A beat looks at neither epoch nor state.
    BeatRevives,
    /// Beats without progress are not counted.
    BeatsSuffice,
    /// The pick of units to lease is not materialised. PostgreSQL only.
    PlainPick,
    /// A unit that was lost before goes with others.
    SuspectsInCompany,
    /// The clock is anchored to the machine's own, not to the store's. PostgreSQL only.
    TrustsWallClock,
    /// No call is turned away for lack of room.
    NeverSheds,
    /// A call that is turned away waits in the queue first.
    RefusesInTurn,
    /// Callers' deadlines are not looked at.
    ForgetsDeadlines,
    /// A call is answered when its caller's time is over, and what it has begun goes on.
    WorksForNobody,
    /// No connection ends by age.
    NeverAges,
    /// A claim of reviews does not see that they are held.
    SharesReviews,
    /// Nor a decision that somebody else holds its review.
    OutvotesHolder,
    /// Whoever has answered a review may answer it again, as the second person.
    AgreesWithItself,
}

impl Store {
    /// This store with a guard taken out.
    #[must_use]
    pub fn with_mutant(&self, mutant: Mutant) -> Self {
        Self { mutant: Some(mutant), ..self.clone() }
    }

    /// Which guard is missing: for those that are not the store's own.
    pub(crate) fn mutant(&self) -> Option<Mutant> {
        self.mutant
    }
}
