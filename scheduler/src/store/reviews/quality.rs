//! What people say of the rules: counted over the sample, and a rule that is wrong too often is paused.

use std::collections::BTreeMap;

use super::super::db::{Sql, Tx, params};
use super::super::{Lane, Outbox, Store, StoreError};
use crate::domain::quality::RuleQuality;
use crate::domain::review::HandChange;
use crate::domain::time::Timestamp;

/// Decided samples, with what the decision that stands changes.
const SAMPLES: Sql = Sql::same(
    "SELECT r.sampled, m.changes FROM reviews r
     JOIN decision_members m ON m.job_id = r.job_id AND m.seq = r.seq AND m.decision_id = r.decision_id
     WHERE r.job_id = $1 AND r.sampled IS NOT NULL AND r.state = 'decided'",
);
const SAMPLING: Sql = Sql::same(
    "SELECT id, error_limit_ppm, paused_rules FROM jobs
     WHERE sample_ppm > 0 AND state IN ('importing', 'running') AND NOT deleted",
);
const PAUSE: Sql = Sql::same("UPDATE jobs SET paused_rules = $2 WHERE id = $1 AND paused_rules = $3");

impl Store {
    /// What people said of each rule's changes, by rule.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn rule_quality(&self, job_id: i64) -> Result<Vec<RuleQuality>, StoreError> {
        self.read(move |tx| Box::pin(async move { quality(tx, job_id).await })).await
    }

    /// Pauses rules that are wrong too often in jobs that still have work; answers which, by job. Any number of
    /// schedulers may run it.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn pause_rules(&self, now: Timestamp) -> Result<Vec<(i64, String)>, StoreError> {
        let outbox = self.outbox;
        let sampling = self.read(|tx| Box::pin(async move { tx.row(SAMPLING, params![]).await }));
        if sampling.await?.is_none() {
            return Ok(Vec::new());
        }
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let mut paused = Vec::new();
                for row in tx.rows(SAMPLING, params![]).await? {
                    let (job_id, before) = (row.int("id")?, row.text("paused_rules")?);
                    #[expect(clippy::cast_precision_loss, reason = "millionths")]
                    let limit = row.int("error_limit_ppm")? as f64 / 1e6;
                    let mut rules: Vec<String> = row.json("paused_rules")?;
                    let failing = quality(tx, job_id).await?.into_iter().filter(|rule| rule.fails(limit));
                    let new: Vec<String> =
                        failing.map(|quality| quality.rule).filter(|rule| !rules.contains(rule)).collect();
                    if new.is_empty() {
                        continue;
                    }
                    rules.extend(new.iter().cloned());
                    let after = serde_json::to_string(&rules).expect("texts are always JSON");
                    if tx.execute(PAUSE, params![job_id, after, before]).await? == 1 {
                        let number = i64::try_from(rules.len()).unwrap_or(i64::MAX);
                        outbox.alert(tx, job_id, number, Outbox::RULES_PAUSED, now).await?;
                        paused.extend(new.into_iter().map(|rule| (job_id, rule)));
                    }
                }
                Ok(paused)
            })
        })
        .await
    }
}

async fn quality(tx: &mut Tx, job_id: i64) -> Result<Vec<RuleQuality>, StoreError> {
    let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for row in tx.rows(SAMPLES, params![job_id]).await? {
        // The parser's own message would hold a piece of a record.
        let rules: Option<Vec<(String, String)>> = serde_json::from_str(&row.text("sampled")?).ok();
        let changes: Option<Vec<HandChange>> = serde_json::from_str(&row.text("changes")?).ok();
        let (Some(rules), Some(changes)) = (rules, changes) else {
            return Err(StoreError::Internal("a sample cannot be read".into()));
        };
        for (field, rule) in rules {
            let count = counts.entry(rule).or_default();
            count.0 += 1;
            count.1 += u64::from(changes.iter().any(|change| change.field == field));
        }
    }
    let counted = counts.into_iter().map(|(rule, (sampled, wrong))| RuleQuality { rule, sampled, wrong });
    Ok(counted.collect())
}
