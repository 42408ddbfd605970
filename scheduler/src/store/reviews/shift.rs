//! The people on a job, counted.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::super::db::{Row, Sql, Tx, params};
use super::super::{Store, StoreError};
use super::rating::rated;
use crate::domain::shift::{LATELY, Lately, ON_SHIFT, Reviews, TODAY};
use crate::domain::time::Timestamp;

/// What a reviewer does on a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReviewerStatus {
    /// Who.
    pub reviewer: String,
    /// Reviews answered within the last hour, and not taken back.
    pub hour: i64,
    /// Reviews held now.
    pub held: i64,
    /// When the last answer or undo was.
    pub last_at: Option<Timestamp>,
    /// Was wrong too often.
    pub paused: bool,
}

/// What a reviewer did on a job within the last 24 hours. It takes longer to count than what is needed each second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Day {
    /// Reviews answered, and not taken back.
    pub answered: i64,
    /// Answers of which it is known whether they were right,
    pub judged: i64,
    /// and those that did not stand.
    pub overruled: i64,
    /// Answers to reviews whose right answer is known,
    pub known: i64,
    /// and those that were wrong.
    pub known_wrong: i64,
}

/// The people on a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shift {
    /// Those on shift, by name.
    pub reviewers: Vec<ReviewerStatus>,
    /// What waits for them.
    pub reviews: Reviews,
    /// What all did lately.
    pub lately: Lately,
}

/// Answers in a step of a job's time, by the step's number.
pub type Pace = BTreeMap<i64, PaceStep>;

/// What was done in a step of a job's time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PaceStep {
    /// Records whose units were done.
    pub records: i64,
    /// Reviews answered.
    pub answers: i64,
}

/// The round of a review is one more than the answers that it has; of a decided one, as many.
const REVIEWS: Sql = Sql::same(
    "SELECT state, kind, COUNT(*) AS reviews, CAST(SUM(round) AS BIGINT) AS rounds,
         COUNT(*) FILTER (WHERE lane = 'lead') AS for_leads
     FROM reviews WHERE job_id = $1 GROUP BY state, kind",
);
/// An undo is an entry of its own, without members: it counts as something done, and what it undoes does not.
const ANSWERS: Sql = Sql::same(
    "SELECT d.reviewer, MAX(d.at) AS last_at, COUNT(m.seq) FILTER (WHERE u.id IS NULL) AS hour,
         COUNT(m.seq) FILTER (WHERE u.id IS NULL AND d.at > $3) AS lately
     FROM decisions d LEFT JOIN decisions u ON u.undoes = d.id
     LEFT JOIN decision_members m ON m.decision_id = d.id
     WHERE d.job_id = $1 AND d.at > $2 GROUP BY d.reviewer ORDER BY d.reviewer",
);
const DAY: Sql = Sql::same(
    "SELECT d.reviewer, COUNT(*) AS answered FROM decisions d JOIN decision_members m ON m.decision_id = d.id
     WHERE d.job_id = $1 AND d.at > $2 AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.id)
     GROUP BY d.reviewer",
);
const HELD: Sql = Sql::same(
    "SELECT holder, COUNT(*) AS held FROM reviews
     WHERE job_id = $1 AND state = 'open' AND holder IS NOT NULL AND expires_at > $2
     GROUP BY holder ORDER BY holder",
);
/// Of the newest decisions, the answers to reviews that took several. The last one is known to be right only where somebody
/// else said the same: the third has the last word, and nobody looks at it.
const JUDGED: Sql = Sql::same(
    "WITH newest AS (
         SELECT id FROM decisions WHERE job_id = $1 AND at > $2 ORDER BY at DESC LIMIT $3),
     looked AS (
         SELECT DISTINCT r.seq, r.decision_id FROM newest n JOIN decision_members m ON m.decision_id = n.id
         JOIN reviews r ON r.job_id = m.job_id AND r.seq = m.seq
         WHERE r.state = 'decided' AND r.round > 1),
     said AS (
         SELECT m.seq, d.id, d.reviewer, l.decision_id, d.kind || m.changes AS effect
         FROM looked l JOIN decision_members m ON m.job_id = $1 AND m.seq = l.seq
         JOIN decisions d ON d.id = m.decision_id
         WHERE d.kind <> 'cannot_decide' AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.id)),
     compared AS (
         SELECT *, COUNT(*) OVER (PARTITION BY seq, effect) AS alike,
             MAX(CASE WHEN id = decision_id THEN effect END) OVER (PARTITION BY seq) AS stands
         FROM said)
     SELECT reviewer, COUNT(*) AS judged, COUNT(*) FILTER (WHERE effect <> stands) AS overruled
     FROM compared WHERE id <> decision_id OR alike > 1 GROUP BY reviewer",
);
/// Decisions that are looked at for it: enough to tell people apart, and few enough to be quick.
const NEWEST: i64 = 20_000;
const PAUSED: Sql = Sql::same(
    "SELECT reviewer FROM reviewer_pauses p WHERE p.paused
       AND EXISTS (SELECT 1 FROM decisions d WHERE d.reviewer = p.reviewer AND d.job_id = $1)",
);
const BEGAN: Sql = Sql::same("SELECT MIN(at) AS began FROM decisions WHERE job_id = $1");
const RECORDS: Sql = Sql::same(
    "SELECT (done_at - $2) / $3 AS step, CAST(SUM(last_seq - first_seq + 1) AS BIGINT) AS records
     FROM units WHERE job_id = $1 AND state = 'done' GROUP BY 1",
);
const ANSWERED: Sql = Sql::same(
    "SELECT (d.at - $2) / $3 AS step, COUNT(*) AS answers
     FROM decisions d JOIN decision_members m ON m.decision_id = d.id
     WHERE d.job_id = $1 AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.id)
     GROUP BY 1",
);

impl Store {
    /// The people on a job.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn shift(&self, job_id: i64, now: Timestamp) -> Result<Shift, StoreError> {
        self.read(move |tx| Box::pin(async move { shift(tx, job_id, now).await })).await
    }

    /// What each reviewer did on a job within the last 24 hours.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn shift_day(&self, job_id: i64, now: Timestamp) -> Result<HashMap<String, Day>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let mut people: HashMap<String, Day> = HashMap::new();
                for row in tx.rows(DAY, params![job_id, now - TODAY]).await? {
                    people.entry(row.text("reviewer")?).or_default().answered = row.int("answered")?;
                }
                for row in tx.rows(JUDGED, params![job_id, now - TODAY, NEWEST]).await? {
                    let person = people.entry(row.text("reviewer")?).or_default();
                    (person.judged, person.overruled) = (row.int("judged")?, row.int("overruled")?);
                }
                for (reviewer, answers) in rated(tx, job_id).await? {
                    let person = people.entry(reviewer).or_default();
                    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
                    person.known = count(answers.len());
                    person.known_wrong = count(answers.iter().filter(|answer| !answer.right).count());
                }
                Ok(people)
            })
        })
        .await
    }

    /// What was done in each step of a job's time, from `from` on; steps without anything are left out.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn pace(&self, job_id: i64, from: Timestamp, step: Duration) -> Result<Pace, StoreError> {
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        self.read(move |tx| {
            Box::pin(async move {
                let mut pace = Pace::new();
                for row in tx.rows(RECORDS, params![job_id, from, step]).await? {
                    pace.entry(row.int("step")?).or_default().records = row.int("records")?;
                }
                for row in tx.rows(ANSWERED, params![job_id, from, step]).await? {
                    pace.entry(row.int("step")?).or_default().answers = row.int("answers")?;
                }
                Ok(pace)
            })
        })
        .await
    }
}

async fn shift(tx: &mut Tx, job_id: i64, now: Timestamp) -> Result<Shift, StoreError> {
    let mut shift = Shift::default();
    for row in tx.rows(REVIEWS, params![job_id]).await? {
        add_reviews(&mut shift.reviews, &row)?;
    }
    let mut people = BTreeMap::new();
    for row in tx.rows(ANSWERS, params![job_id, now - ON_SHIFT, now - LATELY]).await? {
        let lately = row.int("lately")?;
        shift.lately.answers += lately;
        shift.lately.reviewers += i64::from(lately > 0);
        let person = status(&mut people, row.text("reviewer")?);
        person.hour = row.int("hour")?;
        person.last_at = row.maybe_int("last_at")?.map(Timestamp);
    }
    for row in tx.rows(HELD, params![job_id, now]).await? {
        status(&mut people, row.text("holder")?).held = row.int("held")?;
    }
    for row in tx.rows(PAUSED, params![job_id]).await? {
        status(&mut people, row.text("reviewer")?).paused = true;
    }
    let began = tx.row(BEGAN, params![job_id]).await?;
    shift.lately.began = began.map(|row| row.maybe_int("began")).transpose()?.flatten().map(Timestamp);
    shift.reviewers = people.into_values().collect();
    Ok(shift)
}

fn status(people: &mut BTreeMap<String, ReviewerStatus>, reviewer: String) -> &mut ReviewerStatus {
    let fresh = || ReviewerStatus { reviewer: reviewer.clone(), ..ReviewerStatus::default() };
    people.entry(reviewer.clone()).or_insert_with(fresh)
}

fn add_reviews(reviews: &mut Reviews, row: &Row) -> Result<(), StoreError> {
    let (count, rounds) = (row.int("reviews")?, row.int("rounds")?);
    if row.text("state")? == "open" {
        reviews.open += count;
        reviews.given += rounds - count;
        reviews.for_leads += row.int("for_leads")?;
        reviews.add_kind(&row.text("kind")?, count);
    } else {
        reviews.decided += count;
        reviews.taken += rounds;
    }
    Ok(())
}
