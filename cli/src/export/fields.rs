//! A record's fields with its changes applied: as values in columns, or as the object itself.

use std::borrow::Cow;

use anyhow::{Context as _, Result};
use emend_proto::v1::Change;

use crate::input::{FieldsIn, as_text, push_string};

/// Finds the values of a job's columns in payloads.
#[derive(Debug)]
pub(super) struct Picker {
    columns: Vec<String>,
    /// For each column, what stands before its value in a payload that our own CSV reader wrote.
    before: Vec<Vec<u8>>,
}

impl Picker {
    pub(super) fn new(columns: &[String]) -> Self {
        let before = columns.iter().enumerate().map(|(at, name)| {
            let mut bytes = vec![if at == 0 { b'{' } else { b',' }];
            push_string(&mut bytes, name);
            bytes.extend_from_slice(b":\"");
            bytes
        });
        Self { columns: columns.to_vec(), before: before.collect() }
    }

    /// Puts the value of each column into `values`, changes applied; empty where the record has no such field.
    pub(super) fn pick<'a>(
        &self,
        payload: &'a [u8],
        changes: &'a [Change],
        values: &mut Vec<Cow<'a, str>>,
    ) -> Result<()> {
        let text = std::str::from_utf8(payload).context("its payload is not UTF-8")?;
        if !self.pick_plain(text, values) {
            self.pick_any(text, values)?;
        }
        // In order, so that the last change of a field stands.
        for change in changes {
            if let Some(at) = self.columns.iter().position(|name| *name == change.field) {
                values[at] = Cow::Borrowed(&change.after);
            }
        }
        Ok(())
    }

    /// The payload that nearly every record has: exactly the columns, in order, all strings without escapes. It is
    /// read without parsing; false when it is another one.
    fn pick_plain<'a>(&self, text: &'a str, values: &mut Vec<Cow<'a, str>>) -> bool {
        values.clear();
        let (bytes, mut at) = (text.as_bytes(), 0);
        for before in &self.before {
            if !bytes[at..].starts_with(before) {
                return false;
            }
            at += before.len();
            let Some(length) = memchr::memchr2(b'"', b'\\', &bytes[at..]) else { return false };
            if bytes[at + length] == b'\\' {
                return false;
            }
            values.push(Cow::Borrowed(&text[at..at + length]));
            at += length + 1;
        }
        &bytes[at..] == b"}"
    }

    fn pick_any<'a>(&self, text: &'a str, values: &mut Vec<Cow<'a, str>>) -> Result<()> {
        let FieldsIn(fields) = parse(text)?;
        values.clear();
        values.extend(self.columns.iter().map(|column| {
            let field = fields.iter().find(|(name, _)| name == column);
            field.map_or(Cow::Borrowed(""), |(_, value)| as_text(value.get()))
        }));
        Ok(())
    }
}

/// Appends the payload with `changes` applied: each changed field holds its last `after` as a string, one that
/// was missing is added at the end, and everything else stays byte for byte. The scheduler does the same.
pub(super) fn push_object(json: &mut Vec<u8>, payload: &[u8], changes: &[Change]) -> Result<()> {
    if changes.is_empty() {
        json.extend_from_slice(payload);
        return Ok(());
    }
    let text = std::str::from_utf8(payload).context("its payload is not UTF-8")?;
    let FieldsIn(fields) = parse(text)?;
    let mut separator = b'{';
    let mut push_name = |json: &mut Vec<u8>, name: &str| {
        json.push(std::mem::replace(&mut separator, b','));
        push_string(json, name);
        json.push(b':');
    };
    for (name, value) in &fields {
        push_name(json, name);
        match changes.iter().rfind(|change| change.field == *name) {
            Some(change) => push_string(json, &change.after),
            None => json.extend_from_slice(value.get().as_bytes()),
        }
    }
    for (at, change) in changes.iter().enumerate() {
        let known = fields.iter().any(|(name, _)| *name == change.field);
        if !known && !changes[at + 1..].iter().any(|later| later.field == change.field) {
            push_name(json, &change.field);
            push_string(json, &change.after);
        }
    }
    json.push(b'}');
    Ok(())
}

fn parse(text: &str) -> Result<FieldsIn<'_>> {
    // The parser's own message would hold a piece of the record.
    serde_json::from_str(text).ok().context("its payload is not a JSON object")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(field: &str, after: &str) -> Change {
        Change { field: field.into(), after: after.into(), ..Change::default() }
    }

    fn picked(payload: &str, changes: &[Change]) -> Vec<String> {
        let picker = Picker::new(&["a".into(), "b".into()]);
        let mut values = Vec::new();
        picker.pick(payload.as_bytes(), changes, &mut values).unwrap();
        values.into_iter().map(Cow::into_owned).collect()
    }

    #[test]
    fn values_are_found_whatever_the_payload_looks_like() {
        for (payload, expected) in [
            (r#"{"a":"1","b":"ễ"}"#, ["1", "ễ"]),
            (r#"{"b":"ễ","a":"1"}"#, ["ễ", "1"]),
            (r#"{"a": "1", "b": "2"}"#, ["1", "2"]),
            (r#"{"a":"1","b":"2","c":"3"}"#, ["1", "2"]),
            (r#"{"a":"1"}"#, ["1", ""]),
            (r#"{"a":"\"\\","b":"x\n"}"#, ["\"\\", "x\n"]),
            (r#"{"a":null,"b":[1, 2]}"#, ["", "[1, 2]"]),
            ("{}", ["", ""]),
        ] {
            let mut expected = expected.map(str::to_owned);
            if payload.starts_with(r#"{"b""#) {
                expected.reverse();
            }
            assert_eq!(picked(payload, &[]), expected, "{payload}");
        }
    }

    #[test]
    fn the_last_change_stands_in_columns_and_in_objects() {
        let changes = [change("b", "x"), change("b", "say \"ễ\""), change("new", "1"), change("new", "2")];
        assert_eq!(picked(r#"{"a":"1","b":"2"}"#, &changes), ["1", "say \"ễ\""]);
        let object = |payload: &str, changes: &[Change]| {
            let mut json = Vec::new();
            push_object(&mut json, payload.as_bytes(), changes).unwrap();
            String::from_utf8(json).unwrap()
        };
        // The scheduler's own vectors.
        assert_eq!(
            object(r#"{"a": 1.0, "b":null,"c":[1, 2]}"#, &changes),
            r#"{"a":1.0,"b":"say \"ễ\"","c":[1, 2],"new":"2"}"#
        );
        assert_eq!(object("{}", &changes[..1]), r#"{"b":"x"}"#);
        assert_eq!(object(r#"{"a": 1}"#, &[]), r#"{"a": 1}"#);
    }

    #[test]
    fn damage_shows_no_values() {
        let picker = Picker::new(&["a".into()]);
        let error = picker.pick(b"{\"a\":\"Nguyen", &[], &mut Vec::new()).unwrap_err();
        assert!(!format!("{error:#}").contains("Nguyen"));
    }
}
