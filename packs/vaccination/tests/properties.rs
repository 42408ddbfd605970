//! What holds for every record, however broken.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use emend_vaccination::generator::Generator;
use emend_vaccination::{Column, FINDINGS, RULES, Vaccination, Values};
use emend_worker::{JobContext, Outcome, Record, Validator};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Pieces that rules look at: what is left of broken encodings, signs that look like others, words of the rules.
const PIECES: [&str; 64] = [
    "Ã",
    "º",
    "©",
    "\u{A0}",
    "\u{AD}",
    "\u{200B}",
    "\u{FEFF}",
    "\u{301}",
    "\u{323}",
    "\u{302}",
    "Ð",
    "ð",
    "ß",
    "Þ",
    "ø",
    "ö",
    "ï",
    "ñ",
    "Š",
    "ƒ",
    "…",
    "á»",
    "Ä\u{90}",
    "?",
    "\u{FFFD}",
    "０",
    "９",
    "٣",
    "²",
    "'",
    ".",
    ".0",
    ",",
    "-",
    "/",
    " ",
    "  ",
    "\t",
    "\n",
    "E+8",
    "84",
    "+84",
    "0084",
    "01",
    "0",
    "1",
    "12",
    "21",
    "2021",
    "1985",
    "44444",
    "Quận",
    "Q.",
    "P",
    "F5",
    "Thủ Đức",
    "An Khánh",
    "Mũi",
    "AZ",
    "Sputnik V",
    "BS",
    "Ông",
    "GD4797912345678",
    "王",
];

#[derive(Debug, Clone)]
enum Mutation {
    Replace(usize, String),
    Insert(usize, Index, String),
    Remove(usize, Index),
    Double(usize),
    Swap(usize, usize),
    Case(usize, bool),
    Misread(usize),
    Repeat(usize, usize),
}

fn text() -> impl Strategy<Value = String> {
    let piece =
        prop_oneof![select(&PIECES[..]).prop_map(str::to_owned), "\\PC{0,6}", "[A-Za-zÀ-ỹ0-9 ./-]{0,12}"];
    prop_oneof![
        any::<String>(),
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat()),
        select(&["", " ", "0", "-"][..]).prop_map(str::to_owned),
    ]
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let column = 1..Column::ALL.len();
    prop_oneof![
        (column.clone(), text()).prop_map(|(column, text)| Mutation::Replace(column, text)),
        (column.clone(), any::<Index>(), select(&PIECES[..]))
            .prop_map(|(column, at, piece)| Mutation::Insert(column, at, piece.to_owned())),
        (column.clone(), any::<Index>()).prop_map(|(column, at)| Mutation::Remove(column, at)),
        column.clone().prop_map(Mutation::Double),
        (column.clone(), column.clone()).prop_map(|(one, other)| Mutation::Swap(one, other)),
        (column.clone(), any::<bool>()).prop_map(|(column, upper)| Mutation::Case(column, upper)),
        column.clone().prop_map(Mutation::Misread),
        (column, 2..40_usize).prop_map(|(column, times)| Mutation::Repeat(column, times)),
    ]
}

fn mutate(values: &mut Values, mutation: &Mutation) {
    let column = |place: usize| Column::ALL[place];
    let with = |place: usize, values: &Values| values.get(column(place)).chars().collect::<Vec<_>>();
    match mutation {
        Mutation::Replace(place, text) => values.set(column(*place), text.as_str()),
        Mutation::Insert(place, at, piece) => {
            let mut chars = with(*place, values);
            let at = at.index(chars.len() + 1);
            chars.splice(at..at, piece.chars());
            values.set(column(*place), String::from_iter(chars));
        }
        Mutation::Remove(place, at) => {
            let mut chars = with(*place, values);
            if !chars.is_empty() {
                chars.remove(at.index(chars.len()));
            }
            values.set(column(*place), String::from_iter(chars));
        }
        Mutation::Double(place) => values.set(column(*place), values.get(column(*place)).repeat(2)),
        Mutation::Repeat(place, times) => {
            values.set(column(*place), values.get(column(*place)).repeat(*times));
        }
        Mutation::Swap(one, other) => {
            let kept = values.get(column(*one)).to_owned();
            values.set(column(*one), values.get(column(*other)).to_owned());
            values.set(column(*other), kept);
        }
        Mutation::Case(place, true) => values.set(column(*place), values.get(column(*place)).to_uppercase()),
        Mutation::Case(place, false) => values.set(column(*place), values.get(column(*place)).to_lowercase()),
        Mutation::Misread(place) => {
            let bytes = values.get(column(*place)).as_bytes().to_vec();
            values.set(column(*place), encoding_rs::WINDOWS_1252.decode_without_bom_handling(&bytes).0);
        }
    }
}

prop_compose! {
    fn record()(
        seed in any::<u64>(),
        i in any::<u64>(),
        true_values in any::<bool>(),
        mutations in prop::collection::vec(mutation(), 0..6),
    ) -> Values {
        let generated = Generator::new(seed).record(i);
        let mut values = if true_values { generated.truth.fields } else { generated.values };
        for mutation in &mutations {
            mutate(&mut values, mutation);
        }
        values
    }
}

fn job() -> impl Strategy<Value = JobContext> {
    let days =
        &["2021-09-20", "2021-12-31", "2022-03-01", "2021-01-01", "2021-10-16", "", "soon", "9999-12-31"];
    select(days.as_slice()).prop_map(|as_of| JobContext { as_of: as_of.into(), ..JobContext::default() })
}

fn check(job: &JobContext, values: &Values) -> Outcome {
    let record = Record::from_fields("k", values.fields());
    Vaccination::new().validate(job, &[record]).pop().unwrap()
}

fn apply(values: &Values, outcome: &Outcome) -> Values {
    let mut values = values.clone();
    for change in &outcome.changes {
        values.set(Column::named(&change.field).unwrap(), change.after.as_str());
    }
    values
}

proptest! {
    // More, for a long search, by PROPTEST_CASES.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(2_000), ..ProptestConfig::default() })]

    #[test]
    fn a_second_pass_changes_nothing(values in record(), job in job()) {
        let first = check(&job, &values);
        let after = apply(&values, &first);
        let second = check(&job, &after);
        prop_assert!(second.changes.is_empty(), "{:?}\nthen {:?}", first.changes, second.changes);
        prop_assert_eq!(first.findings, second.findings);
    }

    #[test]
    fn changes_chain_and_spare_what_is_routed(values in record(), job in job()) {
        let outcome = check(&job, &values);
        let mut current = values.clone();
        for change in &outcome.changes {
            let column = Column::named(&change.field).unwrap();
            prop_assert_eq!(&change.before, current.get(column));
            prop_assert_ne!(&change.before, &change.after);
            prop_assert!(RULES.contains(&&*change.rule), "{}", change.rule);
            prop_assert!(!outcome.findings.iter().any(|finding| finding.field == change.field));
            current.set(column, change.after.as_str());
        }
        for finding in &outcome.findings {
            prop_assert!(FINDINGS.contains(&&*finding.code), "{}", finding.code);
            let prefix = format!("{}.", finding.field);
            prop_assert!(finding.code.starts_with(&prefix));
            let came = values.get(Column::named(&finding.field).unwrap());
            prop_assert!(!finding.proposals.iter().any(|proposal| proposal == came));
        }
    }

    #[test]
    fn any_fields_in_any_order_do_no_harm(fields in prop::collection::vec((any::<String>(), any::<String>()), 0..8), text in text()) {
        let known = ["ward", "full_name", "national_id", "vaccine"].map(|name| (name, text.as_str()));
        let all = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(known);
        let record = Record::from_fields("k", all);
        let outcomes = Vaccination::new().validate(&JobContext { as_of: "2021-09-20".into(), ..JobContext::default() }, &[record]);
        prop_assert_eq!(outcomes.len(), 1);
    }
}

/// A million characters in any column: whatever is not linear would not come back.
#[test]
fn long_values_take_linear_time() {
    let base = Generator::new(1).record(0).truth.fields;
    let job = JobContext { as_of: "2021-09-20".into(), ..JobContext::default() };
    for piece in [
        "a",
        "Nguyễn ",
        "Ã©",
        "Ã\u{83}Â",
        "aø",
        " ",
        "\u{200B}",
        "\u{301}",
        "7",
        "0.",
        "Thö ",
        "?",
        "e\u{323}\u{302}",
        "ÔNG ",
        ".",
    ] {
        for column in &Column::ALL[1..] {
            let mut values = base.clone();
            values.set(*column, piece.repeat(1_000_000 / piece.len()));
            let first = check(&job, &values);
            let second = check(&job, &apply(&values, &first));
            assert!(second.changes.is_empty(), "{column:?} {piece}");
        }
    }
}

/// Text that was misread again and again is repaired again and again, or left alone, but settles.
#[test]
fn deep_nesting_settles() {
    let job = JobContext { as_of: "2021-09-20".into(), ..JobContext::default() };
    let mut values = Generator::new(1).record(0).truth.fields;
    let mut name = "Đỗ Mười".to_owned();
    for _ in 0..12 {
        name = encoding_rs::WINDOWS_1252.decode_without_bom_handling(name.as_bytes()).0.into_owned();
        values.set(Column::FullName, name.as_str());
        values.set(Column::Site, name.as_str());
        let outcome = check(&job, &values);
        let after = apply(&values, &outcome);
        assert_eq!(after.get(Column::FullName), "ĐỖ MƯỜI");
        assert_eq!(after.get(Column::Site), "Đỗ Mười");
    }
}
