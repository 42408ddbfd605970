//! `emend rules`.

use std::path::Path;

use anyhow::Result;
use emend_rules::{ExampleOutcome, RuleFile};
use serde::Serialize;

use super::{plural, print, print_json};
use crate::args::{RulesArgs, RulesCommand, RulesTestArgs};
use crate::exit::Exit;
use crate::rules::{link, read};

/// A rule file as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    file: String,
    name: String,
    /// What jobs ask for.
    version: String,
    rules: usize,
    examples: usize,
    failed: Vec<Failed>,
}

/// An example that came out otherwise.
#[derive(Debug, Serialize)]
struct Failed {
    rule: String,
    line: usize,
    column: usize,
    expected: String,
    got: String,
}

pub(super) fn run(args: RulesArgs) -> Result<Exit> {
    let RulesCommand::Test(args) = args.command;
    test(&args)
}

fn test(args: &RulesTestArgs) -> Result<Exit> {
    let mut exit = Exit::Done;
    for path in &args.file {
        let shown = tested(path, &read(path)?);
        if !shown.failed.is_empty() {
            exit = Exit::Failed;
        }
        if args.json {
            print_json(&shown)?;
        } else {
            print(&text(&shown))?;
        }
    }
    Ok(exit)
}

fn tested(path: &Path, file: &RuleFile) -> Shown {
    let outcomes = file.test();
    let examples = outcomes.len();
    let failed = outcomes.into_iter().filter(|outcome| !outcome.passed);
    let failed = failed.map(|ExampleOutcome { rule, place, expected, got, .. }| Failed {
        rule,
        line: place.line,
        column: place.column,
        expected,
        got,
    });
    let version = link(file);
    Shown {
        file: path.display().to_string(),
        name: version.name,
        version: version.version,
        rules: file.rules().count(),
        examples,
        failed: failed.collect(),
    }
}

fn text(shown: &Shown) -> String {
    let Shown { file, name, version, rules, examples, failed } = shown;
    let mut text = format!(
        "{file}: {name}@{version}, {}, {} ({} failed)",
        plural(*rules as u64, "rule"),
        plural(*examples as u64, "example"),
        failed.len()
    );
    for Failed { rule, line, column, expected, got } in failed {
        text += &format!("\n{file}:{line}:{column}: rule {rule}\n  expected {expected}\n  got      {got}");
    }
    if *examples == 0 {
        text += "\nno rule has an example: write `examples:` under each, and they are run here";
    }
    text
}
