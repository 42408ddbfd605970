//! Flags of the commands that talk to a scheduler.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use emend_proto::v1::{PackRef, UnitState, Verdict};
use emend_worker::endpoints::{Credentials, TlsFiles};

use super::ReviewArgs;
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

/// `emend import`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  emend import records.csv --job hcm --pack vaccination --as-of 2021-09-20\n  \
                        emend import old.csv --job hcm --encoding windows-1258 --keep-open\n  \
                        emend import records.csv --job hcm --as-of 2021-09-20 --undo 2m --agree national_id,full_name.lost_letter\n\n\
                        It makes the job when there is none of that name. Killed and started again it goes on where it \
                        was; the same file twice imports nothing twice. Rows that cannot be taken are listed in \
                        FILE.rejects.csv, and the exit code is 3."
)]
pub struct ImportArgs {
    /// CSV (comma, semicolon or tab), JSONL or XLSX.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The job's name: letters, digits, `.`, `_`, `-`.
    #[arg(long, value_name = "NAME")]
    pub job: String,
    /// The rule pack.
    #[arg(long, value_name = "PACK", default_value = emend_vaccination::PACK)]
    pub pack: String,
    /// A validator of your own that runs after the pack, as NAME@VERSION; repeat it, in the order in which they run. Workers
    /// must be started with its address (`emend worker --validator`).
    #[arg(long, value_name = "NAME@VERSION", value_parser = parse_link)]
    pub validator: Vec<PackRef>,
    /// The day of the data, YYYY-MM-DD: nothing in them happened after it. Needed for a new job.
    #[arg(long, value_name = "DAY")]
    pub as_of: Option<String>,
    /// Records in a unit of work, 1 to 10,000. Default: 500.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub unit_size: Option<u32>,
    /// How urgent the new job is, and its share of the workers.
    #[command(flatten)]
    pub schedule: ScheduleArgs,
    /// How people decide on the new job's records.
    #[command(flatten)]
    pub reviews: ReviewArgs,
    /// The file's encoding when it is not UTF-8: windows-1258, windows-1252, utf-16le, …
    #[arg(long, value_name = "LABEL")]
    pub encoding: Option<String>,
    /// What the file is, when its name does not say.
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// More files follow: do not seal the job.
    #[arg(long)]
    pub keep_open: bool,
    /// Where rejected rows are listed. Default: FILE.rejects.csv.
    #[arg(long, value_name = "PATH")]
    pub rejects: Option<PathBuf>,
    /// The scheduler.
    #[command(flatten)]
    pub remote: Remote,
}

/// How urgent a job is.
#[derive(Debug, Clone, Default, Args)]
pub struct ScheduleArgs {
    /// -1000 to 1000; a higher one goes first. Default: 0.
    #[arg(long, value_name = "N", allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    pub priority: Option<i32>,
    /// Its share of the workers among jobs of its priority, 1 to 1000. Default: 100.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub weight: Option<u32>,
    /// When it should be done, from now: 90m, 6h, 2d; or `none`.
    #[arg(long, value_name = "TIME", value_parser = parse_deadline)]
    pub deadline: Option<DeadlineArg>,
}

/// What `--deadline` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadlineArg {
    /// From now.
    In(std::time::Duration),
    /// There is none.
    Never,
}

/// `emend set`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  emend set hcm --priority 10 --deadline 6h\n  emend set hcm --weight 300\n  \
                        emend set hcm --deadline none"
)]
pub struct SetArgs {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    pub job: String,
    /// What to change; the rest stays.
    #[command(flatten)]
    pub schedule: ScheduleArgs,
    /// The scheduler.
    #[command(flatten)]
    pub remote: Remote,
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
}

impl From<UnitStateArg> for UnitState {
    fn from(state: UnitStateArg) -> Self {
        match state {
            UnitStateArg::Ready => Self::Ready,
            UnitStateArg::Leased => Self::Leased,
            UnitStateArg::Done => Self::Done,
            UnitStateArg::SetAside => Self::SetAside,
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

fn parse_link(text: &str) -> Result<PackRef, String> {
    match text.split_once('@') {
        Some((name, version)) if !name.is_empty() && !version.is_empty() => {
            Ok(PackRef { name: name.into(), version: version.into() })
        }
        _ => Err("give a name and a version, such as register@1.2".into()),
    }
}

fn parse_deadline(text: &str) -> Result<DeadlineArg, String> {
    match text {
        "none" => Ok(DeadlineArg::Never),
        text => parse_time(text).map(DeadlineArg::In).map_err(|wrong| format!("{wrong}, or `none`")),
    }
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
        assert_eq!(parse_deadline("none"), Ok(DeadlineArg::Never));
        assert_eq!(parse_deadline("6h"), Ok(DeadlineArg::In(std::time::Duration::from_secs(21_600))));
        assert!(parse_deadline("never").unwrap_err().contains("`none`"));
    }
}
