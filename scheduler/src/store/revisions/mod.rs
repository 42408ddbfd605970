//! Changes of what a job runs, after it has begun or even ended: a rule is taken back, or a corrected one runs in its place.
//!
//! Three steps, each small. Asking (`revise_job`) writes the change down and raises the job's ruleset, from which moment on
//! commits of earlier leases are refused. A loop (`sweep`) looks through the units that were done before, and makes those
//! ready again that the change concerns; their results stay in force meanwhile. Their next commit (`merge`) takes the new
//! results of the records that the change touched, except where people are at it, and keeps the others.

mod merge;
mod sweep;

pub(super) use merge::merge;
pub use sweep::Swept;
pub(super) use sweep::abandon;

use super::db::{Row, Sql, Tx, params};
use super::jobs::{self, json};
use super::{Job, JobConflict, Lane, Outbox, Store, StoreError, withdrawn};
use crate::domain::job::{JobRef, JobState, Violation};
use crate::domain::revise::Revision;
use crate::domain::time::Timestamp;

/// Places that one unit's row, or a whole revision, names.
const MOST_KEPT: usize = 10_000;

/// What to change in what a job runs.
#[derive(Debug, Clone, Default)]
pub struct Revise {
    /// The rule that it is about; empty: all that the replaced version did.
    pub rule: String,
    /// The rule is taken back.
    pub undo: bool,
    /// What runs in the place of what has the same name, as `name@version`, or empty.
    pub replacement: String,
}

/// A revision and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionStatus {
    /// What was asked.
    pub revision: Revision,
    /// Units that were run again.
    pub units: i64,
    /// Records with another result now.
    pub replaced: i64,
    /// Records that kept theirs for people's sake.
    pub kept: i64,
    /// The first of their places.
    pub kept_seqs: Vec<i64>,
    /// Units that kept all of their results, since workers failed on them.
    pub abandoned: i64,
}

const INSERT: Sql = Sql::same(
    "INSERT INTO revisions (job_id, ruleset, rule, undo, replacement, at) VALUES ($1, $2, $3, $4, $5, $6)",
);
const CHANGE: Sql = Sql::same(
    "UPDATE jobs SET ruleset = $2, pack_version = $3, validators = $4, rules_off = $5, paused_rules = $6, revising = TRUE,
         state = $7, units_done_at = NULL, ended_at = NULL
     WHERE id = $1",
);
const AFTER: Sql = Sql::same("SELECT * FROM revisions WHERE job_id = $1 AND ruleset > $2 ORDER BY ruleset");
const UNITS: Sql = Sql::same("SELECT * FROM revised_units WHERE job_id = $1 ORDER BY ruleset, unit_id");

impl Store {
    /// Changes what a job runs, and has its records run again where that matters. Asked again it is there already, which
    /// the flag says.
    ///
    /// # Errors
    /// [`JobConflict::Cancelled`], [`JobConflict::BlocksGone`], [`JobConflict::DryRun`], [`JobConflict::Withdrawn`];
    /// [`StoreError::Invalid`].
    pub async fn revise_job(
        &self,
        job: JobRef,
        ask: Revise,
        now: Timestamp,
    ) -> Result<(Job, Revision, bool), StoreError> {
        let outbox = self.outbox;
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let job = jobs::lock(tx, &job).await?;
                refuse(&job)?;
                let rules = change(&job, &ask)?;
                if rules.same_as(&job) {
                    let known = after(tx, job.id, 0).await?.into_iter().rev();
                    let mut known = known.filter(|known| known.is(&ask));
                    let revision = known.next().ok_or_else(|| nothing_to_do(&ask))?;
                    return Ok((job, revision, false));
                }
                let revision = write(tx, &job, rules, ask, now, outbox).await?;
                Ok((jobs::find(tx, &JobRef::Id(job.id)).await?, revision, true))
            })
        })
        .await
    }

    /// A job's revisions, oldest first, with how far each is.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn revisions(&self, job_id: i64) -> Result<Vec<RevisionStatus>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let revisions = after(tx, job_id, 0).await?;
                let units = tx.rows(UNITS, params![job_id]).await?;
                revisions.into_iter().map(|revision| status(revision, &units)).collect()
            })
        })
        .await
    }
}

/// What a job runs once it is changed.
struct Chain {
    pack_version: String,
    validators: Vec<String>,
    rules_off: Vec<String>,
    paused_rules: Vec<String>,
}

impl Chain {
    fn same_as(&self, job: &Job) -> bool {
        self.pack_version == job.spec.pack_version
            && self.validators == job.spec.validators
            && self.rules_off == job.spec.rules_off
            && self.paused_rules == job.paused_rules
    }
}

impl Revision {
    fn is(&self, ask: &Revise) -> bool {
        self.rule == ask.rule && self.undo == ask.undo && self.replacement == ask.replacement
    }
}

fn refuse(job: &Job) -> Result<(), StoreError> {
    let conflict = match job.state {
        JobState::Cancelled => JobConflict::Cancelled,
        _ if job.blocks_gone => JobConflict::BlocksGone,
        _ if job.spec.guard.dry_run => JobConflict::DryRun,
        _ => return Ok(()),
    };
    Err(StoreError::JobState(conflict))
}

fn change(job: &Job, ask: &Revise) -> Result<Chain, StoreError> {
    let invalid = |field, description: String| StoreError::Invalid(vec![Violation { field, description }]);
    if ask.undo && (ask.rule.is_empty() || !ask.replacement.is_empty()) {
        return Err(invalid("undo", "must come with a rule, and without a replacement".into()));
    }
    if ask.rule.is_empty() && ask.replacement.is_empty() {
        return Err(invalid("rule", "must name a rule, or give a replacement".into()));
    }
    let spec = &job.spec;
    let mut rules = Chain {
        pack_version: spec.pack_version.clone(),
        validators: spec.validators.clone(),
        rules_off: spec.rules_off.clone(),
        paused_rules: job.paused_rules.clone(),
    };
    if ask.undo {
        if !rules.rules_off.contains(&ask.rule) {
            rules.rules_off.push(ask.rule.clone());
        }
        rules.paused_rules.retain(|rule| *rule != ask.rule);
        return Ok(rules);
    }
    rules.rules_off.retain(|rule| *rule != ask.rule);
    rules.paused_rules.retain(|rule| *rule != ask.rule);
    if let Some((name, version)) = ask.replacement.split_once('@') {
        let of_name = |link: &&mut String| link.split_once('@').is_some_and(|(other, _)| other == name);
        if name == spec.pack {
            version.clone_into(&mut rules.pack_version);
        } else if let Some(link) = rules.validators.iter_mut().find(of_name) {
            link.clone_from(&ask.replacement);
        } else {
            let chain = spec.chain().join(", ");
            return Err(invalid("replacement", format!("must have a name that the job runs: {chain}")));
        }
        // What was to go to people for all of the old version does not for the new one.
        rules.paused_rules.retain(|rule| rule.strip_suffix(".*") != Some(name));
    }
    let named = crate::domain::job::JobSpec {
        pack_version: rules.pack_version.clone(),
        validators: rules.validators.clone(),
        rules_off: rules.rules_off.clone(),
        ..spec.clone()
    };
    match named.violations().into_iter().next() {
        Some(violation) => Err(invalid("replacement", violation.description)),
        None => Ok(rules),
    }
}

fn nothing_to_do(ask: &Revise) -> StoreError {
    let (field, description) = if ask.replacement.is_empty() {
        ("rule", "runs already: it is neither off nor paused. Give the corrected version as `replacement`")
    } else {
        ("replacement", "is what the job runs already")
    };
    StoreError::Invalid(vec![Violation { field, description: description.into() }])
}

async fn write(
    tx: &mut Tx,
    job: &Job,
    rules: Chain,
    ask: Revise,
    now: Timestamp,
    outbox: Outbox,
) -> Result<Revision, StoreError> {
    let state = if job.state == JobState::Importing { JobState::Importing } else { JobState::Running };
    let ruleset = job.ruleset + 1;
    let chain = params![
        job.id,
        ruleset,
        rules.pack_version,
        json(&rules.validators),
        json(&rules.rules_off),
        json(&rules.paused_rules),
        state.as_str(),
    ];
    tx.execute_exactly(1, CHANGE, chain).await?;
    let changed = jobs::find(tx, &JobRef::Id(job.id)).await?;
    if !withdrawn::of(tx, &changed.spec).await?.is_empty() {
        return Err(StoreError::JobState(JobConflict::Withdrawn));
    }
    let Revise { rule, undo, replacement } = ask;
    let row = params![job.id, ruleset, rule.as_str(), undo, replacement.as_str(), now];
    tx.execute_exactly(1, INSERT, row).await?;
    if state != job.state {
        outbox.job(tx, job.id, state, now).await?;
    }
    Ok(Revision { ruleset, rule, undo, replacement, at: now })
}

/// The revisions after a ruleset, oldest first.
pub(super) async fn after(tx: &mut Tx, job_id: i64, ruleset: i64) -> Result<Vec<Revision>, StoreError> {
    let read = |row: &Row| {
        Ok(Revision {
            ruleset: row.int("ruleset")?,
            rule: row.text("rule")?,
            undo: row.bool("undo")?,
            replacement: row.text("replacement")?,
            at: Timestamp(row.int("at")?),
        })
    };
    tx.rows(AFTER, params![job_id, ruleset]).await?.iter().map(read).collect()
}

fn status(revision: Revision, units: &[Row]) -> Result<RevisionStatus, StoreError> {
    let (mut units_run, mut replaced, mut kept, mut abandoned, mut kept_seqs) = (0, 0, 0, 0, Vec::new());
    for row in units {
        if row.int("ruleset")? != revision.ruleset {
            continue;
        }
        let seqs: Vec<i64> = row.json("kept")?;
        units_run += 1;
        replaced += row.int("replaced")?;
        kept += i64::try_from(seqs.len()).unwrap_or(i64::MAX);
        abandoned += i64::from(row.bool("abandoned")?);
        let room = MOST_KEPT.saturating_sub(kept_seqs.len());
        kept_seqs.extend(seqs.into_iter().take(room));
    }
    Ok(RevisionStatus { revision, units: units_run, replaced, kept, kept_seqs, abandoned })
}
