//! What holds for every file and every record, however broken.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use emend_rules::RuleFile;
use emend_worker::{JobContext, Outcome, Record, Validator};
use proptest::prelude::*;
use proptest::sample::select;

const FILE: &str = include_str!("../../examples/rules/vaccination.yaml");

/// Pieces of expressions, to be strung together.
const PIECES: [&str; 44] = [
    "a",
    "b",
    "field(\"Họ tên\")",
    "as_of",
    "\"\"",
    "\"0\"",
    "\"é\"",
    "-1",
    "0",
    "7",
    "9223372036854775807",
    "true",
    "false",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    " + ",
    " - ",
    " * ",
    " / ",
    " == ",
    " < ",
    " && ",
    " || ",
    "!",
    " in ",
    "if ",
    " else ",
    "digits(a)",
    "a.len()",
    "lookup(\"t\", a)",
    "matches(a, \"^x*$\")",
    "replace(a, \"\", b)",
    "replace_pattern(a, \".\", b)",
    "sub_string(a, 1)",
    "pad_left(a, 90000, \"x\")",
    "number(a)",
    "years_between(a, as_of)",
    "text(len(b))",
];

fn expression() -> impl Strategy<Value = String> {
    let sound = select(
        &[
            "a + b",
            "replace(a, b, a + a)",
            "replace_pattern(a, \"(.)\", \"$1$1$0\")",
            "pad_left(a, number(b), \"x\")",
            "upper(a)",
            "a.sub_string(-2, 1) + b.fold()",
            "text(years_between(a, as_of))",
            "text(number(a) * number(b))",
            "if a == \"\" { b } else { nfc(a) }",
            "lookup(\"t\", a)",
            "extract(a, \"([0-9]+)\")",
            "text(7 / number(a))",
            "collapse(visible(a)) + field(\"Họ tên\")",
            "\"\"",
            "b",
        ][..],
    );
    prop_oneof![
        12 => sound.prop_map(str::to_owned),
        1 => prop::collection::vec(select(&PIECES[..]), 1..7).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    let sound = select(
        &[
            "true",
            "a != b",
            "a in [\"\", \"x\", \"1\"]",
            "is_number(a) && number(a) > 0",
            "matches(a, \"[0-9]\")",
            "is_date(a) || b.len() > 3",
            "!(a.contains(b))",
            "number(b) < 5",
        ][..],
    );
    prop_oneof![12 => sound.prop_map(str::to_owned), 1 => expression()]
}

/// A value as YAML in double quotes.
fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            c if c.is_control() || c == '\u{FEFF}' => " ".to_owned(),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

prop_compose! {
    fn rule()(
        when in condition(),
        routes in any::<bool>(),
        field in select(&["a", "b", "Họ tên"][..]),
        expressions in prop::collection::vec(expression(), 1..3),
    ) -> String {
        let when = quoted(&when);
        if routes {
            let proposals: Vec<_> = expressions.iter().map(|expression| quoted(expression)).collect();
            let proposals = proposals.join(", ");
            format!("    when: {when}\n    route: {{ field: {field}, finding: a.odd, proposals: [{proposals}] }}\n")
        } else {
            let other = if field == "a" { "b" } else { "a" };
            let set: Vec<_> = [field, other].iter().zip(&expressions).map(|(field, expression)| {
                format!("      {field}: {}\n", quoted(expression))
            }).collect();
            format!("    when: {when}\n    set:\n{}", set.concat())
        }
    }
}

fn file(rules: &[String]) -> String {
    let head = "name: x\nversion: \"1\"\nfields: [a, b, Họ tên]\ntables: { t: { x: y } }\nrules:\n";
    let rules = rules.iter().enumerate().map(|(number, rule)| format!("  - name: r{number}\n{rule}"));
    format!("{head}{}", rules.collect::<String>())
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9]{0,4}",
        select(&["", "x", "2021-02-03", "-1", "99999", " \u{200B}"][..]).prop_map(str::to_owned),
        (1..70_000_usize).prop_map(|length| "ệ".repeat(length)),
    ]
}

fn keeps_promises(record: &Record<'_>, outcome: &Outcome) -> Result<(), TestCaseError> {
    for finding in &outcome.findings {
        prop_assert!(!outcome.changes.iter().any(|change| change.field == finding.field));
        prop_assert_eq!(outcome.findings.iter().filter(|other| other.field == finding.field).count(), 1);
        let word = |word: &str| !word.is_empty() && word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'_'));
        prop_assert!(finding.code.contains('.') && finding.code.split('.').all(word), "{}", finding.code);
    }
    for name in ["a", "b", "Họ tên"] {
        let mut current = record.get(name).unwrap_or_default().to_owned();
        for change in outcome.changes.iter().filter(|change| change.field == name) {
            prop_assert_eq!(&change.before, &current);
            prop_assert_ne!(&change.before, &change.after);
            prop_assert!(change.after.len() <= emend_rules::LONGEST_VALUE);
            current.clone_from(&change.after);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: ProptestConfig::default().cases.max(1_000), ..ProptestConfig::default() })]

    #[test]
    fn any_rules_on_any_record_keep_the_promises(
        rules in prop::collection::vec(rule(), 1..5),
        values in prop::collection::vec(value(), 3),
        as_of in select(&["", "2021-09-20", "soon"][..]),
    ) {
        if let Ok(file) = RuleFile::parse(&file(&rules)) {
            let fields = ["a", "b", "Họ tên"].into_iter().zip(values.iter().map(String::as_str));
            let record = Record::from_fields("k", fields);
            let job = JobContext { as_of: as_of.into(), ..JobContext::default() };
            let outcomes = file.validate(&job, std::slice::from_ref(&record));
            prop_assert_eq!(outcomes.len(), 1);
            keeps_promises(&record, &outcomes[0])?;
            prop_assert_eq!(file.validate(&job, std::slice::from_ref(&record)), outcomes, "rules are pure");
        }
    }

    #[test]
    fn any_text_is_a_file_or_a_list_of_problems(text in any::<String>(), rules in prop::collection::vec(rule(), 0..3)) {
        for text in [text.clone(), file(&rules), format!("{}{text}", file(&rules))] {
            let lines = text.split('\n').count();
            match RuleFile::parse(&text) {
                Ok(file) => drop(file.test()),
                Err(problems) => {
                    prop_assert!(!problems.is_empty());
                    prop_assert!(problems.iter().all(|problem| problem.place.line <= lines + 1), "{problems:?}");
                }
            }
        }
    }

    #[test]
    fn a_file_with_a_piece_torn_out_is_refused_or_runs(start in 0..FILE.len(), length in 0..200_usize, put in any::<String>()) {
        let cut = |mut at: usize| {
            while !FILE.is_char_boundary(at) {
                at += 1;
            }
            at
        };
        let (start, end) = (cut(start), cut((start + length).min(FILE.len())));
        let text = format!("{}{put}{}", &FILE[..start], &FILE[end.max(start)..]);
        if let Ok(file) = RuleFile::parse(&text) {
            drop(file.test());
        }
    }
}
