//! The rules of the protocol as pure functions: no async, no I/O, no clock, no randomness.

pub mod fields;
