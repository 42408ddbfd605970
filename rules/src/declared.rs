//! A rule file as it is written: what stands where, before any expression is read.

mod rule;

use crate::functions::Tables;
use crate::problem::{Place, Problems};
use crate::yaml::{Key, Node, Text, Value};

pub(crate) use rule::{Action, Example, Expected, Rule};

/// No file has more rules.
const MOST_RULES: usize = 1_000;

/// All of a file.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) about: String,
    /// The fields, if the file lists them.
    pub(crate) fields: Option<Vec<String>>,
    pub(crate) tables: Tables,
    pub(crate) rules: Vec<Rule>,
}

/// Takes a file apart, and notes what is wrong or missing.
pub(crate) fn read(root: Node, problems: &mut Problems) -> File {
    let mut file = File::default();
    let place = root.place;
    let (mut has_name, mut has_version, mut rules) = (false, false, None);
    for (key, node) in entries(root, "the file", problems) {
        match key.text.as_str() {
            "name" => {
                has_name = true;
                file.name = word(node, 64, "a-z, 0-9, _ and -", is_in_name, problems);
            }
            "version" => {
                has_version = true;
                file.version = word(node, 40, "letters, digits, '.', _ and -", is_in_version, problems);
            }
            "about" => file.about = text(node, problems).text,
            "fields" => {
                let listed = texts(node, problems);
                file.fields = Some(listed.into_iter().map(|field| field.text).collect());
            }
            "tables" => file.tables = tables(node, problems),
            "rules" => rules = Some((key.place, items(node, problems))),
            _ => unknown(&key, "a file", "name, version, about, fields, tables, rules", problems),
        }
    }
    for (has, name, example) in
        [(has_name, "name", "name: phones"), (has_version, "version", "version: \"1\"")]
    {
        if !has {
            missing(place, &format!("the file has no {name}"), example, problems);
        }
    }
    let (at, rules) = rules.unwrap_or((place, Vec::new()));
    if rules.is_empty() {
        missing(
            at,
            "the file has no rules",
            "rules: with a list of rules, each beginning with `- name:`",
            problems,
        );
    }
    if rules.len() > MOST_RULES {
        problems.add(at, format!("there are more than {MOST_RULES} rules"), "Split the file");
    }
    for node in rules.into_iter().take(MOST_RULES) {
        let rule = rule::read(node, problems);
        if !rule.name.is_empty() && file.rules.iter().any(|other| other.name == rule.name) {
            let what = format!("there is another rule `{}` above", rule.name);
            problems.add(rule.place, what, "Give each rule a name of its own");
        }
        problems.enter(None);
        file.rules.push(rule);
    }
    file
}

fn is_in_name(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')
}

fn is_in_version(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

fn tables(node: Node, problems: &mut Problems) -> Tables {
    let named = entries(node, "tables", problems).into_iter().map(|(key, node)| {
        let what = format!("table {}", key.text);
        let pairs = entries(node, &what, problems);
        let pairs = pairs.into_iter().map(|(from, to)| (from.text, text(to, problems).text)).collect();
        (key.text, pairs)
    });
    named.collect()
}

/// The entries of a map; none, with a problem, when it is something else.
fn entries(node: Node, what: &str, problems: &mut Problems) -> Vec<(Key, Node)> {
    match node.value {
        Value::Map(entries) => entries,
        _ => {
            let what = format!("{what} is {}, and must be a map", node.kind());
            problems.add(node.place, what, "Write `name: value`, each on a line of its own");
            Vec::new()
        }
    }
}

/// The items of a list; none, with a problem, when it is something else.
fn items(node: Node, problems: &mut Problems) -> Vec<Node> {
    match node.value {
        Value::List(items) => items,
        _ => {
            let what = format!("this is {}, and must be a list", node.kind());
            problems.add(node.place, what, "Begin each item with `- `");
            Vec::new()
        }
    }
}

/// The text of a scalar; an empty one, with a problem, when it is something else.
fn text(node: Node, problems: &mut Problems) -> Text {
    match node.value {
        Value::Text(text) => text,
        _ => {
            let what = format!("this is {}, and must be a text", node.kind());
            problems.add(node.place, what, "Write one text; put it in quotes if it begins with [ or {");
            Text { place: node.place, text: String::new(), style: saphyr_parser::ScalarStyle::Plain }
        }
    }
}

fn texts(node: Node, problems: &mut Problems) -> Vec<Text> {
    items(node, problems).into_iter().map(|item| text(item, problems)).collect()
}

/// A name of one to `most` characters that are all `allowed`.
fn word(node: Node, most: usize, alphabet: &str, allowed: fn(u8) -> bool, problems: &mut Problems) -> String {
    let place = node.place;
    let is_text = matches!(node.value, Value::Text(_));
    let word = text(node, problems).text;
    if is_text && !((1..=most).contains(&word.len()) && word.bytes().all(allowed)) {
        let what = format!("`{word}` cannot stand here");
        problems.add(place, what, format!("Use 1 to {most} characters of {alphabet}"));
        return String::new();
    }
    word
}

fn unknown(key: &Key, of: &str, known: &str, problems: &mut Problems) {
    problems.add(
        key.place,
        format!("`{}` is nothing that {of} has", key.text),
        format!("It may have: {known}"),
    );
}

fn missing(place: Place, what: &str, example: &str, problems: &mut Problems) {
    problems.add(place, what, format!("Write {example}"));
}
