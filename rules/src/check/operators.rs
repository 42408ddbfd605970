//! What the signs of an expression take and give.

use rhai::{FnCallExpr, Position};

use super::Walk;
use crate::functions::Kind;

impl Walk<'_, '_> {
    pub(super) fn operator(&mut self, call: &FnCallExpr, at: Position) -> Option<Kind> {
        match (call.name.as_str(), &call.args[..]) {
            ("!", [only]) => {
                self.wants(only, Kind::Truth);
                Some(Kind::Truth)
            }
            ("-" | "+", [only]) => {
                self.wants(only, Kind::Number);
                Some(Kind::Number)
            }
            ("+", [left, right]) => match self.kind(left) {
                Some(Kind::Text) => {
                    self.wants(right, Kind::Text);
                    Some(Kind::Text)
                }
                kind => {
                    self.must_be(left, kind, Kind::Number);
                    self.wants(right, Kind::Number);
                    Some(Kind::Number)
                }
            },
            ("-" | "*" | "/" | "%", [left, right]) => {
                self.wants(left, Kind::Number);
                self.wants(right, Kind::Number);
                Some(Kind::Number)
            }
            ("==" | "!=" | "<" | "<=" | ">" | ">=", [left, right]) => {
                let kind = self.kind(left);
                let other = self.kind(right);
                if let Some(kind) = kind {
                    self.must_be(right, other, kind);
                    if kind == Kind::Texts {
                        self.refuse(at, "lists are not compared");
                    }
                }
                Some(Kind::Truth)
            }
            // `!in`; rhai reads `in` as a call by this name, and this as an operator.
            ("contains", [_, _]) => self.call("contains", None, &call.args, at),
            (other, _) => {
                self.refuse(at, &format!("`{other}` has no place in an expression"));
                None
            }
        }
    }
}
