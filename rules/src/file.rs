//! A rule file, read and ready: the validator that it is.

use std::collections::HashMap;

use emend_worker::{FindingText, JobContext, Manifest, Outcome, Record, Validator};

use crate::compiled::{self, Rule, Rules, Then};
use crate::declared::{self, Action};
use crate::functions::Tables;
use crate::problem::{Place, Problem, Problems};
use crate::{run, yaml};

/// No rule file is longer, in bytes.
pub const LONGEST_FILE: usize = 1024 * 1024;

/// A rule file without a problem.
#[derive(Debug)]
pub struct RuleFile {
    manifest: Manifest,
    about: String,
    rules: Rules,
}

/// One rule, for those who read about it or hold it against others.
#[derive(Debug, Clone, Copy)]
pub struct RuleInfo<'f> {
    rule: &'f Rule,
    file: &'f RuleFile,
}

impl RuleFile {
    /// Reads a rule file.
    ///
    /// # Errors
    /// With all problems that can be found, in the order of the file.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        // An editor may have put a mark before the first character.
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let mut problems = Problems::default();
        let start = Place { line: 1, column: 1 };
        if text.len() > LONGEST_FILE {
            problems.add(start, format!("the file is longer than {LONGEST_FILE} bytes"), "Split it");
            return Err(problems.into_sorted());
        }
        let root = yaml::read(text, &mut problems);
        let Some(root) = root else {
            if problems.is_empty() {
                problems.add(start, "the file is empty", "Begin with name:, version: and rules:");
            }
            return Err(problems.into_sorted());
        };
        let declared = declared::read(root, &mut problems);
        let manifest = manifest(&declared, &mut problems);
        let about = declared.about.clone();
        let rules = compiled::compile(declared, text, &mut problems);
        if problems.is_empty() { Ok(Self { manifest, about, rules }) } else { Err(problems.into_sorted()) }
    }

    /// What the file says that it is for.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// Its rules, in the order in which they run.
    pub fn rules(&self) -> impl Iterator<Item = RuleInfo<'_>> {
        self.rules.rules.iter().map(|rule| RuleInfo { rule, file: self })
    }

    pub(crate) fn compiled(&self) -> &Rules {
        &self.rules
    }
}

impl Validator for RuleFile {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn validate(&self, job: &JobContext, records: &[Record<'_>]) -> Vec<Outcome> {
        let runs = |rule: &Rule| !job.without.contains(&rule.name);
        records.iter().map(|record| run::run(&self.rules, &job.as_of, record, runs).outcome).collect()
    }
}

impl<'f> RuleInfo<'f> {
    /// Its name, which stands in the changes that it makes.
    pub fn name(&self) -> &'f str {
        &self.rule.name
    }

    /// What it is for.
    pub fn about(&self) -> &'f str {
        &self.rule.about
    }

    /// Where it begins in the file.
    pub fn place(&self) -> Place {
        self.rule.place
    }

    /// The fields that it may set.
    pub fn sets(&self) -> Vec<&'f str> {
        match &self.rule.then {
            Then::Set(fields) => {
                fields.iter().map(|(field, _)| self.file.rules.fields.name(*field)).collect()
            }
            Then::Route { .. } => Vec::new(),
        }
    }

    /// The field that it may send to a person, and the code of that finding.
    pub fn routes(&self) -> Option<(&'f str, &'f str)> {
        match &self.rule.then {
            Then::Set(_) => None,
            Then::Route { field, finding, .. } => Some((self.file.rules.fields.name(*field), finding)),
        }
    }

    /// The codes that it may raise: that of its finding, and that of a record on which it cannot be worked out.
    pub fn codes(&self) -> Vec<String> {
        let failed = run::failed_code(self.file.rules.fields.name(self.rule.field()));
        self.routes().map(|(_, code)| code.to_owned()).into_iter().chain([failed]).collect()
    }

    /// How many examples it has.
    pub fn examples(&self) -> usize {
        self.rule.examples.len()
    }
}

/// What the file is to a job. Two rules may raise one finding, but must say the same of it.
fn manifest(file: &declared::File, problems: &mut Problems) -> Manifest {
    let mut findings: HashMap<String, FindingText> = HashMap::new();
    let mut codes = Vec::new();
    for rule in &file.rules {
        let Some(Action::Route(route)) = &rule.action else { continue };
        let text = FindingText {
            code: route.finding.clone(),
            text_vi: route.text_vi.clone(),
            text_en: route.text_en.clone(),
            agree: route.agree,
        };
        match findings.get(&route.finding) {
            Some(other) if *other != text => {
                problems.enter(Some(&rule.name));
                let what = format!("another rule says something else of the finding `{}`", route.finding);
                problems.add(rule.place, what, "Use the same text_vi, text_en and agree, or another code");
                problems.enter(None);
            }
            Some(_) => {}
            None => {
                codes.push(text.clone());
                findings.insert(route.finding.clone(), text);
            }
        }
    }
    let version = format!("{}-{}", file.version, fingerprint(file));
    Manifest { name: file.name.clone(), version, findings: codes, ..Manifest::default() }
}

/// Changes when what the language means does, so that an old version never stands for new behaviour.
const LANGUAGE: &str = "emend rules 1";

/// Eight digits that hang on all that the rules do, and on nothing else: a file changed under its old version is
/// another version, and one with another comment is not.
fn fingerprint(file: &declared::File) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut part = |text: &str| {
        // With its length before it, no part runs into the next.
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    part(LANGUAGE);
    tables(&file.tables, &mut part);
    for rule in &file.rules {
        part("rule");
        part(&rule.name);
        part(rule.when.as_ref().map_or("true", |when| &when.text));
        match &rule.action {
            Some(Action::Set(fields)) => {
                part("set");
                for (field, text) in fields {
                    part(field);
                    part(&text.text);
                }
            }
            Some(Action::Route(route)) => {
                part("route");
                part(&route.field);
                part(&route.finding);
                part(if route.agree { "agree" } else { "" });
                route.proposals.iter().for_each(|proposal| part(&proposal.text));
            }
            None => {}
        }
    }
    hasher.finalize().to_hex()[..8].to_owned()
}

fn tables(tables: &Tables, part: &mut impl FnMut(&str)) {
    let mut names: Vec<_> = tables.keys().collect();
    names.sort();
    for name in names {
        part("table");
        part(name);
        let mut entries: Vec<_> = tables[name].iter().collect();
        entries.sort();
        for (from, to) in entries {
            part(from);
            part(to);
        }
    }
}
