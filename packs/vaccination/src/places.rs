//! The districts and wards of the city in 2021, and how their names are found.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::LazyLock;

use crate::fold::Folded;

/// The type word of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Quan,
    Huyen,
    ThanhPho,
    Phuong,
    Xa,
    ThiTran,
}

/// A district.
pub(crate) struct District {
    pub(crate) code: &'static str,
    /// With its type word, as the table writes it. Generators misspell it.
    pub(crate) name: &'static str,
    kind: Kind,
    marked: Box<[u8]>,
}

/// A ward, commune or township.
pub(crate) struct Ward {
    pub(crate) code: &'static str,
    /// With its type word, as the table writes it.
    pub(crate) name: &'static str,
    /// Its district's place in [`Places::districts`].
    pub(crate) district: usize,
    kind: Kind,
    marked: Box<[u8]>,
}

/// What a written name finds among some wards.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The ward's place in [`Places::wards`].
    One(usize),
    /// Several wards are called so.
    Several(Vec<usize>),
    /// None is called so; these differ only in marks or in the type word.
    Near(Vec<usize>),
}

/// All places of the city.
pub(crate) struct Places {
    pub(crate) districts: Vec<District>,
    pub(crate) wards: Vec<Ward>,
    by_district: Names,
    by_ward: Names,
    /// The codes of all districts are 7 and a number: from the number to the district.
    by_number: [Option<u8>; 100],
    /// The codes of all wards lie in a short range: from a code's distance to [`FIRST_CODE`] to its ward.
    by_code: Box<[Option<u16>; CODES]>,
}

/// The lowest code of a ward in the city.
const FIRST_CODE: usize = 26_734;
/// How far the codes reach.
const CODES: usize = 1_000;

/// From a plain name without its type word to the places of that name.
type Names = HashMap<Box<[u8]>, Vec<usize>, BuildHasherDefault<Fnv>>;

/// The table, read once.
pub(crate) static PLACES: LazyLock<Places> =
    LazyLock::new(|| Places::parse(include_str!("../data/hcmc_admin_2021.tsv")));

impl Places {
    fn parse(table: &'static str) -> Self {
        let mut places = Self {
            districts: Vec::new(),
            wards: Vec::new(),
            by_district: Names::default(),
            by_ward: Names::default(),
            by_number: [None; 100],
            by_code: Box::new([None; CODES]),
        };
        for line in table.lines().skip(1) {
            let mut columns = line.split('\t');
            let (Some(district_code), Some(district), Some(code), Some(name)) =
                (columns.next(), columns.next(), columns.next(), columns.next())
            else {
                continue;
            };
            if places.districts.last().is_none_or(|last| last.code != district_code) {
                places.add_district(district_code, district);
            }
            places.add_ward(code, name);
        }
        places
    }

    fn add_district(&mut self, code: &'static str, name: &'static str) {
        let Some(folded) = Folded::of(name) else { return };
        let (kind, from) = district_kind(&folded);
        self.by_district.entry(folded.plain_from(from).into()).or_default().push(self.districts.len());
        let kind = kind.unwrap_or(Kind::Quan);
        if let Some(slot) =
            code.get(1..).and_then(|number| self.by_number.get_mut(number.parse::<usize>().ok()?))
        {
            *slot = u8::try_from(self.districts.len()).ok();
        }
        self.districts.push(District { code, name, kind, marked: folded.marked_from(from).into() });
    }

    fn add_ward(&mut self, code: &'static str, name: &'static str) {
        let (Some(folded), Some(district)) = (Folded::of(name), self.districts.len().checked_sub(1)) else {
            return;
        };
        let (kind, from) = ward_kind(&folded);
        self.by_ward.entry(folded.plain_from(from).into()).or_default().push(self.wards.len());
        let kind = kind.unwrap_or(Kind::Phuong);
        if let Some(slot) = slot(code).and_then(|slot| self.by_code.get_mut(slot)) {
            *slot = u16::try_from(self.wards.len()).ok();
        }
        self.wards.push(Ward { code, name, district, kind, marked: folded.marked_from(from).into() });
    }

    /// The district of this code.
    pub(crate) fn district_of_code(&self, code: &str) -> Option<usize> {
        let [b'7', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] = code.as_bytes() else { return None };
        self.by_number[usize::from((tens - b'0') * 10 + (ones - b'0'))].map(usize::from)
    }

    /// The ward of this code.
    pub(crate) fn ward_of_code(&self, code: &str) -> Option<usize> {
        self.by_code.get(slot(code)?).copied().flatten().map(usize::from)
    }

    /// The district of this name: with its type word or without, with all its marks or with none.
    pub(crate) fn district_named(&self, name: &Folded) -> Result<usize, Option<usize>> {
        let (kind, from) = district_kind(name);
        let Some(&[place]) = self.by_district.get(name.plain_from(from)).map(Vec::as_slice) else {
            return Err(None);
        };
        let district = &self.districts[place];
        let fits = kind.is_none_or(|kind| kind == district.kind) && marks_fit(name, from, &district.marked);
        if fits { Ok(place) } else { Err(Some(place)) }
    }

    /// The wards of this name, in `district` or in the whole city.
    pub(crate) fn wards_named(&self, name: &Folded, district: Option<usize>) -> Found {
        let (kind, from) = ward_kind(name);
        let named = self.by_ward.get(name.plain_from(from)).map_or(&[][..], Vec::as_slice);
        let here = |place: &usize| district.is_none_or(|district| self.wards[*place].district == district);
        let fits = |place: &usize| {
            let ward = &self.wards[*place];
            kind.is_none_or(|kind| kind == ward.kind) && marks_fit(name, from, &ward.marked)
        };
        let mut exact = named.iter().copied().filter(here).filter(fits);
        match (exact.next(), exact.next()) {
            (Some(one), None) => Found::One(one),
            (Some(first), Some(second)) => Found::Several([first, second].into_iter().chain(exact).collect()),
            (None, _) => Found::Near(named.iter().copied().filter(here).collect()),
        }
    }
}

/// Where the ward of a five-digit code would stand in [`Places::by_code`].
fn slot(code: &str) -> Option<usize> {
    if code.len() != 5 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    code.bytes().fold(0, |number, digit| number * 10 + usize::from(digit - b'0')).checked_sub(FIRST_CODE)
}

/// A name with a mark must have all of them; one without any is a name typed without marks.
fn marks_fit(name: &Folded, from: usize, marked: &[u8]) -> bool {
    !name.has_marks_from(from) || name.marked_from(from) == marked
}

/// The type word in front of a district's name, and where the name begins.
pub(crate) fn district_kind(name: &Folded) -> (Option<Kind>, usize) {
    match (name.word(0), name.word(1)) {
        (b"quan" | b"q", _) => (Some(Kind::Quan), 1),
        (b"huyen" | b"h", _) => (Some(Kind::Huyen), 1),
        (b"thanh", b"pho") | (b"t", b"p") => (Some(Kind::ThanhPho), 2),
        (b"tp", _) => (Some(Kind::ThanhPho), 1),
        _ => (None, 0),
    }
}

/// The type word in front of a ward's name, and where the name begins.
fn ward_kind(name: &Folded) -> (Option<Kind>, usize) {
    match (name.word(0), name.word(1)) {
        (b"phuong" | b"p" | b"f", _) => (Some(Kind::Phuong), 1),
        (b"xa" | b"x", _) => (Some(Kind::Xa), 1),
        (b"thi", b"tran") | (b"t", b"t") => (Some(Kind::ThiTran), 2),
        (b"tt", _) => (Some(Kind::ThiTran), 1),
        _ => (None, 0),
    }
}

/// FNV-1a: the keys are a few bytes from a fixed table, so nobody can make them collide.
#[derive(Clone, Copy)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ward(name: &str, district: Option<&str>) -> Vec<&'static str> {
        let district = district.map(|code| PLACES.district_of_code(code).unwrap());
        match PLACES.wards_named(&Folded::of(name).unwrap(), district) {
            Found::One(place) => vec![PLACES.wards[place].code],
            Found::Several(places) => places.into_iter().map(|place| PLACES.wards[place].code).collect(),
            Found::Near(_) => vec![],
        }
    }

    #[test]
    fn the_table_is_whole() {
        assert_eq!(PLACES.districts.len(), 22);
        assert_eq!(PLACES.wards.len(), 312);
        assert!(PLACES.wards.is_sorted_by_key(|ward| PLACES.districts[ward.district].code));
        for (place, district) in PLACES.districts.iter().enumerate() {
            assert_eq!(PLACES.district_of_code(district.code), Some(place));
            assert_eq!(PLACES.district_named(&Folded::of(district.name).unwrap()), Ok(place));
        }
    }

    #[test]
    fn every_ward_is_found_in_its_district_with_and_without_marks() {
        for (place, ward) in PLACES.wards.iter().enumerate() {
            assert_eq!(PLACES.ward_of_code(ward.code), Some(place));
            let folded = Folded::of(ward.name).unwrap();
            assert_eq!(PLACES.wards_named(&folded, Some(ward.district)), Found::One(place));
            let plain = String::from_utf8(folded.plain_from(0).to_vec()).unwrap();
            assert_eq!(
                PLACES.wards_named(&Folded::of(&plain).unwrap(), Some(ward.district)),
                Found::One(place)
            );
        }
    }

    #[test]
    fn short_forms() {
        for name in ["Phường 05", "Phường 5", "P.5", "P5", "F5", "f.05", "5", "05", "phuong5"] {
            assert_eq!(ward(name, Some("774")), ["27334"], "{name}");
        }
        assert_eq!(ward("Bình Hưng Hoà", Some("777")), ["27436"]);
        assert_eq!(ward("TT. Củ Chi", Some("783")), ["27496"]);
        assert_eq!(ward("Phường 8", Some("770")), [""; 0]);
        assert!(ward("5", None).len() > 5);
    }

    #[test]
    fn marks_and_type_words_must_not_contradict() {
        assert_eq!(ward("Tan Quy", Some("778")), ["27481"]);
        assert_eq!(ward("Tân Quý", Some("778")), [""; 0]);
        assert_eq!(ward("Tan Quý", Some("767")), [""; 0]);
        assert_eq!(ward("Xã Củ Chi", Some("783")), [""; 0]);
        assert_eq!(
            PLACES.district_named(&Folded::of("Huyện Tân Bình").unwrap()),
            Err(PLACES.district_of_code("766"))
        );
    }
}
