//! A JSON object as it stands: names and untouched values, in order.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// An object's fields in their order, each value as the JSON that it was.
#[derive(Debug, Default)]
pub(crate) struct FieldsIn<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for FieldsIn<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = FieldsIn<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some((Text(name), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    fields.push((name, value));
                }
                Ok(FieldsIn(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Borrows when the JSON string has no escapes, which serde's own `Cow` does not.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A value as people read it: strings are their text, `null` is empty, anything else is its JSON.
pub(crate) fn as_text(json: &str) -> Cow<'_, str> {
    match json.as_bytes() {
        // Parsing has checked the string already: without an escape the text stands there as it is.
        [b'"', text @ .., b'"'] if !text.contains(&b'\\') => Cow::Borrowed(&json[1..json.len() - 1]),
        [b'"', ..] => serde_json::from_str(json).map_or(Cow::Borrowed(json), |Text(text)| text),
        [b'n', ..] => Cow::Borrowed(""),
        _ => Cow::Borrowed(json),
    }
}
