//! Writes a unit's records as text: CSV, JSONL, or the cells of a sheet.

use std::borrow::Cow;

use anyhow::Result;
use emend_proto::v1::{Record, RecordResult, UnitBlocks};

use super::fields::{Picker, push_object};
use super::unit::{Only, for_each, verdict_name};
use crate::input::{Format, push_string};

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
            header.extend(["verdict".to_owned(), "findings".to_owned()]);
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
        let records = for_each(unit, &self.only, |record, result| {
            if self.format == Format::Jsonl {
                return self.push_json(&mut piece.text, record, result);
            }
            let mut values: Vec<Cow<'_, str>> = std::mem::take(&mut buffer);
            let changes = result.map_or(&[][..], |result| &result.changes);
            self.picker.pick(&record.payload, changes, &mut values)?;
            if self.provenance {
                values.push(Cow::Borrowed(verdict_name(result)));
                values.push(codes(result));
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

    fn push_json(&self, json: &mut Vec<u8>, record: &Record, result: Option<&RecordResult>) -> Result<()> {
        let changes = result.map_or(&[][..], |result| &result.changes);
        if self.provenance {
            json.extend_from_slice(b"{\"key\":");
            push_string(json, &record.key);
            json.extend_from_slice(b",\"verdict\":");
            push_string(json, verdict_name(result));
            json.extend_from_slice(b",\"fields\":");
            push_object(json, &record.payload, changes)?;
            push_provenance(json, result);
            json.push(b'}');
        } else {
            push_object(json, &record.payload, changes)?;
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

fn push_provenance(json: &mut Vec<u8>, result: Option<&RecordResult>) {
    json.extend_from_slice(b",\"changes\":[");
    for (at, change) in result.iter().flat_map(|result| &result.changes).enumerate() {
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
    json.extend_from_slice(b"],\"findings\":[");
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
mod tests {
    use emend_proto::v1::Verdict;

    use super::super::unit::tests::unit;
    use super::*;

    fn text(format: Format, provenance: bool, only: &[Verdict], done: bool) -> String {
        let columns = ["id", "name", "note"].map(str::to_owned);
        let formatter = Formatter::new(format, &columns, provenance, Only::these(only.iter().copied()));
        let mut text = formatter.head();
        text.extend(formatter.unit(&unit(done)).unwrap().text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn csv_has_the_columns_of_the_import_and_canonical_values() {
        let expected = "id,name,note\n1,Ân,\n2,AN,\n3,,n\n4,=1+1,a;b\n";
        assert_eq!(text(Format::Csv, false, &[], true), expected);
        let pending = "id,name,note\n1,Ân,\n2,\"an, \"\"x\"\"\n\",\n3,,\"{\"\"a\"\": 1}\"\n4,=1+1,a;b\n";
        assert_eq!(text(Format::Csv, false, &[], false), pending);
    }

    #[test]
    fn csv_with_provenance_adds_verdict_and_findings() {
        let expected =
            "id,name,note,verdict,findings\n3,,n,routed,name.missing;name.odd\n4,=1+1,a;b,failed,\n";
        assert_eq!(text(Format::Csv, true, &[Verdict::Routed, Verdict::Failed], true), expected);
        assert!(text(Format::Csv, true, &[], false).ends_with("4,=1+1,a;b,pending,\n"));
    }

    #[test]
    fn jsonl_is_the_objects_with_their_changes() {
        let expected = concat!(
            r#"{"id":"1","name":"Ân","note":""}"#,
            "\n",
            r#"{"id":"2","name":"AN","note":null}"#,
            "\n",
            r#"{"id":3,"note":"n"}"#,
            "\n",
            r#"{"id":"4","name":"=1+1","note":"a;b"}"#,
            "\n"
        );
        assert_eq!(text(Format::Jsonl, false, &[], true), expected);
    }

    #[test]
    fn jsonl_with_provenance_has_the_documented_shape() {
        let expected = concat!(
            r#"{"key":"3","verdict":"routed","fields":{"id":3,"note":"n"},"#,
            r#""changes":[{"field":"note","before":"{\"a\": 1}","after":"n","rule":"note.text"}],"#,
            r#""findings":[{"code":"name.missing","field":"name","proposals":[]},"#,
            r#"{"code":"name.odd","field":"name","proposals":["A \"B\""]}]}"#,
            "\n"
        );
        assert_eq!(text(Format::Jsonl, true, &[Verdict::Routed], true), expected);
        let failed = text(Format::Jsonl, true, &[Verdict::Failed], true);
        assert!(failed.ends_with("\"changes\":[],\"findings\":[],\"failure\":\"panic\"}\n"), "{failed}");
        for line in text(Format::Jsonl, true, &[], true).lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }

    #[test]
    fn a_lone_empty_value_is_no_blank_line() {
        let mut text = Vec::new();
        push_line(&mut text, [""].into_iter());
        assert_eq!(text, b"\"\"\n");
    }
}
