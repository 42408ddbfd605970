//! What rules do to a record.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use emend_rules::{FUNCTIONS, Kind, LONGEST_VALUE, RuleFile};
use emend_worker::{JobContext, Outcome, Record, Validator};

fn file(rules: &str) -> RuleFile {
    let text = format!(
        "name: x\nversion: \"1\"\nfields: [a, b, c, as_of, Tên, Số điện thoại]\ntables: {{ t: {{ x: y }} }}\nrules:\n{rules}"
    );
    RuleFile::parse(&text).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn run(file: &RuleFile, job: &JobContext, fields: &[(&str, &str)]) -> Outcome {
    let record = Record::from_fields("k", fields.iter().copied());
    file.validate(job, &[record]).pop().unwrap()
}

/// Changes as `field: before > after`, findings as `code [proposals]`.
fn said(rules: &str, fields: &[(&str, &str)]) -> Vec<String> {
    let outcome =
        run(&file(rules), &JobContext { as_of: "2021-09-20".into(), ..JobContext::default() }, fields);
    let changes =
        outcome.changes.iter().map(|c| format!("{}: {} > {} by {}", c.field, c.before, c.after, c.rule));
    let findings = outcome.findings.iter().map(|f| format!("{} on {} {:?}", f.code, f.field, f.proposals));
    changes.chain(findings).collect()
}

const TRIM: &str = "  - { name: trim, set: { a: trim(a) } }\n";
const ODD: &str = "  - { name: odd, when: 'a == \"x\"', route: { field: a, finding: a.odd, proposals: [a, upper(a), '\"\"', 'a + a', 'a + a'] } }\n";

#[test]
fn rules_run_in_order_and_each_sees_what_the_one_before_left() {
    let double = "  - { name: double, set: { a: a + a } }\n";
    assert_eq!(
        said(&format!("{TRIM}{double}"), &[("a", " z")]),
        ["a:  z > z by trim", "a: z > zz by double"]
    );
    assert_eq!(
        said(&format!("{double}{TRIM}"), &[("a", " z")]),
        ["a:  z >  z z by double", "a:  z z > z z by trim"]
    );
    assert!(said(TRIM, &[("a", "z"), ("b", " ")]).is_empty());
}

#[test]
fn a_routed_field_goes_as_it_came_and_no_later_rule_is_about_it() {
    let later = "  - { name: later, set: { a: '\"new\"', b: a } }\n";
    let told = said(&format!("{TRIM}{ODD}{ODD2}{later}"), &[("a", " x"), ("b", "")]);
    // `b` was worked out of what `a` is now again: the value that came.
    assert_eq!(told, ["b:  >  x by later", "a.odd on a [\"x\", \"X\", \"xx\"]"]);
}
const ODD2: &str = "  - { name: odd2, when: 'true', route: { field: a, finding: a.other } }\n";

#[test]
fn the_values_of_one_set_are_worked_out_before_any_is_written() {
    let swap = "  - { name: swap, set: { a: b, b: a } }\n";
    assert_eq!(said(swap, &[("a", "1"), ("b", "2")]), ["a: 1 > 2 by swap", "b: 2 > 1 by swap"]);
}

#[test]
fn a_missing_field_is_empty_and_the_first_of_two_counts() {
    assert_eq!(said("  - { name: r, when: 'a == \"\"', set: { a: '\"new\"' } }\n", &[]), ["a:  > new by r"]);
    assert_eq!(said(TRIM, &[("a", " 1"), ("a", " 2")]), ["a:  1 > 1 by trim"]);
}

#[test]
fn any_name_is_a_field_and_as_of_is_the_day() {
    let rules = "  - { name: r, when: 'field(\"Số điện thoại\").trim() != field(\"Số điện thoại\")', set: { Số điện thoại: 'field(\"Số điện thoại\").trim()' } }\n";
    assert_eq!(said(rules, &[("Số điện thoại", " 1")]), ["Số điện thoại:  1 > 1 by r"]);
    let rules = "  - { name: r, set: { as_of: 'field(\"as_of\") + as_of' } }\n";
    assert_eq!(said(rules, &[("as_of", "x")]), ["as_of: x > x2021-09-20 by r"]);
}

#[test]
fn a_rule_that_fails_leaves_its_field_to_a_person_and_changes_nothing() {
    for expression in [
        "text(number(b))",
        "text(years_between(b, as_of))",
        "replace(b, \"x\", pad_left(b, 60000, \"y\"))",
        "text(1 / b.index_of(\"x\"))",
    ] {
        let rules = format!("{TRIM}  - {{ name: r, set: {{ a: '{expression}', c: '\"z\"' }} }}\n");
        assert_eq!(said(&rules, &[("a", " 1"), ("b", "xx")]), ["a.rule_failed on a []"], "{expression}");
    }
    let rules = "  - { name: r, when: 'number(b) > 1', route: { field: Tên, finding: x.odd } }\n";
    assert_eq!(said(rules, &[("b", "x")]), ["record.rule_failed on Tên []"]);
    let long = "x".repeat(LONGEST_VALUE + 1);
    for rules in [
        TRIM,
        "  - { name: r, set: { a: b } }\n",
        "  - { name: r, when: 'a == \"\"', route: { field: a, finding: a.odd } }\n",
    ] {
        assert_eq!(said(rules, &[("a", &long)]), ["a.rule_failed on a []"]);
        assert!(!said(rules, &[("a", &long[1..])]).iter().any(|told| told.contains("failed")));
    }
}

#[test]
fn rules_can_be_left_out() {
    let file = file(&format!("{TRIM}{ODD}"));
    let job = JobContext { as_of: String::new(), without: vec!["trim".into()], ..JobContext::default() };
    assert_eq!(run(&file, &job, &[("a", " x")]), Outcome::default());
    assert_eq!(run(&file, &job, &[("a", "x")]).findings.len(), 1);
}

#[test]
fn a_version_hangs_on_what_the_rules_do_alone() {
    let version = |text: &str| RuleFile::parse(text).unwrap().manifest().version.clone();
    let text = "name: x\nversion: \"1\"\ntables: { t: { a: b, c: d } }\nrules:\n  - name: r\n    when: a == \"\"\n    set: { a: '\"b\"' }\n";
    let first = version(text);
    assert!(first.starts_with("1-") && first.len() == 10, "{first}");
    for same in [
        format!("# comment\n{text}"),
        text.replace("name: x", "about: more\nname: x"),
        text.replace("{ a: b, c: d }", "{ c: d, a: b }"),
        text.replace("when: a == \"\"", "when: 'a == \"\"'"),
        format!("{text}    examples: [{{ given: {{ a: \"1\" }}, expect: unchanged }}]\n"),
    ] {
        assert_eq!(version(&same), first, "{same}");
    }
    for other in [
        ("c: d", "c: e"),
        ("name: r", "name: s"),
        ("a == ", "a != "),
        ("'\"b\"'", "'\"c\"'"),
        ("\"1\"", "\"2\""),
    ] {
        assert_ne!(version(&text.replace(other.0, other.1)), first, "{other:?}");
    }
}

#[test]
fn examples_run_their_own_rule_alone_and_say_what_they_got() {
    let file = file(&format!(
        "{TRIM}  - name: r\n    when: number(a) > 1\n    set: {{ a: '\"many\"' }}\n    examples:\n{}{}{}{}",
        "      - { given: { a: \"2\", b: \"x\" }, expect: { a: many } }\n",
        "      - { given: { a: \"1\" }, expect: { a: many } }\n",
        "      - { given: { a: \"2\" }, expect: unchanged }\n",
        "      - { given: { a: \" 2\" }, expect: { a: many } }\n",
    ));
    let told: Vec<_> = file.test().into_iter().map(|told| (told.place.line, told.passed, told.got)).collect();
    let expected = [
        (11, true, "{ a: \"many\", b: \"x\" }"),
        (12, false, "{ a: \"1\" }"),
        (13, false, "{ a: \"many\" }"),
        (14, false, "the rule failed: Runtime error"),
    ];
    for (told, expected) in told.iter().zip(expected) {
        assert_eq!((told.0, told.1), (expected.0, expected.1));
        assert!(told.2.starts_with(expected.2), "{told:?}");
    }
    assert_eq!(told.len(), expected.len());
}

#[test]
fn what_rules_may_do_can_be_read() {
    let file = file(&format!("{TRIM}{ODD}"));
    let rules: Vec<_> = file.rules().collect();
    assert_eq!((rules[0].name(), rules[0].sets(), rules[0].routes()), ("trim", vec!["a"], None));
    assert_eq!((rules[1].sets(), rules[1].routes()), (vec![], Some(("a", "a.odd"))));
    assert_eq!(rules[1].codes(), ["a.odd", "a.rule_failed"]);
    assert_eq!(file.manifest().findings[0].code, "a.odd");
}

/// Every function that is declared can be called as it is declared, and stands in the page for users.
#[test]
fn every_function_is_there() {
    let page = include_str!("../../docs/RULE_FILES.md");
    for function in FUNCTIONS {
        let argument = |(at, kind): (usize, &Kind)| match (kind, function.name, at) {
            (Kind::Text, "lookup", 0) => "\"t\"",
            (Kind::Text, "number", _) => "\"7\"",
            (Kind::Text, name, _) if name.ends_with("_between") => "\"2020-02-29\"",
            (Kind::Text, _, 0) => "a",
            (Kind::Text, ..) => "\"x\"",
            (Kind::Number, ..) => "3",
            (Kind::Truth, ..) => "true",
            (Kind::Texts, ..) => "[\"x\", \"y\"]",
        };
        let arguments: Vec<_> = function.takes.iter().enumerate().map(argument).collect();
        let call = format!("{}({})", function.name, arguments.join(", "));
        let text = match function.gives {
            Kind::Text => call,
            Kind::Number => format!("text({call})"),
            Kind::Truth => format!("if {call} {{ \"yes\" }} else {{ \"no\" }}"),
            Kind::Texts => format!("if \"x\" in {call} {{ \"yes\" }} else {{ \"no\" }}"),
        };
        let told = said(
            &format!("  - {{ name: r, set: {{ a: '\"\"', b: '{text}' }} }}\n"),
            &[("a", "x7"), ("b", "?")],
        );
        assert!(!told[0].contains("failed"), "{text}: {told:?}");
        assert!(page.contains(&format!("`{}(", function.name)), "{}", function.name);
    }
}

#[test]
fn functions_answer_as_the_page_says() {
    for (expression, value) in [
        ("a.sub_string(-2)", "ỳn"),
        ("extract(a, \"^(.)(.)\")", "Q"),
        ("extract(a, \"u.\")", "uỳ"),
        ("extract(a, \"z\")", ""),
        ("replace_pattern(a, \"(Q)(u)\", \"$2$1\")", "uQỳn"),
        ("replace(a, \"\", \"-\")", "-Q-u-ỳ-n-"),
        ("pad_left(a, 6, \"0\")", "00Quỳn"),
        ("pad_left(a, -6, \"0\")", "Quỳn"),
        ("lookup(\"t\", \"x\") + lookup(\"t\", \"z\")", "y"),
        ("text(number(\"-12\") % 5 + a.len() * 10)", "38"),
        ("if a in [\"x\", \"Quỳn\"] && !(a in \"x\") { fold(a) } else { \"no\" }", "quyn"),
        ("if a !in [\"x\"] { \"not\" } else { \"in\" }", "not"),
        ("text(years_between(\"2000-02-29\", as_of))", "21"),
    ] {
        let rules = format!("  - {{ name: r, set: {{ b: '{expression}' }} }}\n");
        let outcome = run(
            &file(&rules),
            &JobContext { as_of: "2021-09-20".into(), ..JobContext::default() },
            &[("a", "Quỳn"), ("b", "?")],
        );
        assert_eq!(outcome.changes.first().map(|change| change.after.as_str()), Some(value), "{expression}");
    }
}

#[test]
fn threads_share_a_file() {
    let file =
        file(&format!("{TRIM}  - {{ name: r, when: 'matches(a, \"[0-9]\")', set: {{ a: digits(a) }} }}\n"));
    let work = || {
        for number in 0..2_000 {
            let outcome = run(&file, &JobContext::default(), &[("a", &format!(" x{number}"))]);
            assert_eq!(outcome.changes.last().unwrap().after, number.to_string());
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(work);
        }
    });
}
