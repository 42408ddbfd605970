//! The worker of Emend, and the SDK to write validators for it.
//!
//! A validator is a pure function over records: implement [`Validator`] and hand it to `emend_worker::run`.

mod sdk;

pub use sdk::{Change, Field, Finding, JobContext, Manifest, Outcome, Record, RecordError, Validator};
