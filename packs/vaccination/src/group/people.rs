//! Which records of a group are one person's.
//!
//! The same name and birth date are not enough: strangers share them. In a synthetic crowd of 200,000 records one
//! finding in five hundred was about two strangers, and a city has more people than that. So records belong together
//! only where one thing more agrees, and no paper contradicts. A phone is no such thing: RULES.md forbids it as a key.
//! Where papers contradict, these are namesakes or a number is wrong, and nobody can say from here; nothing is then
//! asked, rather than the wrong question.

use std::borrow::Cow;

use crate::columns::Column;
use crate::group::match_key::MatchKey;
use crate::group::who::Who;
use crate::identity::is_digits;
use crate::sheet::Sheet;

/// The records of one person.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// Their places in the group, ascending.
    pub(super) records: Vec<usize>,
    /// Whether the group has no other record, which might be this person's too.
    pub(super) alone: bool,
}

/// A trait of a record by which people are told apart or held together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trait {
    MarkedName,
    Gender,
    Cccd,
    Cmnd,
    Passport,
    Insurance,
    Ward,
    /// The day, the vaccine and the site of the dose.
    Injection,
}

impl Trait {
    /// Whether one person has only one of it. People move, and have several doses.
    fn is_single(self) -> bool {
        !matches!(self, Self::Ward | Self::Injection)
    }

    /// Whether records that share it, the name and the birth date are one person's. Of a year of birth alone only
    /// papers are proof enough.
    fn binds(self, birthday_is_known: bool) -> bool {
        match self {
            Self::MarkedName | Self::Gender => false,
            Self::Cccd | Self::Cmnd | Self::Passport | Self::Insurance => true,
            Self::Ward | Self::Injection => birthday_is_known,
        }
    }
}

/// The people with at least two records in the group.
pub(super) fn people(sheets: &[Sheet<'_>]) -> Vec<Person> {
    let mut named: Vec<(Who<'_>, usize)> =
        sheets.iter().enumerate().filter_map(|(at, sheet)| Some((Who::of(sheet)?, at))).collect();
    named.sort_by(|(one, a), (other, b)| {
        (&one.name.plain, one.birth, a).cmp(&(&other.name.plain, other.birth, b))
    });
    named
        .chunk_by(|(one, _), (other, _)| one.name.plain == other.name.plain && one.birth == other.birth)
        .filter(|namesakes| namesakes.len() > 1)
        .flat_map(|namesakes| apart(namesakes, sheets))
        .collect()
}

/// Tells records of one name and birth date apart.
fn apart(namesakes: &[(Who<'_>, usize)], sheets: &[Sheet<'_>]) -> Vec<Person> {
    let mut traits = Vec::new();
    for (place, (who, at)) in namesakes.iter().enumerate() {
        traits.extend(traits_of(who, &sheets[*at]).into_iter().map(|(kind, value)| (kind, value, place)));
    }
    traits.sort_unstable();
    let mut links = Links::new(namesakes.len());
    for same in traits.chunk_by(|one, other| (one.0, &one.1) == (other.0, &other.1)) {
        if same[0].0.binds(namesakes[0].0.birthday().is_some()) {
            same.windows(2).for_each(|pair| links.join(pair[0].2, pair[1].2));
        }
    }
    let mut contradicted = vec![false; namesakes.len()];
    let mut seen: Vec<_> = traits
        .iter()
        .filter(|(kind, ..)| kind.is_single())
        .map(|(kind, value, place)| (links.first(*place), *kind, value))
        .collect();
    seen.sort_unstable();
    seen.dedup();
    for pair in seen.windows(2) {
        contradicted[pair[0].0] |= (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1);
    }
    let mut records = vec![Vec::new(); namesakes.len()];
    for (place, (_, at)) in namesakes.iter().enumerate() {
        records[links.first(place)].push(*at);
    }
    let one = |(records, contradicted): (Vec<usize>, bool)| {
        let alone = records.len() == sheets.len();
        (records.len() > 1 && !contradicted).then_some(Person { records, alone })
    };
    records.into_iter().zip(contradicted).filter_map(one).collect()
}

fn traits_of<'s>(who: &Who<'_>, sheet: &'s Sheet<'_>) -> Vec<(Trait, Cow<'s, [u8]>)> {
    let mut traits: Vec<(Trait, Cow<'s, [u8]>)> = Vec::with_capacity(8);
    if let Some(marked) = &who.name.marked {
        traits.push((Trait::MarkedName, marked.clone().into()));
    }
    for (kind, value) in [
        (Some(Trait::Gender), sheet.settled(Column::Gender)),
        (sheet.settled(Column::NationalId).map(paper), sheet.settled(Column::NationalId)),
        // The last ten digits of an insurance number are the person's; what stands before them changes.
        (Some(Trait::Insurance), sheet.settled(Column::InsuranceId).map(last_ten)),
        (Some(Trait::Ward), sheet.settled(Column::Ward)),
    ] {
        traits.extend(kind.zip(value.map(|value| value.as_bytes().into())));
    }
    if let (Some(day), Some(vaccine), Some(site)) = (
        sheet.settled(Column::InjectedOn),
        sheet.settled(Column::Vaccine),
        sheet.settled(Column::Site).map(MatchKey::of),
    ) {
        let parts = [day.as_bytes(), vaccine.as_bytes(), &site.marked.unwrap_or(site.plain)];
        traits.push((Trait::Injection, parts.join(&b'|').into()));
    }
    traits
}

/// Which paper a settled number is of: people had an old and a new card in 2021, so two kinds contradict nothing.
fn paper(number: &str) -> Trait {
    if is_digits(number, 12) {
        Trait::Cccd
    } else if is_digits(number, 9) {
        Trait::Cmnd
    } else {
        Trait::Passport
    }
}

fn last_ten(number: &str) -> &str {
    number.len().checked_sub(10).and_then(|from| number.get(from..)).unwrap_or(number)
}

/// Places that belong together: a union-find, each known by its first.
struct Links(Vec<usize>);

impl Links {
    fn new(places: usize) -> Self {
        Self((0..places).collect())
    }

    /// The first of those that `place` belongs to.
    fn first(&mut self, mut place: usize) -> usize {
        while self.0[place] != place {
            // Halves the way for the next who asks.
            self.0[place] = self.0[self.0[place]];
            place = self.0[place];
        }
        place
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.first(one), self.first(other));
        let first = one.min(other);
        self.0[one.max(other)] = first;
    }
}
