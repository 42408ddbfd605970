//! How good the rules were, and how right the records are in the end, where their truth is known.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use emend_proto::v1::{RecordResult, UnitBlocks};
use emend_vaccination::{Quality, Rightness, Truth, Verdict};
use emend_worker::{Change, Finding};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::fields::push_object;
use super::stream::UnitStream;
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

/// Compares a finished job's records, which were imported in the order of `truth`, with the truth.
///
/// # Errors
/// When the records cannot be had, or the truth is that of others.
pub async fn measure(client: &Client, job: &str, truth: &Path) -> Result<Measured> {
    let job = super::find(client, job).await?;
    let (units, receive) = mpsc::channel(AHEAD);
    let truth = truth.to_owned();
    let judge = spawn_blocking(move || compare(&truth, receive));
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

fn compare(truth: &Path, mut units: mpsc::Receiver<Option<Vec<Judged>>>) -> Result<Measured> {
    let at = || truth.display().to_string();
    let mut lines = BufReader::with_capacity(256 * 1024, File::open(truth).with_context(at)?);
    let (mut measured, mut line) = (Measured::default(), String::new());
    while let Some(Some(unit)) = units.blocking_recv() {
        for record in unit {
            line.clear();
            lines.read_line(&mut line).with_context(at)?;
            let truth: Truth = serde_json::from_str(&line).with_context(at)?;
            if truth.key != record.key {
                bail!("{} is not the truth of this job: its records are others", at());
            }
            measured.observe(&truth, record)?;
        }
    }
    Ok(measured)
}

impl Measured {
    fn observe(&mut self, truth: &Truth, record: Judged) -> Result<()> {
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
        self.quality.observe(truth, before.fields(), &changes, &findings, record.verdict);
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
