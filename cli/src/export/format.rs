//! Writes a unit's records as text: CSV, JSONL, or the cells of a sheet.

use std::borrow::Cow;

use anyhow::Result;
use emend_proto::v1::{AnswerKind, Change, RecordDecision, RecordResult, UnitBlocks};

use super::fields::{Picker, push_object};
use super::unit::{Entry, Only, for_each};
use crate::input::{Format, push_string};

/// What provenance adds to the columns of the import. Scripts name them: more are added behind, none is renamed.
const PROVENANCE: [&str; 4] = ["verdict", "findings", "decision", "decision_reason"];

/// How records are written.
#[derive(Debug)]
pub(super) struct Formatter {
    format: Format,
    picker: Picker,
    header: Vec<String>,
    provenance: bool,
    only: Only,
}

/// What became of a unit.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// The file's text; for a sheet, the cells one after another.
    pub(super) text: Vec<u8>,
    /// Where each cell ends; only for a sheet.
    pub(super) cells: Vec<usize>,
    /// How many records there are in it.
    pub(super) records: u64,
}

impl Formatter {
    pub(super) fn new(format: Format, columns: &[String], provenance: bool, only: Only) -> Self {
        let mut header = columns.to_vec();
        if provenance {
            header.extend(PROVENANCE.map(str::to_owned));
        }
        Self { format, picker: Picker::new(columns), header, provenance, only }
    }

    /// The names of the columns.
    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    /// What stands before the first record.
    pub(super) fn head(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if self.format == Format::Csv {
            push_line(&mut text, self.header.iter().map(String::as_str));
        }
        text
    }

    /// A unit's records, as the file holds them.
    pub(super) fn unit(&self, unit: &UnitBlocks) -> Result<Piece> {
        let mut piece = Piece::default();
        piece.text.reserve(256 * unit.records.as_ref().map_or(0, |block| block.count as usize));
        // Values borrow from records, so the buffer is lent to one record at a time.
        let mut buffer: Vec<Cow<'static, str>> = Vec::with_capacity(self.header.len());
        let records = for_each(unit, &self.only, |entry| {
            if self.format == Format::Jsonl {
                return self.push_json(&mut piece.text, &entry);
            }
            let changes = entry.changes();
            let mut values: Vec<Cow<'_, str>> = std::mem::take(&mut buffer);
            self.picker.pick(&entry.record.payload, &changes, &mut values)?;
            if self.provenance {
                values.push(Cow::Borrowed(entry.verdict()));
                values.push(codes(entry.result));
                values.push(Cow::Borrowed(entry.decision.map_or("", kind_name)));
                values.push(Cow::Borrowed(entry.decision.map_or("", |decision| &decision.reason)));
            }
            if self.format == Format::Csv {
                push_line(&mut piece.text, values.iter().map(AsRef::as_ref));
            } else {
                for value in &values {
                    piece.text.extend_from_slice(value.as_bytes());
                    piece.cells.push(piece.text.len());
                }
            }
            buffer = recycle(values);
            Ok(())
        })?;
        piece.records = records;
        Ok(piece)
    }

    fn push_json(&self, json: &mut Vec<u8>, entry: &Entry<'_>) -> Result<()> {
        let (record, changes) = (entry.record, entry.changes());
        if self.provenance {
            json.extend_from_slice(b"{\"key\":");
            push_string(json, &record.key);
            json.extend_from_slice(b",\"verdict\":");
            push_string(json, entry.verdict());
            json.extend_from_slice(b",\"fields\":");
            push_object(json, &record.payload, &changes)?;
            push_changes(json, &changes);
            push_result(json, entry.result);
            if let Some(decision) = entry.decision {
                push_decision(json, decision);
            }
            json.push(b'}');
        } else {
            push_object(json, &record.payload, &changes)?;
        }
        json.push(b'\n');
        Ok(())
    }
}

/// Gives an emptied buffer another lifetime; the allocation is kept.
fn recycle<'b>(mut values: Vec<Cow<'_, str>>) -> Vec<Cow<'b, str>> {
    values.clear();
    values.into_iter().map(|_| unreachable!("it is empty")).collect()
}

fn push_changes(json: &mut Vec<u8>, changes: &[Change]) {
    json.extend_from_slice(b",\"changes\":[");
    for (at, change) in changes.iter().enumerate() {
        json.extend_from_slice(if at == 0 { b"{\"field\":" } else { b",{\"field\":" });
        push_string(json, &change.field);
        json.extend_from_slice(b",\"before\":");
        push_string(json, &change.before);
        json.extend_from_slice(b",\"after\":");
        push_string(json, &change.after);
        json.extend_from_slice(b",\"rule\":");
        push_string(json, &change.rule);
        json.push(b'}');
    }
    json.push(b']');
}

fn push_result(json: &mut Vec<u8>, result: Option<&RecordResult>) {
    json.extend_from_slice(b",\"findings\":[");
    for (at, finding) in result.iter().flat_map(|result| &result.findings).enumerate() {
        json.extend_from_slice(if at == 0 { b"{\"code\":" } else { b",{\"code\":" });
        push_string(json, &finding.code);
        json.extend_from_slice(b",\"field\":");
        push_string(json, &finding.field);
        json.extend_from_slice(b",\"proposals\":[");
        for (at, proposal) in finding.proposals.iter().enumerate() {
            if at > 0 {
                json.push(b',');
            }
            push_string(json, proposal);
        }
        json.extend_from_slice(b"]}");
    }
    json.push(b']');
    if let Some(result) = result.filter(|result| !result.failure.is_empty()) {
        json.extend_from_slice(b",\"failure\":");
        push_string(json, &result.failure);
    }
}

fn push_decision(json: &mut Vec<u8>, decision: &RecordDecision) {
    json.extend_from_slice(b",\"decision\":{\"kind\":");
    push_string(json, kind_name(decision));
    json.extend_from_slice(b",\"reason\":");
    push_string(json, &decision.reason);
    json.extend_from_slice(b",\"reviewers\":[");
    for (at, reviewer) in decision.reviewers.iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        push_string(json, reviewer);
    }
    json.extend_from_slice(b"]}");
}

/// What people decided as everything outside calls it.
fn kind_name(decision: &RecordDecision) -> &'static str {
    answer_name(decision.kind())
}

/// An answer as everything outside calls it.
pub(crate) fn answer_name(kind: AnswerKind) -> &'static str {
    match kind {
        AnswerKind::Unspecified => "unknown",
        AnswerKind::Values => "values",
        AnswerKind::Rejected => "rejected",
        AnswerKind::CannotDecide => "cannot_decide",
    }
}

/// The findings' codes, `a.b;c.d`.
fn codes(result: Option<&RecordResult>) -> Cow<'_, str> {
    match result.map_or(&[][..], |result| &result.findings) {
        [] => Cow::Borrowed(""),
        [finding] => Cow::Borrowed(&finding.code),
        findings => {
            Cow::Owned(findings.iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>().join(";"))
        }
    }
}

/// A line of CSV as RFC 4180 has it, ended by a line feed. Only what must be is quoted.
pub(crate) fn push_line<'a>(text: &mut Vec<u8>, values: impl Iterator<Item = &'a str>) {
    let start = text.len();
    for (at, value) in values.enumerate() {
        if at > 0 {
            text.push(b',');
        }
        if !needs_quotes(value.as_bytes()) {
            text.extend_from_slice(value.as_bytes());
            continue;
        }
        text.push(b'"');
        for (at, part) in value.split('"').enumerate() {
            if at > 0 {
                text.extend_from_slice(b"\"\"");
            }
            text.extend_from_slice(part.as_bytes());
        }
        text.push(b'"');
    }
    // One empty value alone would be a blank line, which readers pass over.
    if text.len() == start {
        text.extend_from_slice(b"\"\"");
    }
    text.push(b'\n');
}

fn needs_quotes(value: &[u8]) -> bool {
    value.iter().fold(false, |found, byte| found | matches!(byte, b',' | b'"' | b'\r' | b'\n'))
}

#[cfg(test)]
mod tests;
