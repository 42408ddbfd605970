//! Reads one expression and holds it against the language: names, functions, and what is text, number or truth.
//!
//! rhai finds a misspelt function when it is called, and a number where a text is due never. Whoever writes rules
//! shall learn of both when the file is read, so the tree of each expression is walked once, and what is not known
//! to be part of the language is refused.

mod calls;
mod operators;

use std::collections::BTreeSet;

use rhai::{AST, Engine, Expr, ParseErrorType, Position, Stmt, StmtBlock};

use crate::fields::Fields;
use crate::functions::{Kind, Patterns, Tables};
use crate::language::AS_OF;
use calls::Receiver;

/// What an expression means and needs.
pub(crate) struct Checked {
    pub(crate) tree: AST,
    /// The fields that it reads.
    pub(crate) reads: BTreeSet<usize>,
}

/// A mistake in an expression: where, what, and how to mend it.
pub(crate) type Mistake = (Position, String, String);

/// What expressions of a file share.
pub(crate) struct Checker<'f> {
    pub(crate) engine: &'f Engine,
    pub(crate) fields: &'f mut Fields,
    pub(crate) tables: &'f Tables,
    /// Patterns as they are met.
    pub(crate) patterns: &'f mut Patterns,
}

impl Checker<'_> {
    /// Reads `text`, which must give what `due` says.
    pub(crate) fn check(&mut self, text: &str, due: Kind) -> Result<Checked, Vec<Mistake>> {
        if text.len() > LONGEST_EXPRESSION {
            let what = format!("this is longer than {LONGEST_EXPRESSION} bytes");
            return Err(vec![(Position::new(1, 1), what, "Split it into several rules".to_owned())]);
        }
        let tree = self.engine.compile_expression(text).map_err(|error| {
            let (what, mend) = explained(&error.0);
            vec![(error.1, what, mend)]
        })?;
        let mut walk = Walk { checker: self, reads: BTreeSet::new(), mistakes: Vec::new(), depth: 0 };
        if let [Stmt::Expr(expression)] = tree.statements() {
            walk.wants(expression, due);
        } else {
            walk.refuse(Position::new(1, 1), "this is no expression");
        }
        let Walk { reads, mistakes, .. } = walk;
        if mistakes.is_empty() { Ok(Checked { tree, reads }) } else { Err(mistakes) }
    }
}

/// What rhai says of a text that it cannot read.
fn explained(error: &ParseErrorType) -> (String, String) {
    let mend = match error {
        ParseErrorType::BadInput(_) | ParseErrorType::UnexpectedEOF => {
            "Look for a quote or a sign that is missing; texts stand in \"double quotes\""
        }
        ParseErrorType::Reserved(_) => "A field of that name is written field(\"name\")",
        ParseErrorType::ExprTooDeep => "Split it into several rules",
        _ => "Compare it with the examples in docs/RULE_FILES.md",
    };
    (format!("this cannot be read: {error}"), mend.to_owned())
}

/// One walk over one expression.
struct Walk<'w, 'f> {
    checker: &'w mut Checker<'f>,
    reads: BTreeSet<usize>,
    mistakes: Vec<Mistake>,
    depth: usize,
}

/// How deep a tree may be. rhai limits parentheses and calls, but not `a + b + c + …`, which is as deep as it is long.
const DEEPEST_TREE: usize = 100;
/// No expression needs more bytes.
const LONGEST_EXPRESSION: usize = 4_000;

impl Walk<'_, '_> {
    fn mistake(&mut self, at: Position, what: String, mend: impl Into<String>) {
        self.mistakes.push((at, what, mend.into()));
    }

    fn refuse(&mut self, at: Position, what: &str) {
        let mend = "Expressions know fields, texts in \"double quotes\", numbers, true, false, lists of texts, functions, \
            && || ! == != < <= > >= + - * / % in, and if { } else { }";
        self.mistake(at, what.to_owned(), mend);
    }

    /// Walks over `expression`, which must be `due`.
    fn wants(&mut self, expression: &Expr, due: Kind) {
        let kind = self.kind(expression);
        self.must_be(expression, kind, due);
    }

    /// Notes a mistake when `expression`, which is `kind`, is not `due`.
    fn must_be(&mut self, expression: &Expr, kind: Option<Kind>, due: Kind) {
        if let Some(kind) = kind.filter(|kind| *kind != due) {
            let what = format!("{} is needed here, and this is {}", due.name(), kind.name());
            let mend = match (due, kind) {
                (Kind::Text, Kind::Number) => "text(..) writes a number as a text",
                (Kind::Number, Kind::Text) => "number(..) reads a text as a number",
                (Kind::Truth, _) => "Compare it with something: phone == \"\"",
                (Kind::Text, Kind::Truth) => "Say which text is meant: if .. { \"yes\" } else { \"no\" }",
                _ => "See docs/RULE_FILES.md for what each function takes and gives",
            };
            self.mistake(expression.start_position(), what, mend);
        }
    }

    /// What `expression` is; `None` when a mistake was found that leaves it open.
    fn kind(&mut self, expression: &Expr) -> Option<Kind> {
        self.depth += 1;
        let kind = if self.depth > DEEPEST_TREE {
            self.mistake(expression.position(), "this is too long".to_owned(), "Split it into several rules");
            None
        } else {
            self.kind_of(expression)
        };
        self.depth -= 1;
        kind
    }

    fn kind_of(&mut self, expression: &Expr) -> Option<Kind> {
        let at = expression.position();
        match expression {
            Expr::BoolConstant(..) => Some(Kind::Truth),
            Expr::IntegerConstant(..) => Some(Kind::Number),
            Expr::StringConstant(..) => Some(Kind::Text),
            Expr::Variable(name, ..) => self.variable(&name.1, at),
            Expr::Custom(custom, ..) => {
                let [Expr::StringConstant(name, at)] = &custom.inputs[..] else {
                    self.refuse(at, "this has no place in an expression");
                    return None;
                };
                self.field(name, *at)
            }
            Expr::Array(items, ..) => {
                items.iter().for_each(|item| self.wants(item, Kind::Text));
                Some(Kind::Texts)
            }
            Expr::And(parts, ..) | Expr::Or(parts, ..) => {
                parts.iter().for_each(|part| self.wants(part, Kind::Truth));
                Some(Kind::Truth)
            }
            Expr::FnCall(call, ..) if call.is_operator_call() => self.operator(call, at),
            Expr::FnCall(call, ..) => self.call(&call.name, None, &call.args, at),
            Expr::Dot(both, ..) => {
                let receiver = self.kind(&both.lhs);
                self.methods(receiver, Some(&both.lhs), &both.rhs)
            }
            Expr::Stmt(block) => self.block(block, at),
            Expr::CharConstant(..) => {
                let what = "a text stands in single quotes";
                self.mistake(at, what.to_owned(), "Write it in \"double quotes\"");
                None
            }
            Expr::InterpolatedString(..) => {
                let what = "a text in back quotes holds an expression";
                self.mistake(at, what.to_owned(), "Join texts with +: \"0\" + phone");
                None
            }
            _ => {
                self.refuse(at, "this has no place in an expression");
                None
            }
        }
    }

    fn variable(&mut self, name: &str, at: Position) -> Option<Kind> {
        if name == AS_OF {
            return Some(Kind::Text);
        }
        if let Some(field) = self.checker.fields.get(name) {
            self.reads.insert(field);
            return Some(Kind::Text);
        }
        let what = format!("`{name}` is no field that this file knows");
        let known = self.checker.fields.names().join(", ");
        let mend = format!(
            "Known are: {known}. If it is spelt right, list it under `fields:`, or give it in an example; a text \
            stands in \"double quotes\""
        );
        self.mistake(at, what, mend);
        None
    }

    fn field(&mut self, name: &str, at: Position) -> Option<Kind> {
        let Some(field) = self.checker.fields.add(name) else {
            let what = format!("the file lists its fields, and `{name}` is none of them");
            self.mistake(at, what, "Add it under `fields:`, or correct the name");
            return None;
        };
        self.reads.insert(field);
        Some(Kind::Text)
    }

    /// A chain of calls: `phone.digits().len()`.
    fn methods(&mut self, receiver: Option<Kind>, first: Option<&Expr>, rest: &Expr) -> Option<Kind> {
        match rest {
            Expr::MethodCall(call, at) => {
                let receiver = Receiver { kind: receiver, expression: first };
                self.call(&call.name, Some(receiver), &call.args, *at)
            }
            Expr::Dot(both, ..) => {
                let receiver = self.methods(receiver, first, &both.lhs);
                self.methods(receiver, None, &both.rhs)
            }
            other => {
                self.refuse(other.position(), "only a function can stand behind a dot");
                None
            }
        }
    }

    /// `if .. { .. } else { .. }`, of which both branches are alike.
    fn block(&mut self, block: &StmtBlock, at: Position) -> Option<Kind> {
        match block.statements() {
            [Stmt::Expr(expression)] => self.kind(expression),
            [Stmt::If(flow, at)] => {
                self.wants(&flow.expr, Kind::Truth);
                let first = self.block(&flow.body, *at)?;
                let second = self.block(&flow.branch, *at)?;
                if first != second {
                    let what = format!("the first branch is {}, the other {}", first.name(), second.name());
                    self.mistake(*at, what, "Let both be the same kind of thing");
                    return None;
                }
                Some(first)
            }
            [] => {
                self.mistake(at, "a branch is missing".to_owned(), "Write both: if .. { .. } else { .. }");
                None
            }
            _ => {
                self.refuse(at, "a branch holds more than one expression");
                None
            }
        }
    }
}
