//! The worker itself.
//!
//! Five tasks share one table, [`held::Held`]: the leaser fills it, the pool's threads work it off, the committer and
//! the reporter empty it, the heartbeat keeps its leases alive. The watchdog looks after the threads.

mod chain;
mod check;
mod committer;
mod config;
mod group;
mod heartbeat;
mod held;
mod leaser;
mod link;
pub(crate) mod meters;
mod panics;
mod pool;
mod report;
mod reporter;
mod run;
mod services;
mod span;
mod unit;
mod vitals;
mod watchdog;

pub use config::WorkerConfig;
pub use report::WorkerReport;
pub use run::{run, run_on, run_with};
pub use vitals::{NotReady, Vitals};

/// Why a worker ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The configuration cannot work.
    #[error("{0}")]
    Config(String),
    /// A scheduler does not want this worker, or is none.
    #[error("the scheduler refuses this worker: {} ({:?})", .0.message(), .0.code())]
    Refused(Box<tonic::Status>),
    /// Validators do not come back. Only a new process gets rid of their threads.
    #[error("validators have not come back on {threads} threads: start the worker anew")]
    Stuck {
        /// Threads given up.
        threads: usize,
    },
    /// The system gives no more threads.
    #[error("cannot start a thread: {0}")]
    Threads(#[source] std::io::Error),
    /// A part of the worker broke down: a fault in Emend.
    #[error("a part of the worker broke down: {0}")]
    Task(#[source] tokio::task::JoinError),
}
