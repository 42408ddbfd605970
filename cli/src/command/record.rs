//! `emend record`.

mod decisions;

use anyhow::{Context as _, Result};
use emend_proto::v1::{Change, Finding, GetRecordRequest, GetRecordResponse, Receipt, RecordView, Verdict};
use serde::Serialize;
use serde_json::value::RawValue;

use super::list::UnitView;
use super::{client, print, print_json};
use crate::args::{Common, RecordArgs};
use crate::client::{call, explain};
use crate::exit::Exit;
use crate::input::{FieldsIn, as_text};
use crate::term::Table;
use decisions::ShownDecision;

/// A record as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    key: String,
    seq: u64,
    row: u64,
    verdict: &'static str,
    pack: String,
    input: Box<RawValue>,
    fields: Box<RawValue>,
    changes: Vec<ShownChange>,
    findings: Vec<ShownFinding>,
    #[serde(skip_serializing_if = "String::is_empty")]
    failure: String,
    unit: Option<UnitView>,
    receipt: Option<ShownReceipt>,
    /// All that people said about it, oldest first.
    decisions: Vec<ShownDecision>,
}

#[derive(Debug, Serialize)]
struct ShownChange {
    field: String,
    before: String,
    after: String,
    rule: String,
}

#[derive(Debug, Serialize)]
struct ShownFinding {
    code: String,
    field: String,
    proposals: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    rule: String,
}

#[derive(Debug, Serialize)]
struct ShownReceipt {
    commit_id: String,
    unit_id: u64,
    epoch: u64,
    digest: String,
}

pub(super) async fn run(args: RecordArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let request = GetRecordRequest { job: args.job.clone(), key: args.key.clone(), seq: 0 };
    let answer = call!(client, get_record(request)).map_err(|status| explain(&status, &args.job))?;
    let record = shown(answer)?;
    if args.remote.json {
        print_json(&record)?;
    } else {
        print(&text(&record)?)?;
    }
    Ok(Exit::Done)
}

fn shown(answer: GetRecordResponse) -> Result<Shown> {
    let RecordView { key, seq, row, fields, verdict, changes, findings, failure, .. } =
        answer.record.context("the scheduler answered without a record")?;
    let json =
        |bytes: &[u8]| serde_json::from_slice(bytes).ok().context("the record is damaged: it is not JSON");
    let pack = answer.pack.unwrap_or_default();
    Ok(Shown {
        key,
        seq,
        row,
        verdict: verdict_name(Verdict::try_from(verdict).unwrap_or_default()),
        pack: format!("{} {}", pack.name, pack.version),
        input: json(&answer.payload)?,
        fields: json(&fields)?,
        changes: changes.into_iter().map(shown_change).collect(),
        findings: findings.into_iter().map(shown_finding).collect(),
        failure,
        unit: answer.unit.map(Into::into),
        receipt: answer.receipt.map(shown_receipt),
        decisions: answer.decisions.into_iter().map(decisions::shown).collect(),
    })
}

fn shown_change(Change { field, before, after, rule }: Change) -> ShownChange {
    ShownChange { field, before, after, rule }
}

fn shown_finding(Finding { code, field, proposals, rule }: Finding) -> ShownFinding {
    ShownFinding { code, field, proposals, rule }
}

fn shown_receipt(Receipt { commit_id, unit_id, epoch, digest }: Receipt) -> ShownReceipt {
    let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    ShownReceipt { commit_id, unit_id, epoch, digest }
}

fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unspecified => "pending",
        Verdict::Valid => "valid",
        Verdict::Corrected => "corrected",
        Verdict::Routed => "routed",
        Verdict::Failed => "failed",
    }
}

fn text(record: &Shown) -> Result<String> {
    let mut text =
        format!("record {} (row {}, seq {}): {}", record.key, record.row, record.seq, record.verdict);
    if !record.failure.is_empty() {
        text += &format!(", {}", record.failure);
    }
    text += &format!("\n{}\n", fields_table(record)?);
    if !record.changes.is_empty() {
        let mut table = Table::new(["change", "before", "after", "rule"]);
        for change in &record.changes {
            table.row([&change.field, &change.before, &change.after, &change.rule]);
        }
        text += &format!("{table}\n");
    }
    if !record.findings.is_empty() {
        let mut table = Table::new(["finding", "field", "proposals"]);
        for finding in &record.findings {
            table.row([&finding.code, &finding.field, &finding.proposals.join(" | ")]);
        }
        text += &format!("{table}\n");
    }
    if !record.decisions.is_empty() {
        text += &format!("{}\n", decisions::table(&record.decisions));
    }
    text += &format!("rules: {}\n", record.pack);
    if let Some(unit) = &record.unit {
        text += &format!("unit: {}\n", unit.line());
    }
    if let Some(receipt) = &record.receipt {
        text += &format!(
            "receipt: commit {}, epoch {}, digest {}\n",
            receipt.commit_id, receipt.epoch, receipt.digest
        );
    }
    Ok(text)
}

/// Each field as it came and as it is.
fn fields_table(record: &Shown) -> Result<Table> {
    let FieldsIn(before) = serde_json::from_str(record.input.get()).ok().context("the record is damaged")?;
    let FieldsIn(after) = serde_json::from_str(record.fields.get()).ok().context("the record is damaged")?;
    let mut table = Table::new(["field", "as it came", "as it is"]);
    for (name, value) in &after {
        let came =
            before.iter().find(|(other, _)| other == name).map_or("".into(), |(_, came)| as_text(came.get()));
        let is = as_text(value.get());
        let is = if came == is { "".into() } else { is };
        table.row([name.as_ref(), came.as_ref(), is.as_ref()]);
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use emend_proto::v1::{Decision, PackRef, UnitStatus};

    use super::*;

    fn answer() -> GetRecordResponse {
        let change = Change { field: "b".into(), before: "2".into(), after: "3".into(), rule: "b.r".into() };
        let finding = Finding {
            code: "a.odd".into(),
            field: "a".into(),
            proposals: vec!["x".into(), "y".into()],
            ..Finding::default()
        };
        GetRecordResponse {
            record: Some(RecordView {
                key: "k".into(),
                seq: 7,
                row: 9,
                fields: br#"{"a":"1","b":"3"}"#.to_vec().into(),
                verdict: Verdict::Routed.into(),
                changes: vec![change],
                findings: vec![finding],
                ..RecordView::default()
            }),
            payload: br#"{"a":"1","b":"2"}"#.to_vec(),
            pack: Some(PackRef { name: "p".into(), version: "1".into() }),
            unit: Some(UnitStatus {
                unit_id: 4,
                state: 3,
                worker_id: "w-1".into(),
                epoch: 2,
                ..UnitStatus::default()
            }),
            review: None,
            validators: Vec::new(),
            decisions: vec![Decision { reviewer: "sim-001".into(), stands: true, ..Decision::default() }],
            receipt: Some(Receipt { commit_id: "c".into(), unit_id: 4, epoch: 2, digest: vec![0xab, 1] }),
        }
    }

    #[test]
    fn the_json_tells_all_that_is_known() {
        let json = serde_json::to_value(shown(answer()).unwrap()).unwrap();
        assert_eq!(json["input"]["b"], "2");
        assert_eq!(json["fields"]["b"], "3");
        assert_eq!(json["changes"][0]["rule"], "b.r");
        assert_eq!(json["findings"][0]["proposals"][1], "y");
        assert_eq!((&json["unit"]["worker"], &json["unit"]["state"]), (&"w-1".into(), &"done".into()));
        assert_eq!(json["receipt"]["digest"], "ab01");
        assert_eq!(json["decisions"][0]["reviewer"], "sim-001");
    }

    #[test]
    fn the_text_names_rule_finding_worker_and_receipt() {
        let text = text(&shown(answer()).unwrap()).unwrap();
        for part in
            ["record k (row 9, seq 7): routed", "b.r", "a.odd", "x | y", "w-1", "digest ab01", "sim-001"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
