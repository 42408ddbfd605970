//! The harness: real databases and processes for tests, started on free ports and stopped at the end.

pub mod authority;
pub mod bench;
pub mod benchmark;
pub mod collector;
pub mod database;
pub mod invariants;
pub mod mounts;
pub mod mutants;
pub mod network;
pub mod poison;
pub mod postgres;
pub mod probes;
pub mod process;
pub mod proxy;
pub mod rabbitmq;
pub mod receipts;
pub mod records;
pub mod reviewer;
pub mod scheduler;
pub mod slow;
pub mod tools;
pub mod wall_clock;
pub mod worker;
pub mod writer;

/// How much a test takes on: the number in the environment, else the short form's.
///
/// # Panics
/// When it is no number.
pub fn amount(name: &str, short: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => short,
    }
}

/// Runs a test on a mutant, where it must fail for a reason: `name: Mutant, "reason", test;` for tests that take a
/// `&Bench`.
#[macro_export]
macro_rules! fails_on_mutants {
    ($backend:ident: $($name:ident: $mutant:ident, $reason:literal, $test:ident;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let test = async {
                let bench = $crate::bench::Bench::new($crate::database::Backend::$backend).await;
                Box::pin(super::$test(&bench)).await;
            };
            $crate::mutants::fails_on(emend_scheduler::store::Mutant::$mutant, $reason, test).await;
        })*
    };
}

/// Runs each of these functions, which take a `&Bench`, on both stores: as `sqlite::name` and `postgres::name`.
#[macro_export]
macro_rules! on_both_stores {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let bench = $crate::bench::Bench::new($crate::database::Backend::Sqlite).await;
                Box::pin(super::$name(&bench)).await;
                bench.close().await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let bench = $crate::bench::Bench::new($crate::database::Backend::Postgres).await;
                Box::pin(super::$name(&bench)).await;
                bench.close().await;
            })*
        }
    };
}
