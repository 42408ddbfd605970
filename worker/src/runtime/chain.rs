//! What a record goes through in this process: the pack, and behind it the rule files and packs that the job names. Each
//! sees the record as the one before it left it.

use std::collections::HashSet;
use std::sync::Arc;

use emend_proto::v1::{self, Lease, PackRef, RecordResult};

use super::check::{Checked, Failure, ask, held_back, verdict};
use super::group;
use super::leaser::Packs;
use crate::{Change, Finding, JobContext, Outcome, Record, Validator};

/// Rules that a job does not let do what they would.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// What they would change goes to people; `NAME.*` is all of one validator.
    pub(crate) paused: Vec<String>,
    /// They do not run.
    pub(crate) off: Vec<String>,
}

/// One validator of a chain.
pub(crate) struct Member {
    /// Stands before its rules. Those of the pack stand alone.
    name: Option<String>,
    pub(crate) validator: Arc<dyn Validator>,
    pub(crate) job: JobContext,
}

/// What this process runs of a job's chain, up to the first validator that has to be called.
pub(crate) struct Chain {
    pub(crate) pack: Member,
    pub(crate) behind: Vec<Member>,
}

impl Rules {
    pub(crate) fn of(lease: &Lease) -> Self {
        Self { paused: lease.paused_rules.clone(), off: lease.rules_off.clone() }
    }

    pub(crate) fn is_paused(&self, rule: &str) -> bool {
        let all_of = |paused: &str| paused.strip_suffix('*').is_some_and(|start| rule.starts_with(start));
        self.paused.iter().any(|paused| paused == rule || all_of(paused))
    }

    pub(crate) fn is_off(&self, rule: &str) -> bool {
        self.off.iter().any(|off| off == rule)
    }

    /// What rules that are off would have changed stays as it was before the first of them.
    pub(crate) fn leave_out(&self, outcome: &mut Outcome) {
        let mut cut = HashSet::new();
        outcome.changes.retain(|change| {
            if self.is_off(&change.rule) {
                cut.insert(change.field.clone());
            }
            !cut.contains(&change.field)
        });
        outcome.findings.retain(|finding| !self.is_off(&finding.rule));
    }
}

impl Member {
    fn pack(validator: Arc<dyn Validator>, job: JobContext) -> Self {
        Self { name: None, validator, job }
    }

    /// Behind the pack, by the name under which the job has it.
    pub(crate) fn behind(link: &PackRef, validator: Arc<dyn Validator>, job: &JobContext) -> Self {
        let own = |rule: &String| rule.strip_prefix(&link.name)?.strip_prefix('.').map(str::to_owned);
        let without = job.without.iter().filter_map(own).collect();
        Self { name: Some(link.name.clone()), validator, job: JobContext { without, ..job.clone() } }
    }

    /// Adds what it says of the records of a slice to what the chain before has said, one for one. It is asked once about
    /// all that have not failed, as they were left.
    pub(crate) fn run(
        &self,
        records: &[Record<'_>],
        rules: &Rules,
        key_field: &str,
        checked: &mut [Checked],
    ) {
        let said = {
            let open = records.iter().zip(&*checked);
            let as_left = |(record, checked)| Some(left(record, Checked::as_ref(checked).ok()?));
            ask(&*self.validator, &self.job, &open.filter_map(as_left).collect::<Vec<_>>())
        };
        let open = records.iter().zip(checked).filter(|(_, checked)| checked.is_ok());
        for ((record, checked), outcome) in open.zip(said.outcomes) {
            let Ok(result) = checked else { continue };
            match outcome.and_then(|outcome| self.take(record, rules, key_field, outcome, result)) {
                Ok(()) if said.apart => group::ask_a_person(group::FAILED, &self.job, result),
                Ok(()) => {}
                Err(failure) => *checked = Err(failure),
            }
        }
    }

    /// Adds what it says of one record.
    fn take(
        &self,
        record: &Record<'_>,
        rules: &Rules,
        key_field: &str,
        mut outcome: Outcome,
        result: &mut RecordResult,
    ) -> Result<(), Failure> {
        self.name_rules(&mut outcome);
        rules.leave_out(&mut outcome);
        let told = add(record, key_field, held_back(outcome, rules), result)?;
        if told {
            // Alike is what the pack found alone.
            result.alike = 0;
        }
        result.verdict = verdict(!result.changes.is_empty(), !result.findings.is_empty()).into();
        Ok(())
    }

    fn name_rules(&self, outcome: &mut Outcome) {
        let Some(name) = &self.name else { return };
        for change in &mut outcome.changes {
            change.rule = format!("{name}.{}", change.rule).into();
        }
        for finding in outcome.findings.iter_mut().filter(|finding| !finding.rule.is_empty()) {
            finding.rule = format!("{name}.{}", finding.rule).into();
        }
    }
}

impl Chain {
    /// What `packs` hold of a lease's chain, and what is left to be called behind it. `None` without its pack.
    pub(crate) fn of(lease: &Lease, packs: &Packs) -> (Option<Self>, Vec<PackRef>) {
        let job = context(lease);
        let find = |link: &PackRef| packs.get(&(link.name.clone(), link.version.clone())).cloned();
        let mut links = lease.validators.iter().peekable();
        let mut behind = Vec::new();
        while let Some(validator) = links.peek().and_then(|link| find(link)) {
            let Some(link) = links.next() else { break };
            behind.push(Member::behind(link, validator, &job));
        }
        let pack = lease.pack.as_ref().and_then(find);
        let chain = pack.map(|pack| Self { pack: Member::pack(pack, job), behind });
        (chain, links.cloned().collect())
    }

    pub(crate) fn key_field(&self) -> &str {
        &self.pack.validator.manifest().key_field
    }
}

/// What the pack of a lease may know of its job.
pub(crate) fn context(lease: &Lease) -> JobContext {
    JobContext {
        as_of: lease.as_of.clone(),
        without: lease.rules_off.clone(),
        group_by: lease.group_by.clone(),
    }
}

/// Adds an outcome to what the chain before has said; whether it told people anything.
fn add(
    record: &Record<'_>,
    key_field: &str,
    outcome: Outcome,
    result: &mut RecordResult,
) -> Result<bool, Failure> {
    let told = !outcome.findings.is_empty();
    for Change { field, after, rule, .. } in outcome.changes {
        if field == key_field {
            return Err(Failure::Outcome("it changes the key"));
        }
        // The field waits for a person already. As a proposal it would stand there without its rule, and stay when that is
        // taken back.
        if result.findings.iter().any(|finding| finding.field == field) {
            continue;
        }
        let before = current(record, result, &field).unwrap_or_default().to_owned();
        if before != after {
            let (field, rule) = (field.into_owned(), rule.into_owned());
            result.changes.push(v1::Change { field, before, after, rule });
        }
    }
    for Finding { code, field, proposals, rule } in outcome.findings {
        let (code, field, rule) = (code.into_owned(), field.into_owned(), rule.into_owned());
        route(result, v1::Finding { code, field, proposals, rule });
    }
    Ok(told)
}

/// The record as the chain has left it so far.
fn left<'a>(record: &'a Record<'_>, result: &'a RecordResult) -> Record<'a> {
    record.with(result.changes.iter().map(|change| (change.field.as_str(), change.after.as_str())))
}

/// The value of a field as the chain has left it so far.
pub(crate) fn current<'a>(record: &'a Record<'_>, result: &'a RecordResult, field: &str) -> Option<&'a str> {
    let changed = result.changes.iter().rfind(|change| change.field == field);
    changed.map(|change| change.after.as_str()).or_else(|| record.get(field))
}

/// The field is a person's now: what was changed of it before is a proposal, the first.
pub(crate) fn route(result: &mut RecordResult, mut finding: v1::Finding) {
    let (folded, kept) = std::mem::take(&mut result.changes)
        .into_iter()
        .partition::<Vec<_>, _>(|change| change.field == finding.field);
    result.changes = kept;
    if let Some(last) = folded.last() {
        finding.proposals.retain(|proposal| *proposal != last.after);
        finding.proposals.insert(0, last.after.clone());
        finding.rule = parts(&finding.rule, folded.iter().map(|change| change.rule.as_str()));
    }
    result.findings.push(finding);
}

/// Rules that have a part in a finding, each once: taking one of them back concerns it.
pub(crate) fn parts<'a>(first: &'a str, others: impl Iterator<Item = &'a str>) -> String {
    let mut rules: Vec<&str> = Vec::new();
    for rule in first.split(',').chain(others).filter(|rule| !rule.is_empty()) {
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    rules.join(",")
}

#[cfg(test)]
mod tests;
