//! What may happen, at any moment and in any order.
//!
//! The network is the worst there is: whatever the holder of a lease could ever say may arrive at any moment, any number
//! of times, or never. So a lost, doubled, late or overtaken message, a worker that crashed or froze, and a zombie that
//! came back are all in it. A scheduler keeps nothing between two transactions, so one that crashes is one that does
//! not write. Each step reads a clock of its own, ten years behind, right, or ten years ahead.

use emend_scheduler::domain::lease::HandBack;
use emend_scheduler::domain::unit::UnitState;
use stateright::{Model, Property};

use crate::promise::{Broken, judge, remember};
use crate::protocol::{Answer, Protocol, TTL};
use crate::world::{Row, Sent, World};

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// A worker asks for a unit; with a request that it made before, it asks again.
    Lease { worker: u8, request: u8, clock: i16 },
    /// A beat arrives.
    Beat { grant: usize, progress: Option<u8>, clock: i16 },
    /// A commit arrives; a stranger's has another's token.
    Commit { grant: usize, sent: Sent, stranger: bool, clock: i16 },
    /// A unit is released or failed.
    HandBack { grant: usize, how: HandBack },
    /// A scheduler's loop looks for expired leases; a young one has just begun.
    Expire { clock: i16, young: bool },
    /// A scheduler's loop splits a unit.
    Split,
    /// An operator gives damaged units back.
    Retry,
    /// An operator cancels the job.
    Cancel,
    /// A scheduler goes on with what it read before.
    Write,
    /// That scheduler dies instead.
    Crash,
}

impl Action {
    /// Whose message it is.
    pub(crate) fn grant(&self) -> Option<usize> {
        match *self {
            Self::Beat { grant, .. } | Self::Commit { grant, .. } | Self::HandBack { grant, .. } => {
                Some(grant)
            }
            _ => None,
        }
    }
}

/// How much may happen: what is checked exhaustively is all that can happen within it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    pub(crate) name: &'static str,
    /// Records of each unit at the start.
    pub(crate) units: &'static [u8],
    pub(crate) workers: u8,
    /// Requests that each worker makes.
    pub(crate) requests: u8,
    pub(crate) attempts: u32,
    /// Leases granted at most.
    pub(crate) grants: usize,
    pub(crate) clocks: &'static [i16],
    pub(crate) progress: &'static [Option<u8>],
    pub(crate) sent: &'static [Sent],
    pub(crate) operator: bool,
}

/// The model of one scope.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lease {
    pub(crate) protocol: Protocol,
    pub(crate) scope: Scope,
}

impl Lease {
    fn step(&self, world: &mut World, action: Action) -> Answer {
        let protocol = self.protocol;
        match action {
            Action::Lease { worker, request, clock } => protocol.lease(world, worker, request, clock),
            Action::Beat { grant, progress, clock } => protocol.beat(world, grant, progress, clock),
            Action::Commit { grant, sent, stranger, clock } => {
                protocol.commit(world, grant, sent, stranger, clock)
            }
            Action::HandBack { grant, how } => protocol.hand_back(world, grant, how),
            Action::Write => protocol.write(world),
            Action::Expire { clock, young } => {
                protocol.expire(world, clock, young);
                Answer::Nothing
            }
            Action::Split => {
                protocol.split(world);
                Answer::Nothing
            }
            Action::Retry => {
                protocol.retry(world);
                Answer::Nothing
            }
            Action::Cancel => {
                world.cancelled = true;
                Answer::Nothing
            }
            Action::Crash => {
                world.pending = None;
                Answer::Nothing
            }
        }
    }

    /// Whether every unit is settled once nothing goes wrong any more: the clock is right and moves on, the loops run, one
    /// honest worker works.
    fn settles(&self, world: &World) -> bool {
        const HONEST: u8 = u8::MAX;
        let mut world = World { pending: None, ..world.clone() };
        let mut clock = RIGHT;
        for request in 0..40 {
            let settled = |row: &Row| matches!(row.state, UnitState::Done | UnitState::Split);
            if world.cancelled || world.rows.iter().all(settled) {
                return true;
            }
            clock += TTL + 1;
            self.protocol.retry(&mut world);
            self.protocol.expire(&mut world, clock, false);
            self.protocol.split(&mut world);
            self.protocol.write(&mut world);
            if let Answer::Granted(Some(grant)) = self.protocol.lease(&mut world, HONEST, request, clock) {
                self.protocol.commit(&mut world, grant, Sent::A, false, clock);
                self.protocol.write(&mut world);
            }
        }
        false
    }

    fn messages(&self, world: &World, actions: &mut Vec<Action>) {
        for grant in 0..world.granted.len() {
            for &clock in self.scope.clocks {
                actions.extend(self.scope.progress.iter().map(|&progress| Action::Beat {
                    grant,
                    progress,
                    clock,
                }));
                let commit = |&sent| Action::Commit { grant, sent, stranger: false, clock };
                actions.extend(self.scope.sent.iter().map(commit));
            }
            actions.push(Action::Commit { grant, sent: Sent::A, stranger: true, clock: RIGHT });
            let hows =
                [HandBack::Release, HandBack::Fail { retryable: true }, HandBack::Fail { retryable: false }];
            actions.extend(hows.map(|how| Action::HandBack { grant, how }));
        }
    }
}

/// The time, and what a clock says that is ten years off.
pub(crate) const RIGHT: i16 = 1000;
pub(crate) const SKEWED: [i16; 3] = [RIGHT, 0, 2 * RIGHT];

impl Model for Lease {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let mut first = 1;
        let rows = self.scope.units.iter().map(|records| {
            let row = Row::new(first, first + records - 1, self.scope.attempts);
            first += records;
            row
        });
        let rows = rows.collect();
        let (granted, taken) = (Vec::new(), Vec::new());
        vec![World { cancelled: false, rows, granted, taken, pending: None, broken: None }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.broken.is_some() {
            return;
        }
        for &clock in self.scope.clocks {
            for worker in 0..self.scope.workers {
                if world.granted.len() < self.scope.grants {
                    let lease = |request| Action::Lease { worker, request, clock };
                    actions.extend((0..self.scope.requests).map(lease));
                }
            }
            actions.extend([false, true].map(|young| Action::Expire { clock, young }));
        }
        // Just after a lease that was granted by a right clock has run out: a young scheduler holds it back.
        actions.extend([false, true].map(|young| Action::Expire { clock: RIGHT + TTL + 1, young }));
        self.messages(world, actions);
        actions.extend([Action::Split, Action::Retry]);
        if self.scope.operator && !world.cancelled {
            actions.push(Action::Cancel);
        }
        if world.pending.is_some() {
            actions.extend([Action::Write, Action::Crash]);
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut after = before.clone();
        let answer = self.step(&mut after, action);
        remember(before, &action, &answer, &mut after);
        after.broken = judge(before, &action, &answer, &after);
        (after != *before).then_some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = promises();
        properties.push(Property::always("no unit is lost", |model: &Self, world: &World| {
            world.broken.is_some() || model.settles(world)
        }));
        properties
    }
}

macro_rules! promises {
    ($($broken:ident: $promise:literal),* $(,)?) => {
        /// A property for each promise; it is named for what holds.
        fn promises() -> Vec<Property<Lease>> {
            vec![$(Property::always($promise, |_: &Lease, world: &World| {
                world.broken != Some(Broken::$broken)
            })),*]
        }
        /// The property that a broken promise fails.
        #[cfg(test)]
        pub(crate) fn promise(broken: Broken) -> &'static str {
            match broken { $(Broken::$broken => $promise),* }
        }
    };
}
promises!(
    TwoCommits: "at most one commit of a unit is taken",
    OldEpochCommits: "it is from the newest lease ever granted",
    CommitLost: "an acknowledged commit stays",
    OtherReceipt: "the same commit gets the same receipt",
    MismatchTaken: "another commit of the same lease is refused",
    OldLeaseHeard: "an old lease changes nothing",
    StrangerHeard: "another's token changes nothing",
    EpochTwice: "each grant has an epoch of its own, and a higher one",
    GrantedTaken: "what somebody holds is granted to nobody else",
    RepeatGotOther: "the same request gets the same unit",
    Miscounted: "a lost lease costs one attempt, and nothing else does",
    Revived: "a beat revives nothing",
    HungHeld: "a unit that hangs is lost after four beats",
    LateRefused: "the newest lease commits, late or not",
    ClosedCommits: "what was handed back is not committed",
    UnfitTaken: "results of other records are not taken",
    CancelledCommits: "a cancelled job stays as it is",
    ReturnedEarly: "a lease lasts as long as it was granted",
    OwnSilence: "a scheduler's own silence costs nobody a lease",
    RecordLost: "each record is in one unit",
);
