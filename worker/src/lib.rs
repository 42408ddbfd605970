//! The worker of Emend, and the SDK to write validators for it.
//!
//! A validator is a pure function over records: implement [`Validator`] and hand it to [`run`], and you have a
//! worker. `examples/uppercase.rs` is a whole binary.
//!
//! ```
//! use std::sync::Arc;
//!
//! use emend_worker::{Change, JobContext, Manifest, Outcome, Record, Validator, WorkerConfig};
//! use tokio_util::sync::CancellationToken;
//!
//! /// Takes spaces off both ends of every field.
//! struct Trim(Manifest);
//!
//! impl Validator for Trim {
//!     fn manifest(&self) -> &Manifest {
//!         &self.0
//!     }
//!
//!     fn validate(&self, _: &JobContext, records: &[Record<'_>]) -> Vec<Outcome> {
//!         let trim = |record: &Record<'_>| {
//!             let untidy = record.fields().filter(|(_, value)| *value != value.trim());
//!             let changes = untidy.map(|(field, value)| Change {
//!                 field: field.to_owned().into(),
//!                 before: value.to_owned(),
//!                 after: value.trim().to_owned(),
//!                 rule: "any.trim".into(),
//!             });
//!             Outcome { changes: changes.collect(), findings: vec![] }
//!         };
//!         records.iter().map(trim).collect()
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), emend_worker::WorkerError> {
//! let manifest =
//!     Manifest { name: "trim".into(), version: "1".into(), key_field: "id".into(), ..Manifest::default() };
//! let shutdown = CancellationToken::new();
//! # shutdown.cancel(); // There is no scheduler where this is tested.
//! // Ends when `shutdown` is cancelled: from a signal, say.
//! let report =
//!     emend_worker::run(WorkerConfig::default(), vec![Arc::new(Trim(manifest))], shutdown).await?;
//! println!("{} records checked", report.records);
//! # Ok(())
//! # }
//! ```
//!
//! # What a worker promises a validator's author
//!
//! A record on which a validator panics, or for which it takes longer than [`WorkerConfig::record_timeout`], gets
//! the verdict `failed` and goes to a person; the others of its unit are not touched by that. The same holds for an
//! outcome that breaks the rules of [`Outcome`]: it changes a field that it routes, or names a finding in another
//! form than `field.reason`. A panic's message is not printed, since it may hold a person's data.
//!
//! In a grouped job a validator gets the records of a group at once. When it panics on them it is asked about each alone:
//! the one at fault is `failed`, and the others get the finding `group.failed`, since nobody has compared them. A group may
//! take the record timeout for each of its records; of one that takes longer all are `failed`.
//!
//! # Features
//!
//! `runtime` (default): the worker itself and [`endpoints`]. A crate that only holds validators leaves it out and
//! depends on neither tokio nor tonic.

#[cfg(feature = "runtime")]
mod chance;
#[cfg(feature = "runtime")]
pub mod endpoints;
#[cfg(feature = "runtime")]
mod runtime;
mod sdk;
#[cfg(feature = "runtime")]
mod trace;

#[cfg(feature = "runtime")]
pub use runtime::{NotReady, Vitals, WorkerConfig, WorkerError, WorkerReport, run, run_on, run_with};
pub use sdk::{
    Change, Field, Finding, FindingText, JobContext, Manifest, Outcome, Record, RecordError, Validator, alike,
};
