//! The `emend` program: scheduler, worker and client in one binary.

pub mod accounts;
pub mod args;
pub mod client;
pub mod command;
pub mod demo;
pub mod exit;
pub mod export;
pub mod generate;
pub mod import;
pub mod input;
pub mod lifecycle;
pub mod logs;
pub mod pack;
pub mod pods;
mod probes;
pub mod report;
mod rules;
pub mod settings;
pub mod shift;
pub mod term;
pub mod top;
