//! The wire under attack: each attack gets the answer that docs/SECURITY.md promises.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod handshakes;
mod raw;
mod roles;
mod support;
