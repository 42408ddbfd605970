//! `vaccine`: the names seen in files become the five canonical ones.

use jiff::civil::{Date, date};

use crate::campaign::Window;
use crate::columns::Column;
use crate::injection;
use crate::sheet::Sheet;
use crate::text;

/// A vaccine that the city used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vaccine {
    AstraZeneca,
    Moderna,
    Pfizer,
    VeroCell,
    SputnikV,
}

/// Names as files write them, in lower case without spaces and signs.
const NAMES: [(&str, Vaccine); 24] = [
    ("astrazeneca", Vaccine::AstraZeneca),
    ("astrazenica", Vaccine::AstraZeneca),
    ("az", Vaccine::AstraZeneca),
    ("azd1222", Vaccine::AstraZeneca),
    ("vaxzevria", Vaccine::AstraZeneca),
    ("covid19vaccineastrazeneca", Vaccine::AstraZeneca),
    ("moderna", Vaccine::Moderna),
    ("spikevax", Vaccine::Moderna),
    ("mrna1273", Vaccine::Moderna),
    ("modena", Vaccine::Moderna),
    ("pfizer", Vaccine::Pfizer),
    ("comirnaty", Vaccine::Pfizer),
    ("pfizerbiontech", Vaccine::Pfizer),
    ("bnt162b2", Vaccine::Pfizer),
    ("phizer", Vaccine::Pfizer),
    ("faizer", Vaccine::Pfizer),
    ("verocell", Vaccine::VeroCell),
    ("sinopharm", Vaccine::VeroCell),
    ("bbibpcorv", Vaccine::VeroCell),
    ("sinopharmverocell", Vaccine::VeroCell),
    ("sputnikv", Vaccine::SputnikV),
    ("sputnik", Vaccine::SputnikV),
    ("gamcovidvac", Vaccine::SputnikV),
    ("gamaleya", Vaccine::SputnikV),
];

impl Vaccine {
    /// The canonical name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AstraZeneca => "AstraZeneca",
            Self::Moderna => "Moderna",
            Self::Pfizer => "Pfizer",
            Self::VeroCell => "Vero Cell",
            Self::SputnikV => "Sputnik V",
        }
    }

    /// Its first use in the city.
    pub(crate) const fn first_use(self) -> Date {
        match self {
            Self::AstraZeneca => date(2021, 3, 8),
            Self::Moderna | Self::Pfizer => date(2021, 7, 1),
            Self::VeroCell => date(2021, 8, 10),
            Self::SputnikV => date(2021, 10, 16),
        }
    }

    fn canonical(name: &str) -> Option<Self> {
        match name {
            "AstraZeneca" => Some(Self::AstraZeneca),
            "Moderna" => Some(Self::Moderna),
            "Pfizer" => Some(Self::Pfizer),
            "Vero Cell" => Some(Self::VeroCell),
            "Sputnik V" => Some(Self::SputnikV),
            _ => None,
        }
    }
}

/// Corrects the name; answers the vaccine, unless a person has to name it.
///
/// Sputnik V came to the city after the others. An injection before its first use is *not in use*; when
/// the date can be repaired by its own rule into the days of Sputnik V, the date was wrong, not the name.
pub(crate) fn check(sheet: &mut Sheet<'_>, as_of: Option<Date>) -> Option<Vaccine> {
    let column = Column::Vaccine;
    let came = sheet.came(column);
    let vaccine = match Vaccine::canonical(came) {
        Some(vaccine) => vaccine,
        None if text::trim(came).is_empty() => {
            sheet.route(column, "vaccine.missing", Vec::new());
            return None;
        }
        None => {
            let Some(vaccine) = read(came) else {
                sheet.route(column, "vaccine.unknown", guesses(came));
                return None;
            };
            sheet.change(column, "vaccine.name", vaccine.name().to_owned());
            vaccine
        }
    };
    if vaccine == Vaccine::SputnikV {
        let window = Window::of(Some(vaccine), as_of);
        if window.is_empty()
            || injection::is_before(sheet.came(Column::InjectedOn), vaccine.first_use(), window)
        {
            sheet.route_repaired(column, "vaccine.not_in_use");
            return None;
        }
    }
    Some(vaccine)
}

/// The name in lower case without spaces and signs, in `buffer`; `None` when it is too long for any name,
/// or holds letters that no name has.
fn key<'b>(written: &str, buffer: &'b mut [u8; 32]) -> Option<&'b str> {
    let mut length = 0;
    for c in written.chars().filter(|&c| !c.is_whitespace() && !text::is_invisible(c)) {
        match c {
            '-' | '.' | '_' => {}
            _ if c.is_ascii_alphanumeric() => {
                *buffer.get_mut(length)? = c.to_ascii_lowercase() as u8;
                length += 1;
            }
            _ => return None,
        }
    }
    std::str::from_utf8(&buffer[..length]).ok()
}

fn read(written: &str) -> Option<Vaccine> {
    let mut buffer = [0; 32];
    let key = key(written, &mut buffer)?;
    NAMES.iter().find_map(|&(name, vaccine)| (name == key).then_some(vaccine))
}

/// The vaccines whose names stand somewhere in what was written.
fn guesses(written: &str) -> Vec<String> {
    // A vaccine's name is near the start of any text that is one; the rest of a long text is not searched.
    let plain: String = written
        .chars()
        .take(120)
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let named = NAMES.iter().filter(|(name, _)| name.len() > 2 && plain.contains(name));
    named.map(|(_, vaccine)| vaccine.name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign;
    use emend_worker::{Outcome, Record};

    fn outcome(vaccine: &str, injected_on: &str, as_of: &str) -> Outcome {
        let record = Record::from_fields("k", [("vaccine", vaccine), ("injected_on", injected_on)]);
        let mut sheet = Sheet::of(&record);
        check(&mut sheet, campaign::as_of(as_of));
        sheet.into_outcome()
    }

    #[test]
    fn names_seen_in_files() {
        for (names, canonical) in [
            (
                "AstraZeneca,astra zeneca,Astrazenica,AZ,AZD1222,Vaxzevria,COVID-19 Vaccine AstraZeneca",
                "AstraZeneca",
            ),
            ("Moderna,Spikevax,mRNA-1273,Modena, MODERNA ", "Moderna"),
            ("Pfizer,Comirnaty,Pfizer-BioNTech,BNT162b2,Phizer,Faizer,Pfizer BioNTech", "Pfizer"),
            (
                "Vero Cell,VeroCell,Vero-Cell,Sinopharm,BBIBP-CorV,Sinopharm Vero Cell,vero\u{A0}cell",
                "Vero Cell",
            ),
        ] {
            for name in names.split(',') {
                let outcome = outcome(name, "2021-08-12", "2021-09-20");
                assert!(outcome.findings.is_empty(), "{name}");
                assert_eq!(outcome.changes.last().map_or(name, |change| &change.after), canonical);
            }
        }
    }

    #[test]
    fn names_for_a_person() {
        for (name, code, proposals) in [
            ("", "vaccine.missing", &[][..]),
            (" ", "vaccine.missing", &[]),
            ("-", "vaccine.unknown", &[]),
            ("Nanocovax", "vaccine.unknown", &[]),
            ("Pfizer (mũi 2)", "vaccine.unknown", &["Pfizer"]),
            ("AstraZeneca/Moderna", "vaccine.unknown", &["AstraZeneca", "Moderna"]),
        ] {
            let outcome = outcome(name, "", "2021-09-20");
            assert_eq!(outcome.findings[0].code, code, "{name}");
            assert_eq!(outcome.findings[0].proposals, proposals);
        }
    }

    #[test]
    fn sputnik_before_its_day() {
        for (name, injected_on, as_of, code) in [
            ("Sputnik V", "2021-09-01", "2021-09-20", Some("vaccine.not_in_use")),
            ("Gamaleya", "2021-09-01", "2021-09-20", Some("vaccine.not_in_use")),
            ("Sputnik V", "2021-10-20", "2021-12-01", None),
            ("Sputnik V", "2021-09-01", "2021-12-01", Some("vaccine.not_in_use")),
            // The year alone is wrong here: the date repairs itself.
            ("Sputnik V", "2020-10-20", "2021-12-01", None),
            ("Sputnik V", "", "2021-12-01", None),
        ] {
            let outcome = outcome(name, injected_on, as_of);
            assert_eq!(outcome.findings.first().map(|finding| &*finding.code), code, "{name} {injected_on}");
            assert!(outcome.findings.is_empty() || outcome.changes.is_empty());
        }
    }
}
