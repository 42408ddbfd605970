//! The language of expressions: rhai with everything taken away that is no expression over texts.

use rhai::{Dynamic, Engine, EvalAltResult, OptimizationLevel, Position};

use crate::functions::LONGEST_VALUE;

/// Each node of an expression counts as one, so one that fits a file never comes near it; a guard behind the guards.
const MOST_OPERATIONS: u64 = 20_000;
/// How deep parentheses and calls may nest. A thread's stack of 2 MiB holds it many times over.
const DEEPEST: usize = 32;
/// A list in an expression is written by hand; longer ones are tables.
const LONGEST_LIST: usize = 1_000;

/// Statements, and functions of rhai's own that reach beyond the expression.
const FORBIDDEN: [&str; 22] = [
    "let", "const", "while", "loop", "do", "until", "for", "fn", "private", "import", "export", "as", "try",
    "catch", "throw", "return", "switch", "eval", "print", "debug", "Fn", "call",
];

/// How the name of the job's day is written in expressions.
pub(crate) const AS_OF: &str = "as_of";

/// An engine that reads expressions. What they may call is registered later, when their patterns are known.
pub(crate) fn engine() -> Engine {
    let mut engine = Engine::new_raw();
    engine
        // Every part of an expression is looked at before any is worked out and taken away.
        .set_optimization_level(OptimizationLevel::None)
        .set_max_operations(MOST_OPERATIONS)
        .set_max_expr_depths(DEEPEST)
        // Two values side by side are an intermediate step; more is too much.
        .set_max_string_size(2 * LONGEST_VALUE)
        .set_max_array_size(LONGEST_LIST)
        .set_max_map_size(1)
        // Interning takes a lock that all threads share.
        .set_max_strings_interned(0)
        .set_allow_looping(false)
        .set_allow_shadowing(false)
        .set_allow_switch_expression(false);
    for symbol in FORBIDDEN {
        engine.disable_symbol(symbol);
    }
    engine
}

/// Teaches `engine` to read `field("Số điện thoại")`, which names a field that is no variable.
///
/// As a function it would see neither the record nor, when the file is read, which field it names.
pub(crate) fn with_field(engine: &mut Engine) -> Result<(), Box<EvalAltResult>> {
    engine.register_custom_syntax(["field", "(", "$string$", ")"], false, |context, inputs| {
        let name = inputs[0].get_string_value().unwrap_or_default();
        let value = context.scope().get(variable(name));
        let missing = || EvalAltResult::ErrorVariableNotFound("field".to_owned(), Position::NONE);
        value.cloned().map(Dynamic::flatten).ok_or_else(|| missing().into())
    })?;
    Ok(())
}

/// Under which name a field stands in the scope of an expression.
pub(crate) fn variable(field: &str) -> &str {
    // No name of a variable holds a space, so this one is only reached by `field("as_of")`.
    if field == AS_OF { "field as_of" } else { field }
}
