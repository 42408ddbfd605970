//! `emend wait`.

use anyhow::{Result, anyhow, bail};
use emend_proto::v1::{Job, JobState};

use super::status::one;
use super::watch::{Watch, watch};
use super::{client, plural, print, print_json};
use crate::args::{Common, Until, WaitArgs};
use crate::client::Client;
use crate::exit::Exit;
use crate::report::{Decisions, Report};
use crate::term::{Bar, grouped, seconds};

pub(super) async fn run(args: WaitArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let waited = wait(&client, &args.job, args.until);
    let job = match args.timeout {
        None => waited.await?,
        Some(limit) => tokio::time::timeout(limit, waited).await.map_err(|_| {
            anyhow!(
                "job `{}` did not get there within --timeout {}; `emend status {}` shows how far it is",
                args.job,
                seconds(limit),
                args.job
            )
        })??,
    };
    if args.remote.json {
        print_json(&one(&client, &args.job).await?)?;
    } else {
        let report = Report::of(&job);
        let (records, rate) = (plural(report.records, "record"), grouped(report.records_per_second as u64));
        let people = match report.decisions.decided {
            0 => String::new(),
            decided => format!(", {} decided by people", grouped(decided)),
        };
        print(&format!("job {} is {}: {records}, {rate} a second{people}", report.job, report.state))?;
    }
    Ok(Exit::Done)
}

/// Waits until the job is that far, with a bar.
pub(crate) async fn wait(client: &Client, name: &str, until: Until) -> Result<Job> {
    let bar = Bar::new("correcting", 0);
    let job = watch(client, name, |job| {
        let report = Report::of(job);
        show(&bar, &report);
        if is_stuck(job) {
            bail!(
                "job `{name}` cannot finish: {} of its units are damaged and set aside; `emend units {name} --state set-aside` \
                 lists them, `emend retry {name}` tries them again",
                report.units.set_aside
            );
        }
        if job.awaits_approval && until != Until::Approval {
            bail!(
                "job `{name}` waits for an approval: its canary is done. `emend status {name}` and `emend samples {name}` \
                 show how it went, `emend approve {name}` lets the rest go on (or wait --until approval)"
            );
        }
        Ok(if is_there(job, until) { Watch::Leave } else { Watch::Stay })
    });
    let job = job.await;
    bar.finish();
    let job = job?;
    if is_there(&job, until) { Ok(job) } else { bail!("job `{name}` was cancelled") }
}

/// Units first, then people.
fn show(bar: &Bar, report: &Report) {
    if report.state != "reviewing" {
        return bar.set(report.decided(), report.records);
    }
    let Decisions { open, decided, .. } = report.decisions;
    bar.set(decided, open + decided);
    bar.say(" · decided by people".to_owned());
}

fn is_there(job: &Job, until: Until) -> bool {
    match job.state() {
        JobState::Completed => true,
        JobState::Reviewing => until != Until::Completed,
        JobState::Running if job.awaits_approval => until == Until::Approval,
        JobState::Unspecified | JobState::Importing | JobState::Running | JobState::Cancelled => false,
    }
}

/// Only units that were set aside are left.
fn is_stuck(job: &Job) -> bool {
    let Some(progress) = job.progress.as_ref() else { return false };
    job.state() == JobState::Running
        && progress.units_set_aside > 0
        && progress.units_ready == 0
        && progress.units_leased == 0
}

#[cfg(test)]
mod tests {
    use emend_proto::v1::Progress;

    use super::*;

    #[test]
    fn there_is_where_it_was_to_be() {
        let job = |state: JobState| Job { state: state.into(), ..Job::default() };
        assert!(is_there(&job(JobState::Reviewing), Until::Reviewing));
        assert!(!is_there(&job(JobState::Reviewing), Until::Completed));
        assert!(is_there(&job(JobState::Completed), Until::Reviewing));
        assert!(!is_there(&job(JobState::Running), Until::Reviewing));
    }

    #[test]
    fn damaged_units_alone_end_the_wait() {
        let mut job = Job { state: JobState::Running.into(), ..Job::default() };
        job.progress = Some(Progress { units_set_aside: 1, units_leased: 1, ..Progress::default() });
        assert!(!is_stuck(&job));
        job.progress = Some(Progress { units_set_aside: 1, ..Progress::default() });
        assert!(is_stuck(&job));
    }
}
