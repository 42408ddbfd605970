//! The validator: all rules over each record, in the order in which they need each other, then over records together.

use emend_worker::{JobContext, Manifest, Outcome, Record, Validator};
use jiff::civil::Date;

use crate::campaign::{self, Window};
use crate::columns::{self, Column};
use crate::group::{self, Grouping};
use crate::national_id::Person;
use crate::sheet::Sheet;
use crate::{
    address, birth, dose, gender, injection, insurance_id, lot, name, national_id, phone, text, vaccine,
};

/// The rule pack `vaccination`.
#[derive(Debug, Clone)]
pub struct Vaccination {
    manifest: Manifest,
}

impl Vaccination {
    /// The pack, ready to check records.
    pub fn new() -> Self {
        Self { manifest: columns::manifest() }
    }
}

impl Default for Vaccination {
    fn default() -> Self {
        Self::new()
    }
}

impl Validator for Vaccination {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn validate(&self, job: &JobContext, records: &[Record<'_>]) -> Vec<Outcome> {
        let as_of = campaign::as_of(&job.as_of);
        let checked = records.iter().map(|record| check(record, as_of));
        match Grouping::of(&job.group_by) {
            Some(grouping) if records.len() > 1 => {
                let mut sheets: Vec<_> = checked.collect();
                group::check(grouping, records, &mut sheets);
                sheets.into_iter().map(Sheet::into_outcome).collect()
            }
            _ => checked.map(Sheet::into_outcome).collect(),
        }
    }
}

/// Checks one record by itself. Fields that are compared with others come after them: the window of an injection
/// hangs on the vaccine, an age on the injection, and a CCCD on birth and gender, all as corrected.
fn check<'r>(record: &'r Record<'_>, as_of: Option<Date>) -> Sheet<'r> {
    let mut sheet = Sheet::of(record);
    name::check(&mut sheet);
    phone::check(&mut sheet);
    address::check(&mut sheet);
    dose::check(&mut sheet);
    lot::check(&mut sheet);
    text::check(&mut sheet, Column::Site);
    text::check(&mut sheet, Column::ReportedFault);

    let vaccine = vaccine::check(&mut sheet, as_of);
    let injected_on = injection::check(&mut sheet, Window::of(vaccine, as_of));
    let birth = birth::check(&mut sheet);
    if let Some(birth) = birth {
        birth::check_age(&mut sheet, birth, injected_on, as_of);
    }
    let gender = gender::check(&mut sheet);
    let birth_year = birth.filter(|_| !sheet.is_routed(Column::DateOfBirth)).map(birth::year);
    insurance_id::check(&mut sheet);
    national_id::check(&mut sheet, Person { birth_year, gender });
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with nothing wrong.
    const SOUND: [(&str, &str); 15] = [
        ("record_id", "HCM-000000001"),
        ("full_name", "NGUYỄN VĂN HÒA"),
        ("date_of_birth", "1990-05-12"),
        ("gender", "male"),
        ("phone", "0912345678"),
        ("national_id", "079090123456"),
        ("insurance_id", ""),
        ("district", "760"),
        ("ward", "26734"),
        ("vaccine", "AstraZeneca"),
        ("dose_number", "1"),
        ("injected_on", "2021-08-12"),
        ("lot_number", "NL0054"),
        ("site", "Trạm Y tế"),
        ("reported_fault", ""),
    ];

    /// Findings by code, and changed fields with their last values.
    fn told(overrides: &[(&'static str, &'static str)]) -> (Vec<String>, Vec<(String, String)>) {
        let fields = SOUND.map(|(name, value)| {
            let other = overrides.iter().find(|(field, _)| *field == name);
            (name, other.map_or(value, |(_, value)| value))
        });
        let record = Record::from_fields("k", fields);
        let outcome = check(&record, campaign::as_of("2021-09-20")).into_outcome();
        let findings = outcome.findings.into_iter().map(|finding| finding.code.into_owned()).collect();
        let mut changed: Vec<(String, String)> = Vec::new();
        for change in outcome.changes {
            changed.retain(|(field, _)| *field != change.field);
            changed.push((change.field.into_owned(), change.after));
        }
        (findings, changed)
    }

    #[test]
    fn a_sound_record_is_left_alone() {
        assert_eq!(told(&[]), (vec![], vec![]));
    }

    #[test]
    fn a_cccd_is_compared_with_corrected_values_and_never_with_routed_ones() {
        for (overrides, findings) in [
            (&[("date_of_birth", "12/05/1990"), ("gender", "Nam")][..], &[][..]),
            (&[("date_of_birth", "12/05/1991"), ("gender", "Nam")], &["national_id.birth_year"]),
            (&[("gender", "Nữ")], &["national_id.sex"]),
            (&[("gender", "?")], &["gender.unreadable"]),
            (&[("date_of_birth", "12/05/91")], &["date_of_birth.unreadable"]),
            (&[("date_of_birth", "2010-05-12")], &["date_of_birth.under_18"]),
            (&[("date_of_birth", "1890"), ("gender", "F")], &["date_of_birth.over_110", "national_id.sex"]),
            (
                &[("date_of_birth", ""), ("national_id", "79090123456")],
                &["date_of_birth.missing", "national_id.length"],
            ),
        ] {
            assert_eq!(told(overrides).0, findings, "{overrides:?}");
        }
    }

    #[test]
    fn lost_zeros_come_back_by_corrected_values() {
        let (findings, changed) =
            told(&[("date_of_birth", "12/05/1990"), ("gender", "Nam"), ("national_id", "79 090 123 456")]);
        assert!(findings.is_empty());
        assert!(changed.contains(&("national_id".into(), "079090123456".into())));
    }

    #[test]
    fn an_age_is_that_on_the_corrected_day() {
        // 18 on 13 August: of age on 8 December as typed, not on 12 August as meant.
        let minor = [("date_of_birth", "2003-08-13"), ("injected_on", "2021-12-08"), ("national_id", "")];
        assert_eq!(
            told(&minor),
            (vec!["date_of_birth.under_18".into()], vec![("injected_on".into(), "2021-08-12".into())])
        );
        let adult = [("date_of_birth", "2003-08-12"), ("injected_on", "2021-12-08"), ("national_id", "")];
        assert!(told(&adult).0.is_empty());
    }

    #[test]
    fn the_window_hangs_on_the_vaccine_unless_a_person_names_it() {
        let early = ("injected_on", "2021-05-20");
        assert_eq!(told(&[early, ("vaccine", "Modena")]).0, ["injected_on.outside_window"]);
        assert_eq!(told(&[early, ("vaccine", "")]).0, ["vaccine.missing"]);
        assert_eq!(told(&[early, ("vaccine", "Sputnik")]).0, ["vaccine.not_in_use"]);
    }

    #[test]
    fn an_insurance_number_moves_and_both_fields_tell() {
        let (findings, changed) = told(&[("national_id", "GD4797912345678")]);
        assert!(findings.is_empty());
        let moved =
            [("national_id".into(), String::new()), ("insurance_id".into(), "GD4797912345678".into())];
        assert_eq!(changed, moved);
    }

    #[test]
    fn absent_columns_read_as_empty_and_unknown_ones_are_nobodys() {
        let record = Record::from_fields("k", [("note", "  x "), ("phone", "912345678")]);
        let outcome = check(&record, None).into_outcome();
        assert_eq!(outcome.changes.len(), 1);
        let codes: Vec<_> = outcome.findings.iter().map(|finding| &*finding.code).collect();
        let missing = [
            "full_name.missing",
            "date_of_birth.missing",
            "gender.missing",
            "district.missing",
            "ward.missing",
            "vaccine.missing",
            "dose_number.missing",
            "injected_on.missing",
        ];
        assert_eq!(codes, missing);
    }

    #[test]
    fn each_record_has_its_answer() {
        let pack = Vaccination::default();
        let records = [Record::from_fields("a", SOUND), Record::from_fields("b", [("gender", "Nam")])];
        let outcomes = pack.validate(&JobContext::default(), &records);
        assert_eq!(outcomes.len(), 2);
        assert_eq!(outcomes[0], Outcome::default());
        assert_eq!(pack.manifest().name, columns::PACK);
        assert_eq!(pack.manifest().version, columns::VERSION);
    }
}
