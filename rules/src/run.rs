//! Rules over one record.
//!
//! The sheet keeps two promises: no rule touches a field that goes to a person, and a field that goes to a person
//! goes as it came.

use std::borrow::Cow;

use emend_worker::{Change, Finding, Outcome, Record};
use rhai::{AST, Dynamic, EvalAltResult, ImmutableString, Scope};

use crate::compiled::{Rule, Rules, Then};
use crate::functions::LONGEST_VALUE;
use crate::language::{AS_OF, variable};

/// What the rules said of a record.
pub(crate) struct Said {
    pub(crate) outcome: Outcome,
    /// Why rules failed: for those who try a file out. The texts may hold values.
    pub(crate) failures: Vec<String>,
}

/// Runs those rules that `runs` names, in their order.
pub(crate) fn run(rules: &Rules, as_of: &str, record: &Record<'_>, runs: impl Fn(&Rule) -> bool) -> Said {
    let mut sheet = Sheet::of(rules, as_of, record);
    for rule in rules.rules.iter().filter(|rule| runs(rule)) {
        if let Err(error) = sheet.apply(rule) {
            sheet.fail(rule, &error);
        }
    }
    Said { outcome: Outcome { changes: sheet.changes, findings: sheet.findings }, failures: sheet.failures }
}

/// One record under correction.
struct Sheet<'r> {
    rules: &'r Rules,
    fields: Vec<Cell<'r>>,
    /// What expressions see: each field by its name, as the rules so far left it.
    scope: Scope<'r>,
    changes: Vec<Change>,
    findings: Vec<Finding>,
    failures: Vec<String>,
}

struct Cell<'r> {
    came: &'r str,
    /// As the rules so far left it. A value that is too long for rules is none of theirs.
    now: ImmutableString,
    routed: bool,
}

type Failed = Box<EvalAltResult>;

impl<'r> Sheet<'r> {
    fn of(rules: &'r Rules, as_of: &str, record: &'r Record<'_>) -> Self {
        let mut scope = Scope::with_capacity(rules.fields.names().len() + 1);
        let mut fields = Vec::with_capacity(rules.fields.names().len());
        for name in rules.fields.names() {
            let came = record.get(name).unwrap_or_default();
            let now = ImmutableString::from(if came.len() > LONGEST_VALUE { "" } else { came });
            scope.push_dynamic(variable(name), now.clone().into());
            fields.push(Cell { came, now, routed: false });
        }
        scope.push_dynamic(AS_OF, as_of.into());
        Self { rules, fields, scope, changes: Vec::new(), findings: Vec::new(), failures: Vec::new() }
    }

    fn apply(&mut self, rule: &Rule) -> Result<(), Failed> {
        if self.is_settled(rule) {
            return Ok(());
        }
        if rule.touches.iter().any(|field| self.fields[*field].came.len() > LONGEST_VALUE) {
            return Err("a field is longer than rules can take".into());
        }
        if let Some(when) = &rule.when {
            let applies =
                self.eval(when)?.as_bool().map_err(|_| "the condition is neither true nor false")?;
            if !applies {
                return Ok(());
            }
        }
        match &rule.then {
            Then::Set(set) => {
                // All are worked out before the first is written, so that two fields can change places.
                let mut values = Vec::with_capacity(set.len());
                for (field, tree) in set {
                    values.push((*field, self.text(tree)?));
                }
                for (field, value) in values {
                    self.set(field, value, rule);
                }
            }
            Then::Route { field, finding, proposals } => {
                let mut offered = Vec::with_capacity(proposals.len());
                for tree in proposals {
                    offered.push(self.text(tree)?.to_string());
                }
                self.route(*field, finding.clone(), rule, offered);
            }
        }
        Ok(())
    }

    /// Whether there is nothing left for `rule` to do, because its fields go to a person already.
    fn is_settled(&self, rule: &Rule) -> bool {
        match &rule.then {
            Then::Set(set) => set.iter().all(|(field, _)| self.fields[*field].routed),
            Then::Route { field, .. } => self.fields[*field].routed,
        }
    }

    fn eval(&mut self, tree: &AST) -> Result<Dynamic, Failed> {
        self.rules.engine.eval_ast_with_scope(&mut self.scope, tree)
    }

    fn text(&mut self, tree: &AST) -> Result<ImmutableString, Failed> {
        let text = self.eval(tree)?.into_immutable_string().map_err(|_| "an expression gave no text")?;
        if text.len() > LONGEST_VALUE { Err("a text became too long".into()) } else { Ok(text) }
    }

    /// Writes a value, unless it stands there already or the field goes to a person.
    fn set(&mut self, field: usize, value: ImmutableString, rule: &Rule) {
        let cell = &mut self.fields[field];
        if cell.routed || cell.now == value {
            return;
        }
        self.changes.push(Change {
            field: Cow::Owned(self.rules.fields.name(field).to_owned()),
            before: cell.now.to_string(),
            after: value.to_string(),
            rule: Cow::Owned(rule.name.clone()),
        });
        self.show(field, value);
    }

    /// Lets expressions see `value` in `field`.
    fn show(&mut self, field: usize, value: ImmutableString) {
        self.scope.set_value(variable(self.rules.fields.name(field)), value.clone());
        self.fields[field].now = value;
    }

    /// Sends a field to a person, as it came.
    fn route(&mut self, field: usize, code: String, rule: &Rule, proposals: Vec<String>) {
        let name = self.rules.fields.name(field);
        let came = self.fields[field].came;
        let mut offered: Vec<String> = Vec::new();
        for proposal in proposals {
            if !proposal.is_empty() && proposal != came && !offered.contains(&proposal) {
                offered.push(proposal);
            }
        }
        self.findings.push(Finding {
            code: code.into(),
            field: Cow::Owned(name.to_owned()),
            proposals: offered,
            rule: Cow::Owned(rule.name.clone()),
        });
        self.fields[field].routed = true;
        if self.changes.iter().any(|change| change.field == name) {
            self.changes.retain(|change| change.field != name);
            self.show(field, came.into());
        }
    }

    /// A rule that cannot be worked out on this record leaves its field to a person.
    fn fail(&mut self, rule: &Rule, error: &EvalAltResult) {
        self.failures.push(error.to_string());
        let field = rule.field();
        if !self.fields[field].routed {
            self.route(field, failed_code(self.rules.fields.name(field)), rule, Vec::new());
        }
    }
}

/// The finding of a field whose rule failed.
pub(crate) fn failed_code(field: &str) -> String {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    // A field may have a name that is no code.
    if field.split('.').all(is_word) {
        format!("{field}.rule_failed")
    } else {
        "record.rule_failed".to_owned()
    }
}
