//! What may happen, drawn and shrunk.

use proptest::prelude::*;

/// One thing that happens. Numbers that pick something are taken modulo what there is to pick from, so that every
/// sequence means something, however much of it shrinking takes away.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// Rows arrive: keys of a small set, so that some are known. `Place` says which rows of the source.
    Import {
        source: u8,
        rows: Vec<(u8, bool)>,
        rejects: u8,
        place: Place,
        last: bool,
    },
    Seal,
    Pause(bool),
    Cancel,
    Delete,
    /// The retention loop, for what ended before now, or only for what was deleted.
    Retain(bool),
    /// A worker asks for units. With `repeat` it asks again with its last request.
    Lease {
        worker: u8,
        count: u8,
        repeat: bool,
        way: Way,
    },
    Beat {
        lease: u8,
        progress: Option<u8>,
    },
    Commit {
        lease: u8,
        sent: Sent,
        way: Way,
    },
    /// Several commits in one call; the same unit may stand there twice.
    CommitMany(Vec<(u8, Sent)>),
    Release {
        lease: u8,
    },
    Fail {
        lease: u8,
        retryable: bool,
    },
    /// Two messages of workers in the same moment: the answers must be those of one order or the other.
    Together(Message, Message),
    Time {
        seconds: u16,
    },
    /// From now on a scheduler answers whose clock is off.
    Skew(Skew),
    /// The expiry loop of a scheduler, perhaps of one that has just begun.
    Expire {
        young: bool,
    },
    Split,
    Advance,
    /// The scheduler is stopped and opens the store again.
    Restart,
    /// A unit's records rot on the disk.
    Damage {
        unit: u8,
    },
    /// The disk is well again, and an operator retries what was set aside.
    Repair,
    /// Somebody looks for a record.
    Find {
        key: u8,
    },
}

/// A message of a worker that speaks of one unit.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    Commit { lease: u8, sent: Sent },
    Beat { lease: u8, progress: Option<u8> },
    Release { lease: u8 },
    Fail { lease: u8, retryable: bool },
}

/// What becomes of a request and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Arrives,
    RequestLost,
    AnswerLost,
    /// The network says it twice.
    Doubled,
}

/// Where rows stand in their source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Next,
    /// As the last chunk, once more.
    Again,
    /// Rows are missing before them.
    Gap,
}

/// What a commit holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// What the rules say.
    Honest,
    /// What other rules would say.
    Other,
    /// Results of one record too many.
    Unfit,
    /// A block that was damaged on the way.
    Corrupt,
    /// What the rules say, with another's token.
    Stranger,
}

/// By how much a scheduler's clock is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skew {
    Right,
    TenYearsAhead,
    TenYearsBehind,
}

/// Leases are picked from the newest on: small numbers are recent ones.
fn lease() -> impl Strategy<Value = u8> {
    prop_oneof![3 => 0..3_u8, 1 => any::<u8>()]
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        12 => Just(Sent::Honest),
        2 => Just(Sent::Other),
        1 => Just(Sent::Unfit),
        1 => Just(Sent::Corrupt),
        1 => Just(Sent::Stranger),
    ]
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        7 => Just(Way::Arrives),
        1 => Just(Way::RequestLost),
        2 => Just(Way::AnswerLost),
        2 => Just(Way::Doubled),
    ]
}

fn progress() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![1 => Just(None), 4 => (0..3_u8).prop_map(Some)]
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        5 => (lease(), sent()).prop_map(|(lease, sent)| Message::Commit { lease, sent }),
        2 => (lease(), progress()).prop_map(|(lease, progress)| Message::Beat { lease, progress }),
        1 => lease().prop_map(|lease| Message::Release { lease }),
        1 => (lease(), any::<bool>()).prop_map(|(lease, retryable)| Message::Fail { lease, retryable }),
    ]
}

fn import() -> impl Strategy<Value = Op> {
    let place = prop_oneof![6 => Just(Place::Next), 1 => Just(Place::Again), 1 => Just(Place::Gap)];
    let rows = proptest::collection::vec((any::<u8>(), proptest::bool::weighted(0.9)), 0..6);
    (0..2_u8, rows, 0..2_u8, place, proptest::bool::weighted(0.2))
        .prop_map(|(source, rows, rejects, place, last)| Op::Import { source, rows, rejects, place, last })
}

fn work() -> impl Strategy<Value = Op> {
    let leases = (0..3_u8, 1..4_u8, proptest::bool::weighted(0.25), way())
        .prop_map(|(worker, count, repeat, way)| Op::Lease { worker, count, repeat, way });
    let fail = (lease(), proptest::bool::weighted(0.7));
    prop_oneof![
        20 => leases,
        12 => (lease(), sent(), way()).prop_map(|(lease, sent, way)| Op::Commit { lease, sent, way }),
        4 => proptest::collection::vec((lease(), sent()), 1..4).prop_map(Op::CommitMany),
        8 => (lease(), progress()).prop_map(|(lease, progress)| Op::Beat { lease, progress }),
        4 => lease().prop_map(|lease| Op::Release { lease }),
        4 => fail.prop_map(|(lease, retryable)| Op::Fail { lease, retryable }),
        6 => (message(), message()).prop_map(|(one, other)| Op::Together(one, other)),
    ]
}

fn world() -> impl Strategy<Value = Op> {
    let skew = prop_oneof![
        6 => Just(Skew::Right),
        1 => Just(Skew::TenYearsAhead),
        1 => Just(Skew::TenYearsBehind)
    ];
    prop_oneof![
        8 => prop_oneof![0..10_u16, 30..150_u16].prop_map(|seconds| Op::Time { seconds }),
        8 => proptest::bool::weighted(0.2).prop_map(|young| Op::Expire { young }),
        2 => skew.prop_map(Op::Skew),
        5 => Just(Op::Split),
        3 => Just(Op::Advance),
        1 => Just(Op::Restart),
        1 => any::<u8>().prop_map(|unit| Op::Damage { unit }),
        2 => Just(Op::Repair),
        2 => any::<u8>().prop_map(|key| Op::Find { key }),
    ]
}

fn steering() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => Just(Op::Seal),
        3 => Just(Op::Pause(true)),
        5 => Just(Op::Pause(false)),
        1 => Just(Op::Cancel),
        1 => Just(Op::Delete),
        2 => any::<bool>().prop_map(Op::Retain),
    ]
}

/// Any operation; most of them are work.
pub(crate) fn op() -> impl Strategy<Value = Op> {
    prop_oneof![12 => import(), 60 => work(), 22 => world(), 6 => steering()]
}
