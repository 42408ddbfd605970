//! How good the rules were, and how right the records are in the end, where their truth is known.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use emend_proto::v1::{Grouping, Job, RecordResult, UnitBlocks};
use emend_vaccination::{Quality, Relations, Rightness, TruthLine, Verdict};
use emend_worker::{Change, Finding};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::fields::push_object;
use super::stream::UnitStream;
use super::truth::TruthFile;
use super::unit::{Entry, Only, for_each};
use crate::client::Client;

const AHEAD: usize = 2;

/// What a comparison with the truth gives.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Of the rules, whatever people decided afterwards.
    pub quality: Quality,
    /// Of the records, before people and after.
    pub rightness: Rightness,
    /// Of the checks of groups, where the job is grouped.
    pub relations: Option<Relations>,
}

/// A record to be compared with its truth.
struct Judged {
    key: String,
    result: RecordResult,
    /// The rules' verdict.
    verdict: Verdict,
    /// Its fields as the rules left them, a JSON object.
    before: Vec<u8>,
    /// With people's decision, where there is one that changes something.
    after: Option<Vec<u8>>,
    rejected: bool,
}

/// Compares a finished job's records, which were imported from the file that `truth` tells of, with the truth.
///
/// # Errors
/// When the records cannot be had, or the truth is that of others.
pub async fn measure(client: &Client, job: &str, truth: &Path) -> Result<Measured> {
    let job = super::find(client, job).await?;
    let (units, receive) = mpsc::channel(AHEAD);
    let (truth, measured) = (truth.to_owned(), Measured::of(&job));
    let judge = spawn_blocking(move || compare(&truth, measured, receive));
    let work = Arc::new(records);
    let read =
        UnitStream::new(client, &job, &Only::default(), false, work, units, "measuring").read_all().await;
    let measured = judge.await.context("the comparison stopped")??;
    read?;
    Ok(measured)
}

fn records(unit: &UnitBlocks) -> Result<Vec<Judged>> {
    let mut records = Vec::new();
    for_each(unit, &Only::default(), |entry| {
        records.push(judged(&entry)?);
        Ok(())
    })?;
    Ok(records)
}

fn judged(entry: &Entry<'_>) -> Result<Judged> {
    let fields = |changes: &[emend_proto::v1::Change]| {
        let mut fields = Vec::with_capacity(entry.record.payload.len() + 64);
        push_object(&mut fields, &entry.record.payload, changes)?;
        anyhow::Ok(fields)
    };
    let by_hand = entry.decision.is_some_and(|decision| !decision.changes.is_empty());
    Ok(Judged {
        key: entry.record.key.clone(),
        result: entry.result.cloned().context("it is pending")?,
        verdict: match entry.verdict() {
            "valid" => Verdict::Valid,
            "corrected" => Verdict::Corrected,
            "routed" => Verdict::Routed,
            _ => Verdict::Failed,
        },
        before: fields(entry.by_rule())?,
        after: if by_hand { Some(fields(&entry.changes())?) } else { None },
        rejected: entry.is_rejected(),
    })
}

fn compare(
    truth: &Path,
    mut measured: Measured,
    mut units: mpsc::Receiver<Option<Vec<Judged>>>,
) -> Result<Measured> {
    let mut truths = TruthFile::open(truth, measured.relations.is_some())?;
    while let Some(Some(unit)) = units.blocking_recv() {
        for record in unit {
            measured.observe(&truths.of(&record.key)?, record)?;
        }
    }
    Ok(measured)
}

impl Measured {
    /// No records yet, of this job.
    fn of(job: &Job) -> Self {
        let fields =
            |grouping: &Grouping| -> Vec<String> { grouping.by.iter().map(|by| by.field.clone()).collect() };
        let relations = job.grouping.as_ref().map(|grouping| Relations::new(&fields(grouping)));
        Self { relations, ..Self::default() }
    }

    fn observe(&mut self, TruthLine { truth, related }: &TruthLine, record: Judged) -> Result<()> {
        let changes: Vec<Change> = record
            .result
            .changes
            .into_iter()
            .map(|change| Change {
                field: change.field.into(),
                before: change.before,
                after: change.after,
                rule: change.rule.into(),
            })
            .collect();
        let findings: Vec<Finding> = record
            .result
            .findings
            .into_iter()
            .map(|finding| Finding {
                code: finding.code.into(),
                field: finding.field.into(),
                proposals: finding.proposals,
                rule: finding.rule.into(),
            })
            .collect();
        let before = parse(&record.key, &record.before)?;
        // What only its group can show is no fault of the rules of one record; `relations` count whether it was found.
        if related.as_ref().is_none_or(|related| related.finding.is_none()) {
            self.quality.observe(truth, before.fields(), &changes, &findings, record.verdict);
        }
        if let (Some(relations), Some(related)) = (&mut self.relations, related) {
            relations.observe(related, &findings);
        }
        let after = record.after.as_deref().map(|fields| parse(&record.key, fields)).transpose()?;
        let after = after.as_ref().unwrap_or(&before);
        self.rightness.observe(truth, before.fields(), after.fields(), record.rejected);
        Ok(())
    }
}

fn parse<'r>(key: &'r str, fields: &'r [u8]) -> Result<emend_worker::Record<'r>> {
    // The parser's own message would hold a piece of the record.
    emend_worker::Record::parse(key, fields).ok().context("its fields are damaged")
}
