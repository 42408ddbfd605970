//! `emend samples`: what rules did, by examples.

use anyhow::Result;
use emend_proto::v1::{ListSamplesRequest, Sample};
use serde::Serialize;

use super::{client, print, print_json};
use crate::args::{Common, SamplesArgs};
use crate::client::{Client, call, explain};
use crate::exit::Exit;
use crate::term::Table;

/// An example as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    /// The rule, or the finding's code.
    of: String,
    key: String,
    field: String,
    before: String,
    /// Of a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// Of a finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    proposals: Option<Vec<String>>,
}

pub(super) async fn run(args: SamplesArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let shown = list(&client, &args.job, args.rule, args.each).await?;
    if args.remote.json {
        for shown in &shown {
            print_json(shown)?;
        }
    } else if shown.is_empty() {
        print("no examples: nothing was changed or found, or the units that did are not done yet")?;
    } else {
        print(&table(&shown))?;
    }
    Ok(Exit::Done)
}

/// Examples of a rule or a finding, or of all.
pub(super) async fn list(client: &Client, job: &str, rule: String, each: u32) -> Result<Vec<Shown>> {
    let request = ListSamplesRequest { job: job.to_owned(), rule, each };
    let answer = call!(client, list_samples(request)).map_err(|status| explain(&status, job))?;
    Ok(answer.samples.into_iter().filter_map(shown).collect())
}

fn shown(sample: Sample) -> Option<Shown> {
    let Sample { key, change, finding, value, .. } = sample;
    match (change, finding) {
        (Some(change), _) => Some(Shown {
            of: change.rule,
            key,
            field: change.field,
            before: change.before,
            after: Some(change.after),
            proposals: None,
        }),
        (None, Some(finding)) => Some(Shown {
            of: finding.code,
            key,
            field: finding.field,
            before: value,
            after: None,
            proposals: Some(finding.proposals),
        }),
        (None, None) => None,
    }
}

pub(super) fn table(shown: &[Shown]) -> String {
    let mut table = Table::new(["rule or finding", "record", "field", "before", "after, or proposals"]);
    let mut last = "";
    for one in shown {
        let of = if one.of == last { "" } else { one.of.as_str() };
        last = &one.of;
        let after = match (&one.after, &one.proposals) {
            (Some(after), _) => after.clone(),
            (None, Some(proposals)) if !proposals.is_empty() => format!("? {}", proposals.join(" | ")),
            (None, _) => "?".to_owned(),
        };
        table.row([of, &one.key, &one.field, &one.before, &after]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use emend_proto::v1::{Change, Finding};

    use super::*;

    #[test]
    fn an_example_shows_what_became_of_a_field_or_what_is_proposed() {
        let change = Change { field: "f".into(), before: "1".into(), after: "2".into(), rule: "r".into() };
        let finding = Finding {
            code: "f.odd".into(),
            field: "f".into(),
            proposals: vec!["3".into(), "4".into()],
            ..Finding::default()
        };
        let samples = [
            Sample { key: "a".into(), change: Some(change), ..Sample::default() },
            Sample { key: "b".into(), finding: Some(finding), value: "x".into(), ..Sample::default() },
        ];
        let shown: Vec<_> = samples.into_iter().filter_map(shown).collect();
        let text = table(&shown);
        for part in ["r ", "f.odd", "? 3 | 4", " x "] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
