//! Flags of the commands that run or make something here.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use emend_proto::v1::GroupField;
use emend_scheduler::domain::caller::Role;

use super::Security;
use super::import::parse_group_field;

/// `emend demo`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  emend demo\n  emend demo --records 50000 --workers 4 --out /tmp/demo\n  \
                        emend demo --with-people\n  \
                        emend demo --group-by full_name,date_of_birth\n\n\
                        It writes records.csv, truth.jsonl, corrected.csv, routed.csv and report.json; with people, final.csv too."
)]
pub struct DemoArgs {
    /// How many records.
    #[arg(long, value_name = "N", default_value_t = 700_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub records: u64,
    /// How many workers, each with one slot. Default: one for each core.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub workers: Option<u16>,
    /// Where the job is kept; a temporary SQLite file in --out unless given.
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// Where the files go.
    #[arg(long, value_name = "DIR", default_value = "emend-demo")]
    pub out: PathBuf,
    /// What the records are made from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Go on to the very end: a simulated shift decides what is for people, so that the job completes.
    #[arg(long)]
    pub with_people: bool,
    /// How many simulated reviewers.
    #[arg(long, value_name = "N", default_value_t = 300, requires = "with_people",
        value_parser = clap::value_parser!(u32).range(3..=10_000))]
    pub reviewers: u32,
    /// Make records that have to do with each other, and put those together that agree in these fields, so that the rule
    /// pack compares them: full_name,date_of_birth, national_id, or phone; each may be FIELD:HOW, as in `emend import`.
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', value_parser = parse_group_field)]
    pub group_by: Vec<GroupField>,
    /// Print report.json instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// `emend generate`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  emend generate --records 10000 --seed 7 --out data\n  \
                        emend generate --records 10000 --seed 7 --out data --crowd\n\n\
                        It writes records.csv and, line for line, truth.jsonl.")]
pub struct GenerateArgs {
    /// How many records.
    #[arg(long, value_name = "N")]
    pub records: u64,
    /// What they are made from: the same seed gives the same files.
    #[arg(long, value_name = "N")]
    pub seed: u64,
    /// Where the files go.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Records that have to do with each other: people with several doses, doses keyed twice, numbers that stand in records
    /// of strangers. The truth tells of each relation.
    #[arg(long)]
    pub crowd: bool,
    /// Print what was written as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `emend scheduler`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  emend scheduler --store sqlite://emend.db\n  \
                        emend scheduler --store postgres://emend@db/emend --listen 127.0.0.1:7071\n  \
                        emend scheduler --store sqlite://emend.db --desk 127.0.0.1:7080\n\n\
                        Settings: [scheduler] in --config, or EMEND__SCHEDULER__LEASE_TTL=30 and so on. Give a password \
                        by EMEND__SCHEDULER__STORE rather than by flag.")]
pub struct SchedulerArgs {
    /// Where jobs are kept: sqlite://PATH or postgres://USER@HOST/NAME.
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// Where to listen. Default: 127.0.0.1:7070.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Where people sign in and decide, over HTTP: 127.0.0.1:7080. Nowhere unless given; make accounts by
    /// `emend user add`.
    #[arg(long, value_name = "ADDRESS")]
    pub desk: Option<String>,
    /// The RabbitMQ that events go to: amqp://USER@HOST. Give a password by EMEND__SCHEDULER__BROKER.
    #[arg(long, value_name = "URL")]
    pub broker: Option<String>,
    /// Listen on other addresses than loopback without TLS, or without asking who calls: anyone who reaches them can
    /// read and change records.
    #[arg(long)]
    pub insecure: bool,
}

/// `emend token`.
#[derive(Debug, Clone, Args)]
pub struct TokenArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// What can be done about bearer tokens.
#[derive(Debug, Clone, Subcommand)]
pub enum TokenCommand {
    /// Make a token: print it once, and the line that makes it known to schedulers.
    #[command(after_help = "Example:\n  emend token new --role worker --name night-shift\n\n\
                            Add the line to the file of scheduler.tokens; schedulers read it again within seconds. Put \
                            the token alone into a file for --token-file, worker.token_file or EMEND_TOKEN_FILE. To \
                            take it back, delete its line.")]
    New(NewTokenArgs),
}

/// `emend token new`.
#[derive(Debug, Clone, Args)]
pub struct NewTokenArgs {
    /// operator, worker, reader, monitor, scaler, reviewer or lead.
    #[arg(long, value_name = "ROLE", value_parser = role)]
    pub role: Role,
    /// Whom it speaks for: 1 to 64 of the characters a-z 0-9 . _ -
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// Print JSON, for programs.
    #[arg(long)]
    pub json: bool,
}

fn role(word: &str) -> Result<Role, String> {
    let all = Role::ALL.map(Role::as_str).join(", ");
    Role::parse(word).ok_or_else(|| format!("there are {all}"))
}

/// `emend worker`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  emend worker\n  \
                        emend worker --scheduler http://10.0.0.1:7070,http://10.0.0.2:7070 --slots 4\n\n\
                        Settings: [worker] in --config, or EMEND__WORKER__GRACE=10s and so on.")]
pub struct WorkerArgs {
    /// Schedulers: one of them by chance, the others in turn when it fails; repeat it or separate them by commas. Default: http://127.0.0.1:7070.
    #[arg(long, value_name = "URL", env = crate::settings::SCHEDULER_VARIABLE, value_delimiter = ',')]
    pub scheduler: Vec<String>,
    /// A rule file that jobs may name (docs/RULE_FILES.md); repeat it.
    #[arg(long, value_name = "FILE")]
    pub rules: Vec<PathBuf>,
    /// A validator of your own, which units of jobs that name it are shown to: http://HOST:PORT, https://… or unix:/PATH; repeat it or
    /// separate them by commas.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub validator: Vec<String>,
    /// Units to work on at once. Default: one for each core.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub slots: Option<u32>,
    /// Print what was done as JSON when it stops.
    #[arg(long)]
    pub json: bool,
    /// Certificates and token.
    #[command(flatten)]
    pub security: Security,
}

/// `emend migrate`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  emend migrate --store postgres://emend@db/emend")]
pub struct MigrateArgs {
    /// The store: sqlite://PATH or postgres://USER@HOST/NAME.
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
}
