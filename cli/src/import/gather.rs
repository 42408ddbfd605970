//! Waits until a grouped job's records are put together.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use emend_proto::v1::grouping::State;
use emend_proto::v1::{GetJobRequest, Grouping, Job, JobState};

use crate::client::{Client, call, explain};
use crate::term::Bar;

/// Between two looks: a small job is put together at once, a large one takes its time.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// Waits, with a bar; at once over where the job is not grouped.
///
/// # Errors
/// When a unit is damaged, or the job was cancelled: then they never are.
pub(super) async fn wait(client: &Client, job: &Job) -> Result<()> {
    if job.grouping.is_none() {
        return Ok(());
    }
    let (bar, mut pause) = (Bar::new("putting together", 0), FIRST_WAIT);
    loop {
        let request = GetJobRequest { job: job.id.to_string(), with_tallies: false };
        let answer = call!(client, get_job(request)).map_err(|status| explain(&status, &job.name))?;
        let now = answer.job.context("the scheduler answered without a job")?;
        if is_done(&now)? {
            bar.finish();
            return Ok(());
        }
        show(&bar, &now);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_WAIT);
    }
}

/// Whether they are all put together.
fn is_done(job: &Job) -> Result<bool> {
    let Some(grouping) = &job.grouping else { return Ok(true) };
    if grouping.state() == State::Done {
        return Ok(true);
    }
    let name = &job.name;
    if job.state() == JobState::Cancelled {
        bail!("job `{name}` was cancelled before its records were put together");
    }
    match grouping.damaged_unit {
        0 => Ok(false),
        unit => bail!(
            "the records of job `{name}` cannot be put together: its unit {unit} is damaged; restore it, \
             then `emend retry {name}`, or import the rows into a new job"
        ),
    }
}

/// Each record is read once and placed once.
fn show(bar: &Bar, job: &Job) {
    let Some(Grouping { records_read, records_placed, .. }) = job.grouping else { return };
    let records = job.progress.as_ref().map_or(0, |progress| progress.records);
    bar.set(records_read.saturating_add(records_placed) / 2, records);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_and_a_cancelled_job_end_the_wait() {
        let job = |state: State, damaged_unit| {
            let grouping = Some(Grouping { state: state.into(), damaged_unit, ..Grouping::default() });
            Job { name: "x".into(), state: JobState::Running.into(), grouping, ..Job::default() }
        };
        assert!(is_done(&Job::default()).unwrap());
        assert!(is_done(&job(State::Done, 0)).unwrap());
        assert!(!is_done(&job(State::Gathering, 0)).unwrap());
        let damaged = is_done(&job(State::Gathering, 7)).unwrap_err().to_string();
        for part in ["unit 7", "emend retry x"] {
            assert!(damaged.contains(part), "{part} in {damaged}");
        }
        let cancelled = Job { state: JobState::Cancelled.into(), ..job(State::Gathering, 0) };
        assert!(is_done(&cancelled).unwrap_err().to_string().contains("cancelled"));
    }
}
