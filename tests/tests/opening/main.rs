//! Opening a store: what is refused, what is said, and that both schemas agree.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod refused;
mod schema;
