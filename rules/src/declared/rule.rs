//! One rule as it is written.

use super::{entries, items, missing, text, texts, unknown, word};
use crate::problem::{Place, Problems};
use crate::yaml::{Node, Text, Value};

/// A rule: when it applies and what it does then.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) place: Place,
    pub(crate) name: String,
    pub(crate) about: String,
    /// Without a condition it always applies.
    pub(crate) when: Option<Text>,
    /// `None` when it was not written, or wrongly.
    pub(crate) action: Option<Action>,
    pub(crate) examples: Vec<Example>,
}

#[derive(Debug)]
pub(crate) enum Action {
    /// Fields, each with the expression of its new value.
    Set(Vec<(String, Text)>),
    Route(Route),
}

/// What sends a field to a person.
#[derive(Debug, Default)]
pub(crate) struct Route {
    pub(crate) field: String,
    pub(crate) finding: String,
    pub(crate) proposals: Vec<Text>,
    pub(crate) text_vi: String,
    pub(crate) text_en: String,
    pub(crate) agree: bool,
}

/// A record, and what the rule must make of it.
#[derive(Debug, Clone)]
pub(crate) struct Example {
    pub(crate) place: Place,
    pub(crate) given: Vec<(String, String)>,
    pub(crate) as_of: String,
    pub(crate) expected: Expected,
}

#[derive(Debug, Clone)]
pub(crate) enum Expected {
    Unchanged,
    /// Fields afterwards; the others as they were.
    Fields(Vec<(String, String)>),
    Finding {
        code: String,
        proposals: Option<Vec<String>>,
    },
}

pub(crate) fn read(node: Node, problems: &mut Problems) -> Rule {
    let place = node.place;
    let mut entries = entries(node, "a rule", problems);
    let mut rule = Rule {
        place,
        name: String::new(),
        about: String::new(),
        when: None,
        action: None,
        examples: Vec::new(),
    };
    // The name comes first, so that all problems can say it.
    match entries.iter().position(|(key, _)| key.text == "name") {
        Some(at) => rule.name = word(entries.remove(at).1, 64, "a-z, 0-9, _ and '.'", is_in_name, problems),
        None => missing(place, "a rule has no name", "name: field.what_it_does", problems),
    }
    problems.enter(Some(&rule.name));
    let (mut examples, mut actions) = (None, 0);
    for (key, node) in entries {
        match key.text.as_str() {
            "about" => rule.about = text(node, problems).text,
            "when" => rule.when = Some(text(node, problems)),
            "set" => {
                actions += 1;
                rule.action = Some(set(node, problems));
            }
            "route" => {
                actions += 1;
                rule.action = Some(Action::Route(route(node, problems)));
            }
            "examples" => examples = Some(node),
            _ => unknown(&key, "a rule", "name, about, when, set or route, examples", problems),
        }
    }
    if actions != 1 {
        let what = if actions == 0 { "the rule does nothing" } else { "the rule both sets and routes" };
        problems.add(place, what, "Write one of `set:` and `route:`; make two rules of it for both");
    }
    if matches!(rule.action, Some(Action::Route(_))) && rule.when.is_none() {
        missing(place, "the rule routes every record", "when: with a condition", problems);
    }
    let routes = matches!(rule.action, Some(Action::Route(_)));
    let nodes = examples.map(|node| items(node, problems)).unwrap_or_default();
    rule.examples = nodes.into_iter().filter_map(|node| example(node, routes, problems)).collect();
    rule
}

fn is_in_name(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.')
}

fn set(node: Node, problems: &mut Problems) -> Action {
    let place = node.place;
    let fields = entries(node, "`set`", problems);
    if fields.is_empty() {
        missing(place, "no field is set", "set: and below it, indented, field: expression", problems);
    }
    Action::Set(fields.into_iter().map(|(field, node)| (field.text, text(node, problems))).collect())
}

fn route(node: Node, problems: &mut Problems) -> Route {
    let place = node.place;
    let mut route = Route::default();
    for (key, node) in entries(node, "`route`", problems) {
        match key.text.as_str() {
            "field" => route.field = text(node, problems).text,
            "finding" => route.finding = code(node, problems),
            "proposals" => route.proposals = texts(node, problems),
            "text_vi" => route.text_vi = text(node, problems).text,
            "text_en" => route.text_en = text(node, problems).text,
            "agree" => route.agree = truth(node, problems),
            _ => unknown(&key, "`route`", "field, finding, proposals, text_vi, text_en, agree", problems),
        }
    }
    if route.field.is_empty() {
        missing(place, "`route` names no field", "field: and the field that a person must look at", problems);
    }
    if route.finding.is_empty() {
        missing(place, "`route` names no finding", "finding: field.reason", problems);
    }
    route
}

fn code(node: Node, problems: &mut Problems) -> String {
    let place = node.place;
    let code = text(node, problems).text;
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    let is_code = code.len() <= 128 && code.contains('.') && code.split('.').all(is_word);
    if !is_code || code.ends_with(".rule_failed") {
        let what = format!("`{code}` is no code of a finding");
        problems.add(place, what, "Write field.reason of a-z, 0-9 and _; the reason rule_failed is taken");
    }
    code
}

fn truth(node: Node, problems: &mut Problems) -> bool {
    let place = node.place;
    let written = text(node, problems).text;
    if !matches!(written.as_str(), "true" | "false") {
        problems.add(place, "this is neither true nor false", "Write true or false");
    }
    written == "true"
}

fn example(node: Node, routes: bool, problems: &mut Problems) -> Option<Example> {
    let place = node.place;
    let (mut given, mut expected, mut as_of) = (None, None, String::new());
    for (key, node) in entries(node, "an example", problems) {
        match key.text.as_str() {
            "given" => given = Some(pairs(node, problems)),
            "as_of" => as_of = text(node, problems).text,
            "expect" => expected = expect(node, routes, problems),
            _ => unknown(&key, "an example", "given, as_of, expect", problems),
        }
    }
    let (Some(given), Some(expected)) = (given, expected) else {
        let example = "given: { field: \"value\" } and expect: { field: \"value\" }, { finding: field.reason } or unchanged";
        missing(place, "the example is not whole", example, problems);
        return None;
    };
    Some(Example { place, given, as_of, expected })
}

fn pairs(node: Node, problems: &mut Problems) -> Vec<(String, String)> {
    let pairs = entries(node, "this", problems).into_iter();
    pairs.map(|(field, node)| (field.text, text(node, problems).text)).collect()
}

fn expect(node: Node, routes: bool, problems: &mut Problems) -> Option<Expected> {
    if let Value::Text(text) = &node.value {
        if text.text == "unchanged" {
            return Some(Expected::Unchanged);
        }
        problems.add(text.place, format!("`{}` cannot be expected", text.text), "Write unchanged, or a map");
        return None;
    }
    if !routes {
        return Some(Expected::Fields(pairs(node, problems)));
    }
    let (mut code, mut proposals) = (None, None);
    for (key, node) in entries(node, "`expect`", problems) {
        match key.text.as_str() {
            "finding" => code = Some(text(node, problems).text),
            "proposals" => {
                proposals = Some(texts(node, problems).into_iter().map(|proposal| proposal.text).collect());
            }
            _ => unknown(&key, "what is expected of a rule that routes", "finding, proposals", problems),
        }
    }
    code.map(|code| Expected::Finding { code, proposals })
}
