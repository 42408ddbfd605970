//! A record as a validator sees it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// One record: its key and its fields in their order, every value read as text.
///
/// JSON strings are their text, `null` is empty, and anything else is its JSON text (`1`, `true`, `[1,2]`).
/// A field that a rule changes is written back as a JSON string; the others stay as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    key: &'a str,
    fields: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// The payload is not a JSON object.
#[derive(Debug, thiserror::Error)]
#[error("the payload is not a JSON object (at byte {at})")]
pub struct RecordError {
    /// Where parsing stopped, in bytes from the start of the payload.
    at: usize,
}

impl<'a> Record<'a> {
    /// Reads a record from its payload, borrowing what needs no unescaping.
    ///
    /// # Errors
    /// When `payload` is not one JSON object. The error holds no value.
    pub fn parse(key: &'a str, payload: &'a [u8]) -> Result<Self, RecordError> {
        // A payload is one line of JSON, so the column is the byte.
        // Checked once here: the parser would check every name and value by itself.
        let text = std::str::from_utf8(payload).map_err(|error| RecordError { at: error.valid_up_to() })?;
        let Fields(fields) =
            serde_json::from_str(text).map_err(|error| RecordError { at: error.column() })?;
        Ok(Self { key, fields })
    }

    /// A record from names and values; a test's way in.
    pub fn from_fields(key: &'a str, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self { key, fields: fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }

    /// This record with other values in some fields, each added if it is not there; of a field that is named twice the last
    /// value counts.
    pub(crate) fn with<'b>(&'b self, values: impl IntoIterator<Item = (&'b str, &'b str)>) -> Record<'b> {
        let mut fields: Vec<(Cow<'b, str>, Cow<'b, str>)> =
            self.fields().map(|(name, value)| (name.into(), value.into())).collect();
        for (field, value) in values {
            // Of a field that stands there twice, the first counts.
            match fields.iter_mut().find(|(name, _)| name == field) {
                Some((_, there)) => *there = value.into(),
                None => fields.push((field.into(), value.into())),
            }
        }
        Record { key: self.key, fields }
    }

    /// The key, unique within the job.
    pub fn key(&self) -> &'a str {
        self.key
    }

    /// The value of `field`, or `None` when the record has no such field.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.fields().find_map(|(name, value)| (name == field).then_some(value))
    }

    /// All fields, in the record's order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}

struct Fields<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some((Text(name), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    fields.push((name, as_text(value.get())));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Borrows when the JSON string has no escapes, which serde's own `Cow` does not.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn as_text(json: &str) -> Cow<'_, str> {
    match json.as_bytes() {
        // Parsing has checked the string already: without an escape the text stands there as it is.
        [b'"', text @ .., b'"'] if !text.contains(&b'\\') => Cow::Borrowed(&json[1..json.len() - 1]),
        [b'"', ..] => serde_json::from_str(json).map_or(Cow::Borrowed(json), |Text(text)| text),
        [b'n', ..] => Cow::Borrowed(""),
        _ => Cow::Borrowed(json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_reads_as_text() {
        let payload = br#"{"a":"plain","b":"a \"quote\" \u1ec5","c":null,"d":1,"e":[1, 2],"f":true,"g":""}"#;
        let record = Record::parse("k", payload).unwrap();
        let fields: Vec<_> = record.fields().collect();
        assert_eq!(
            fields,
            [
                ("a", "plain"),
                ("b", "a \"quote\" ễ"),
                ("c", ""),
                ("d", "1"),
                ("e", "[1, 2]"),
                ("f", "true"),
                ("g", "")
            ]
        );
        assert_eq!(record.get("d"), Some("1"));
        assert_eq!(record.get("missing"), None);
    }

    #[test]
    fn what_is_no_object_is_refused_without_its_values() {
        for payload in ["", "[]", "\"Nguyen\"", "{\"a\":\"Nguyen\"", "{\"a\":1} x"] {
            let error = Record::parse("k", payload.as_bytes()).unwrap_err();
            assert!(!error.to_string().contains("Nguyen"), "{error}");
        }
    }
}
