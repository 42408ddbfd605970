//! The command line.

mod access;
mod client;
mod guard;
mod import;
mod people;
mod server;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use access::*;
pub use client::*;
pub use guard::*;
pub use import::*;
pub use people::*;
pub use server::*;

use crate::settings::LogFormat;

/// Corrects faulty records at scale: a scheduler hands out units of work, workers correct them by rule and route
/// the rest to people, and every result counts exactly once.
#[derive(Debug, Parser)]
#[command(
    version,
    propagate_version = true,
    after_help = "Try it, with nothing else running:\n  emend demo --records 10000\n\n\
                  Or as separate processes:\n  emend scheduler --store sqlite://emend.db\n  emend worker\n  \
                  emend import records.csv --job first --pack vaccination --as-of 2021-09-20\n  \
                  emend wait first --until reviewing\n  emend export first --out corrected.csv\n\n\
                  Exit codes: 0 done, 1 failed, 2 usage, 3 done with rejects."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Settings and logs.
    #[command(flatten)]
    pub common: Common,
}

/// For every command.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Settings of servers and logs, TOML; EMEND__SECTION__KEY and flags win over it.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Settings")]
    pub config: Option<PathBuf>,
    /// What is logged to stderr: error, warn, info, debug, or a filter such as info,emend_worker=debug.
    #[arg(long, global = true, value_name = "LEVEL", env = "RUST_LOG", help_heading = "Settings")]
    pub log_level: Option<String>,
    /// How log lines look.
    #[arg(long, global = true, value_name = "FORMAT", help_heading = "Settings")]
    pub log_format: Option<LogFormat>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole of it on synthetic records: generate, correct, export, measure.
    Demo(DemoArgs),
    /// Write synthetic records and their truth.
    Generate(GenerateArgs),
    /// Run a scheduler.
    Scheduler(SchedulerArgs),
    /// Run a worker.
    Worker(WorkerArgs),
    /// Make bearer tokens for callers.
    Token(TokenArgs),
    /// Say who may sign in at the desk.
    User(UserArgs),
    /// Check the audit log.
    Audit(AuditArgs),
    /// Bring a store's schema up to this program.
    Migrate(MigrateArgs),
    /// Bring a file of records into a job.
    Import(Box<ImportArgs>),
    /// Check rule files, and run the examples in them.
    Rules(RulesArgs),
    /// Show jobs, or one job.
    Status(StatusArgs),
    /// Show jobs and workers, live in a terminal.
    Top(TopArgs),
    /// Wait until a job is done.
    Wait(WaitArgs),
    /// Write a job's records to a file, corrected.
    Export(ExportArgs),
    /// Show one record: what came in, every change, and by whose hand.
    Record(RecordArgs),
    /// Say where a record is and why: which unit, who holds it, what it waits for.
    Explain(RecordArgs),
    /// Show what rules did, by examples.
    Samples(SamplesArgs),
    /// Let the rest of a job go on after its canary.
    Approve(JobArgs),
    /// Take a rule back: run the chain again without it on the records that it touched.
    Undo(UndoArgs),
    /// Run a corrected rule, or a corrected version, over the records that it concerns.
    Rerun(RerunArgs),
    /// List what was taken back and run again, and which records people kept from it.
    Revisions(JobArgs),
    /// Take a version of a pack, a rule file or a validator out of use.
    Withdraw(WithdrawArgs),
    /// Compare two runs on the same records, by rule and field.
    Diff(DiffArgs),
    /// List a job's units.
    Units(UnitsArgs),
    /// List the rows of a job's imports that were not taken.
    Rejects(JobArgs),
    /// Lease no more of a job's units.
    Pause(JobArgs),
    /// Take the pause away.
    Resume(JobArgs),
    /// Change how urgent a job is: priority, weight, deadline.
    Set(SetArgs),
    /// End an unfinished job; what was committed stays.
    Cancel(JobArgs),
    /// Delete a job that has ended, with its records and results.
    Delete(DeleteArgs),
    /// Make units that were set aside ready again.
    Retry(RetryArgs),
    /// Decide a job's reviews as people would, by the truth of synthetic records.
    SimulateShift(SimulateShiftArgs),
    /// Rate reviewers by records whose right answer is known, and let paused ones go on.
    Reviewers(ReviewersArgs),
    /// Tell Kubernetes which worker pods to take first when it scales in.
    PodCost(PodCostArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn no_two_flags_of_a_command_have_one_name() {
        super::Cli::command().debug_assert();
    }
}
