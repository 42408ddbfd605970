//! A file in which records have to do with each other: people with several doses, doses keyed twice, numbers that
//! stand in records of strangers.
//!
//! The records are made street by street. A street hangs on the seed and its number alone, and no relation leaves it.

use std::borrow::Cow;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use crate::columns::Column;
use crate::generator::circles::{self, Role};
use crate::generator::draw::Draw;
use crate::generator::faults::{FAULTS, Fault};
use crate::generator::person::Draft;
use crate::generator::{Generated, TRIES, add, complain, spoil};
use crate::truth::Class;

/// How many records a street has.
const STREET: u64 = 64;
/// Its draws are none of [`super::Generator`]'s, which makes other people of the same seed.
const OTHER_PEOPLE: u64 = 0x6372_6F77_6400_0001;

/// What a record has to do with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// Nothing.
    Alone,
    /// The first and the second dose of one person.
    SecondDose,
    /// One dose that was keyed twice, in the same words or in others.
    KeyedTwice,
    /// Two doses of one person, the second keyed as a first.
    TwoFirst,
    /// Two doses of one person, the first keyed as a second.
    NoFirst,
    /// Two people, the second with the identity number of the first.
    SharedNumber,
    /// Two to six people who share a phone, as families do.
    Household,
    /// A dozen and more people with the phone of the site.
    SitePhone,
}

impl Relation {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Alone,
        Self::SecondDose,
        Self::KeyedTwice,
        Self::TwoFirst,
        Self::NoFirst,
        Self::SharedNumber,
        Self::Household,
        Self::SitePhone,
    ];

    /// How common it is, in circles: records that have to do with each other.
    pub(super) const fn weight(self) -> u32 {
        match self {
            Self::Alone => 100,
            Self::SecondDose => 10,
            Self::KeyedTwice | Self::TwoFirst => 6,
            Self::NoFirst | Self::SharedNumber => 5,
            Self::Household => 8,
            Self::SitePhone => 1,
        }
    }

    /// What has to be known of a record for its relation to show.
    const fn shown_by(self) -> &'static [Column] {
        match self {
            Self::Alone | Self::SecondDose | Self::Household => &[],
            Self::KeyedTwice | Self::TwoFirst | Self::NoFirst => &[
                Column::FullName,
                Column::DateOfBirth,
                Column::DoseNumber,
                Column::InjectedOn,
                Column::Vaccine,
            ],
            Self::SharedNumber => &[Column::FullName, Column::DateOfBirth, Column::NationalId],
            Self::SitePhone => &[Column::Phone],
        }
    }
}

/// What is true of a record's relation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    /// What it has to do with others.
    pub relation: Relation,
    /// The number of the first record of its circle.
    pub circle: u64,
    /// Whose it is: the number of the person's first record.
    pub person: u64,
    /// The code of the finding that is right for its relation, if one is.
    pub finding: Option<Cow<'static, str>>,
    /// Whether the relation shows: no field that is compared has a fault of its own that needs a person.
    pub shows: bool,
}

/// A record of a crowd, and the truth of its relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The record with its own truth, in which a field that its relation sends to a person counts as such.
    pub record: Generated,
    /// What is true of its relation.
    pub related: Related,
}

/// Makes crowds from a seed.
#[derive(Debug, Clone)]
pub struct Crowd {
    base: ChaCha8Rng,
}

impl Crowd {
    /// A crowd; the same seed makes the same.
    pub fn new(seed: u64) -> Self {
        Self { base: ChaCha8Rng::seed_from_u64(seed ^ OTHER_PEOPLE) }
    }

    /// The first `count` members, or a few more: the last street is whole. Their keys are in order.
    pub fn members(&self, count: u64) -> impl Iterator<Item = Member> {
        (0..count.div_ceil(STREET)).flat_map(|street| self.street(street))
    }

    /// The members of the street of this number, from 0.
    pub fn street(&self, number: u64) -> Vec<Member> {
        let mut stream = self.base.clone();
        stream.set_stream(number);
        let mut draw = Draw(stream);
        let (mut next, end) = (number * STREET, (number + 1) * STREET);
        let mut members = Vec::with_capacity(STREET as usize);
        while next < end {
            let (relation, roles) = circles::draw(next, end, &mut draw);
            let circle = circle(relation, next, roles, &mut draw);
            next += circle.len() as u64;
            members.extend(circle);
        }
        members
    }
}

/// Lets faults come over each role, and says what is true of the whole circle.
fn circle(relation: Relation, first: u64, roles: Vec<Role>, draw: &mut Draw) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::with_capacity(roles.len());
    for role in roles {
        let Role { draft, person, real, finding, respelled, copied } = role;
        let key = draft.truth.get(Column::RecordId).to_owned();
        let mut record = match members.last() {
            Some(before) if copied => copy(&before.record, key),
            _ => keyed(&draft, respelled, draw),
        };
        for (column, value) in real {
            record.truth.fields.set(column, value);
        }
        let own = |column: &Column| record.truth.person_fields.iter().any(|field| field == column.name());
        let shows = !relation.shown_by().iter().any(own);
        let finding = finding.map(Cow::Borrowed);
        members.push(Member { record, related: Related { relation, circle: first, person, finding, shows } });
    }
    // A site's phone shows in each record alone; of two records both must be readable.
    if relation != Relation::SitePhone && members.iter().any(|member| !member.related.shows) {
        members.iter_mut().for_each(|member| member.related.shows = false);
    }
    for Member { record, related } in &mut members {
        let code = related.finding.as_deref();
        let field = code.and_then(|code| code.split_once('.')).map(|(field, _)| field.to_owned());
        record.truth.class = if field.is_some() { Class::Person } else { record.truth.class };
        let fields = &mut record.truth.person_fields;
        fields.extend(field.filter(|field| !fields.contains(field)));
    }
    members
}

/// The same row once more, under a key of its own.
fn copy(record: &Generated, key: String) -> Generated {
    let mut copy = record.clone();
    copy.values.set(Column::RecordId, key.clone());
    copy.truth.fields.set(Column::RecordId, key.clone());
    (copy.truth.key, copy.key) = (key.clone(), key);
    copy
}

/// The record as it was keyed. Faults that need other facts than the draft's would break its relation; they are
/// drawn again, and in the end left out.
fn keyed(draft: &Draft, respelled: bool, draw: &mut Draw) -> Generated {
    for _ in 0..TRIES {
        let mut draft_now = draft.clone();
        draft_now.written = draft_now.truth.clone();
        let faults = if respelled { respell(&mut draft_now, draw) } else { spoil(&mut draft_now, draw) };
        if draft_now.truth == draft.truth {
            complain(&mut draft_now, draw, &faults);
            return Generated::of(draft_now, &faults);
        }
    }
    let mut draft = draft.clone();
    draft.written = draft.truth.clone();
    Generated::of(draft, &[])
}

/// Writes the name in another way: its case, its encoding, an old font. Now and then something else is other too.
fn respell(draft: &mut Draft, draw: &mut Draw) -> Vec<&'static Fault> {
    let is_spelling = |fault: &Fault| fault.subject() == Some(Column::FullName) && fault.person.is_empty();
    let mut done = Vec::new();
    for _ in 0..TRIES {
        let fault = draw.weighted(FAULTS, |fault| if is_spelling(fault) { fault.weight } else { 0 });
        if (fault.spoil)(draft, draw) {
            done.push(fault);
            break;
        }
    }
    if draw.chance(30) {
        add(draft, draw, &mut done, false);
    }
    done
}
