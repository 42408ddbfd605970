//! Two runs on the same records, compared by rule and field.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{Result, bail};
use emend_proto::v1::UnitBlocks;
use serde::Serialize;
use tokio::sync::mpsc;

use super::stream::UnitStream;
use super::unit::{Entry, Only, for_each};
use super::{AHEAD, find};
use crate::client::Client;

/// What a person changed stands under this, beside the rules.
const BY_HAND: &str = "by hand";

/// What differs between two jobs.
#[derive(Debug, Default, Serialize)]
pub struct Diff {
    /// Records that both hold.
    pub records: u64,
    /// Of those, records on which they agree in everything.
    pub same: u64,
    /// Records that only the one or the other holds.
    pub only_in: [u64; 2],
    /// Records by the verdicts in which they differ, as `a → b`.
    pub verdicts: BTreeMap<String, Difference>,
    /// Records by the field whose value differs.
    pub fields: BTreeMap<String, Difference>,
    /// Changes by the rule that made them in one of the two alone, or made something else.
    pub rules: BTreeMap<String, Sides>,
    /// Findings by the code that only one of the two has.
    pub findings: BTreeMap<String, Sides>,
}

/// How many records, and some of their keys.
#[derive(Debug, Default, Serialize)]
pub struct Difference {
    /// How many.
    pub records: u64,
    /// The first of them.
    pub keys: Vec<String>,
}

/// What only one of the two has.
#[derive(Debug, Default, Serialize)]
pub struct Sides {
    /// In the first job alone.
    pub a: u64,
    /// In the second job alone.
    pub b: u64,
    /// Some of the records.
    pub keys: Vec<String>,
}

/// What is compared of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    verdict: &'static str,
    /// Field, rule, and the value that it left.
    changes: Vec<(String, String, String)>,
    findings: Vec<String>,
}

/// Compares job `a` with job `b`, naming up to `each` records for every difference.
///
/// # Errors
/// When a job cannot be read whole.
pub async fn diff(client: &Client, a: &str, b: &str, each: usize) -> Result<Diff> {
    let client = client.clone().patient();
    let (send_a, receive_a) = mpsc::channel(AHEAD);
    let (send_b, receive_b) = mpsc::channel(AHEAD);
    let only = Only::default();
    let (job_a, job_b) = (find(&client, a).await?, find(&client, b).await?);
    let work = Arc::new(|unit: &UnitBlocks| seen(unit));
    let first = UnitStream::new(&client, &job_a, &only, false, work.clone(), send_a, "reading the first");
    let second = UnitStream::new(&client, &job_b, &only, false, work, send_b, "reading the second");
    // A reader that fails closes its channel, and so ends the comparison.
    let compared = compare(receive_a, receive_b, each);
    let (read_a, read_b, diff) = tokio::join!(first.read_all(), second.read_all(), compared);
    read_a?;
    read_b?;
    if diff.records == 0 {
        bail!("jobs `{a}` and `{b}` have no record in common: they must hold the same records, by key");
    }
    Ok(diff)
}

type Piece = Vec<(String, Seen)>;

fn seen(unit: &UnitBlocks) -> Result<Piece> {
    let mut all = Vec::new();
    for_each(unit, &Only::default(), |entry: Entry<'_>| {
        let by_rule = entry.by_rule().len();
        let changes = entry.changes();
        let changes = changes.iter().enumerate().map(|(at, change)| {
            let rule = if at < by_rule { change.rule.clone() } else { BY_HAND.to_owned() };
            (change.field.clone(), rule, change.after.clone())
        });
        let changes = changes.collect();
        let findings = entry.result.map_or(&[][..], |result| &result.findings);
        let findings = findings.iter().map(|finding| finding.code.clone()).collect();
        all.push((entry.record.key.clone(), Seen { verdict: entry.verdict(), changes, findings }));
        Ok(())
    })?;
    Ok(all)
}

/// Takes units of both in turn. Records of jobs in the same order meet at once; others wait for each other.
async fn compare(
    mut a: mpsc::Receiver<Option<Piece>>,
    mut b: mpsc::Receiver<Option<Piece>>,
    each: usize,
) -> Diff {
    let (mut diff, mut waiting) = (Diff::default(), [HashMap::new(), HashMap::new()]);
    let mut open = [true, true];
    while open != [false, false] {
        for side in [0, 1] {
            if !open[side] {
                continue;
            }
            let piece = if side == 0 { a.recv().await } else { b.recv().await };
            let Some(Some(piece)) = piece else {
                open[side] = false;
                continue;
            };
            for (key, seen) in piece {
                match waiting[1 - side].remove(&key) {
                    None => drop(waiting[side].insert(key, seen)),
                    Some(other) if side == 0 => diff.add(&key, &seen, &other, each),
                    Some(other) => diff.add(&key, &other, &seen, each),
                }
            }
        }
    }
    diff.only_in = waiting.map(|left: HashMap<String, Seen>| left.len() as u64);
    diff
}

impl Diff {
    fn add(&mut self, key: &str, a: &Seen, b: &Seen, each: usize) {
        self.records += 1;
        if a == b {
            self.same += 1;
            return;
        }
        if a.verdict != b.verdict {
            let both = format!("{} → {}", a.verdict, b.verdict);
            self.verdicts.entry(both).or_default().add(key, each);
        }
        let (left, right) = (a.values(), b.values());
        let mut fields: Vec<&str> = left.keys().chain(right.keys()).copied().collect();
        fields.sort_unstable();
        fields.dedup();
        for field in fields {
            if left.get(field) != right.get(field) {
                self.fields.entry(field.to_owned()).or_default().add(key, each);
            }
        }
        for change in a.changes.iter().filter(|change| !b.changes.contains(change)) {
            self.rules.entry(change.1.clone()).or_default().add(0, key, each);
        }
        for change in b.changes.iter().filter(|change| !a.changes.contains(change)) {
            self.rules.entry(change.1.clone()).or_default().add(1, key, each);
        }
        for code in a.findings.iter().filter(|code| !b.findings.contains(code)) {
            self.findings.entry(code.clone()).or_default().add(0, key, each);
        }
        for code in b.findings.iter().filter(|code| !a.findings.contains(code)) {
            self.findings.entry(code.clone()).or_default().add(1, key, each);
        }
    }
}

impl Seen {
    /// Each changed field's last value.
    fn values(&self) -> BTreeMap<&str, &str> {
        self.changes.iter().map(|(field, _, after)| (field.as_str(), after.as_str())).collect()
    }
}

impl Difference {
    fn add(&mut self, key: &str, each: usize) {
        self.records += 1;
        if self.keys.len() < each {
            self.keys.push(key.to_owned());
        }
    }
}

impl Sides {
    fn add(&mut self, side: usize, key: &str, each: usize) {
        if side == 0 {
            self.a += 1;
        } else {
            self.b += 1;
        }
        if self.keys.len() < each && self.keys.last().is_none_or(|last| last != key) {
            self.keys.push(key.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(verdict: &'static str, changes: &[(&str, &str, &str)], findings: &[&str]) -> Seen {
        let owned = |&(field, rule, after): &(&str, &str, &str)| (field.into(), rule.into(), after.into());
        Seen {
            verdict,
            changes: changes.iter().map(owned).collect(),
            findings: findings.iter().map(|&code| code.into()).collect(),
        }
    }

    async fn compared(a: Vec<Piece>, b: Vec<Piece>) -> Diff {
        let (send_a, receive_a) = mpsc::channel(AHEAD);
        let (send_b, receive_b) = mpsc::channel(AHEAD);
        let send = async |sender: mpsc::Sender<Option<Piece>>, pieces: Vec<Piece>| {
            for piece in pieces {
                sender.send(Some(piece)).await.unwrap();
            }
            sender.send(None).await.unwrap();
        };
        let (_, _, diff) = tokio::join!(send(send_a, a), send(send_b, b), compare(receive_a, receive_b, 1));
        diff
    }

    #[tokio::test]
    async fn two_runs_differ_by_verdict_field_rule_and_finding() {
        let one = |key: &str, seen: &Seen| (key.to_owned(), seen.clone());
        let plain = seen("valid", &[], &[]);
        let by_a = seen("corrected", &[("f", "a.r", "1"), ("g", "x", "2")], &[]);
        let by_b = seen("routed", &[("g", "x", "2")], &["f.odd"]);
        // In another order and cut otherwise: it is the keys that count.
        let a = vec![vec![one("1", &plain), one("2", &by_a)], vec![one("3", &by_a), one("4", &plain)]];
        let b = vec![vec![one("3", &by_b)], vec![one("2", &by_a)], vec![one("1", &plain), one("5", &plain)]];
        let diff = compared(a, b).await;
        assert_eq!((diff.records, diff.same, diff.only_in), (3, 2, [1, 1]));
        assert_eq!(diff.verdicts["corrected → routed"].keys, ["3"]);
        assert_eq!(diff.fields.keys().collect::<Vec<_>>(), ["f"]);
        assert_eq!((diff.rules["a.r"].a, diff.rules["a.r"].b), (1, 0));
        assert_eq!((diff.findings["f.odd"].a, diff.findings["f.odd"].b), (0, 1));
        assert!(!diff.rules.contains_key("x"));
    }
}
