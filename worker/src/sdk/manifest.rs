//! What a rule pack says of itself and of the records it is for.

use serde::{Deserialize, Serialize};

/// A rule pack's description of itself. The scheduler knows no pack: it stores this with each job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The pack's name: `vaccination`.
    pub name: String,
    /// The pack's version. A job keeps the version it was made with.
    pub version: String,
    /// The field that identifies a record within a job.
    pub key_field: String,
    /// The fields that the pack knows, in their usual order. Others travel along untouched.
    pub fields: Vec<Field>,
    /// What its findings are to a person. A finding without a text shows its code.
    #[serde(default)]
    pub findings: Vec<FindingText>,
    /// The field that says where a record was made, or empty: mistakes of one place are often alike.
    #[serde(default)]
    pub source_field: String,
}

/// A finding in plain words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingText {
    /// Its code.
    pub code: String,
    /// What a Vietnamese reader is told.
    pub text_vi: String,
    /// What an English reader is told.
    pub text_en: String,
    /// Two people must agree on it.
    #[serde(default)]
    pub agree: bool,
}

/// One field of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The name in records, changes and findings.
    pub name: String,
    /// What a Vietnamese reader calls it.
    pub label_vi: String,
    /// What an English reader calls it.
    pub label_en: String,
    /// Other column headers under which files carry it; compared without case and outer spaces.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Whether the value identifies or describes a person and is masked where it need not be seen.
    #[serde(default)]
    pub sensitive: bool,
    /// Other fields that a person needs beside this one to decide about it.
    #[serde(default)]
    pub related: Vec<String>,
    /// How values are folded when records are put together by this field: `exact`, `text` (letters and digits, without
    /// marks and case), `digits` or `date`. Empty means `text`.
    #[serde(default)]
    pub normaliser: String,
}
