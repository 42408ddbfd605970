//! What is wrong with a file is told when it is read: where, in which rule, and how to mend it.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use emend_rules::{Problem, RuleFile};

fn problems(file: &str) -> Vec<Problem> {
    RuleFile::parse(file).err().unwrap_or_default()
}

/// A file with one rule, whose condition stands in line 5 from column 11 on.
fn with_condition(when: &str) -> String {
    format!(
        "name: x\nversion: \"1\"\nrules:\n  - name: a.b\n    when: {when}\n    set: {{ a: b }}\nfields: [a, b]\n"
    )
}

#[test]
fn a_mistake_in_an_expression_is_told_at_its_place() {
    for (when, column, what) in [
        ("c == \"\"", 11, "`c` is no field that this file knows"),
        ("a == \"\" && digit(b) == \"\"", 22, "there is no function `digit`"),
        ("a.digit() == \"\"", 13, "there is no function `digit`"),
        ("a.len(b) == 1", 13, "`len` is given a text, a text"),
        ("len() == 1", 11, "`len` is given nothing"),
        ("a.len() == b", 22, "a number is needed here, and this is a text"),
        ("a", 11, "true or false is needed here, and this is a text"),
        ("a + 1 == b", 15, "a text is needed here, and this is a number"),
        ("1 + a == 2", 15, "a number is needed here, and this is a text"),
        ("matches(a, b)", 11, "the pattern of `matches` is not written out"),
        ("matches(a, \"[0-9\")", 22, "this pattern cannot be read: error: unclosed character class"),
        ("lookup(\"t\", a) == \"\"", 18, "there is no table `t`"),
        ("lookup(a, b) == \"\"", 11, "the table of `lookup` is not written out"),
        ("field(\"d\") == \"\"", 17, "the file lists its fields, and `d` is none of them"),
        ("a in [b, 1]", 20, "a text is needed here, and this is a number"),
        ("a in 7", 13, "`contains` is given a number, a text"),
        ("a == 'x'", 16, "a text stands in single quotes"),
        ("a == `x${b}`", 16, "a text in back quotes holds an expression"),
        ("if a == \"\" { true } else { b }", 11, "the first branch is true or false, the other a text"),
        ("if a == \"\" { true }", 11, "a branch is missing"),
        ("a[0] == \"\"", 12, "this has no place in an expression"),
        ("a.b == \"\"", 13, "only a function can stand behind a dot"),
        ("#{ } == 1", 0, ""),
        ("'#{} == 1'", 12, "this has no place in an expression"),
        ("() == 1", 11, "this has no place in an expression"),
        ("a & b", 13, "`&` has no place in an expression"),
        ("1..2 == 3", 12, "`..` has no place in an expression"),
        ("this == 1", 0, "this cannot be read: "),
        ("a = b", 13, "this cannot be read: "),
        ("a == \"\" &&", 21, "this cannot be read: "),
        ("a == \"", 0, "this cannot be read: "),
        ("eval(a)", 11, "this cannot be read: "),
        ("print(a)", 11, "this cannot be read: "),
        ("let x = 1", 11, "this cannot be read: "),
        ("switch a { _ => true }", 11, "this cannot be read: "),
        ("while true { }", 11, "this cannot be read: "),
        ("import \"x\"", 11, "this cannot be read: "),
        ("fn x() { }", 11, "this cannot be read: "),
        ("|x| x", 0, ""),
        ("type_of(a) == \"\"", 0, ""),
        ("is_def_var(\"a\")", 0, ""),
        ("Fn(\"len\")", 0, ""),
    ] {
        let found = problems(&with_condition(when));
        assert_eq!(found.len(), 1, "{when}: {found:?}");
        let problem = &found[0];
        assert!(problem.what.starts_with(what), "{when}: {problem}");
        if column > 0 {
            assert_eq!((problem.place.line, problem.place.column), (5, column), "{when}: {problem}");
            assert_eq!(problem.rule.as_deref(), Some("a.b"), "{when}");
        }
        assert!(!problem.mend.is_empty());
    }
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let file = "\
name: My Rules
version: 'a b'
colour: red
rules:
  - name: phone.one
    when: phone == \"\" || digitss(phone) == other
    set: { phone: digits(phone), ward: 7 }
    exmaples: []
  - name: phone.one
    when: phone == \"\"
    route: { field: phone, finding: Phone }
    set: { phone: phone }
  - set: { phone: phone }
  - name: phone.two
  - name: phone.three
    route: { field: phone, finding: phone.odd, agree: maybe }
    examples:
      - given: { phone: \"1\" }
      - given: { phone: \"1\" }
        expect: changed
";
    let told: Vec<_> = problems(file).iter().map(ToString::to_string).collect();
    let expected = [
        "line 1, column 7: `My Rules` cannot stand here",
        "line 2, column 10: `a b` cannot stand here",
        "line 3, column 1: `colour` is nothing that a file has",
        "line 6, column 26, rule phone.one: there is no function `digitss`",
        "line 6, column 44, rule phone.one: `other` is no field that this file knows",
        "line 7, column 40, rule phone.one: a text is needed here, and this is a number",
        "line 8, column 5, rule phone.one: `exmaples` is nothing that a rule has",
        "line 9, column 5, rule phone.one: the rule both sets and routes",
        "line 9, column 5, rule phone.one: there is another rule `phone.one` above",
        "line 11, column 37, rule phone.one: `Phone` is no code of a finding",
        "line 13, column 5: a rule has no name",
        "line 14, column 5, rule phone.two: the rule does nothing",
        "line 15, column 5, rule phone.three: the rule routes every record",
        "line 16, column 55, rule phone.three: this is neither true nor false",
        "line 18, column 9, rule phone.three: the example is not whole",
        "line 19, column 9, rule phone.three: the example is not whole",
        "line 20, column 17, rule phone.three: `changed` cannot be expected",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}\n{expected}");
    }
}

#[test]
fn what_is_no_rule_file_is_told_in_one_problem() {
    let long = "x".repeat(2_000_000);
    let deep = "[".repeat(5_000);
    let many = format!("name: x\nversion: \"1\"\nrules:\n{}", "  - name: a\n".repeat(20));
    for (text, what) in [
        ("", "the file is empty"),
        ("# nothing", "the file is empty"),
        ("a: [", "this is not YAML"),
        ("a: \"038\" + b", "this is not YAML"),
        ("a: &x 1", "anchors"),
        ("a: !x 1", "anchors"),
        ("a: *x", ""),
        ("? [a]\n: b", "a list or a map stands where a name is needed"),
        (&long, "the file is longer"),
        (&deep, ""),
    ] {
        let found = problems(text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].what.starts_with(what), "{found:?}");
    }
    assert!(problems("- a").iter().any(|problem| problem.what == "the file is a list, and must be a map"));
    assert!(
        problems("name: x\n---\nname: y").iter().any(|problem| problem.what.starts_with("a second document"))
    );
    assert!(
        problems("name: x\nname: y").iter().any(|problem| problem.what == "`name` stands here a second time")
    );
    assert!(problems(&many).iter().any(|problem| problem.what == "there is another rule `a` above"));
}

/// Long chains and deep nests are told as problems, on a stack as small as that of a thread.
#[test]
fn no_expression_is_too_much_for_the_stack() {
    for expression in [
        format!("{}a{}", "(".repeat(1_900), ")".repeat(1_900)),
        format!("a{}", " + a".repeat(990)),
        format!("a{}", ".lower()".repeat(490)),
        format!("{}true", "!".repeat(3_900)),
        format!("{}a{}", "lower(".repeat(400), ")".repeat(400)),
        format!("{}{}", "if true { ".repeat(300), "}".repeat(300)),
        format!("true{}", " && true".repeat(490)),
        format!("1{} == 1", " - 1".repeat(990)),
        format!("{}a{}", "[".repeat(1_900), "]".repeat(1_900)),
        "a".repeat(5_000),
    ] {
        let told = problems(&with_condition(&format!("'{expression}'")));
        assert!(!told.is_empty() || expression.starts_with("true &&"), "{}", &expression[..40]);
    }
}
