//! The scheduler of Emend: it splits a job's records into units, leases them, and commits their results exactly once
//! in effect.
//!
//! Imports run one way: [`serve`] → service, loops, events → [`store`] → [`domain`]. Only the store knows SQL, only the
//! service and the server know gRPC, only the events know AMQP, and the domain is pure.

mod accounts;
mod audit;
mod bell;
mod clock;
mod config;
mod deadline;
mod desk;
pub mod domain;
mod events;
mod ids;
mod loops;
mod meters;
mod password;
mod pulse;
mod secret;
mod server;
mod service;
pub mod store;
mod trace;
mod vitals;

pub use accounts::{Accounts, AccountsError, NewPassword};
pub use audit::{AuditError, AuditReport, verify as verify_audit};
pub use config::{AuditConfig, Config, DeskConfig, DeskTls, Scaler, TlsConfig};
#[cfg(feature = "test-hooks")]
pub use desk::listed as desk_routes;
#[cfg(feature = "test-hooks")]
pub use events::relay_alone;
pub use secret::Secret;
pub use server::{Listeners, NewToken, ServeError, serve, serve_on, serve_with};
pub use vitals::{NotReady, Snapshot, Vitals};
