//! The broker's row of TESTS.md and what consumers may rely on, with a real RabbitMQ. All tests share one node and take
//! turns on it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults;
mod mutants;
mod rig;
mod rings;
mod router;
mod schemas;
