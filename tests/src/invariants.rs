//! What must hold after every fault, whatever it was: read back from the store, and from behind its back.

use std::collections::HashMap;

use emend_proto::decode;
use emend_proto::v1::{Record, RecordResult};
use emend_scheduler::domain::commit::Content;
use emend_scheduler::domain::results::Results;
use emend_scheduler::domain::unit::UnitState;
use emend_scheduler::store::{Having, Job, Store, UnitBlocks, UnitStatus};

use crate::database::Database;

/// A commit that somebody was told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// Its unit.
    pub unit_id: i64,
    /// The epoch of its lease.
    pub epoch: i64,
    /// The id in its receipt.
    pub commit_id: String,
}

/// What a worker was told, by its log in JSON with `emend_worker` at debug. A line that a kill cut short says nothing.
pub fn acknowledged(log: &str) -> Vec<Acknowledged> {
    let read = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        let (unit_id, epoch) = line["unit"].as_i64().zip(line["epoch"].as_i64())?;
        Some(Acknowledged { unit_id, epoch, commit_id: line["commit"].as_str()?.to_owned() })
    };
    log.lines().filter(|line| line.contains("\"committed\"")).filter_map(read).collect()
}

/// Rows that nothing leads to any more. A deleted job's go step by step, so ask when that is over.
const ORPHANS: [(&str, &str); 3] = [
    (
        "blocks without a unit",
        "SELECT COUNT(*) FROM blocks b WHERE NOT EXISTS (SELECT 1 FROM units u WHERE u.id = b.unit_id)",
    ),
    (
        "units without a job",
        "SELECT COUNT(*) FROM units u WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = u.job_id)",
    ),
    (
        "results of units that are not done",
        "SELECT COUNT(*) FROM blocks b JOIN units u ON u.id = b.unit_id WHERE b.revision > 0 AND u.state <> 'done'",
    ),
];
/// Units and blocks read at once.
const PAGE: u32 = 1_000;

/// Every invariant that does not hold, in words; empty when all do. Of `acknowledged`, each must be there.
///
/// # Panics
/// When the store cannot be read.
pub async fn broken(store: &Store, database: &Database, acknowledged: &[Acknowledged]) -> Vec<String> {
    let mut found = Vec::new();
    for (what, count) in ORPHANS {
        let count = database.int(count).await;
        if count > 0 {
            found.push(format!("{count} {what}"));
        }
    }
    let mut commits = HashMap::new();
    for job in store.jobs(i64::MAX, 1_000).await.expect("jobs are listed") {
        let units = units(store, &job).await;
        let accepted = "SELECT CAST(COALESCE(SUM(accepted), 0) AS BIGINT) FROM imports WHERE job_id";
        let records = database.int(&format!("{accepted} = {}", job.id)).await;
        check_units(&job, records, &units, &mut found);
        check_keys(database, &job, records, &mut found).await;
        if !job.blocks_gone {
            check_blocks(store, &job, &units, &mut found).await;
        }
        commits.extend(units.into_iter().filter_map(|unit| {
            unit.unit.receipt.map(|receipt| (receipt.unit_id, (receipt.epoch, receipt.commit_id)))
        }));
    }
    for told in acknowledged {
        let there = commits.get(&told.unit_id);
        if there.is_none_or(|(epoch, commit)| (*epoch, commit) != (told.epoch, &told.commit_id)) {
            found.push(format!("acknowledged and not there: {told:?}, but {there:?}"));
        }
    }
    found
}

/// Checks that all invariants hold.
///
/// # Panics
/// When one does not.
pub async fn hold(store: &Store, database: &Database, acknowledged: &[Acknowledged]) {
    let broken = broken(store, database, acknowledged).await;
    let first = &broken[..broken.len().min(5)];
    assert!(broken.is_empty(), "{} invariants are broken, such as {first:#?}", broken.len());
}

async fn units(store: &Store, job: &Job) -> Vec<UnitStatus> {
    let mut units: Vec<UnitStatus> = Vec::new();
    loop {
        let after = units.last().map_or(0, |unit| unit.unit.first_seq);
        let page = store.units(job.id, None, after, PAGE).await.expect("units are listed");
        if page.is_empty() {
            return units;
        }
        units.extend(page);
    }
}

/// Every record is in one unit, and a unit's counts are those of its state.
fn check_units(job: &Job, records: i64, units: &[UnitStatus], found: &mut Vec<String>) {
    let mut next = 1;
    for UnitStatus { unit, verdicts, .. } in units {
        if unit.first_seq != next {
            found.push(format!("unit {} begins at {}, not at {next}", unit.id, unit.first_seq));
        }
        next = unit.last_seq + 1;
        let settled = verdicts.valid + verdicts.corrected + verdicts.routed + verdicts.failed;
        let is_done = unit.state == UnitState::Done;
        let expected = if is_done { unit.records() } else { 0 };
        if settled != expected || is_done != unit.receipt.is_some() {
            found.push(format!("unit {} is {:?} with {settled} verdicts", unit.id, unit.state));
        }
    }
    if next != records + 1 {
        found.push(format!("job {}: {records} records imported, {} in units", job.id, next - 1));
    }
}

/// As many keys as records.
async fn check_keys(database: &Database, job: &Job, records: i64, found: &mut Vec<String>) {
    let id = job.id;
    let listed = database.int(&format!("SELECT COUNT(*) FROM keys WHERE job_id = {id}")).await;
    let runs = "SELECT CAST(COALESCE(SUM(last_seq - first_seq + 1), 0) AS BIGINT) FROM key_runs";
    let run = database.int(&format!("{runs} WHERE job_id = {id}")).await;
    if !job.blocks_gone && listed + run != records {
        found.push(format!("job {id}: {records} records, {} keys", listed + run));
    }
}

/// Blocks are sound and whole; results are those that the receipt names, and every changed value has its provenance.
async fn check_blocks(store: &Store, job: &Job, units: &[UnitStatus], found: &mut Vec<String>) {
    let receipts: HashMap<_, _> =
        units.iter().filter_map(|unit| unit.unit.receipt.as_ref().map(|it| (it.unit_id, it))).collect();
    let (mut after, mut seen) = (0, 0);
    loop {
        let page = store.unit_blocks(job.id, Having::Anything, after, PAGE).await.expect("blocks are read");
        let Some(last) = page.last() else { break };
        after = last.last_seq;
        seen += page.len();
        for unit in &page {
            let digest = receipts.get(&unit.unit_id).map(|receipt| receipt.digest.as_slice());
            if let Err(what) = check_unit(unit, digest) {
                found.push(format!("unit {}: {what}", unit.unit_id));
            }
        }
    }
    if seen != units.len() {
        found.push(format!("job {}: {} units, {seen} with blocks", job.id, units.len()));
    }
}

fn check_unit(unit: &UnitBlocks, digest: Option<&[u8]>) -> Result<(), String> {
    unit.records.verify().map_err(|error| format!("records: {error}"))?;
    let records = decode::<Record>(&unit.records).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let records = records.map_err(|error| format!("records: {error}"))?;
    if i64::try_from(records.len()) != Ok(unit.last_seq - unit.first_seq + 1) {
        return Err(format!("{} records for {}..={}", records.len(), unit.first_seq, unit.last_seq));
    }
    let (Some(block), Some(digest)) = (&unit.results, digest) else {
        return if unit.results.is_some() || digest.is_some() {
            Err("results without a receipt, or a receipt without results".into())
        } else {
            Ok(())
        };
    };
    let Content::Sound(sound) = Results::read(block.clone()) else {
        return Err("results are unsound".into());
    };
    if sound.digest != digest || (sound.first_seq, sound.last_seq) != (unit.first_seq, unit.last_seq) {
        return Err("the results are not those of the receipt".into());
    }
    let results = decode::<RecordResult>(block).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let results = results.map_err(|error| format!("results: {error}"))?;
    records.iter().zip(&results).try_for_each(|(record, result)| check_provenance(record, result))
}

/// Each change starts from the value that the record, or the change before it, left.
fn check_provenance(record: &Record, result: &RecordResult) -> Result<(), String> {
    let payload: HashMap<String, serde_json::Value> =
        serde_json::from_slice(&record.payload).map_err(|_| format!("record {} is no object", result.seq))?;
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut values: HashMap<&str, String> = HashMap::new();
    for change in &result.changes {
        let field = change.field.as_str();
        let before = values.remove(field).or_else(|| payload.get(field).map(text)).unwrap_or_default();
        if change.rule.is_empty() || change.before != before {
            return Err(format!("record {}: field {field} was not what {} found", result.seq, change.rule));
        }
        values.insert(field, change.after.clone());
    }
    Ok(())
}
