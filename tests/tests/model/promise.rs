//! The promises, each checked on every step of every run. Nothing here asks the protocol what it thinks: grants and
//! commits are counted apart.

use emend_scheduler::domain::lease::{HandBack, Refusal};
use emend_scheduler::domain::unit::UnitState;

use crate::model::Action;
use crate::protocol::{Answer, TTL};
use crate::world::{Pending, Row, Sent, Taken, World};

/// A promise that a step broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Broken {
    /// A unit was committed twice.
    TwoCommits,
    /// A commit was taken from a lease that was not the newest.
    OldEpochCommits,
    /// A commit that was acknowledged is gone or changed.
    CommitLost,
    /// The same commit was answered with another receipt, or refused.
    OtherReceipt,
    /// Another commit of the same lease was taken for the same one.
    MismatchTaken,
    /// A message of an old lease changed something, or was answered as if the lease lived.
    OldLeaseHeard,
    /// A message with another's token changed something.
    StrangerHeard,
    /// Two grants of a unit have the same epoch.
    EpochTwice,
    /// A unit was granted that somebody else has.
    GrantedTaken,
    /// The same request got another unit while it has one.
    RepeatGotOther,
    /// An attempt was counted where none was used, twice, or not at all.
    Miscounted,
    /// A beat made a unit leased that was not.
    Revived,
    /// A unit that never moves is still held after its fourth beat.
    HungHeld,
    /// The newest lease could not commit, and nobody else had the unit.
    LateRefused,
    /// A lease that was handed back committed.
    ClosedCommits,
    /// Results of other records were taken.
    UnfitTaken,
    /// A cancelled job was changed.
    CancelledCommits,
    /// A lease went back before it had run out.
    ReturnedEarly,
    /// A scheduler that had just begun took the silence for the worker's.
    OwnSilence,
    /// A record is in no unit, or in two.
    RecordLost,
}

/// The first promise that the step from `before` to `after` breaks.
pub(crate) fn judge(before: &World, action: &Action, answer: &Answer, after: &World) -> Option<Broken> {
    kept(before, after).or_else(|| records(after)).or_else(|| attempts(before, action, after)).or_else(|| {
        match *action {
            Action::Lease { worker, request, .. } => leased(before, worker, request, answer, after),
            Action::Beat { grant, .. } => {
                fenced(before, grant, false, answer, after).or_else(|| beaten(before, grant, after))
            }
            Action::Commit { grant, sent, stranger, .. } => fenced(before, grant, stranger, answer, after)
                .or_else(|| committed(before, grant, sent, stranger, answer, after)),
            Action::HandBack { grant, .. } => fenced(before, grant, false, answer, after),
            Action::Expire { clock, young } => expired(before, clock, young, after),
            Action::Write => written(before, after),
            Action::Split | Action::Retry | Action::Cancel | Action::Crash => None,
        }
    })
}

/// What is done stays, as it is, and is done once.
fn kept(before: &World, after: &World) -> Option<Broken> {
    let twice = |taken: &Taken| after.taken.iter().filter(|other| other.unit == taken.unit).count() > 1;
    if after.taken.iter().any(twice) {
        return Some(Broken::TwoCommits);
    }
    let done = |row: &Row| (row.state, row.receipt, row.epoch);
    let lost = |id: &usize| {
        before.rows[*id].state == UnitState::Done && done(&before.rows[*id]) != done(&after.rows[*id])
    };
    if (0..before.rows.len()).any(|id| lost(&id)) {
        return Some(Broken::CommitLost);
    }
    let new = after.taken.get(before.taken.len())?;
    if before.cancelled {
        return Some(Broken::CancelledCommits);
    }
    (new.nth != after.rows[new.unit].grants).then_some(Broken::OldEpochCommits)
}

/// Live units hold every record once.
fn records(after: &World) -> Option<Broken> {
    let mut live: Vec<_> = after.rows.iter().filter(|row| row.state != UnitState::Split).collect();
    live.sort_by_key(|row| row.first);
    let follow = live.windows(2).all(|pair| pair[0].last + 1 == pair[1].first);
    let all = live.first().map(|row| row.first) == Some(1)
        && live.last().map(|row| row.last) == after.rows.iter().map(|row| row.last).max();
    (!follow || !all || live.iter().any(|row| row.first > row.last)).then_some(Broken::RecordLost)
}

/// A lease that is lost costs one attempt, and nothing else does.
fn attempts(before: &World, action: &Action, after: &World) -> Option<Broken> {
    for (old, new) in before.rows.iter().zip(&after.rows) {
        let used = old.attempts - new.attempts;
        let lost = old.state == UnitState::Leased && new.state == UnitState::Ready;
        let wrong = match action {
            Action::Retry => false,
            Action::HandBack { how: HandBack::Fail { retryable: false }, .. } => {
                used != 0 && new.attempts != 0
            }
            Action::HandBack { how: HandBack::Release, .. } => used != 0,
            Action::HandBack { .. } | Action::Commit { .. } | Action::Beat { .. } => {
                used != i8::from(lost && old.attempts > 0)
            }
            Action::Expire { .. } | Action::Write => used != i8::from(lost),
            Action::Lease { .. } | Action::Split | Action::Cancel | Action::Crash => used != 0,
        };
        if wrong || (used > 0 && old.counted && !matches!(action, Action::HandBack { .. })) {
            return Some(Broken::Miscounted);
        }
    }
    None
}

fn leased(before: &World, worker: u8, request: u8, answer: &Answer, after: &World) -> Option<Broken> {
    let Answer::Granted(granted) = answer else { return None };
    let theirs = |row: &Row| {
        row.state == UnitState::Leased && (row.holder, row.request) == (Some(worker), Some(request))
    };
    let Some(grant) = granted else {
        return before.rows.iter().any(theirs).then_some(Broken::RepeatGotOther);
    };
    let grant = after.granted[*grant];
    let row = &before.rows[grant.unit];
    let same_unit = before.granted.iter().filter(|other| other.unit == grant.unit);
    if same_unit.map(|other| other.epoch).any(|epoch| epoch >= grant.epoch) {
        return Some(Broken::EpochTwice);
    }
    if theirs(row) {
        return None;
    }
    if before.rows.iter().any(theirs) {
        return Some(Broken::RepeatGotOther);
    }
    let free = row.state == UnitState::Ready && row.attempts > 0 && !before.cancelled;
    (!free).then_some(Broken::GrantedTaken)
}

/// Nobody is heard who has not the newest lease and its token.
fn fenced(before: &World, grant: usize, stranger: bool, answer: &Answer, after: &World) -> Option<Broken> {
    let old = !before.is_newest(grant);
    if !old && !stranger {
        return None;
    }
    let unit = before.granted[grant].unit;
    let lost = match answer {
        Answer::Heard(Err(refusal)) | Answer::Refused(refusal) => {
            let of_old = matches!(refusal, Refusal::LeaseLost | Refusal::Superseded);
            of_old || (stranger && !old && *refusal == Refusal::WrongToken)
        }
        _ => false,
    };
    let heard = if stranger { Broken::StrangerHeard } else { Broken::OldLeaseHeard };
    (!lost || before.rows[unit] != after.rows[unit]).then_some(heard)
}

fn beaten(before: &World, grant: usize, after: &World) -> Option<Broken> {
    let unit = before.granted[grant].unit;
    let (old, new) = (&before.rows[unit], &after.rows[unit]);
    if new.state == UnitState::Leased && old.state != UnitState::Leased {
        return Some(Broken::Revived);
    }
    // The first beat of a running unit says where it is, and the third after that without progress ends the lease.
    (new.still > 2).then_some(Broken::HungHeld)
}

fn committed(
    before: &World,
    grant: usize,
    sent: Sent,
    stranger: bool,
    answer: &Answer,
    after: &World,
) -> Option<Broken> {
    if stranger || !before.is_newest(grant) {
        return None;
    }
    let unit = before.granted[grant].unit;
    let row = &before.rows[unit];
    let sound = matches!(sent, Sent::A | Sent::B);
    let fresh = after.taken.len() > before.taken.len();
    let Some(there) = before.taken.iter().find(|taken| taken.unit == unit) else {
        if fresh && !sound {
            return Some(Broken::UnfitTaken);
        }
        if fresh && row.closed {
            return Some(Broken::ClosedCommits);
        }
        let may = sound && !row.closed && !before.cancelled && row.state != UnitState::SetAside;
        let waits = *answer == Answer::Nothing;
        return (may && !fresh && !waits).then_some(Broken::LateRefused);
    };
    let same = matches!(answer, Answer::Accepted { number, replayed: true } if *number == there.number);
    match (sound && there.digest == sent.digest(), answer) {
        (true, _) if !same => Some(Broken::OtherReceipt),
        (false, Answer::Accepted { .. }) => Some(Broken::MismatchTaken),
        _ => None,
    }
}

fn expired(before: &World, clock: i16, young: bool, after: &World) -> Option<Broken> {
    let returned = before.rows.iter().zip(&after.rows);
    let returned =
        returned.filter(|(old, new)| old.state == UnitState::Leased && new.state == UnitState::Ready);
    let mut ran_out = returned.map(|(old, _)| old.expires.map_or(0, |at| clock - at));
    let heard_of = if young { TTL } else { 0 };
    let worst = ran_out.by_ref().min()?;
    if worst < 0 {
        return Some(Broken::ReturnedEarly);
    }
    (worst < heard_of).then_some(Broken::OwnSilence)
}

fn written(before: &World, after: &World) -> Option<Broken> {
    match before.pending {
        Some(Pending::Expire { clock, .. }) => expired(before, clock, false, after),
        _ => None,
    }
}

/// What the judge remembers of a step beside the rows.
pub(crate) fn remember(before: &World, action: &Action, answer: &Answer, after: &mut World) {
    for (old, new) in before.rows.iter().zip(&mut after.rows) {
        new.counted |= new.attempts < old.attempts;
    }
    let Some(grant) = action.grant().filter(|grant| before.is_newest(*grant)) else { return };
    let unit = before.granted[grant].unit;
    let (old, new) = (before.rows[unit], &mut after.rows[unit]);
    new.closed |= match (action, answer) {
        (Action::HandBack { .. }, Answer::Heard(Ok(()))) => true,
        (Action::Beat { .. }, Answer::Heard(Err(_))) => old.state == UnitState::Leased,
        (_, Answer::Refused(Refusal::ResultsDoNotFit(_) | Refusal::ChecksumMismatch)) => true,
        _ => false,
    };
    if let (Action::Beat { progress, .. }, Answer::Heard(Ok(()))) = (action, answer) {
        let stands = matches!((old.progress, progress), (Some(before), Some(now)) if *now <= before);
        new.still = if stands { old.still + 1 } else { 0 };
    }
}
