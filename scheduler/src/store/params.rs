//! Parameters of statements, for both databases.
//!
//! A list goes to PostgreSQL as an array and to SQLite as JSON; a table, always the last parameter, as an array for each
//! column (`unnest`) and as JSON rows (`json_each`). JSON holds no bytes: a column of them is two there, offset and length
//! in one blob that follows as a parameter of its own.

use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use uuid::Uuid;

use super::error::StoreError;
use crate::domain::time::Timestamp;

/// A parameter.
#[derive(Debug, Clone)]
pub(crate) enum Param {
    Int(i64),
    MaybeInt(Option<i64>),
    Bool(bool),
    Text(String),
    Bytes(Vec<u8>),
    Ints(Vec<i64>),
    Texts(Vec<String>),
    Code([u8; 16]),
    Codes(Vec<[u8; 16]>),
    Table(Vec<Column>),
}

/// A column of a table that goes along as a parameter.
#[derive(Debug, Clone)]
pub(crate) enum Column {
    Ints(Vec<i64>),
    MaybeInts(Vec<Option<i64>>),
    Texts(Vec<String>),
    Blobs(Vec<Vec<u8>>),
    Codes(Vec<[u8; 16]>),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Self::Ints(values) => values.len(),
            Self::MaybeInts(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::Blobs(values) => values.len(),
            Self::Codes(values) => values.len(),
        }
    }

    fn blob_bytes(&self) -> usize {
        match self {
            Self::Blobs(values) => values.iter().map(Vec::len).sum(),
            Self::Ints(_) | Self::MaybeInts(_) | Self::Texts(_) | Self::Codes(_) => 0,
        }
    }
}

macro_rules! param_from {
    ($($from:ty => $variant:ident),* $(,)?) => {$(
        impl From<$from> for Param {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}
param_from! {
    i64 => Int, Option<i64> => MaybeInt, bool => Bool, String => Text, &str => Text, Vec<u8> => Bytes,
    Vec<i64> => Ints, Vec<String> => Texts, [u8; 16] => Code, Vec<[u8; 16]> => Codes, u32 => Int, Vec<Column> => Table,
}

impl From<Timestamp> for Param {
    fn from(value: Timestamp) -> Self {
        Self::Int(value.0)
    }
}

/// The parameters of a statement, in order.
macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$(crate::store::params::Param::from($value)),*] };
}
pub(crate) use params;

pub(super) fn postgres_arguments(params: Vec<Param>) -> Result<PgArguments, StoreError> {
    let mut arguments = PgArguments::default();
    for param in params {
        let added = match param {
            Param::Int(value) => arguments.add(value),
            Param::MaybeInt(value) => arguments.add(value),
            Param::Bool(value) => arguments.add(value),
            Param::Text(value) => arguments.add(value),
            Param::Bytes(value) => arguments.add(value),
            Param::Ints(value) => arguments.add(value),
            Param::Texts(value) => arguments.add(value),
            Param::Code(value) => arguments.add(Uuid::from_bytes(value)),
            Param::Codes(value) => arguments.add(value.into_iter().map(Uuid::from_bytes).collect::<Vec<_>>()),
            Param::Table(columns) => columns.into_iter().try_for_each(|column| match column {
                Column::Ints(values) => arguments.add(values),
                Column::MaybeInts(values) => arguments.add(values),
                Column::Texts(values) => arguments.add(values),
                Column::Blobs(values) => arguments.add(values),
                Column::Codes(values) => {
                    arguments.add(values.into_iter().map(Uuid::from_bytes).collect::<Vec<_>>())
                }
            }),
        };
        added.map_err(|error| StoreError::Internal(error.to_string()))?;
    }
    Ok(arguments)
}

pub(super) fn sqlite_arguments(params: Vec<Param>) -> Result<SqliteArguments, StoreError> {
    let mut arguments = SqliteArguments::default();
    for param in params {
        let added = match param {
            Param::Int(value) => arguments.add(value),
            Param::MaybeInt(value) => arguments.add(value),
            Param::Bool(value) => arguments.add(value),
            Param::Text(value) => arguments.add(value),
            Param::Bytes(value) => arguments.add(value),
            Param::Ints(value) => arguments.add(json(&value)),
            Param::Texts(value) => arguments.add(json(&value)),
            Param::Code(value) => arguments.add(value.to_vec()),
            Param::Codes(value) => arguments.add(json_codes(&value)),
            Param::Table(columns) => {
                let mut blobs = Vec::with_capacity(columns.iter().map(Column::blob_bytes).sum());
                let rows = arguments.add(json_rows(&columns, &mut blobs));
                if blobs.is_empty() { rows } else { rows.and_then(|()| arguments.add(blobs)) }
            }
        };
        added.map_err(|error| StoreError::Internal(error.to_string()))?;
    }
    Ok(arguments)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("numbers and strings are always JSON")
}

fn json_codes(codes: &[[u8; 16]]) -> String {
    let mut text = String::with_capacity(codes.len() * 35 + 2);
    text.push('[');
    for (at, code) in codes.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        push_hex(&mut text, code);
    }
    text.push(']');
    text
}

fn json_rows(columns: &[Column], blobs: &mut Vec<u8>) -> String {
    let rows = columns.first().map_or(0, Column::len);
    let mut text = String::from("[");
    for row in 0..rows {
        text.push_str(if row == 0 { "[" } else { ",[" });
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            match column {
                Column::Ints(values) => text.push_str(&json(&values[row])),
                Column::MaybeInts(values) => text.push_str(&json(&values[row])),
                Column::Texts(values) => text.push_str(&json(&values[row])),
                Column::Blobs(values) => {
                    let (offset, length) = (blobs.len() + 1, values[row].len());
                    text.push_str(&format!("{offset},{length}"));
                    blobs.extend_from_slice(&values[row]);
                }
                Column::Codes(values) => push_hex(&mut text, &values[row]),
            }
        }
        text.push(']');
    }
    text.push(']');
    text
}

/// Codes are short, and lists of them are also searched: they go as hexadecimal strings, which SQLite's `unhex` reads.
fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.reserve(bytes.len() * 2 + 2);
    text.push('"');
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text.push('"');
}
