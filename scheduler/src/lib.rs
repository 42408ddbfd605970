//! The scheduler.

pub mod domain;
