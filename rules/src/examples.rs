//! A file's examples, run.

use emend_worker::Record;

use crate::compiled::{Rule, Rules};
use crate::declared::{Example, Expected};
use crate::file::RuleFile;
use crate::problem::Place;
use crate::run::{self, Said};

/// What became of one example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExampleOutcome {
    /// The rule that it is of.
    pub rule: String,
    /// Where it stands in the file.
    pub place: Place,
    /// What the file says that becomes of it.
    pub expected: String,
    /// What became of it. Examples are made up, so their values may be shown.
    pub got: String,
    /// Whether the two are the same.
    pub passed: bool,
}

impl RuleFile {
    /// Runs all examples. Each runs its own rule alone on the record that it gives: it says what the rule does, and
    /// stays true whatever rules are put before it.
    pub fn test(&self) -> Vec<ExampleOutcome> {
        let rules = self.compiled();
        let all =
            rules.rules.iter().flat_map(|rule| rule.examples.iter().map(move |example| (rule, example)));
        all.map(|(rule, example)| outcome(rules, rule, example)).collect()
    }
}

fn outcome(rules: &Rules, rule: &Rule, example: &Example) -> ExampleOutcome {
    let given = example.given.iter().map(|(field, value)| (field.as_str(), value.as_str()));
    let record = Record::from_fields("example", given);
    let said = run::run(rules, &example.as_of, &record, |other| other.name == rule.name);
    let (expected, got) = match &example.expected {
        Expected::Unchanged => ("unchanged".to_owned(), told(&said, &example.given, true)),
        Expected::Fields(fields) => {
            let mut after = example.given.clone();
            fields.iter().for_each(|(field, value)| put(&mut after, field, value));
            (shown(&after), told(&said, &example.given, false))
        }
        Expected::Finding { code, proposals } => (
            finding(code, proposals.as_deref()),
            match &said.outcome.findings[..] {
                [found] if said.failures.is_empty() => {
                    finding(&found.code, proposals.as_ref().map(|_| &found.proposals[..]))
                }
                _ => told(&said, &example.given, true),
            },
        ),
    };
    let passed = expected == got;
    ExampleOutcome { rule: rule.name.clone(), place: example.place, expected, got, passed }
}

/// What was said of a record: its fields afterwards, or why it goes to a person. A record that nothing happened to is
/// `unchanged` where that word was expected.
fn told(said: &Said, given: &[(String, String)], in_a_word: bool) -> String {
    if let Some(failure) = said.failures.first() {
        return format!("the rule failed: {failure}");
    }
    if let Some(found) = said.outcome.findings.first() {
        return finding(&found.code, Some(&found.proposals));
    }
    if in_a_word && said.outcome.changes.is_empty() {
        return "unchanged".to_owned();
    }
    let mut after = given.to_vec();
    said.outcome.changes.iter().for_each(|change| put(&mut after, &change.field, &change.after));
    shown(&after)
}

fn put(fields: &mut Vec<(String, String)>, field: &str, value: &str) {
    match fields.iter_mut().find(|(name, _)| name == field) {
        Some((_, there)) => value.clone_into(there),
        None => fields.push((field.to_owned(), value.to_owned())),
    }
}

fn shown(fields: &[(String, String)]) -> String {
    let mut fields: Vec<_> = fields.iter().map(|(field, value)| format!("{field}: {value:?}")).collect();
    fields.sort();
    format!("{{ {} }}", fields.join(", "))
}

fn finding(code: &str, proposals: Option<&[String]>) -> String {
    match proposals {
        None => format!("finding {code}"),
        Some(proposals) => format!("finding {code}, proposals {proposals:?}"),
    }
}
