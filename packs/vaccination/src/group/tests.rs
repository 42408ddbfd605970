use emend_worker::{Finding, JobContext, Outcome, Validator};

use super::*;
use crate::vaccination::Vaccination;

/// A record with nothing wrong.
const SOUND: [(&str, &str); 14] = [
    ("full_name", "NGUYỄN THỊ THÚY HÒA"),
    ("date_of_birth", "1990-05-12"),
    ("gender", "female"),
    ("phone", "0912345678"),
    ("national_id", "250123456"),
    ("insurance_id", ""),
    ("district", "760"),
    ("ward", "26734"),
    ("vaccine", "AstraZeneca"),
    ("dose_number", "1"),
    ("injected_on", "2021-06-12"),
    ("lot_number", "NL0054"),
    ("site", "Trạm Y tế Phường 5"),
    ("reported_fault", ""),
];

const PERSON: &[&str] = &["full_name", "date_of_birth"];

type Overrides = [(&'static str, &'static str)];

/// Outcomes of records that are sound but for these values.
fn outcomes(group_by: &[&str], group: &[(&'static str, &Overrides)]) -> Vec<Outcome> {
    let record = |(key, overrides): &(&'static str, &Overrides)| {
        let other = |name| overrides.iter().find(|(field, _)| *field == name).map(|(_, value)| *value);
        Record::from_fields(key, SOUND.map(|(name, value)| (name, other(name).unwrap_or(value))))
    };
    let records: Vec<_> = group.iter().map(record).collect();
    let group_by = group_by.iter().map(|&field| field.into()).collect();
    let job = JobContext { as_of: "2021-09-20".into(), group_by, ..JobContext::default() };
    let outcomes = Vaccination::new().validate(&job, &records);
    for outcome in &outcomes {
        let both = |finding: &Finding| outcome.changes.iter().any(|change| change.field == finding.field);
        assert!(!outcome.findings.iter().any(both), "{outcome:?}");
    }
    outcomes
}

/// For each record its findings, a code with the proposals behind it.
fn told(group_by: &[&str], group: &[(&'static str, &Overrides)]) -> Vec<String> {
    let finding = |finding: Finding| format!("{} {}", finding.code, finding.proposals.join(" "));
    let all = |outcome: Outcome| outcome.findings.into_iter().map(finding).collect::<Vec<_>>().join(", ");
    outcomes(group_by, group).into_iter().map(|outcome| all(outcome).trim_end().to_owned()).collect()
}

#[test]
fn a_dose_keyed_twice_stays_once_by_its_key() {
    let twice = "dose_number.duplicate";
    assert_eq!(told(PERSON, &[("a", &[]), ("b", &[])]), ["", twice]);
    assert_eq!(told(PERSON, &[("b", &[]), ("a", &[]), ("c", &[])]), [twice, "", twice]);
    // As the rules of each record left them.
    let other = [
        ("full_name", "Nguyeãn Thò Thuùy Hoøa"),
        ("date_of_birth", "12/05/1990"),
        ("vaccine", "AZ"),
        ("dose_number", "Mũi 1"),
        ("injected_on", "12/06/2021"),
        ("site", "TRẠM Y TẾ PHƯỜNG  05"),
    ];
    assert_eq!(told(PERSON, &[("a", &[]), ("b", &other)]), ["", "dose_number.duplicate 1"]);
    let rules: Vec<_> = outcomes(PERSON, &[("a", &[]), ("b", &other)])[1]
        .changes
        .iter()
        .map(|change| change.rule.to_string())
        .collect();
    assert!(rules.contains(&"name.vni".into()) && !rules.contains(&"dose_number.word".into()), "{rules:?}");
}

#[test]
fn two_first_doses() {
    let later = ("injected_on", "2021-08-12");
    let two = "dose_number.two_first";
    assert_eq!(told(PERSON, &[("a", &[later]), ("b", &[])]), ["dose_number.two_first 2", two]);
    assert_eq!(
        told(PERSON, &[("a", &[]), ("b", &[later, ("dose_number", "Mũi 1")])]),
        [two, "dose_number.two_first 2 1"]
    );
    // One day does not say which is which, nor does it where the second dose is there, or may be.
    assert_eq!(told(PERSON, &[("a", &[]), ("b", &[("vaccine", "Sinopharm")])])[0], "");
    assert_eq!(told(PERSON, &[("a", &[]), ("b", &[("site", "Bệnh viện Quận 5")])]), [two, two]);
    let second = [("dose_number", "2"), ("injected_on", "2021-09-12")];
    assert_eq!(told(PERSON, &[("a", &[]), ("b", &[later]), ("c", &second)]), [two, two, ""]);
    let unknown = [("dose_number", "3"), ("injected_on", "2021-09-12")];
    assert_eq!(
        told(PERSON, &[("a", &[]), ("b", &[later]), ("c", &unknown)]),
        [two, two, "dose_number.range"]
    );
}

#[test]
fn a_second_dose_wants_a_first_only_where_another_record_claims_to_be_one() {
    let second = ("dose_number", "2");
    let later = ("injected_on", "2021-08-12");
    assert_eq!(told(PERSON, &[("a", &[second])]), [""]);
    assert_eq!(told(PERSON, &[("a", &[]), ("b", &[second, later])]), ["", ""]);
    let none = "dose_number.no_first";
    assert_eq!(told(PERSON, &[("a", &[second]), ("b", &[second, later])]), ["dose_number.no_first 1", none]);
    let unknown = [("dose_number", ""), ("injected_on", "2021-05-12")];
    assert_eq!(
        told(PERSON, &[("a", &[second]), ("b", &[second, later]), ("c", &unknown)]),
        ["", "", "dose_number.missing"]
    );
}

#[test]
fn a_person_is_more_than_a_name_and_a_birth_date() {
    let twice = "dose_number.duplicate";
    let other_place = [("ward", "26737"), ("site", "Bệnh viện Quận 5")];
    for (overrides, found) in [
        (&[][..], true),
        (&[("full_name", "NGUYỄN THỊ THUÝ HOÀ")], true),
        (&[("full_name", "NGUYEN THI THUY HOA")], true),
        (&[("full_name", "NGUYỄN THỊ THÚY HÓA")], false),
        (&[("full_name", "BÀ NGUYỄN THỊ THÚY HÒA")], false),
        (&[("date_of_birth", "1990")], false),
        (&[("gender", "male")], false),
        (&[("gender", "?")], true),
        (&[("phone", "")], true),
        (&[("national_id", "250123457")], false),
        (&[("national_id", "079190123456")], true),
        (&[("national_id", "25012345")], true),
        (&[("ward", "26737")], true),
        (&[("ward", "26737"), ("national_id", "")], true),
    ] {
        let told = told(PERSON, &[("a", &[]), ("b", overrides)]);
        assert_eq!(told[1].contains(twice), found, "{overrides:?}: {told:?}");
        assert!(!told[0].contains("dose_number"), "{told:?}");
    }
    // Without a paper, neither the place nor the dose agrees.
    let stranger = [other_place[0], other_place[1], ("national_id", ""), ("injected_on", "2021-08-12")];
    assert_eq!(told(PERSON, &[("a", &[]), ("b", &stranger)]), ["", ""]);
}

#[test]
fn of_a_birth_year_alone_only_papers_are_proof() {
    let year = ("date_of_birth", "1960");
    assert_eq!(told(PERSON, &[("a", &[year]), ("b", &[year])])[1], "dose_number.duplicate");
    let no_paper = [year, ("national_id", "")];
    assert_eq!(told(PERSON, &[("a", &[year]), ("b", &no_paper)]), ["", ""]);
}

#[test]
fn a_number_on_two_people() {
    let shared = "national_id.shared";
    let by = &["national_id"];
    for (overrides, found) in [
        (&[][..], false),
        (&[("dose_number", "2")], false),
        (&[("full_name", "nguyen thi thuy hoa")], false),
        (&[("full_name", "NGUYỄN THỊ THUÝ HOÀ")], false),
        (&[("date_of_birth", "1990")], false),
        (&[("date_of_birth", "1991")], true),
        (&[("date_of_birth", "1990-05-13")], true),
        (&[("full_name", "NGUYỄN THỊ THÚY HÓA")], true),
        (&[("full_name", "LÊ VĂN NAM")], true),
        (&[("full_name", "LÊ VĂN N?M")], false),
    ] {
        let told = told(by, &[("a", &[]), ("b", overrides)]);
        assert_eq!(told.iter().all(|told| told.contains(shared)), found, "{overrides:?}: {told:?}");
    }
    let written = [("full_name", "LÊ VĂN NAM"), ("national_id", "250 123 456")];
    assert_eq!(told(by, &[("a", &[]), ("b", &written)]), [shared, "national_id.shared 250123456"]);
    // A number that a person has to look at anyway is compared with nothing, and no number is nobody's.
    let cccd = [("full_name", "LÊ VĂN NAM"), ("national_id", "079089123456")];
    assert!(told(by, &[("a", &[("national_id", "079190123456")]), ("b", &cccd)])[0].is_empty());
    let none = [("full_name", "LÊ VĂN NAM"), ("national_id", "")];
    assert_eq!(told(by, &[("a", &[("national_id", "")]), ("b", &none)]), ["", ""]);
}

#[test]
fn a_phone_is_a_households_up_to_ten_people() {
    let years = ["1961", "1962", "1963", "1964", "1965", "1966", "1967", "1968", "1969", "1970", "1971"];
    let people: Vec<[(&str, &str); 1]> = years.map(|year| [("date_of_birth", year)]).into();
    let group = |count: usize| -> Vec<(&'static str, &Overrides)> {
        people.iter().cycle().take(count).map(|person| ("a", &person[..])).collect()
    };
    assert!(told(&["phone"], &group(10)).iter().all(String::is_empty));
    assert!(told(&["phone"], &group(11)).iter().all(|told| told == "phone.shared"));
    // Many records of a few people are no crowd.
    let few: Vec<_> = group(10).into_iter().cycle().take(40).collect();
    assert!(told(&["phone"], &few).iter().all(String::is_empty));
}

#[test]
fn other_groupings_compare_nothing() {
    for by in
        [&[][..], &["full_name"], &["full_name", "date_of_birth", "ward"], &["phone", "note"], &["site"]]
    {
        assert_eq!(told(by, &[("a", &[]), ("b", &[])]), ["", ""], "{by:?}");
    }
    let turned = &["date_of_birth", "full_name"];
    assert_eq!(told(turned, &[("a", &[]), ("b", &[])]), ["", "dose_number.duplicate"]);
}
