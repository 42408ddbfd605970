//! Synthetic records with known truth: people, doses, and faults of every kind in the rules.
//!
//! Record `i` hangs on the seed and `i` alone, so records can be made in any order, by any number of hands.

mod circles;
mod crowd;
mod draw;
mod faults;
mod person;
mod spoil_dose;
mod spoil_identity;
mod spoil_name;
mod spoil_place;
mod spoil_text;
mod words;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::columns::Column;
use crate::truth::{Class, Truth, Values};
pub use crowd::{Crowd, Member, Related, Relation};
use draw::Draw;
pub use faults::FaultKind;
use faults::{FAULTS, Fault};
use person::Draft;

/// Of a hundred records, how many have nothing wrong.
const CLEAN_PERCENT: usize = 10;
/// Of a hundred records, how many have a fault that needs a person.
const PERSON_PERCENT: usize = 20;
/// How often a fault that does not fit the person is drawn again, before the record makes do with fewer.
const TRIES: usize = 64;

/// Makes records from a seed.
#[derive(Debug, Clone)]
pub struct Generator {
    base: ChaCha8Rng,
}

/// A synthetic record and its truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// The record's key, which is its `record_id` too.
    pub key: String,
    /// What the record says, column by column.
    pub values: Values,
    /// What is true.
    pub truth: Truth,
}

impl Generated {
    /// Names and values, in the order of a file.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.fields()
    }
}

impl Generator {
    /// A generator; the same seed makes the same records.
    pub fn new(seed: u64) -> Self {
        Self { base: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// The record of number `i`, from 0. Its key counts from 1.
    pub fn record(&self, i: u64) -> Generated {
        let mut stream = self.base.clone();
        stream.set_stream(i);
        let mut draw = Draw(stream);
        let key = key(i);
        let mut draft = Draft::of(&key, &mut draw);
        draft.written = draft.truth.clone();
        let faults = spoil(&mut draft, &mut draw);
        complain(&mut draft, &mut draw, &faults);
        Generated::of(draft, &faults)
    }
}

impl Generated {
    /// The record that a draft became by these faults.
    fn of(draft: Draft, faults: &[&Fault]) -> Self {
        let key = draft.truth.get(Column::RecordId).to_owned();
        let person_fields: Vec<Column> = faults.iter().flat_map(|fault| fault.person).copied().collect();
        let class = match (faults.is_empty(), person_fields.is_empty()) {
            (true, _) => Class::Clean,
            (_, true) => Class::Form,
            _ => Class::Person,
        };
        let truth = Truth {
            key: key.clone(),
            class,
            fields: draft.truth,
            person_fields: person_fields.into_iter().map(|column| column.name().to_owned()).collect(),
            faults: faults.iter().map(|fault| fault.kind).collect(),
        };
        Self { key, values: draft.written, truth }
    }
}

/// The key of the record of number `i`, from 0.
fn key(i: u64) -> String {
    format!("HCM-{:09}", i.saturating_add(1))
}

/// Lets the citizen say what is wrong, unless their words are what went wrong. Some say nothing.
fn complain(draft: &mut Draft, draw: &mut Draw, faults: &[&Fault]) {
    let column = Column::ReportedFault;
    let Some(subject) = faults.first().and_then(|fault| fault.subject()) else { return };
    let spoiled = draft.written.get(column) != draft.truth.get(column);
    if !spoiled && draw.chance(75) {
        let words = draw.pick(&words::complaints(subject));
        draft.truth.set(column, words);
        draft.written.set(column, words);
    }
}

/// Draws the class of the record and its faults, and does them.
fn spoil(draft: &mut Draft, draw: &mut Draw) -> Vec<&'static Fault> {
    let class = draw.below(100);
    let mut done = Vec::new();
    if class < CLEAN_PERCENT {
        return done;
    }
    let count = match draw.below(100) {
        0..70 => 1,
        70..92 => 2,
        _ => 3,
    };
    if class < CLEAN_PERCENT + PERSON_PERCENT {
        add(draft, draw, &mut done, true);
        // A second fault of such a record is now and then one for a person too.
        while done.len() < count {
            let person = draw.chance(25);
            if !add(draft, draw, &mut done, person) {
                break;
            }
        }
        return done;
    }
    while done.len() < count && add(draft, draw, &mut done, false) {}
    done
}

/// Adds one fault that fits the record and those done before; answers whether one was found.
fn add(draft: &mut Draft, draw: &mut Draw, done: &mut Vec<&'static Fault>, person: bool) -> bool {
    let weight = |fault: &Fault| if fault.person.is_empty() == person { 0 } else { fault.weight };
    for _ in 0..TRIES {
        let fault = draw.weighted(FAULTS, weight);
        if done.iter().any(|other| fault.clashes(other)) {
            continue;
        }
        if (fault.spoil)(draft, draw) {
            done.push(fault);
            return true;
        }
    }
    false
}
