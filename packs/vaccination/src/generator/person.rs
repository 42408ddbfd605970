//! One synthetic person and one dose, all values canonical and consistent with each other.

use jiff::civil::{Date, date};

use crate::columns::Column;
use crate::dates;
use crate::generator::draw::Draw;
use crate::generator::words;
use crate::places::PLACES;
use crate::truth::Values;

/// The day of the data of the synthetic campaign.
pub(crate) const AS_OF: Date = date(2021, 9, 20);

/// A vaccine, the day of its first use in the city, how common it was, and how its lots are named.
pub(crate) struct Product {
    pub(crate) name: &'static str,
    pub(crate) first_use: Date,
    weight: u32,
    lot: &'static str,
    /// Other names under which files carry it.
    pub(crate) aliases: &'static [&'static str],
}

/// What was in use by the day of the data.
pub(crate) const PRODUCTS: [Product; 4] = [
    Product {
        name: "AstraZeneca",
        first_use: date(2021, 3, 8),
        weight: 45,
        lot: "NL",
        aliases: &[
            "astra zeneca",
            "Astrazenica",
            "AZ",
            "AZD1222",
            "Vaxzevria",
            "COVID-19 Vaccine AstraZeneca",
            "ASTRAZENECA",
            "Astra-Zeneca",
        ],
    },
    Product {
        name: "Moderna",
        first_use: date(2021, 7, 1),
        weight: 20,
        lot: "94",
        aliases: &["Spikevax", "mRNA-1273", "Modena", "moderna", " Moderna "],
    },
    Product {
        name: "Pfizer",
        first_use: date(2021, 7, 1),
        weight: 15,
        lot: "FF",
        aliases: &[
            "Comirnaty",
            "Pfizer-BioNTech",
            "BNT162b2",
            "Phizer",
            "Faizer",
            "PFIZER",
            "Pfizer BioNTech",
        ],
    },
    Product {
        name: "Vero Cell",
        first_use: date(2021, 8, 10),
        weight: 20,
        lot: "2021",
        aliases: &["VeroCell", "Vero-Cell", "Sinopharm", "BBIBP-CorV", "Sinopharm Vero Cell", "vero cell"],
    },
];

/// A record before anything is done to it: its true values, and those facts behind them that faults need.
#[derive(Clone)]
pub(crate) struct Draft {
    /// The truth.
    pub(crate) truth: Values,
    /// What the record says.
    pub(crate) written: Values,
    /// The true name in its usual capitals.
    pub(crate) name: String,
    pub(crate) female: bool,
    pub(crate) birth_year: i16,
    /// `None` when only the year is known.
    pub(crate) born: Option<Date>,
    pub(crate) injected_on: Date,
    /// The vaccine's place in [`PRODUCTS`].
    pub(crate) product: usize,
    /// The ward's place in the table.
    pub(crate) ward: usize,
}

impl Draft {
    /// Draws a person and a dose.
    pub(crate) fn of(key: &str, draw: &mut Draw) -> Self {
        let product = draw.weighted(&[0, 1, 2, 3], |&place: &usize| PRODUCTS[place].weight);
        let product = *product;
        let injected_on = draw.day(PRODUCTS[product].first_use, AS_OF);
        let female = draw.chance(52);
        // Adults on any day of the campaign, and nobody near the oldest age.
        let born = draw.day(date(1931, 1, 1), date(2003, 3, 7));
        let year_only = born.year() < 1970 && draw.chance(8);
        let mut draft = Self {
            truth: Values::default(),
            written: Values::default(),
            name: name(female, draw),
            female,
            birth_year: born.year(),
            born: (!year_only).then_some(born),
            injected_on,
            product,
            ward: draw.below(PLACES.wards.len()),
        };
        draft.truth.set(Column::RecordId, key);
        draft.set_name(draft.name.clone());
        draft.fill_person(draw);
        draft.fill_dose(draw);
        draft
    }

    fn fill_person(&mut self, draw: &mut Draw) {
        self.set_birth(self.birth_year, self.born);
        self.truth.set(Column::Gender, if self.female { "female" } else { "male" });
        if draw.chance(93) {
            let network = draw.pick(&words::NETWORKS);
            self.truth.set(Column::Phone, format!("{network}{}", draw.digits(7)));
        }
        let national = match draw.below(100) {
            0..50 => self.cccd(draw),
            50..88 => format!("0{}{}", draw.pick(&["2", "3", "7"]), draw.digits(7)),
            88..92 => format!("{}{}", draw.pick(&["B", "C", "N"]), draw.digits(7)),
            _ => String::new(),
        };
        self.truth.set(Column::NationalId, national);
        let insurance = match draw.below(100) {
            0..45 => insurance(draw),
            45..60 => draw.digits(10),
            _ => String::new(),
        };
        self.truth.set(Column::InsuranceId, insurance);
        self.set_ward(self.ward);
    }

    fn fill_dose(&mut self, draw: &mut Draw) {
        let product = &PRODUCTS[self.product];
        self.truth.set(Column::Vaccine, product.name);
        self.truth.set(Column::DoseNumber, if draw.chance(70) { "1" } else { "2" });
        self.set_injected_on(self.injected_on);
        if draw.chance(90) {
            self.truth.set(Column::LotNumber, format!("{}{}A", product.lot, draw.digits(4)));
        }
        let kind = draw.pick(&words::SITE_KINDS);
        let number = draw.between(1, 40);
        let district = PLACES.districts[PLACES.wards[self.ward].district].name;
        self.truth.set(Column::Site, format!("{kind} {number}, {district}"));
        if draw.chance(70) {
            self.truth.set(Column::ReportedFault, draw.pick(&words::GENERAL_COMPLAINTS));
        }
    }

    /// Makes this the true birth, of which the day may be unknown.
    pub(crate) fn set_birth(&mut self, year: i16, born: Option<Date>) {
        self.truth.set(Column::DateOfBirth, born.map_or_else(|| year.to_string(), dates::written));
        (self.birth_year, self.born) = (year, born);
    }

    /// Makes `day` the true day of the injection.
    pub(crate) fn set_injected_on(&mut self, day: Date) {
        self.truth.set(Column::InjectedOn, dates::written(day));
        self.injected_on = day;
    }

    /// Makes `name` the true name.
    pub(crate) fn set_name(&mut self, name: String) {
        self.truth.set(Column::FullName, name.to_uppercase());
        self.name = name;
    }

    /// Makes the ward at `place` the true one.
    pub(crate) fn set_ward(&mut self, place: usize) {
        let ward = &PLACES.wards[place];
        self.ward = place;
        self.truth.set(Column::Ward, ward.code);
        self.truth.set(Column::District, PLACES.districts[ward.district].code);
    }

    /// A CCCD that agrees with sex and birth year.
    pub(crate) fn cccd(&self, draw: &mut Draw) -> String {
        let century = (self.birth_year - 1900) / 100 * 2 + i16::from(self.female);
        format!("{}{century}{:02}{}", draw.pick(&words::PROVINCES), self.birth_year % 100, draw.digits(6))
    }
}

/// A health insurance number of 15 characters.
pub(crate) fn insurance(draw: &mut Draw) -> String {
    let group = draw.pick(&["GD", "DN", "HT", "HC", "TE"]);
    format!("{group}{}79{}", draw.between(1, 5), draw.digits(10))
}

fn name(female: bool, draw: &mut Draw) -> String {
    let surname = draw.weighted(&words::SURNAMES, |(_, weight)| *weight).0;
    let (middle, given) = if female {
        (draw.pick(&words::MIDDLE_FEMALE), draw.pick(&words::GIVEN_FEMALE))
    } else {
        (draw.pick(&words::MIDDLE_MALE), draw.pick(&words::GIVEN_MALE))
    };
    match draw.below(10) {
        0 => format!("{surname} {given}"),
        1 => {
            let second = if female { draw.pick(&words::GIVEN_FEMALE) } else { draw.pick(&words::GIVEN_MALE) };
            format!("{surname} {middle} {second} {given}")
        }
        _ => format!("{surname} {middle} {given}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syllables::is_syllable;

    /// A legacy name can be read only if it is Vietnamese once read.
    #[test]
    fn every_word_of_a_name_is_legal() {
        let surnames = words::SURNAMES.iter().map(|(surname, _)| *surname);
        let lists: [&[&str]; 7] = [
            &words::MIDDLE_MALE,
            &words::MIDDLE_FEMALE,
            &words::GIVEN_MALE,
            &words::GIVEN_FEMALE,
            &words::AMBIGUOUS_SURNAMES,
            &words::AMBIGUOUS_MIDDLES,
            &words::AMBIGUOUS_GIVENS,
        ];
        for word in lists.into_iter().flatten().copied().chain(surnames) {
            assert!(is_syllable(word), "{word}");
        }
        assert!(words::FOREIGN_GIVENS.iter().all(|word| !is_syllable(word)));
    }
}
