//! How good the rules were, on records whose truth is known.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use emend_proto::v1::{Record, RecordResult, UnitBlocks};
use emend_vaccination::{Quality, Truth, Verdict};
use emend_worker::{Change, Finding};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::fields::push_object;
use super::stream::UnitStream;
use super::unit::{Only, for_each, verdict_name};
use crate::client::Client;

const AHEAD: usize = 2;

/// A record with the changes applied to its payload, and its result.
type Judged = (Record, RecordResult);

/// Compares a finished job's records, which were imported in the order of `truth`, with the truth.
///
/// # Errors
/// When the records cannot be had, or the truth is that of others.
pub async fn measure(client: &Client, job: &str, truth: &Path) -> Result<Quality> {
    let job = super::find(client, job).await?;
    let (units, receive) = mpsc::channel(AHEAD);
    let truth = truth.to_owned();
    let judge = spawn_blocking(move || compare(&truth, receive));
    let work = Arc::new(records);
    let read =
        UnitStream::new(client, &job, &Only::default(), false, work, units, "measuring").read_all().await;
    let quality = judge.await.context("the comparison stopped")??;
    read?;
    Ok(quality)
}

fn records(unit: &UnitBlocks) -> Result<Vec<Judged>> {
    let mut records = Vec::new();
    for_each(unit, &Only::default(), |record, result| {
        let result = result.cloned().context("it is pending")?;
        let mut fields = Vec::with_capacity(record.payload.len() + 64);
        push_object(&mut fields, &record.payload, &result.changes)?;
        records.push((Record { payload: fields.into(), ..record.clone() }, result));
        Ok(())
    })?;
    Ok(records)
}

fn compare(truth: &Path, mut units: mpsc::Receiver<Option<Vec<Judged>>>) -> Result<Quality> {
    let at = || truth.display().to_string();
    let mut lines = BufReader::with_capacity(256 * 1024, File::open(truth).with_context(at)?);
    let (mut quality, mut line) = (Quality::new(), String::new());
    while let Some(Some(unit)) = units.blocking_recv() {
        for (record, result) in unit {
            line.clear();
            lines.read_line(&mut line).with_context(at)?;
            let truth: Truth = serde_json::from_str(&line).with_context(at)?;
            if truth.key != record.key {
                bail!("{} is not the truth of this job: its records are others", at());
            }
            observe(&mut quality, &truth, &record, result)?;
        }
    }
    Ok(quality)
}

fn observe(quality: &mut Quality, truth: &Truth, record: &Record, result: RecordResult) -> Result<()> {
    let verdict = match verdict_name(Some(&result)) {
        "valid" => Verdict::Valid,
        "corrected" => Verdict::Corrected,
        "routed" => Verdict::Routed,
        _ => Verdict::Failed,
    };
    let changes: Vec<Change> = result
        .changes
        .into_iter()
        .map(|change| Change {
            field: change.field.into(),
            before: change.before,
            after: change.after,
            rule: change.rule.into(),
        })
        .collect();
    let findings: Vec<Finding> = result
        .findings
        .into_iter()
        .map(|finding| Finding {
            code: finding.code.into(),
            field: finding.field.into(),
            proposals: finding.proposals,
        })
        .collect();
    let fields = emend_worker::Record::parse(&record.key, &record.payload).ok().context("damaged fields")?;
    quality.observe(truth, fields.fields(), &changes, &findings, verdict);
    Ok(())
}
