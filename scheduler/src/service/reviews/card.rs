//! What a reviewer sees: the fields at issue and those that bear on them, and of numbers no more than is needed.

use std::collections::HashSet;

use emend_proto::v1;
use prost::Message as _;

use crate::domain::fields::texts;
use crate::domain::mask::mask;
use crate::domain::results::check_code;
use crate::domain::review::Case;
use crate::store::{Job, Reviewed, StoreError};

/// A job's manifest, and what hangs on it for reviews.
#[derive(Debug, Default)]
pub(super) struct Form {
    manifest: v1::Manifest,
}

impl Form {
    pub(super) fn of(job: &Job) -> Self {
        Self { manifest: v1::Manifest::decode(job.spec.manifest.as_slice()).unwrap_or_default() }
    }

    fn field(&self, name: &str) -> Option<&v1::Field> {
        self.manifest.fields.iter().find(|field| field.name == name)
    }

    fn is_sensitive(&self, name: &str) -> bool {
        self.field(name).is_some_and(|field| field.sensitive)
    }

    /// The fields of a card, in order: those at issue, then those that bear on them; of a record on which the rules gave
    /// up, all.
    pub(super) fn fields(&self, case: &Case) -> Vec<v1::CardField> {
        let all: Vec<&str> = case.fields.iter().map(|(name, _)| name.as_str()).collect();
        let mut names: Vec<&str> = case.findings.iter().map(|finding| finding.field.as_str()).collect();
        let related = names.iter().filter_map(|name| self.field(name)).flat_map(|field| &field.related);
        names.extend(related.map(String::as_str).collect::<Vec<_>>());
        let mut seen = HashSet::new();
        let shown = if case.findings.is_empty() { all } else { names };
        shown.into_iter().filter(|name| seen.insert(*name)).map(|name| self.shown(case, name)).collect()
    }

    fn shown(&self, case: &Case, name: &str) -> v1::CardField {
        let value = case.fields.iter().find_map(|(field, value)| (field == name).then_some(value));
        let value = value.cloned().unwrap_or_default();
        let came = case.came.iter().find_map(|(field, value)| (field == name).then(|| value.clone()));
        let value = came.unwrap_or(value);
        let at_issue = case.at_issue(name);
        let masked = if !at_issue && self.is_sensitive(name) { mask(&value) } else { None };
        v1::CardField {
            name: name.to_owned(),
            masked: masked.is_some(),
            value: masked.unwrap_or(value),
            at_issue,
        }
    }
}

/// The record of a review as the rules left it. One that they corrected is looked into: shown as it came, with what
/// they made of it as one of two proposals, in an order that does not tell.
pub(super) fn case(reviewed: &Reviewed) -> Result<Case, StoreError> {
    let Reviewed { seq, record, result } = reviewed;
    let read =
        |changes| texts(&record.payload, changes).map_err(|error| StoreError::Internal(error.to_string()));
    let fields = read(&result.changes)?;
    if result.verdict() != v1::Verdict::Corrected {
        return Ok(Case { fields, findings: result.findings.clone(), came: Vec::new() });
    }
    let changed: HashSet<&str> = result.changes.iter().map(|change| change.field.as_str()).collect();
    let mut came = read(&[])?;
    came.retain(|(name, _)| changed.contains(name.as_str()));
    let finding = |(field, before): &(String, String)| {
        let after = fields.iter().find_map(|(name, value)| (name == field).then(|| value.clone()));
        let mut proposals = vec![after.unwrap_or_default(), before.clone()];
        if (seq / 2 + i64::try_from(before.len()).unwrap_or(0)) % 2 == 0 {
            proposals.reverse();
        }
        v1::Finding { code: check_code(field), field: field.clone(), proposals, ..v1::Finding::default() }
    };
    let findings = came.iter().map(finding).collect();
    Ok(Case { fields, findings, came })
}

/// The card without what others said, a draft, and its cluster.
pub(super) fn card(form: &Form, case: &Case, reviewed: &Reviewed, round: i64) -> v1::ReviewCard {
    let findings = case.findings.iter().map(|finding| v1::CardFinding {
        code: finding.code.clone(),
        field: finding.field.clone(),
        proposals: finding.proposals.clone(),
    });
    v1::ReviewCard {
        round: u32::try_from(round).unwrap_or_default(),
        findings: findings.collect(),
        fields: form.fields(case),
        failure: reviewed.result.failure.clone(),
        ..v1::ReviewCard::default()
    }
}
