//! Groups: records that agree in some of their fields, put together so that validators can compare them.

use serde::{Deserialize, Serialize};

use super::fields::{NotAnObject, pick};
use super::fold::Normaliser;
use super::job::Violation;

/// Records of a group, at most: a validator gets all of them in one call.
pub const MAX_GROUP_RECORDS: usize = 1_000;

/// Bytes of a group's records, at most.
pub const MAX_GROUP_BYTES: usize = 1024 * 1024;

/// Fields by which records are put together, at most.
pub const MAX_GROUP_FIELDS: usize = 8;

/// One of the fields by which records are put together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupField {
    /// Its name.
    pub field: String,
    /// How its values are folded before they are compared.
    pub normaliser: Normaliser,
}

/// How far the records of a job are put together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Grouping {
    /// The units are there.
    pub is_done: bool,
    /// They are being made, and leased as they are: some records are in none of them yet.
    pub is_replacing: bool,
    /// Records read so far, and records that are in their units.
    pub records_read: i64,
    /// See `records_read`.
    pub records_placed: i64,
    /// What came of it.
    pub counts: GroupCounts,
    /// A unit that cannot be read: nobody goes on.
    pub damaged_unit: Option<i64>,
}

/// What came of putting records together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupCounts {
    /// Groups of two records and more.
    pub groups: i64,
    /// The records in them.
    pub grouped: i64,
    /// Records of groups that were too large: each is by itself.
    pub apart: i64,
}

/// A group's number: records with the same one belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey(pub u128);

impl GroupKey {
    /// The group of a record; `None` when it is by itself, since one of the fields holds nothing to compare.
    ///
    /// # Errors
    /// [`NotAnObject`].
    pub fn of(by: &[GroupField], payload: &[u8]) -> Result<Option<Self>, NotAnObject> {
        let names: Vec<&str> = by.iter().map(|field| field.field.as_str()).collect();
        let mut hasher = blake3::Hasher::new();
        for (field, value) in by.iter().zip(pick(payload, &names)?) {
            let folded = field.normaliser.fold(&value);
            if folded.is_empty() {
                return Ok(None);
            }
            // With its length before it, no field runs into the next.
            hasher.update(&(folded.len() as u64).to_le_bytes());
            hasher.update(folded.as_bytes());
        }
        let bytes = hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default();
        Ok(Some(Self(u128::from_le_bytes(bytes))))
    }
}

/// What is wrong with the fields by which a job is to be grouped.
pub fn violations(by: &[GroupField]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut check = |holds: bool, description: &str| {
        if !holds {
            found.push(Violation { field: "group_by", description: description.to_owned() });
        }
    };
    check(by.len() <= MAX_GROUP_FIELDS, "must be at most 8 fields");
    let named = by.iter().all(|field| (1..=128).contains(&field.field.len()));
    check(named, "must name fields of 1 to 128 bytes");
    let twice = |at: usize| by[..at].iter().any(|other| other.field == by[at].field);
    check(!(0..by.len()).any(twice), "must name each field once");
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(fields: &[(&str, Normaliser)]) -> Vec<GroupField> {
        let field =
            |&(field, normaliser): &(&str, Normaliser)| GroupField { field: field.into(), normaliser };
        fields.iter().map(field).collect()
    }

    fn key(payload: &str) -> Option<GroupKey> {
        let by = by(&[("name", Normaliser::Text), ("born", Normaliser::Date)]);
        GroupKey::of(&by, payload.as_bytes()).unwrap()
    }

    #[test]
    fn records_that_agree_in_all_fields_belong_together() {
        let one = key(r#"{"name":"Nguyễn Văn Hòa","born":"1990-05-12","x":1}"#);
        assert!(one.is_some());
        assert_eq!(one, key(r#"{"born":"12/05/1990","name":"NGUYEN  VAN HOA."}"#));
        assert_ne!(one, key(r#"{"name":"Nguyễn Văn Hòa","born":"1990-05-13"}"#));
        // What stands in one field does not run into the next.
        assert_ne!(key(r#"{"name":"a1","born":"2"}"#), key(r#"{"name":"a","born":"12"}"#));
    }

    #[test]
    fn nothing_agrees_with_what_is_not_there() {
        for payload in
            [r#"{"name":"a"}"#, r#"{"name":"a","born":""}"#, r#"{"name":" - ","born":"1990"}"#, "{}"]
        {
            assert_eq!(key(payload), None, "{payload}");
        }
        assert_eq!(GroupKey::of(&by(&[("a", Normaliser::Text)]), b"[]"), Err(NotAnObject));
    }

    #[test]
    fn fields_are_few_and_named_once() {
        let text = Normaliser::Text;
        assert_eq!(violations(&by(&[("a", text), ("b", text)])), []);
        assert_eq!(violations(&by(&[("a", text), ("a", Normaliser::Exact)])).len(), 1);
        assert_eq!(violations(&by(&[("", text)])).len(), 1);
        assert_eq!(
            violations(&by(&["a", "b", "c", "d", "e", "f", "g", "h", "i"].map(|name| (name, text)))).len(),
            1
        );
    }
}
