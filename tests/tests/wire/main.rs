//! The wire under attack: each attack gets the answer that docs/SECURITY.md promises.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attacks;
mod commands;
mod handshakes;
mod raw;
mod roles;
mod rotation;
mod siege;
mod support;
