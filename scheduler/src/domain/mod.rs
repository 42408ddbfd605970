//! The rules of the protocol as pure functions: no async, no I/O, no clock, no randomness.

pub mod account;
pub mod audit;
pub mod beat;
pub mod caller;
pub mod commit;
pub mod cut;
pub mod expiry;
pub mod fields;
pub mod guard;
pub mod job;
pub mod key;
pub mod lease;
pub mod mask;
pub mod outlook;
pub mod quality;
pub mod rating;
pub mod results;
pub mod review;
pub mod revise;
pub mod same_job;
pub mod samples;
pub mod schedule;
pub mod shift;
pub mod time;
pub mod unit;
