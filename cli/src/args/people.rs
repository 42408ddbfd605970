//! Flags about people who decide on records.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use emend_proto::v1::ReviewPolicy;

use super::Remote;
use super::client::parse_time;

/// How people decide on a job's records.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "People")]
pub struct ReviewArgs {
    /// How long a reviewer may take a decision back: seconds, or 90s, 5m, 1h; at most a day. Events and exports wait for it,
    /// and so does the next person's answer; 0: not at all. Default: 5 minutes.
    #[arg(long, value_name = "TIME", value_parser = parse_undo)]
    pub undo: Option<Duration>,
    /// A finding (national_id.sex) or a field (national_id) on which two people must agree, and a third decides when they
    /// differ; repeat it or separate them by commas. Always two: for what is typed and not proposed, what empties a field, and
    /// what rejects a record. Default: what the rule pack says.
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub agree: Vec<String>,
    /// The share of corrected records that people look into, without being told that a rule was at work: 0 to 0.05, such as
    /// 0.01. It tells how often each rule is wrong. Default: 0.
    #[arg(long, value_name = "SHARE", value_parser = parse_sample)]
    pub sample: Option<f64>,
    /// A rule whose changes are wrong more often than this, beyond doubt, is paused, and what it would change goes to people.
    /// Default: 0.02.
    #[arg(long, value_name = "SHARE", value_parser = parse_limit)]
    pub error_limit: Option<f64>,
}

impl ReviewArgs {
    /// As it goes to the scheduler.
    pub fn policy(&self) -> ReviewPolicy {
        let undo =
            self.undo.map(|undo| prost_types::Duration { seconds: undo.as_secs().cast_signed(), nanos: 0 });
        ReviewPolicy {
            undo,
            agree: self.agree.clone(),
            sample: self.sample.unwrap_or_default(),
            error_limit: self.error_limit.unwrap_or_default(),
        }
    }
}

/// `emend simulate-shift`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  emend generate --records 10000 --seed 7 --out .\n  \
                  emend import records.csv --job trial --as-of 2021-09-20 --undo 0\n  \
                  emend simulate-shift trial --truth truth.jsonl\n  \
                  emend simulate-shift trial --truth truth.jsonl --reviewers 20 --leads 3 --seconds-per-record 30\n\n\
                  It decides a job's reviews as people would who know the truth and make errors, over the API that the desk uses, \
                  until none is open. For trials and load: never on a job of real records. Stopped, it hands back what it holds; \
                  started again, it goes on with what is open.")]
pub struct SimulateShiftArgs {
    /// The job's name or id. Its records are those of `emend generate`.
    #[arg(value_name = "JOB")]
    pub job: String,
    /// What is true of each record: truth.jsonl, as `emend generate` wrote it beside the records.
    #[arg(long, value_name = "FILE")]
    pub truth: PathBuf,
    /// How many reviewers: sim-001, sim-002, …
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub reviewers: u32,
    /// How many of them are leads, who take what others cannot decide. Default: one in twenty, 3 at least.
    #[arg(long, value_name = "N")]
    pub leads: Option<u32>,
    /// How long a reviewer looks at a record, on average; 0: as fast as the scheduler answers.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, value_parser = parse_seconds)]
    pub seconds_per_record: f64,
    /// The share of answers that are wrong, 0 to 1: another proposal, a value left as it was, a typing error, or a rejection.
    #[arg(long, value_name = "SHARE", default_value_t = 0.02, value_parser = parse_share)]
    pub errors: f64,
    /// What the errors are drawn from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The scheduler. With known callers, one in the role `operator`.
    #[command(flatten)]
    pub remote: Remote,
}

/// `emend reviewers`.
#[derive(Debug, Clone, Args)]
pub struct ReviewersArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ReviewersCommand,
}

/// What can be done about how well people decide.
#[derive(Debug, Clone, Subcommand)]
pub enum ReviewersCommand {
    /// Say what is right for some of a job's records, and rate reviewers by it.
    #[command(after_help = "Examples:\n  emend reviewers known trial truth.jsonl --share 0.02\n  \
                            emend reviewers known july checked.jsonl\n\n\
                            A line of FILE is {\"key\": …, \"fields\": {…}}. Reviewers are not told which of their records are known. \
                            Who is wrong too often (scheduler.reviewer_error_limit), beyond doubt, is paused, and what that \
                            reviewer decided since the last 20 known answers that were good enough is open again.")]
    Known(KnownArgs),
    /// Let a reviewer go on who was paused for wrong answers.
    #[command(after_help = "Example:\n  emend reviewers resume lan")]
    Resume(ResumeReviewerArgs),
}

/// `emend reviewers known`.
#[derive(Debug, Clone, Args)]
pub struct KnownArgs {
    /// The job's name or id. Its records must have been through the rules.
    #[arg(value_name = "JOB")]
    pub job: String,
    /// What is right: a JSON object in each line, with a record's `key` and its `fields`.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The share of FILE's records to take, spread evenly: 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = parse_share)]
    pub share: f64,
    /// The scheduler.
    #[command(flatten)]
    pub remote: Remote,
}

/// `emend reviewers resume`.
#[derive(Debug, Clone, Args)]
pub struct ResumeReviewerArgs {
    /// The reviewer, by account, or as the operator's page names it.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The scheduler.
    #[command(flatten)]
    pub remote: Remote,
}

fn parse_undo(text: &str) -> Result<Duration, String> {
    let undo = parse_time(text)?;
    let day = Duration::from_secs(24 * 60 * 60);
    if undo > day { Err("give at most a day".to_owned()) } else { Ok(undo) }
}

fn parse_sample(text: &str) -> Result<f64, String> {
    let wrong = |_| "give a share of 0 to 0.05, such as 0.01".to_owned();
    let share = parse_share(text).map_err(wrong)?;
    if share <= 0.05 { Ok(share) } else { Err(wrong(String::new())) }
}

/// The wire's 0 is the default, so none at all is not to be had.
fn parse_limit(text: &str) -> Result<f64, String> {
    let share = parse_share(text)?;
    if share > 0.0 { Ok(share) } else { Err("give a share above 0, such as 0.02".to_owned()) }
}

fn parse_share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "write it like 0.02".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("give a share of 0 to 1".to_owned()) }
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "write it like 30 or 0.5".to_owned())?;
    if (0.0..=3600.0).contains(&seconds) { Ok(seconds) } else { Err("give 0 to 3600 seconds".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_bounds() {
        assert_eq!(parse_undo("0"), Ok(Duration::ZERO));
        assert!(parse_undo("1d").is_ok() && parse_undo("25h").is_err());
        assert_eq!((parse_share("0.02"), parse_seconds("0.5")), (Ok(0.02), Ok(0.5)));
        assert!(parse_sample("0.05").is_ok() && parse_sample("0.06").is_err());
        assert!(parse_limit("0.001").is_ok() && parse_limit("0").is_err());
        for wrong in ["-0.1", "1.1", "NaN", "x"] {
            assert!(parse_share(wrong).is_err(), "{wrong}");
        }
        assert!(parse_seconds("-1").is_err() && parse_seconds("inf").is_err());
    }
}
