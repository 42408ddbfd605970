//! Circles: records that have to do with each other, before faults come over each of them.

use jiff::ToSpan;
use jiff::civil::Date;

use crate::columns::Column::{self, DoseNumber, LotNumber, NationalId, Phone, RecordId, Site};
use crate::generator::crowd::Relation;
use crate::generator::draw::Draw;
use crate::generator::key;
use crate::generator::person::{AS_OF, Draft, PRODUCTS};
use crate::generator::words;

/// The least time between two doses, and the longest.
const WEEKS: (i64, i64) = (3, 8);
/// How many people a household has, and how many get the phone of a site.
const HOUSEHOLD: (i64, i64) = (2, 6);
const SITE_PHONE: (i64, i64) = (13, 30);
/// Both places of a tone mark, which are both in use.
const TONE_PLACES: [(&str, &str); 8] = [
    ("òa", "oà"),
    ("óa", "oá"),
    ("ỏa", "oả"),
    ("ọa", "oạ"),
    ("ùy", "uỳ"),
    ("úy", "uý"),
    ("ủy", "uỷ"),
    ("ụy", "uỵ"),
];

/// One record's part in a circle.
pub(super) struct Role {
    /// What whoever keyed it took for the truth.
    pub(super) draft: Draft,
    /// The number of the person's first record.
    pub(super) person: u64,
    /// What is true instead.
    pub(super) real: Vec<(Column, String)>,
    /// The finding that is right.
    pub(super) finding: Option<&'static str>,
    /// The name is to be written in another way.
    pub(super) respelled: bool,
    /// The row is the one before it once more.
    pub(super) copied: bool,
}

/// Draws a relation that fits between the records of number `next` and `end`, and a role for each of its records.
pub(super) fn draw(next: u64, end: u64, draw: &mut Draw) -> (Relation, Vec<Role>) {
    let relation = *draw.weighted(&Relation::ALL, |relation| relation.weight());
    let size = match relation {
        Relation::Alone => 1,
        Relation::Household => draw.between(HOUSEHOLD.0, HOUSEHOLD.1),
        Relation::SitePhone => draw.between(SITE_PHONE.0, SITE_PHONE.1),
        _ => 2,
    } as u64;
    if next + size > end {
        return (Relation::Alone, vec![role(next, draw)]);
    }
    let roles = match relation {
        Relation::Alone => vec![role(next, draw)],
        Relation::SecondDose => doses(next, ["1", "2"], None, draw),
        Relation::TwoFirst => doses(next, ["1", "1"], Some("dose_number.two_first"), draw),
        Relation::NoFirst => doses(next, ["2", "2"], Some("dose_number.no_first"), draw),
        Relation::KeyedTwice => keyed_twice(next, draw),
        Relation::SharedNumber => shared_number(next, draw),
        Relation::Household => household(next, size, draw),
        Relation::SitePhone => site_phone(next, size, draw),
    };
    (relation, roles)
}

/// Somebody with a dose, and an identity number that nobody else in the crowd has.
fn role(number: u64, draw: &mut Draw) -> Role {
    let mut draft = Draft::of(&key(number), draw);
    let national = only(draft.truth.get(NationalId), number);
    draft.truth.set(NationalId, national);
    Role { draft, person: number, real: Vec::new(), finding: None, respelled: false, copied: false }
}

/// The identity number with its last digits as no other record has them, in a file of up to a million.
fn only(national: &str, number: u64) -> String {
    // Both factors have no divisor in common with a power of ten, so no two records meet.
    match national.len() {
        12 => format!("{}{:06}", &national[..6], number.wrapping_mul(654_321) % 1_000_000),
        9 => format!("{}{:07}", &national[..2], number.wrapping_mul(7_654_321) % 10_000_000),
        8 => format!("{}{:07}", &national[..1], number.wrapping_mul(7_654_321) % 10_000_000),
        _ => national.to_owned(),
    }
}

/// The same person in the next record.
fn again(role: &Role, number: u64) -> Role {
    let mut draft = role.draft.clone();
    draft.truth.set(RecordId, key(number));
    Role { draft, person: role.person, real: Vec::new(), finding: None, respelled: false, copied: false }
}

/// Two doses of one person, keyed with these numbers, in either order in the file.
fn doses(next: u64, keyed: [&str; 2], finding: Option<&'static str>, draw: &mut Draw) -> Vec<Role> {
    let mut one = role(next, draw);
    let latest = plus(AS_OF, -7 * WEEKS.0);
    let day = draw.day(PRODUCTS[one.draft.product].first_use, latest);
    let mut other = again(&one, next + 1);
    let weeks = draw.between(WEEKS.0, WEEKS.1);
    let mut days = [day, plus(day, 7 * weeks).min(AS_OF)];
    let mut numbers = [(keyed[0], "1"), (keyed[1], "2")];
    if draw.chance(50) {
        days.reverse();
        numbers.reverse();
    }
    if draw.chance(40) {
        let stranger = role(next, draw).draft;
        other.draft.truth.set(Site, stranger.truth.get(Site).to_owned());
    }
    if !other.draft.truth.get(LotNumber).is_empty() {
        other.draft.truth.set(LotNumber, format!("NL{}", draw.digits(4)));
    }
    for (role, (day, (keyed, real))) in [&mut one, &mut other].into_iter().zip(days.into_iter().zip(numbers))
    {
        role.draft.set_injected_on(day);
        role.draft.truth.set(DoseNumber, keyed);
        role.real.push((DoseNumber, real.to_owned()));
        role.finding = finding;
    }
    vec![one, other]
}

fn plus(day: Date, days: i64) -> Date {
    day.checked_add(days.days()).unwrap_or(day)
}

/// One dose keyed twice: copied, keyed anew with faults of its own, or with the name in another spelling.
fn keyed_twice(next: u64, draw: &mut Draw) -> Vec<Role> {
    let one = role(next, draw);
    let mut other = again(&one, next + 1);
    match draw.below(3) {
        0 => other.copied = true,
        1 => {
            if let Some(name) = other_tone_place(&other.draft.name) {
                other.draft.set_name(name);
            }
        }
        _ => other.respelled = true,
    }
    other.finding = Some("dose_number.duplicate");
    vec![one, other]
}

/// The name with a tone mark at its other place, where it has one.
fn other_tone_place(name: &str) -> Option<String> {
    let (here, there) = TONE_PLACES.iter().find(|(here, _)| name.contains(here))?;
    Some(name.replace(here, there))
}

/// Somebody else's record with the identity number of the first.
fn shared_number(next: u64, draw: &mut Draw) -> Vec<Role> {
    let mut one = role(next, draw);
    while one.draft.truth.get(NationalId).is_empty() {
        one = role(next, draw);
    }
    let mut other = role(next + 1, draw);
    while other.draft.female != one.draft.female || other.draft.name == one.draft.name {
        other = role(next + 1, draw);
    }
    // A CCCD says the sex and the birth year. With others the record alone would show that it is not this person's.
    // Whoever is 18 in 2021 was born early enough in the year only if the first was.
    let year = one.draft.birth_year;
    let month = one.draft.born.map_or(1, Date::month);
    let born = other.draft.born.and_then(|born| Date::new(year, month, born.day().min(7)).ok());
    other.draft.set_birth(year, born);
    let real = only(&other.draft.cccd(draw), next + 1);
    other.real.push((NationalId, real));
    other.draft.truth.set(NationalId, one.draft.truth.get(NationalId).to_owned());
    for role in [&mut one, &mut other] {
        role.finding = Some("national_id.shared");
    }
    vec![one, other]
}

/// A family under one roof.
fn household(next: u64, size: u64, draw: &mut Draw) -> Vec<Role> {
    let mut people: Vec<Role> = (next..next + size).map(|number| role(number, draw)).collect();
    let (phone, ward) = (phone(draw), people[0].draft.ward);
    for role in &mut people {
        role.draft.truth.set(Phone, phone.clone());
        role.draft.set_ward(ward);
    }
    people
}

/// People of a site that typed its own phone where they had none, or where nobody asked.
fn site_phone(next: u64, size: u64, draw: &mut Draw) -> Vec<Role> {
    let mut people: Vec<Role> = (next..next + size).map(|number| role(number, draw)).collect();
    let (phone, site) = (phone(draw), people[0].draft.truth.get(Site).to_owned());
    for role in &mut people {
        role.real.push((Phone, role.draft.truth.get(Phone).to_owned()));
        role.draft.truth.set(Phone, phone.clone());
        role.draft.truth.set(Site, site.clone());
        role.finding = Some("phone.shared");
    }
    people
}

fn phone(draw: &mut Draw) -> String {
    let network = draw.pick(&words::NETWORKS);
    format!("{network}{}", draw.digits(7))
}
