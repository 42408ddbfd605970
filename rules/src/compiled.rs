//! From what is written to what runs: every expression read, checked and bound to the file's fields.

use std::collections::BTreeSet;

use rhai::{AST, Engine, OptimizationLevel, Scope};

use crate::check::Checker;
use crate::declared::{self, Action, Example};
use crate::fields::Fields;
use crate::functions::{self, Kind, Patterns};
use crate::language;
use crate::place::{Source, within};
use crate::problem::{Place, Problems};
use crate::yaml::Text;

/// The rules of a file, ready to run on any number of threads.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) engine: Engine,
    pub(crate) fields: Fields,
    pub(crate) rules: Vec<Rule>,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) place: Place,
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) when: Option<AST>,
    pub(crate) then: Then,
    /// Every field that it reads or sets.
    pub(crate) touches: Vec<usize>,
    pub(crate) examples: Vec<Example>,
}

#[derive(Debug)]
pub(crate) enum Then {
    Set(Vec<(usize, AST)>),
    Route { field: usize, finding: String, proposals: Vec<AST> },
}

impl Rule {
    /// The field that the rule is about: where a person looks when it fails.
    pub(crate) fn field(&self) -> usize {
        match &self.then {
            Then::Set(fields) => fields.first().map_or(0, |(field, _)| *field),
            Then::Route { field, .. } => *field,
        }
    }
}

/// Reads the expressions of `file`, which is `source`. What cannot be read is left out, with a problem.
pub(crate) fn compile(file: declared::File, source: &str, problems: &mut Problems) -> Rules {
    let mut engine = language::engine();
    if let Err(error) = language::with_field(&mut engine) {
        // Only a change of rhai's own grammar could bring this about.
        problems.add(
            Place { line: 1, column: 1 },
            error.to_string(),
            "Report it: this is no fault of the file",
        );
    }
    let mut fields = file.fields.map_or_else(Fields::default, Fields::listed);
    for rule in &file.rules {
        mention(rule, &mut fields, problems);
    }
    let mut patterns = Patterns::default();
    let checker =
        Checker { engine: &engine, fields: &mut fields, tables: &file.tables, patterns: &mut patterns };
    let mut compiler = Compiler { checker, source: Source::new(source), problems };
    let mut rules: Vec<Rule> = file.rules.into_iter().filter_map(|rule| compiler.rule(rule)).collect();
    for rule in &mut rules {
        optimize(rule, &engine);
    }
    functions::register(&mut engine, file.tables, patterns);
    Rules { engine, fields, rules }
}

/// Makes the fields known that a rule sets, routes or is shown in its examples.
fn mention(rule: &declared::Rule, fields: &mut Fields, problems: &mut Problems) {
    let acted: Vec<&String> = match &rule.action {
        Some(Action::Set(set)) => set.iter().map(|(field, _)| field).collect(),
        Some(Action::Route(route)) => vec![&route.field],
        None => Vec::new(),
    };
    let given = rule.examples.iter().flat_map(|example| example.given.iter().map(|(field, _)| field));
    for field in acted.into_iter().chain(given) {
        if fields.add(field).is_none() {
            problems.enter(Some(&rule.name));
            let what = format!("the file lists its fields, and `{field}` is none of them");
            problems.add(rule.place, what, "Add it under `fields:`, or correct the name");
        }
    }
}

struct Compiler<'c> {
    checker: Checker<'c>,
    source: Source<'c>,
    problems: &'c mut Problems,
}

impl Compiler<'_> {
    fn rule(&mut self, rule: declared::Rule) -> Option<Rule> {
        self.problems.enter(Some(&rule.name));
        let mut reads = BTreeSet::new();
        let when = rule.when.map(|when| self.expression(&when, Kind::Truth, &mut reads));
        let then = match rule.action? {
            Action::Set(fields) => {
                let set = fields.into_iter().filter_map(|(field, text)| {
                    let tree = self.expression(&text, Kind::Text, &mut reads)?;
                    Some((self.checker.fields.get(&field)?, tree))
                });
                Then::Set(set.collect())
            }
            Action::Route(route) => {
                let proposals = route.proposals.iter();
                let proposals =
                    proposals.filter_map(|text| self.expression(text, Kind::Text, &mut reads)).collect();
                let field = self.checker.fields.get(&route.field)?;
                Then::Route { field, finding: route.finding, proposals }
            }
        };
        if let Then::Set(set) = &then {
            reads.extend(set.iter().map(|(field, _)| *field));
        }
        Some(Rule {
            place: rule.place,
            name: rule.name,
            about: rule.about,
            // One that could not be read left a problem, and no file with a problem runs.
            when: when.map_or(Some(None), |tree| tree.map(Some))?,
            then,
            touches: reads.into_iter().collect(),
            examples: rule.examples,
        })
    }

    fn expression(&mut self, text: &Text, due: Kind, reads: &mut BTreeSet<usize>) -> Option<AST> {
        match self.checker.check(&text.text, due) {
            Ok(checked) => {
                reads.extend(checked.reads);
                Some(checked.tree)
            }
            Err(mistakes) => {
                for (at, what, mend) in mistakes {
                    let place = match (at.line(), at.position()) {
                        (Some(line), column) => within(&self.source, text, line, column.unwrap_or(1)),
                        // At the end, where something is missing.
                        (None, _) => within(&self.source, text, usize::MAX, 1),
                    };
                    self.problems.add(place, what, mend);
                }
                None
            }
        }
    }
}

/// Works out what does not hang on a record.
fn optimize(rule: &mut Rule, engine: &Engine) {
    let optimized = |tree: &mut AST| {
        *tree = engine.optimize_ast(&Scope::new(), std::mem::take(tree), OptimizationLevel::Simple);
    };
    rule.when.iter_mut().for_each(optimized);
    match &mut rule.then {
        Then::Set(fields) => fields.iter_mut().map(|(_, tree)| tree).for_each(optimized),
        Then::Route { proposals, .. } => proposals.iter_mut().for_each(optimized),
    }
}
