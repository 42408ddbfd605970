//! Flags of the commands that talk to a scheduler.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use emend_proto::v1::{UnitState, Verdict};
use emend_worker::endpoints::{Credentials, TlsFiles};

use crate::input::Format;

/// Where schedulers are.
#[derive(Debug, Clone, Args)]
pub struct Remote {
    /// Schedulers: one of them by chance, the others in turn when it fails; repeat it or separate them by commas.
    #[arg(
        long,
        value_name = "URL",
        env = crate::settings::SCHEDULER_VARIABLE,
        value_delimiter = ',',
        default_value = "http://127.0.0.1:7070"
    )]
    pub scheduler: Vec<String>,
    /// Print JSON, for programs.
    #[arg(long)]
    pub json: bool,
    /// Certificates and token.
    #[command(flatten)]
    pub security: Security,
}

/// What schedulers are trusted by, and what they are shown.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Security")]
pub struct Security {
    /// PEM file of the authorities that schedulers on https are trusted by. Default: the system's.
    #[arg(long, value_name = "FILE", env = "EMEND_CA")]
    pub ca: Option<PathBuf>,
    /// PEM file of the certificate that says who calls.
    #[arg(long, value_name = "FILE", env = "EMEND_CERTIFICATE")]
    pub certificate: Option<PathBuf>,
    /// PEM file of its private key.
    // `emend record` has a key of its own, a record's.
    #[arg(id = "private_key", long = "key", value_name = "FILE", env = "EMEND_KEY")]
    pub key: Option<PathBuf>,
    /// File that holds a bearer token alone; `emend token new` makes one.
    #[arg(long, value_name = "FILE", env = "EMEND_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
}

impl Security {
    /// As the client takes them.
    pub fn credentials(&self) -> Credentials {
        let Self { ca, certificate, key, token_file } = self.clone();
        Credentials { tls: TlsFiles { ca, certificate, key }, token_file }
    }
}

/// `emend status`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  emend status\n  emend status hcm --watch\n  emend status hcm --json | jq .verdicts"
)]
pub struct StatusArgs {
    /// A job's name or id; without it, all jobs.
    #[arg(value_name = "JOB")]
    pub job: Option<String>,
    /// Stay and show how it goes on, until it is completed or cancelled.
    #[arg(long, requires = "job")]
    pub watch: bool,
    /// The scheduler.
    #[command(flatten)]
    pub remote: Remote,
}

/// How far to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// The canary is done, and the rest waits for `emend approve`.
    Approval,
    /// Every unit is done, whatever waits for people.
    Reviewing,
    /// People have decided everything too.
    Completed,
}

/// `emend wait`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  emend wait hcm --until reviewing --timeout 10m && emend export hcm --out out.csv\n  \
                        emend wait hcm --until completed      # for people too, and until nothing may be undone"
)]
pub struct WaitArgs {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    pub job: String,
    /// How far.
    #[arg(long, value_name = "STATE", default_value = "reviewing")]
    pub until: Until,
    /// Give up after this long, with exit code 1: 90, 90s, 10m, 2h.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub timeout: Option<std::time::Duration>,
    /// The scheduler.
    #[command(flatten)]
    pub remote: Remote,
}

/// The rules' verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnlyArg {
    /// Nothing to change, nothing found.
    Valid,
    /// Changed by rules alone.
    Corrected,
    /// A person is needed.
    Routed,
    /// A rule failed on it.
    Failed,
}

impl From<OnlyArg> for Verdict {
    fn from(only: OnlyArg) -> Self {
        match only {
            OnlyArg::Valid => Self::Valid,
            OnlyArg::Corrected => Self::Corrected,
            OnlyArg::Routed => Self::Routed,
            OnlyArg::Failed => Self::Failed,
        }
    }
}

/// `emend export`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  emend export hcm --out corrected.csv\n  \
                        emend export hcm --out routed.jsonl --only routed --with-provenance\n  \
                        emend export hcm --out - --format jsonl | gzip > all.jsonl.gz\n\n\
                        The file is there when it is whole, not before.")]
pub struct ExportArgs {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    pub job: String,
    /// The file; `-` is stdout.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// What the file becomes, when its name does not say.
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Only records of this verdict; repeat it or separate verdicts by commas.
    #[arg(long, value_name = "VERDICT", value_delimiter = ',')]
    pub only: Vec<OnlyArg>,
    /// With verdict, findings, and what people decided; in JSONL with every change too.
    #[arg(long)]
    pub with_provenance: bool,
    /// A job that is not finished too, pending records as they were imported.
    #[arg(long)]
    pub partial: bool,
    /// The scheduler.
    #[command(flatten)]
    pub remote: Remote,
}

/// `emend record`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  emend record hcm HCM-000000042")]
pub struct RecordArgs {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    pub job: String,
    /// The record's key.
    #[arg(value_name = "KEY")]
    pub key: String,
    /// The scheduler.
    #[command(flatten)]
    pub remote: Remote,
}

/// The states of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UnitStateArg {
    /// Waits for a worker.
    Ready,
    /// A worker has it.
    Leased,
    /// Committed.
    Done,
    /// Damaged; `emend retry` makes it ready again.
    #[value(alias = "set_aside")]
    SetAside,
    /// Not of the canary; `emend approve` makes it ready.
    Waiting,
    /// Of a grouped job: holds records that are not put together yet.
    Ungrouped,
}

impl From<UnitStateArg> for UnitState {
    fn from(state: UnitStateArg) -> Self {
        match state {
            UnitStateArg::Ready => Self::Ready,
            UnitStateArg::Leased => Self::Leased,
            UnitStateArg::Done => Self::Done,
            UnitStateArg::SetAside => Self::SetAside,
            UnitStateArg::Waiting => Self::Waiting,
            UnitStateArg::Ungrouped => Self::Ungrouped,
        }
    }
}

/// `emend units`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  emend units hcm --state leased")]
pub struct UnitsArgs {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Only units in this state.
    #[arg(long, value_name = "STATE")]
    pub state: Option<UnitStateArg>,
    /// The scheduler.
    #[command(flatten)]
    pub remote: Remote,
}

/// Commands that need a job alone.
#[derive(Debug, Clone, Args)]
pub struct JobArgs {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    pub job: String,
    /// The scheduler.
    #[command(flatten)]
    pub remote: Remote,
}

/// `emend top`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  emend top --interval 2s")]
pub struct TopArgs {
    /// How often to look.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_interval)]
    pub interval: std::time::Duration,
    /// Schedulers: one of them by chance, the others in turn when it fails; repeat it or separate them by commas.
    #[command(flatten)]
    pub remote: Remote,
}

/// `emend pod-cost`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example, in a pod of its own:\n  \
                        emend pod-cost --scheduler http://emend-scheduler:7070 --selector app.kubernetes.io/component=worker\n\n\
                        Its service account needs to get, list and patch pods in its namespace, and nothing else.")]
pub struct PodCostArgs {
    /// The labels of the worker pods.
    #[arg(long, value_name = "LABELS", default_value = "app.kubernetes.io/component=worker")]
    pub selector: String,
    /// How often to look.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_interval)]
    pub interval: std::time::Duration,
    /// The API server.
    #[arg(long, value_name = "URL", default_value = "https://kubernetes.default.svc")]
    pub api: String,
    /// A folder with the service account's token, ca.crt and namespace. Default: where Kubernetes puts them.
    #[arg(long, value_name = "DIR")]
    pub account: Option<PathBuf>,
    /// Schedulers: one of them by chance, the others in turn when it fails; repeat it or separate them by commas.
    #[command(flatten)]
    pub remote: Remote,
}

/// `emend delete`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  emend delete hcm --yes")]
pub struct DeleteArgs {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
    /// The scheduler.
    #[command(flatten)]
    pub remote: Remote,
}

/// `emend retry`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  emend retry hcm\n  emend retry hcm 17 18")]
pub struct RetryArgs {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Units; without any, all that were set aside.
    #[arg(value_name = "UNIT")]
    pub units: Vec<u64>,
    /// The scheduler.
    #[command(flatten)]
    pub remote: Remote,
}

/// At least 100 ms, so that a typing error is no load test.
fn parse_interval(text: &str) -> Result<std::time::Duration, String> {
    let time = match text.strip_suffix("ms") {
        Some(number) => {
            number.parse().map(std::time::Duration::from_millis).map_err(|_| "write it like 500ms".into())
        }
        None => parse_time(text),
    }?;
    let least = std::time::Duration::from_millis(100);
    if time < least { Err("give at least 100ms".to_owned()) } else { Ok(time) }
}

pub(super) fn parse_time(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || "write it like 90s, 10m, 2h or 3d".to_owned();
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let seconds = match &text[digits.len()..] {
        "" | "s" => Some(number),
        "m" => number.checked_mul(60),
        "h" => number.checked_mul(60 * 60),
        "d" => number.checked_mul(24 * 60 * 60),
        _ => None,
    };
    seconds.map(std::time::Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let seconds = |text| parse_time(text).map(|time| time.as_secs());
        assert_eq!(
            [seconds("90"), seconds("90s"), seconds("2m"), seconds("1h"), seconds("2d")].map(Result::unwrap),
            [90, 90, 120, 3600, 172_800]
        );
        let half = std::time::Duration::from_millis(500);
        assert_eq!((parse_interval("500ms"), parse_interval("2s")), (Ok(half), Ok(4 * half)));
        assert!(
            parse_interval("5ms").is_err() && parse_interval("0").is_err() && parse_interval("xms").is_err()
        );
        assert!(seconds("x").is_err() && seconds("1w").is_err() && seconds("").is_err());
    }
}
