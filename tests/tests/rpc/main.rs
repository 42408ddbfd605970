//! The scheduler over real gRPC, inside the test process, on both stores.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ages;
mod deadlines;
mod drain;
mod errors;
mod hung_up;
mod lost_accounts;
mod lost_answers;
mod lost_leases;
mod lost_reviews;
mod lost_rules;
mod probes;
mod schedules;
mod shed;
mod support;
mod waiting;

/// Runs each of these functions, which take a `Backend`, on both stores: as `sqlite::name` and `postgres::name`.
macro_rules! on_both_backends {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                Box::pin(super::$name(emend_tests::database::Backend::Sqlite)).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                Box::pin(super::$name(emend_tests::database::Backend::Postgres)).await;
            })*
        }
    };
}
use on_both_backends;
