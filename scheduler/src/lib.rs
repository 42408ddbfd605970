//! The scheduler of Emend: it splits a job's records into units, leases them, and commits their results exactly once
//! in effect.
//!
//! Imports run one way: [`serve`] → service, loops → [`store`] → [`domain`]. Only the store knows SQL, only the
//! service and the server know gRPC, and the domain is pure.

mod bell;
mod clock;
mod config;
pub mod domain;
mod ids;
mod loops;
mod server;
mod service;
pub mod store;

pub use config::{Config, TlsConfig};
pub use server::{NewToken, ServeError, serve};
