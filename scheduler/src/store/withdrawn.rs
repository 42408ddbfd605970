//! Versions of packs, rule files and validators that no job is to run any more.

use super::db::{Row, Sql, Tx, params};
use super::{Lane, Store, StoreError};
use crate::domain::job::{JobSpec, Violation};
use crate::domain::time::Timestamp;

const INSERT: Sql =
    Sql::same("INSERT INTO withdrawn (version, at) VALUES ($1, $2) ON CONFLICT (version) DO NOTHING");
/// Whoever holds a unit of such a job has leased it under an earlier ruleset: its commit is refused.
const STOP: Sql = Sql::pair(
    "UPDATE jobs SET paused = TRUE, ruleset = ruleset + 1
     WHERE state IN ('importing', 'running') AND NOT deleted
       AND (pack || '@' || pack_version = $1
            OR EXISTS (SELECT 1 FROM json_array_elements_text(validators::json) AS v WHERE v = $1))
     RETURNING id",
    "UPDATE jobs SET paused = TRUE, ruleset = ruleset + 1
     WHERE state IN ('importing', 'running') AND NOT deleted
       AND (pack || '@' || pack_version = $1 OR EXISTS (SELECT 1 FROM json_each(validators) WHERE value = $1))
     RETURNING id",
);
const OF: Sql = Sql::pair(
    "SELECT version FROM withdrawn WHERE version = ANY($1) ORDER BY version",
    "SELECT version FROM withdrawn WHERE version IN (SELECT value FROM json_each($1)) ORDER BY version",
);

impl Store {
    /// Takes `name@version` out of use: unfinished jobs that run it are paused, and what is in work for them is refused.
    /// Answers which jobs; none when it was withdrawn before.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn withdraw(&self, version: String, now: Timestamp) -> Result<Vec<i64>, StoreError> {
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                if tx.execute(INSERT, params![version.as_str(), now]).await? == 0 {
                    return Ok(Vec::new());
                }
                tx.rows(STOP, params![version]).await?.iter().map(|row| row.int("id")).collect()
            })
        })
        .await
    }

    /// What a job runs that was withdrawn, each as `name@version`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn withdrawn(&self, spec: &JobSpec) -> Result<Vec<String>, StoreError> {
        let chain = spec.chain();
        self.read(move |tx| Box::pin(async move { among(tx, chain).await })).await
    }
}

/// What a job runs that was withdrawn.
pub(super) async fn of(tx: &mut Tx, spec: &JobSpec) -> Result<Vec<String>, StoreError> {
    among(tx, spec.chain()).await
}

/// A new job runs nothing that was withdrawn.
pub(super) async fn refuse(tx: &mut Tx, spec: &JobSpec) -> Result<(), StoreError> {
    let withdrawn = of(tx, spec).await?;
    let Some(first) = withdrawn.first() else { return Ok(()) };
    let field = if spec.validators.contains(first) { "validators" } else { "pack.version" };
    let description = format!("must not be {first}: that version was withdrawn; give another one");
    Err(StoreError::Invalid(vec![Violation { field, description }]))
}

async fn among(tx: &mut Tx, chain: Vec<String>) -> Result<Vec<String>, StoreError> {
    tx.rows(OF, params![chain]).await?.iter().map(|row: &Row| row.text("version")).collect()
}
