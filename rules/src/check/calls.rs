//! Which function an expression calls, and whether that takes what it is given.

use rhai::{Expr, Position};

use super::Walk;
use crate::functions::{FUNCTIONS, Function, Kind, pattern_place};

/// A compiled pattern's greatest size in bytes, which bounds the time that it takes for each character.
const PATTERN_SIZE: usize = 256 * 1024;

/// What stands before the dot: its kind, and the expression where it is one by itself.
pub(super) struct Receiver<'e> {
    pub(super) kind: Option<Kind>,
    pub(super) expression: Option<&'e Expr>,
}

impl Walk<'_, '_> {
    pub(super) fn call(
        &mut self,
        name: &str,
        receiver: Option<Receiver<'_>>,
        args: &[Expr],
        at: Position,
    ) -> Option<Kind> {
        let mut kinds = Vec::new();
        let mut expressions = Vec::new();
        if let Some(receiver) = receiver {
            kinds.push(receiver.kind);
            expressions.push(receiver.expression);
        }
        for arg in args {
            kinds.push(self.kind(arg));
            expressions.push(Some(arg));
        }
        if let Some(place) = pattern_place(name) {
            self.pattern(name, expressions.get(place).copied().flatten(), at);
        }
        if name == "lookup" {
            self.table(expressions.first().copied().flatten(), at);
        }
        self.resolve(name, &kinds, at)
    }

    /// Which function is meant, and what it gives.
    fn resolve(&mut self, name: &str, kinds: &[Option<Kind>], at: Position) -> Option<Kind> {
        let mut named = FUNCTIONS.iter().filter(|function| function.name == name).peekable();
        if named.peek().is_none() {
            let mut names: Vec<_> = FUNCTIONS.iter().map(|function| function.name).collect();
            names.dedup();
            let mend = format!("There are: {}, and field(\"name\")", names.join(", "));
            self.mistake(at, format!("there is no function `{name}`"), mend);
            return None;
        }
        let fits = |function: &&Function| {
            let mut pairs = function.takes.iter().zip(kinds);
            function.takes.len() == kinds.len()
                && pairs.all(|(takes, kind)| kind.is_none_or(|kind| kind == *takes))
        };
        let forms: Vec<_> = named.collect();
        if let Some(function) = forms.iter().copied().find(fits) {
            return Some(function.gives);
        }
        let forms: Vec<_> = forms.iter().map(|form| signature(form)).collect();
        let given: Vec<_> = kinds.iter().map(|kind| kind.map_or("something", Kind::name)).collect();
        let given = if given.is_empty() { "nothing".to_owned() } else { given.join(", ") };
        self.mistake(at, format!("`{name}` is given {given}"), format!("It takes {}", forms.join(", or ")));
        None
    }

    /// A pattern must be written out: it is compiled once, when the file is read.
    fn pattern(&mut self, function: &str, pattern: Option<&Expr>, at: Position) {
        let Some(Expr::StringConstant(pattern, at)) = pattern else {
            let what = format!("the pattern of `{function}` is not written out");
            return self.mistake(at, what, "Write it as a text in \"double quotes\"");
        };
        if self.checker.patterns.contains_key(pattern.as_str()) {
            return;
        }
        match regex::RegexBuilder::new(pattern).size_limit(PATTERN_SIZE).build() {
            Ok(compiled) => {
                self.checker.patterns.insert(pattern.to_string(), compiled);
            }
            Err(error) => {
                let last = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
                let mend = "See docs.rs/regex for what patterns can say; a backslash is written twice in a text: \"\\\\d\"";
                self.mistake(*at, format!("this pattern cannot be read: {last}"), mend);
            }
        }
    }

    fn table(&mut self, table: Option<&Expr>, at: Position) {
        let Some(Expr::StringConstant(table, at)) = table else {
            return self.mistake(
                at,
                "the table of `lookup` is not written out".to_owned(),
                "Write its name in \"double quotes\"",
            );
        };
        if !self.checker.tables.contains_key(table.as_str()) {
            let mend = "Write it under `tables:` at the top of the file, or correct the name";
            self.mistake(*at, format!("there is no table `{table}`"), mend);
        }
    }
}

fn signature(function: &Function) -> String {
    let takes: Vec<_> = function.takes.iter().map(|kind| kind.name()).collect();
    format!("{}({})", function.name, takes.join(", "))
}
