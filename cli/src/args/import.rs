//! Flags of the commands that make jobs and say how urgent they are.

use std::path::PathBuf;

use clap::Args;
use emend_proto::v1::{GroupField, PackRef};

use super::client::parse_time;
use super::{GuardArgs, Remote, ReviewArgs};
use crate::input::Format;

/// How values may be folded before records are put together by them.
const NORMALISERS: [&str; 4] = ["exact", "text", "digits", "date"];

/// `emend import`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  emend import records.csv --job hcm --pack vaccination --as-of 2021-09-20\n  \
                        emend import old.csv --job hcm --encoding windows-1258 --keep-open\n  \
                        emend import records.csv --job hcm --as-of 2021-09-20 --undo 2m --agree national_id,full_name.lost_letter\n  \
                        emend import records.csv --job try --as-of 2021-09-20 --rules ministry.yaml --dry-run\n  \
                        emend import records.csv --job hcm --as-of 2021-09-20 --rules ministry.yaml --canary 1%\n  \
                        emend import records.csv --job hcm --as-of 2021-09-20 --group-by full_name,date_of_birth\n\n\
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
    /// A rule file that runs after the pack; repeat it, in the order in which they run, all of them before validators. Workers
    /// must have it too (`emend worker --rules`).
    #[arg(long, value_name = "FILE")]
    pub rules: Vec<PathBuf>,
    /// The day of the data, YYYY-MM-DD: nothing in them happened after it. Needed for a new job.
    #[arg(long, value_name = "DAY")]
    pub as_of: Option<String>,
    /// Records in a unit of work, 1 to 10,000. Default: 500.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub unit_size: Option<u32>,
    /// Put records together that agree in all of these fields, at most 8, so that the rule pack compares them: the doses of a
    /// person by full_name,date_of_birth, strangers with one number by national_id. A field may say how its values are folded
    /// first, as FIELD:HOW with exact, text (letters and digits, without marks and case), digits, or date; else the rule pack
    /// says. Rules run when all files are there. Repeat it or separate fields by commas.
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', value_parser = parse_group_field)]
    pub group_by: Vec<GroupField>,
    /// How urgent the new job is, and its share of the workers.
    #[command(flatten)]
    pub schedule: ScheduleArgs,
    /// How people decide on the new job's records.
    #[command(flatten)]
    pub reviews: ReviewArgs,
    /// How the new job is tried out, and what stops it.
    #[command(flatten)]
    pub guard: GuardArgs,
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

pub(super) fn parse_link(text: &str) -> Result<PackRef, String> {
    match text.split_once('@') {
        Some((name, version)) if !name.is_empty() && !version.is_empty() => {
            Ok(PackRef { name: name.into(), version: version.into() })
        }
        _ => Err("give a name and a version, such as register@1.2".into()),
    }
}

/// `full_name`, or `full_name:text`.
pub(super) fn parse_group_field(text: &str) -> Result<GroupField, String> {
    let (field, normaliser) = text.split_once(':').unwrap_or((text, ""));
    if field.is_empty() {
        return Err("name fields, such as full_name,date_of_birth".into());
    }
    if text.contains(':') && !NORMALISERS.contains(&normaliser) {
        return Err(format!(
            "`{normaliser}` is none of {}: write {field}:text, or {field} alone",
            NORMALISERS.join(", ")
        ));
    }
    Ok(GroupField { field: field.into(), normaliser: normaliser.into() })
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
    fn a_field_to_group_by_may_say_how_its_values_are_folded() {
        let field = |field: &str, normaliser: &str| {
            Ok(GroupField { field: field.into(), normaliser: normaliser.into() })
        };
        assert_eq!(parse_group_field("full_name"), field("full_name", ""));
        assert_eq!(parse_group_field("phone:digits"), field("phone", "digits"));
        for (wrong, said) in [
            ("", "name fields"),
            (":text", "name fields"),
            ("phone:", "phone alone"),
            ("phone:number", "`number` is none of exact, text, digits, date"),
            ("phone:text:date", "none of"),
        ] {
            let error = parse_group_field(wrong).unwrap_err();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_deadline_is_a_time_or_none() {
        assert_eq!(parse_deadline("none"), Ok(DeadlineArg::Never));
        assert_eq!(parse_deadline("6h"), Ok(DeadlineArg::In(std::time::Duration::from_secs(21_600))));
        assert!(parse_deadline("never").unwrap_err().contains("`none`"));
    }
}
