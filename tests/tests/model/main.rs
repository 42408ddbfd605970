//! The lease protocol, explored to the last state: every order of what workers, schedulers, clocks and the network can
//! do within a small scope. The decisions are the scheduler's own (`scheduler/src/domain`); each promise is checked at
//! every step. With any one guard taken out a promise must break, else the model shows nothing.
//!
//! `cargo test -p emend-tests --test model -- --nocapture` prints the counts, and the shortest way to each violation.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod model;
mod mutant;
mod promise;
mod protocol;
mod world;

use std::time::Instant;

use stateright::{Checker as _, HasDiscoveries, Model as _};

use model::{Action, Lease, SKEWED, Scope, promise};
use mutant::Mutant;
use promise::Broken;
use protocol::Protocol;
use world::Sent;

/// A unit of one record, three workers, skewed clocks: the fence.
const FENCE: Scope = Scope {
    name: "fence",
    units: &[1],
    workers: 3,
    requests: 2,
    attempts: 3,
    grants: 6,
    clocks: &SKEWED,
    progress: &[None],
    sent: &[Sent::A, Sent::B],
    operator: true,
};
/// One worker that hangs, answers nonsense, and is asked again and again until the record is given up.
const HANG: Scope = Scope {
    name: "hang",
    workers: 1,
    progress: &[None, Some(0), Some(1)],
    sent: &[Sent::A, Sent::B, Sent::Unfit, Sent::Corrupt],
    ..FENCE
};
/// A unit that is halved, and its halves, and a lone record that is given up.
const HALVES: Scope = Scope {
    name: "halves",
    units: &[3],
    workers: 1,
    requests: 1,
    attempts: 1,
    grants: 5,
    clocks: &[model::RIGHT],
    sent: &[Sent::A],
    ..FENCE
};
/// Two units, two workers, and requests that come again.
const AGAIN: Scope = Scope {
    name: "again",
    units: &[1, 1],
    workers: 2,
    requests: 1,
    attempts: 2,
    grants: 4,
    clocks: &[model::RIGHT],
    sent: &[Sent::A, Sent::B],
    ..FENCE
};
const SCOPES: [Scope; 4] = [FENCE, HANG, HALVES, AGAIN];
/// No mutant needs more steps to be found.
const DEEPEST: usize = 10;

/// The property that is no single step's.
const NEVER_LOST: &str = "no unit is lost";

fn model(mutant: Option<Mutant>, scope: Scope) -> Lease {
    Lease { protocol: Protocol { mutant, attempts: scope.attempts }, scope }
}

#[test]
fn the_protocol_keeps_its_promises_in_every_order() {
    for scope in SCOPES {
        let begun = Instant::now();
        let checker = model(None, scope).checker().threads(2).spawn_bfs().join();
        let (states, depth) = (checker.unique_state_count(), checker.max_depth());
        println!("{}: {states} states, depth {depth}, {:.1?}", scope.name, begun.elapsed());
        let broken = checker.discoveries().into_iter().next();
        if let Some((name, path)) = broken {
            panic!("`{name}` does not hold:\n{}", steps(&path.into_actions()));
        }
        assert!(states > 1_000, "{}: a scope this small shows nothing", scope.name);
    }
}

fn steps(actions: &[Action]) -> String {
    actions.iter().map(|action| format!("    {action:?}\n")).collect()
}

#[test]
fn every_mutant_breaks_its_promise() {
    let (begun, mut missed) = (Instant::now(), Vec::new());
    for (mutant, expected) in MUTANTS {
        let expected = expected.map_or(NEVER_LOST, promise);
        let found = (2..=DEEPEST).find_map(|depth| {
            SCOPES.into_iter().find_map(|scope| {
                let checker = model(Some(*mutant), scope).checker().target_max_depth(depth);
                let checker = checker.finish_when(HasDiscoveries::AnyOf([expected].into()));
                let checker = checker.spawn_bfs().join();
                Some((scope.name, checker.discovery(expected)?.into_actions()))
            })
        });
        match found {
            Some((scope, path)) => {
                println!("{mutant:?}: `{expected}` does not hold ({scope}):\n{}", steps(&path));
            }
            None => missed.push((mutant, expected)),
        }
    }
    println!("{} of {} mutants found, {:.1?}", MUTANTS.len() - missed.len(), MUTANTS.len(), begun.elapsed());
    assert!(missed.is_empty(), "the model does not notice: {missed:?}");
}

const MUTANTS: &[(Mutant, Option<Broken>)] = &[
    (Mutant::StateOnly, Some(Broken::OldEpochCommits)),
    (Mutant::FenceOutsideWrite, Some(Broken::TwoCommits)),
    (Mutant::TokenNotCompared, Some(Broken::StrangerHeard)),
    (Mutant::EpochNotBumped, Some(Broken::EpochTwice)),
    (Mutant::EpochNotBumpedOnRepeat, Some(Broken::EpochTwice)),
    (Mutant::RepeatGrantsOthers, Some(Broken::RepeatGotOther)),
    (Mutant::RepeatCounts, Some(Broken::Miscounted)),
    (Mutant::LeaseTakesLeased, Some(Broken::GrantedTaken)),
    (Mutant::ExpiryOutside, Some(Broken::ReturnedEarly)),
    (Mutant::ExpiryClosesLease, Some(Broken::LateRefused)),
    (Mutant::ExpiryForgetsAttempt, Some(Broken::Miscounted)),
    (Mutant::NoClamp, None),
    (Mutant::NoHoldBack, Some(Broken::OwnSilence)),
    (Mutant::BeatRevives, Some(Broken::Revived)),
    (Mutant::BeatOfAnyEpoch, Some(Broken::OldLeaseHeard)),
    (Mutant::HungIsHeld, Some(Broken::HungHeld)),
    (Mutant::ReplayIgnoresDigest, Some(Broken::MismatchTaken)),
    (Mutant::ReplayNewReceipt, Some(Broken::OtherReceipt)),
    (Mutant::CommitByClock, Some(Broken::LateRefused)),
    (Mutant::CoverNotChecked, Some(Broken::UnfitTaken)),
    (Mutant::CancelNotChecked, Some(Broken::CancelledCommits)),
    (Mutant::ReleaseCounts, Some(Broken::Miscounted)),
    (Mutant::ReleaseKeepsToken, Some(Broken::ClosedCommits)),
    (Mutant::FailOfAnyEpoch, Some(Broken::OldLeaseHeard)),
    (Mutant::FailCountsAgain, Some(Broken::Miscounted)),
    (Mutant::GiveUpWithoutGrant, Some(Broken::OldLeaseHeard)),
    (Mutant::SplitKeepsParent, Some(Broken::RecordLost)),
    (Mutant::SplitLosesRecord, Some(Broken::RecordLost)),
    (Mutant::NoSplit, None),
];
