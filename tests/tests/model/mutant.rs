//! The protocol with one guard taken out.

/// Which guard is missing. Each has a promise that it breaks, in `main.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// A commit is taken whenever the unit is leased, by whomever.
    StateOnly,
    /// The fence is read in one transaction, the results are written in another.
    FenceOutsideWrite,
    /// Whoever knows unit and epoch may speak for the lease.
    TokenNotCompared,
    /// A new lease of a unit has the epoch of the one before.
    EpochNotBumped,
    /// A repeated request gets the epoch that it had.
    EpochNotBumpedOnRepeat,
    /// A repeated request gets other units, and the first ones idle.
    RepeatGrantsOthers,
    /// A repeated request counts an attempt.
    RepeatCounts,
    /// Leasing takes units that somebody has.
    LeaseTakesLeased,
    /// Expired leases are found in one transaction, returned in another.
    ExpiryOutside,
    /// An expired lease may not commit any more once the loop has returned it.
    ExpiryClosesLease,
    /// An expired lease costs no attempt.
    ExpiryForgetsAttempt,
    /// An expiry ten years ahead is believed.
    NoClamp,
    /// A scheduler that has just begun returns what ran out while it was away.
    NoHoldBack,
    /// A beat makes a returned unit leased again.
    BeatRevives,
    /// A beat of an old lease extends the newest.
    BeatOfAnyEpoch,
    /// A unit that never moves is held as long as somebody beats for it.
    HungIsHeld,
    /// A commit again is answered with the receipt, whatever it holds.
    ReplayIgnoresDigest,
    /// A commit again gets a receipt of its own.
    ReplayNewReceipt,
    /// A commit is refused when its lease has run out.
    CommitByClock,
    /// Results of other records are taken.
    CoverNotChecked,
    /// The commit of a cancelled job is taken.
    CancelNotChecked,
    /// A release costs an attempt.
    ReleaseCounts,
    /// A unit that was handed back may be committed all the same.
    ReleaseKeepsToken,
    /// A failure is heard from any lease.
    FailOfAnyEpoch,
    /// A failure counts although the expiry of the same lease did.
    FailCountsAgain,
    /// The scheduler gives a lone record up without a grant of its own.
    GiveUpWithoutGrant,
    /// A unit that was halved is still there.
    SplitKeepsParent,
    /// A unit is halved as if it had one record more.
    SplitLosesRecord,
    /// Exhausted units are never split.
    NoSplit,
}
