//! Which of a job's records are for people.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use emend_proto::v1::{Job, UnitBlocks};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::fields::Picker;
use super::stream::UnitStream;
use super::unit::{Entry, Only, for_each};
use crate::client::Client;

const AHEAD: usize = 4;

/// A record that is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForPeople {
    /// Its place.
    pub seq: u64,
    /// What one who decides on its cluster chooses from. None where it is in no cluster.
    pub alike: Option<Options>,
}

/// What may be said of a single finding by one word for many records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The field at issue.
    pub field: String,
    /// What stands there.
    pub value: String,
    /// Best first.
    pub proposals: Vec<String>,
}

/// The records that a person decides on, or may have to: a pending record's verdict is not known yet, and of corrected ones
/// the scheduler draws a sample. By key.
///
/// # Errors
/// When the records cannot be had.
pub async fn for_people(client: &Client, job: &Job) -> Result<HashMap<String, ForPeople>> {
    let (units, mut receive) = mpsc::channel::<Option<Vec<(String, ForPeople)>>>(AHEAD);
    let mut collecting = JoinSet::new();
    collecting.spawn(async move {
        let mut places = HashMap::new();
        while let Some(Some(unit)) = receive.recv().await {
            places.extend(unit);
        }
        places
    });
    let client = &client.clone().patient();
    let reviews = job.policy.as_ref().and_then(|policy| policy.reviews.as_ref());
    let sampled = reviews.is_some_and(|reviews| reviews.sample > 0.0);
    let work = Arc::new(move |unit: &UnitBlocks| of_unit(unit, sampled));
    UnitStream::new(client, job, &Only::default(), true, work, units, "looking for reviews")
        .read_all()
        .await?;
    let places = collecting.join_next().await.context("one was spawned")?;
    places.context("the collector stopped")
}

fn of_unit(unit: &UnitBlocks, sampled: bool) -> Result<Vec<(String, ForPeople)>> {
    let mut places = Vec::new();
    for_each(unit, &Only::default(), |entry| {
        let verdict = entry.verdict();
        if matches!(verdict, "routed" | "failed" | "pending") || (sampled && verdict == "corrected") {
            let alike = options(&entry)?;
            places.push((entry.record.key.clone(), ForPeople { seq: entry.seq, alike }));
        }
        Ok(())
    })?;
    Ok(places)
}

fn options(entry: &Entry<'_>) -> Result<Option<Options>> {
    let Some(result) = entry.result.filter(|result| result.alike != 0) else { return Ok(None) };
    let [finding] = &result.findings[..] else { return Ok(None) };
    let field = std::slice::from_ref(&finding.field);
    let mut values = Vec::new();
    Picker::new(field).pick(&entry.record.payload, &result.changes, &mut values)?;
    Ok(Some(Options {
        field: finding.field.clone(),
        value: values.pop().unwrap_or_default().into_owned(),
        proposals: finding.proposals.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use emend_proto::v1::RecordResult;

    use super::super::unit::tests::unit;
    use super::*;

    #[test]
    fn those_that_rules_settled_are_not_among_them() {
        let keys = |done, sampled| {
            let places = of_unit(&unit(done), sampled).unwrap();
            let place = |(key, found): (String, ForPeople)| format!("{key}@{}", found.seq);
            places.into_iter().map(place).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(keys(true, false), "3@13 4@14");
        assert_eq!(keys(true, true), "2@12 3@13 4@14");
        assert_eq!(keys(false, false), "1@11 2@12 3@13 4@14");
    }

    #[test]
    fn what_a_cluster_is_decided_by_stands_beside_its_members() {
        let mut unit = unit(true);
        let results: Vec<RecordResult> = emend_proto::decode(unit.results.as_ref().unwrap())
            .unwrap()
            .map(|result| {
                let mut result: RecordResult = result.unwrap();
                result.findings.truncate(1);
                RecordResult { alike: 7, ..result }
            })
            .collect();
        unit.results = Some(emend_proto::encode(&results));
        let alike: Vec<_> =
            of_unit(&unit, false).unwrap().into_iter().map(|(_, found)| found.alike).collect();
        let options = Options { field: "name".into(), value: String::new(), proposals: Vec::new() };
        assert_eq!(alike, [Some(options), None]);
    }
}
