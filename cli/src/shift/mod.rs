//! A shift of simulated reviewers: they lease, look and decide over the API that the desk uses, by the truth of synthetic
//! records, with errors.

mod cluster;
mod draw;
mod floor;
mod ledger;
mod person;
mod report;
mod reviewer;
mod truth;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use emend_proto::v1::{Job, JobState};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use report::{Clusters, Errors, ShiftReport};

use crate::client::Client;
use crate::export;
use floor::Floor;
use reviewer::Reviewer;
use truth::Truths;

/// Reviewers who share a connection: HTTP/2 carries their calls side by side.
const A_LINE: usize = 64;
/// One lead for so many reviewers.
const A_LEAD: u32 = 20;
/// A review may come to a lead in each of its rounds, each time to another one.
const FEWEST_LEADS: u32 = 3;

/// Who works, and how.
#[derive(Debug, Clone)]
pub struct Order {
    /// The job.
    pub job: String,
    /// What is true of its records.
    pub truth: PathBuf,
    /// How many reviewers.
    pub reviewers: u32,
    /// How many of them are leads; one in twenty unless given.
    pub leads: Option<u32>,
    /// How long a reviewer looks at a record, on average.
    pub pace: Duration,
    /// The share of answers that are wrong.
    pub errors: f64,
    /// What the errors are drawn from.
    pub seed: u64,
}

impl Order {
    fn leads(&self) -> u32 {
        let leads = self.leads.unwrap_or_else(|| (self.reviewers / A_LEAD).max(FEWEST_LEADS));
        leads.min(self.reviewers)
    }
}

/// Works until no review of the job is open, or none that anybody of this shift may take.
///
/// # Errors
/// Whatever went wrong first, or that it was interrupted: then what was held is handed back.
pub async fn run(client: &Client, order: &Order, shutdown: &CancellationToken) -> Result<ShiftReport> {
    let job = export::find(client, &order.job).await?;
    check(&job)?;
    let wanted = export::for_people(client, &job).await?;
    let path = order.truth.clone();
    let truths = tokio::task::spawn_blocking(move || Truths::read(&path, wanted));
    let truths = truths.await.context("reading --truth stopped")??;
    let client = client.clone().patient();
    let floor = Arc::new(Floor::new(order.clone(), &job, truths, shutdown.child_token()));
    let begin = Instant::now();
    let mut shift = JoinSet::new();
    let mut line = client.another()?;
    for number in 1..=order.reviewers {
        if (number as usize - 1).is_multiple_of(A_LINE) {
            line = client.another()?;
        }
        let reviewer = Reviewer::new(floor.clone(), line.clone(), number, number <= order.leads());
        shift.spawn(reviewer.work());
    }
    let mut watched = Box::pin(floor.watch(&client));
    let mut left = None;
    loop {
        tokio::select! {
            ended = shift.join_next() => match ended {
                None => break,
                Some(ended) => ended.context("a reviewer stopped").flatten().inspect_err(|_| floor.close())?,
            },
            watched = &mut watched, if left.is_none() => left = Some(watched?),
        }
    }
    if shutdown.is_cancelled() {
        bail!(
            "interrupted; what was held is handed back, and `emend simulate-shift` goes on with what is open"
        );
    }
    let left = match left {
        Some(left) => left,
        // Everybody was paused.
        None => {
            floor.close();
            watched.await?
        }
    };
    Ok(floor.report(begin.elapsed(), left))
}

/// A job that people can work on to its end.
fn check(job: &Job) -> Result<()> {
    let name = &job.name;
    match job.state() {
        JobState::Running | JobState::Reviewing | JobState::Completed => Ok(()),
        JobState::Importing => {
            bail!("job `{name}` is not sealed: more records may come; import its last file first")
        }
        JobState::Cancelled | JobState::Unspecified => bail!("job `{name}` was cancelled"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_are_some_of_the_reviewers() {
        let leads = |reviewers, leads| {
            let (job, truth, pace) = (String::new(), PathBuf::new(), Duration::ZERO);
            Order { job, truth, reviewers, leads, pace, errors: 0.0, seed: 1 }.leads()
        };
        assert_eq!([leads(300, None), leads(20, None), leads(2, None)], [15, 3, 2]);
        assert_eq!([leads(300, Some(0)), leads(5, Some(9))], [0, 5]);
    }

    #[test]
    fn a_job_that_is_not_sealed_or_was_cancelled_is_refused() {
        let check = |state: JobState| check(&Job { name: "x".into(), state: state.into(), ..Job::default() });
        assert!(check(JobState::Reviewing).is_ok() && check(JobState::Running).is_ok());
        assert!(check(JobState::Importing).unwrap_err().to_string().contains("sealed"));
        assert!(check(JobState::Cancelled).is_err());
    }
}
