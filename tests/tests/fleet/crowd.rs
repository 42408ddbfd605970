//! A whole shift asks for work at the same instant, while a large job runs beside: nobody shares a review, none is lost,
//! and nobody waits.
//!
//! The long form: `CROWD_BESIDE=700000`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use emend_proto::v1::review_service_client::ReviewServiceClient;
use emend_proto::v1::{
    Answer, AnswerKind, DecideRequest, FieldValue, GetJobRequest, JobState, LeaseReviewsRequest, ReviewLease,
};
use emend_tests::amount;
use emend_tests::postgres::Postgres;
use emend_tests::process::{Deployment, Process};
use emend_tests::scheduler::channel;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::LIMIT;

const PEOPLE: usize = 300;
/// About a fifth of them need a person.
const RECORDS: u64 = 50_000;
/// How often they ask; after the first time they have answered what they had.
const ROUNDS: usize = 4;
/// Connections that they share: a page has its own, but three hundred of those say nothing about the scheduler.
const LINES: usize = 8;
/// 99 of 100 wait no longer. The goal is 500 ms with an optimised build (docs/FAULTS.md); one for tests has few optimisations.
const PATIENCE: Duration = Duration::from_secs(1);

/// Makes records and imports them as a job; the process ends when they are all in.
async fn import(deployment: &Deployment, job: &str, records: u64, seed: u64) -> Result<Process> {
    let folder = deployment.path(job).display().to_string();
    let (records, seed) = (records.to_string(), seed.to_string());
    let line = ["generate", "--records", &records, "--seed", &seed, "--out", &folder];
    deployment.start("generate", line)?.done(LIMIT).await?;
    let file = format!("{folder}/records.csv");
    let line = ["import", &file, "--job", job, "--pack", "vaccination", "--as-of", "2021-09-20"];
    deployment.start("import", line)
}

async fn ask(line: Channel, reviewer: String, job: &str) -> Result<Vec<ReviewLease>> {
    let request =
        LeaseReviewsRequest { reviewer, job: job.into(), max_reviews: 3, ..LeaseReviewsRequest::default() };
    let answer = ReviewServiceClient::new(line).lease_reviews(request).await?.into_inner();
    ensure!(answer.queue.is_some_and(|queue| queue.open > 0), "it is not told what waits");
    Ok(answer.leases)
}

/// Leaves every field as it is.
async fn answer(line: Channel, reviewer: String, lease: ReviewLease) -> Result<()> {
    let card = lease.card.context("a card")?;
    let at_issue = card.fields.iter().filter(|field| field.at_issue);
    let values = at_issue.map(|field| FieldValue { field: field.name.clone(), value: field.value.clone() });
    let answer = Answer { kind: AnswerKind::Values.into(), values: values.collect(), reason: String::new() };
    let review = lease.review.context("a review")?;
    let request = DecideRequest {
        request_id: format!("{reviewer}-{}", review.seq),
        reviewer,
        review: Some(review),
        token: lease.token,
        answer: Some(answer),
    };
    let decided = ReviewServiceClient::new(line).decide(request).await?.into_inner();
    ensure!(decided.decision.is_some(), "an answer was not taken: {decided:?}");
    Ok(())
}

/// All ask at once: what each was given, and how long it took.
async fn all_ask(lines: &[Channel]) -> Result<Vec<(usize, Vec<ReviewLease>, Duration)>> {
    let start = Arc::new(Barrier::new(PEOPLE));
    let mut asking = JoinSet::new();
    for person in 0..PEOPLE {
        let (line, start) = (lines[person % LINES].clone(), start.clone());
        asking.spawn(async move {
            start.wait().await;
            let begun = Instant::now();
            let leases = ask(line, format!("p{person}"), "people").await?;
            anyhow::Ok((person, leases, begun.elapsed()))
        });
    }
    asking.join_all().await.into_iter().collect()
}

async fn all_answer(lines: &[Channel], held: Vec<(usize, Vec<ReviewLease>, Duration)>) -> Result<()> {
    let mut answering = JoinSet::new();
    for (person, leases, _) in held {
        let line = lines[person % LINES].clone();
        answering.spawn(async move {
            for lease in leases {
                answer(line.clone(), format!("p{person}"), lease).await?;
            }
            anyhow::Ok(())
        });
    }
    answering.join_all().await.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_reviewers_wait_for_nothing_and_share_nothing() -> Result<()> {
    let _turn = super::turn().await;
    let server = Postgres::start(&[]);
    let deployment = Deployment::on(&server.url(&server.create_database().await))?;
    let _scheduler = deployment.scheduler(0).await?;
    let _workers = [deployment.worker(0)?, deployment.worker(1)?];
    import(&deployment, "people", RECORDS, 1).await?.done(LIMIT).await?;
    let wait = ["wait", "people", "--until", "reviewing"];
    deployment.start("wait", wait)?.done(LIMIT).await?;
    let beside = amount("CROWD_BESIDE", 200_000);
    let mut importing = import(&deployment, "beside", beside, 2).await?;
    let mut jobs = deployment.jobs(0).await?;
    let mut job = async |name: &str| {
        let request = GetJobRequest { job: name.into(), with_tallies: false };
        anyhow::Ok(jobs.get_job(request).await?.into_inner().job.context("a job")?)
    };
    while job("beside").await.map_or(0, |job| job.progress.unwrap_or_default().units_done) == 0 {
        ensure!(!importing.has_ended() || job("beside").await.is_ok(), "{}", importing.log());
        tokio::task::yield_now().await;
    }
    let address = deployment.url(0).trim_start_matches("http://").parse()?;
    let lines: Vec<Channel> = (0..LINES).map(|_| channel(address)).collect();
    let (mut took, mut seen, mut rounds_beside) = (Vec::new(), HashSet::new(), 0);
    for _ in 0..ROUNDS {
        let held = all_ask(&lines).await?;
        let running = matches!(job("beside").await?.state(), JobState::Importing | JobState::Running);
        rounds_beside += usize::from(running);
        for (person, leases, waited) in &held {
            ensure!(leases.len() == 3, "p{person} was given {} reviews", leases.len());
            took.push(*waited);
            for lease in leases {
                ensure!(seen.insert(lease.review.context("a review")?.seq), "a review came twice");
            }
        }
        all_answer(&lines, held).await?;
    }
    took.sort();
    let within = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)];
    let progress = job("people").await?.progress.unwrap_or_default();
    println!(
        "{PEOPLE} at once, {ROUNDS} times, {rounds_beside} of them beside a job of {beside}: half within {:.0?}, 99 % \
         within {:.0?}, the last {:.0?}; {} answers, {} reviews open",
        within(50),
        within(99),
        within(100),
        seen.len(),
        progress.reviews_open
    );
    ensure!(rounds_beside > 0, "the job beside was over before anybody asked");
    ensure!(within(99) < PATIENCE, "99 % within {:?}", within(99));
    // None is lost: each is decided, or waits for somebody who must agree.
    let all = progress.routed + progress.failed;
    ensure!(progress.reviews_open + progress.reviews_decided == all, "{progress:?}");
    Ok(())
}
