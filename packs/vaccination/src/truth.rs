//! What is true of a synthetic record, and what was done to it.

use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::columns::{COLUMNS, Column};
use crate::generator::{FaultKind, Related};

/// One value for each column. Serialises as an object in the order of the columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values([String; COLUMNS]);

impl Values {
    /// The value of `column`.
    pub fn get(&self, column: Column) -> &str {
        &self.0[column.place()]
    }

    /// Puts `value` into `column`.
    pub fn set(&mut self, column: Column, value: impl Into<String>) {
        self.0[column.place()] = value.into();
    }

    /// Names and values, in the order of a file.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        Column::ALL.into_iter().map(|column| (column.name(), self.get(column)))
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(COLUMNS))?;
        for (name, value) in self.fields() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a text for each column")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Values, M::Error> {
                let mut values = Values::default();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    let column = Column::named(&name).ok_or_else(|| M::Error::custom("no such column"))?;
                    values.set(column, value);
                }
                Ok(values)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// What kind of record it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Nothing is wrong with it.
    Clean,
    /// Only forms are wrong: rules can close it.
    Form,
    /// At least one fault needs a person.
    Person,
}

/// The truth of one synthetic record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// The record's key.
    pub key: String,
    /// What kind of record it is.
    pub class: Class,
    /// The true value of every field, in its canonical form.
    pub fields: Values,
    /// The fields that need a person. Right is a finding on each, and the field as it came.
    pub person_fields: Vec<String>,
    /// What was done to the record.
    pub faults: Vec<FaultKind>,
}

/// A line of `truth.jsonl`. In that of a crowd it tells of the record's relation too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthLine {
    /// What is true of the record by itself.
    #[serde(flatten)]
    pub truth: Truth,
    /// What is true of its relation; none where the records are not those of a crowd.
    #[serde(flatten)]
    pub related: Option<Related>,
}
