//! Flags about what a job runs: trying rules out, stopping them, and taking back what they did.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use emend_proto::v1::threshold::{Action, Of};
use emend_proto::v1::{PackRef, Threshold, Verdict};

use super::Remote;
use super::import::parse_link;

/// How a job is tried out, and what stops it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Trying out")]
pub struct GuardArgs {
    /// Keep nothing of what rules do but counts and a few examples, wait for them, and show them.
    #[arg(long, conflicts_with_all = ["canary", "keep_open"])]
    pub dry_run: bool,
    /// Work on this share of the records, then wait for `emend approve`: 1%, or 0.01.
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub canary: Option<f64>,
    /// What must not be exceeded, as WHAT,over=SHARE[,after=RECORDS][,then=pause|route], where WHAT is rule=NAME, finding=CODE,
    /// validator=NAME[@VERSION], or verdict=routed|failed; repeat it. Above it the job is paused, or what the rule would change
    /// goes to people. Default: after=1000,then=pause.
    #[arg(long, value_name = "WHAT", value_parser = parse_threshold)]
    pub threshold: Vec<Threshold>,
    /// A rule that is not to run, by the name that changes have; repeat it.
    #[arg(long, value_name = "RULE")]
    pub without_rule: Vec<String>,
}

/// `emend rules`.
#[derive(Debug, Clone, Args)]
pub struct RulesArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: RulesCommand,
}

/// What there is to do with rule files.
#[derive(Debug, Clone, Subcommand)]
pub enum RulesCommand {
    /// Check rule files, and run the examples in them.
    Test(RulesTestArgs),
}

/// `emend rules test`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  emend rules test ministry.yaml\n\n\
                        docs/RULE_FILES.md says how to write one. The exit code is 1 when an example fails.")]
pub struct RulesTestArgs {
    /// Rule files.
    #[arg(value_name = "FILE", required = true)]
    pub file: Vec<PathBuf>,
    /// Print JSON, for programs.
    #[arg(long)]
    pub json: bool,
}

/// `emend samples`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  emend samples hcm\n  emend samples hcm --rule ministry.phone --each 100\n\n\
                        It shows values of records, and that somebody looked is noted in the audit log."
)]
pub struct SamplesArgs {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Only of this rule, or of this finding.
    #[arg(long, value_name = "RULE", default_value = "")]
    pub rule: String,
    /// Examples of each, 1 to 1,000.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub each: u32,
    /// The scheduler.
    #[command(flatten)]
    pub remote: Remote,
}

/// `emend undo`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  emend undo hcm --rule ministry.phone\n\n\
                        The chain runs again without the rule on the records that it touched, and the results stand beside the \
                        old ones. Records on which people have decided keep what they have; they are listed. \
                        Stopped while it waits, it goes on at the scheduler.")]
pub struct UndoArgs {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    pub job: String,
    /// The rule, by the name that changes have.
    #[arg(long, value_name = "RULE")]
    pub rule: String,
    /// Do not wait until it is done.
    #[arg(long)]
    pub no_wait: bool,
    /// The scheduler.
    #[command(flatten)]
    pub remote: Remote,
}

/// `emend rerun`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  emend rerun hcm --rule ministry.phone --rules ministry.yaml\n  \
                        emend rerun hcm --with register@1.3\n  emend rerun hcm --rule phone.prefix_2018     # after an undo\n\n\
                        With a rule, records change that the rule touched or touches now; without one, all that come out otherwise. \
                        Records on which people have decided keep what they have; they are listed.")]
pub struct RerunArgs {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    pub job: String,
    /// The rule, by the name that changes have.
    #[arg(long, value_name = "RULE", default_value = "")]
    pub rule: String,
    /// The corrected rule file, in the place of the one of that name. Workers must have it.
    #[arg(long, value_name = "FILE", conflicts_with = "with")]
    pub rules: Option<PathBuf>,
    /// The corrected version of a pack, a rule file or a validator, in the place of the one of that name.
    #[arg(long, value_name = "NAME@VERSION", value_parser = parse_link)]
    pub with: Option<PackRef>,
    /// Do not wait until it is done.
    #[arg(long)]
    pub no_wait: bool,
    /// The scheduler.
    #[command(flatten)]
    pub remote: Remote,
}

/// `emend withdraw`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  emend withdraw register@1.2\n\n\
                        Jobs that run it are paused, what workers hold for them is refused, and no job is made with it. \
                        `emend rerun JOB --with NAME@VERSION`, then `emend resume JOB`, lets such a job go on.")]
pub struct WithdrawArgs {
    /// The version of a pack, a rule file or a validator.
    #[arg(value_name = "NAME@VERSION", value_parser = parse_link)]
    pub link: PackRef,
    /// The scheduler.
    #[command(flatten)]
    pub remote: Remote,
}

/// `emend diff`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  emend diff hcm-monday hcm-tuesday\n\n\
                        Both jobs must hold the same records, in the same order or not.")]
pub struct DiffArgs {
    /// A job's name or id.
    #[arg(value_name = "JOB_A")]
    pub a: String,
    /// Another one.
    #[arg(value_name = "JOB_B")]
    pub b: String,
    /// Keys to name for each difference, 0 to 1,000.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub each: u32,
    /// The scheduler.
    #[command(flatten)]
    pub remote: Remote,
}

/// `1%` or `0.01`.
fn parse_share(text: &str) -> Result<f64, String> {
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let share = number.trim().parse::<f64>().ok().map(|number| number / scale);
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "write a share like 1% or 0.01, from 0 to 1".to_owned())
}

fn parse_threshold(text: &str) -> Result<Threshold, String> {
    let (mut threshold, mut over) = (Threshold { after: 1_000, ..Threshold::default() }, None);
    threshold.set_action(Action::Pause);
    for part in text.split(',') {
        let (key, value) = part.split_once('=').ok_or_else(|| format!("`{part}` must be KEY=VALUE"))?;
        let of = match key {
            "rule" => Some(Of::Rule(value.into())),
            "finding" => Some(Of::Finding(value.into())),
            "validator" => Some(Of::Validator(value.into())),
            "verdict" => Some(Of::Verdict(match value {
                "routed" => Verdict::Routed.into(),
                "failed" => Verdict::Failed.into(),
                _ => return Err("verdict must be routed or failed".into()),
            })),
            _ => None,
        };
        match (of, key) {
            (Some(_), _) if threshold.of.is_some() => {
                return Err("name one of rule, finding, validator, verdict".into());
            }
            (Some(of), _) => threshold.of = Some(of),
            (None, "over") => over = Some(parse_share(value)?),
            (None, "after") => {
                threshold.after = value.parse().map_err(|_| "after must be a number of records")?;
            }
            (None, "then") => threshold.set_action(match value {
                "pause" => Action::Pause,
                "route" => Action::Route,
                _ => return Err("then must be pause or route".into()),
            }),
            (None, _) => {
                return Err(format!(
                    "`{key}` is none of rule, finding, validator, verdict, over, after, then"
                ));
            }
        }
    }
    threshold.over = over.ok_or("say over=SHARE, such as over=5%")?;
    if threshold.of.is_none() {
        return Err("say what: rule=, finding=, validator=, or verdict=".into());
    }
    Ok(threshold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_or_a_number_to_1() {
        assert_eq!(parse_share("1%"), Ok(0.01));
        assert_eq!(parse_share("0.5"), Ok(0.5));
        for wrong in ["", "2", "-1%", "101%", "one"] {
            assert!(parse_share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_threshold_says_what_how_much_and_what_follows() {
        let read = parse_threshold("rule=a.b,over=5%").unwrap();
        assert_eq!((read.of, read.over, read.after), (Some(Of::Rule("a.b".into())), 0.05, 1_000));
        let read = parse_threshold("validator=register@1,over=0.1,after=50,then=route").unwrap();
        assert_eq!((read.action(), read.after), (Action::Route, 50));
        for (wrong, said) in [
            ("rule=a", "over="),
            ("over=5%", "say what"),
            ("rule=a,finding=b,over=1%", "one of"),
            ("rule=a,over=5", "share"),
            ("rule=a,over=5%,then=stop", "pause or route"),
            ("verdict=valid,over=5%", "routed or failed"),
            ("rule", "KEY=VALUE"),
            ("rul=a,over=5%", "none of"),
        ] {
            let error = parse_threshold(wrong).unwrap_err();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }
}
