//! A record's fields with the changes applied.

use std::borrow::Cow;

use emend_proto::v1::Change;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The payload is not a JSON object. Import lets none through, so this is damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a payload is not a JSON object")]
pub struct NotAnObject;

/// The payload with `changes` applied: each changed field holds its last `after` as a JSON string, a
/// changed field that was missing is added at the end, and everything else stays byte for byte.
///
/// # Errors
/// [`NotAnObject`].
pub fn apply_changes(payload: &[u8], changes: &[Change]) -> Result<Vec<u8>, NotAnObject> {
    if changes.is_empty() {
        return Ok(payload.to_vec());
    }
    let fields: Ordered<'_> = serde_json::from_slice(payload).map_err(|_| NotAnObject)?;
    let last = |name: &str| changes.iter().rfind(|change| change.field == name);
    let mut out = Vec::with_capacity(payload.len() + 64);
    out.push(b'{');
    for (name, value) in &fields.0 {
        match last(name) {
            Some(change) => push_field(&mut out, name, &json_string(&change.after)),
            None => push_field(&mut out, name, value.get()),
        }
    }
    for (at, change) in changes.iter().enumerate() {
        let known = fields.0.iter().any(|(name, _)| *name == change.field);
        if !known && !changes[at + 1..].iter().any(|later| later.field == change.field) {
            push_field(&mut out, &change.field, &json_string(&change.after));
        }
    }
    out.push(b'}');
    Ok(out)
}

/// Names and values of a payload with `changes` applied, in order: a JSON string is its text, `null` is empty, anything
/// else is its JSON text. Validators read records likewise.
///
/// # Errors
/// [`NotAnObject`].
pub fn texts(payload: &[u8], changes: &[Change]) -> Result<Vec<(String, String)>, NotAnObject> {
    let Ordered(fields) = serde_json::from_slice(payload).map_err(|_| NotAnObject)?;
    let mut texts: Vec<(String, String)> =
        fields.into_iter().map(|(name, value)| (name, text(value.get()))).collect();
    for change in changes {
        match texts.iter_mut().find(|(name, _)| *name == change.field) {
            Some((_, value)) => value.clone_from(&change.after),
            None => texts.push((change.field.clone(), change.after.clone())),
        }
    }
    Ok(texts)
}

/// The values of these fields, read as [`texts`] reads them; empty where the record has none. Of a field that stands there
/// twice the first counts, as for validators. What stands behind the last of them is not looked at.
///
/// # Errors
/// [`NotAnObject`].
pub fn pick(payload: &[u8], names: &[&str]) -> Result<Vec<String>, NotAnObject> {
    let mut found = vec![None; names.len()];
    let mut parser = serde_json::Deserializer::from_slice(payload);
    let read = Picking { names, found: &mut found }.deserialize(&mut parser);
    // Who has found all leaves before the end, which the parser takes for a fault.
    if read.is_err() && found.iter().any(Option::is_none) {
        return Err(NotAnObject);
    }
    Ok(found.into_iter().map(Option::unwrap_or_default).collect())
}

fn text(json: &str) -> String {
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).unwrap_or_default(),
        _ if json == "null" => String::new(),
        _ => json.to_owned(),
    }
}

fn push_field(out: &mut Vec<u8>, name: &str, value: &str) {
    if out.len() > 1 {
        out.push(b',');
    }
    out.extend_from_slice(json_string(name).as_bytes());
    out.push(b':');
    out.extend_from_slice(value.as_bytes());
}

fn json_string(text: &str) -> String {
    serde_json::to_string(text).expect("a string is always JSON")
}

/// An object's fields in their order, values untouched.
struct Ordered<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Ordered<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Ordered<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Ordered(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Reads some fields of an object, and passes over the others.
struct Picking<'n> {
    names: &'n [&'n str],
    found: &'n mut [Option<String>],
}

impl<'de> DeserializeSeed<'de> for Picking<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Picking<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(Name(name)) = map.next_key()? {
            match self.names.iter().position(|wanted| *wanted == name) {
                Some(at) if self.found[at].is_none() => {
                    let value: &RawValue = map.next_value()?;
                    self.found[at] = Some(text(value.get()));
                    if self.found.iter().all(Option::is_some) {
                        break;
                    }
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// A name, borrowed when it has no escapes, which serde's own `Cow` does not.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn change(field: &str, after: &str) -> Change {
        Change { field: field.into(), after: after.into(), ..Change::default() }
    }

    fn applied(payload: &str, changes: &[Change]) -> String {
        String::from_utf8(apply_changes(payload.as_bytes(), changes).unwrap()).unwrap()
    }

    #[test]
    fn the_last_change_of_a_field_stands_and_the_rest_is_untouched() {
        let changes = [change("b", "x"), change("b", "say \"ễ\""), change("new", "1"), change("new", "2")];
        assert_eq!(
            applied(r#"{"a": 1.0, "b":null,"c":[1, 2]}"#, &changes),
            r#"{"a":1.0,"b":"say \"ễ\"","c":[1, 2],"new":"2"}"#
        );
        assert_eq!(applied("{}", &changes[..1]), r#"{"b":"x"}"#);
        assert_eq!(applied(r#"{"a": 1}"#, &[]), r#"{"a": 1}"#);
    }

    #[test]
    fn values_are_read_as_text() {
        let changes = [change("b", "x"), change("new", "1")];
        let read =
            texts(r#"{"a": 1.0, "b":null,"c":[1, 2],"d":"\u1ec5","e":null}"#.as_bytes(), &changes).unwrap();
        let expected = [("a", "1.0"), ("b", "x"), ("c", "[1, 2]"), ("d", "ễ"), ("e", ""), ("new", "1")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(texts(b"[]", &[]), Err(NotAnObject));
    }

    #[test]
    fn some_fields_are_picked() {
        let payload = r#"{"a":"x","\u0062":"\u1ec5","c":[1, 2],"a":"y","d":null}"#.as_bytes();
        assert_eq!(pick(payload, &["c", "a", "b", "d", "e"]).unwrap(), ["[1, 2]", "x", "ễ", "", ""]);
        assert_eq!(pick(payload, &["b", "a"]).unwrap(), ["ễ", "x"]);
        for damaged in ["[]", r#"{"b":"x"]"#, r#"{"b":"x","#, r#"{"a":"x"#] {
            assert_eq!(pick(damaged.as_bytes(), &["a", "b"]), Err(NotAnObject), "{damaged}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(apply_changes(b"[]", &[change("a", "b")]), Err(NotAnObject));
    }
}
