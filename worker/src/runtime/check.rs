//! From records to their results: parse, validate, and hold the outcomes against the SDK's promises.

use std::fmt;

use emend_proto::v1::{self, RecordResult, Verdict};

use super::chain::{Chain, Rules, parts};
use super::{group, panics};
use crate::sdk::alike_of;
use crate::{Finding, JobContext, Outcome, Record, Validator};

/// Why a record is `failed`. Holds no value of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The validator panicked, at this place in the source.
    Panic(String),
    /// The validator did not come back in time.
    Timeout,
    /// The payload is not a JSON object.
    Payload,
    /// The validator's answer breaks a promise.
    Outcome(&'static str),
    /// A validator that was called did not answer about it as it should.
    Validator,
}

impl Failure {
    /// The stable code, as in `RecordResult.failure`.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Panic(_) => "panic",
            Self::Timeout => "timeout",
            Self::Payload => "payload",
            Self::Outcome(_) => "outcome",
            Self::Validator => "validator",
        }
    }

    pub(crate) fn into_result(self, seq: u64) -> RecordResult {
        let failure = self.code().to_owned();
        RecordResult { seq, verdict: Verdict::Failed.into(), failure, ..RecordResult::default() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic(place) => write!(f, "the validator panicked at {place}"),
            Self::Timeout => f.write_str("the validator did not come back in time"),
            Self::Payload => f.write_str("the payload is not a JSON object"),
            Self::Outcome(problem) => write!(f, "the validator's outcome is wrong: {problem}"),
            Self::Validator => f.write_str("a validator that was called did not answer as it should"),
        }
    }
}

const MISCOUNT: Failure = Failure::Outcome("there must be one for each record");

/// The result of one record, or why it is `failed`.
pub(crate) type Checked = Result<RecordResult, Failure>;

/// What one validator says of the records of a slice.
pub(crate) struct Said {
    /// For each record, held against the promises by itself.
    pub(crate) outcomes: Vec<Result<Outcome, Failure>>,
    /// It had no answer about the slice, and was asked about each record alone: nobody has compared them.
    pub(crate) apart: bool,
}

/// What a chain says of the records of a slice, of each in its place: one record, or all of a group.
pub(crate) fn check(chain: &Chain, rules: &Rules, first_seq: u64, records: &[v1::Record]) -> Vec<Checked> {
    let (mut sound, mut broken) = (Vec::with_capacity(records.len()), Vec::new());
    for (place, record) in records.iter().enumerate() {
        match Record::parse(&record.key, &record.payload) {
            Ok(record) => sound.push(record),
            Err(_) => broken.push(place),
        }
    }
    // Only one by itself can be apart.
    let apart = if let [record] = records { group::apart(record) } else { None };
    let mut checked = by_pack(chain, rules, apart, &sound);
    for member in &chain.behind {
        member.run(&sound, rules, chain.key_field(), &mut checked);
    }
    // Ascending, so that each gets into its place.
    broken.into_iter().for_each(|place| checked.insert(place, Err(Failure::Payload)));
    for (seq, checked) in (first_seq..).zip(&mut checked) {
        checked.iter_mut().for_each(|result| result.seq = seq);
    }
    checked
}

/// What the pack says. `apart`: the finding of a record that is not with its group.
fn by_pack(
    chain: &Chain,
    rules: &Rules,
    apart: Option<&'static str>,
    records: &[Record<'_>],
) -> Vec<Checked> {
    let (validator, job) = (&*chain.pack.validator, &chain.pack.job);
    let said = ask(validator, job, records);
    let uncompared = if said.apart { Some(group::FAILED) } else { apart };
    let one = |(record, outcome): (_, Result<Outcome, Failure>)| {
        let mut outcome = outcome?;
        rules.leave_out(&mut outcome);
        let outcome = held_back(outcome, rules);
        if let Some(code) = uncompared {
            let mut result = into_result(outcome);
            group::ask_a_person(code, job, &mut result);
            return Ok(result);
        }
        // It asks the validator once more. One that does not stand that has still answered.
        let alike = || alike_of(validator, job, record, &outcome, records.len() == 1);
        let alike = panics::caught(alike).unwrap_or_default();
        Ok(RecordResult { alike, ..into_result(outcome) })
    };
    records.iter().zip(said.outcomes).map(one).collect()
}

/// Asks a validator about the records of a slice; about each alone, when it panics on several or does not answer about
/// every one.
pub(crate) fn ask(validator: &dyn Validator, job: &JobContext, records: &[Record<'_>]) -> Said {
    let alone = |record| one(validator, job, record);
    let (outcomes, apart) = match records {
        [] => (Vec::new(), false),
        [record] => (vec![alone(record)], false),
        _ => match answer(validator, job, records) {
            Ok(outcomes) => (outcomes.into_iter().map(keep_promises).collect(), false),
            Err(reason) => {
                tracing::debug!(records = records.len(), %reason, "a validator cannot compare a group");
                (records.iter().map(alone).collect(), true)
            }
        },
    };
    Said { outcomes, apart }
}

/// What one validator says of one record, held against its promises.
fn one(validator: &dyn Validator, job: &JobContext, record: &Record<'_>) -> Result<Outcome, Failure> {
    let outcomes = answer(validator, job, std::slice::from_ref(record))?;
    outcomes.into_iter().map(keep_promises).next().unwrap_or(Err(MISCOUNT))
}

fn answer(
    validator: &dyn Validator,
    job: &JobContext,
    records: &[Record<'_>],
) -> Result<Vec<Outcome>, Failure> {
    let outcomes = panics::caught(|| validator.validate(job, records)).map_err(Failure::Panic)?;
    if outcomes.len() == records.len() { Ok(outcomes) } else { Err(MISCOUNT) }
}

/// What rules that are paused would have changed goes to a person, with what the chain would have made of it.
pub(crate) fn held_back(mut outcome: Outcome, rules: &Rules) -> Outcome {
    let paused = outcome.changes.iter().filter(|change| rules.is_paused(&change.rule));
    // Of a field's rules that are paused, the first is named.
    let mut fields: Vec<_> = paused.map(|change| (change.field.clone(), change.rule.clone())).collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    fields.dedup_by(|(one, _), (other, _)| one == other);
    for (field, rule) in fields {
        let of_field = || outcome.changes.iter().filter(|change| change.field == field);
        let proposals = of_field().next_back().map(|change| change.after.clone()).into_iter().collect();
        let rule = parts(&rule, of_field().map(|change| change.rule.as_ref())).into();
        let code = paused_code(&field).into();
        outcome.changes.retain(|change| change.field != field);
        outcome.findings.push(Finding { code, field, proposals, rule });
    }
    outcome
}

/// The finding of a field that a paused rule would change.
pub(crate) fn paused_code(field: &str) -> String {
    let code = format!("{field}.rule_paused");
    // A field may have a name that is no code.
    if is_code(&code) { code } else { "record.rule_paused".to_owned() }
}

/// What a record's changes and findings make of it.
pub(crate) fn verdict(is_changed: bool, is_found: bool) -> Verdict {
    match (is_changed, is_found) {
        (_, true) => Verdict::Routed,
        (true, false) => Verdict::Corrected,
        (false, false) => Verdict::Valid,
    }
}

fn keep_promises(outcome: Outcome) -> Result<Outcome, Failure> {
    let changed = |finding: &Finding| outcome.changes.iter().any(|change| change.field == finding.field);
    if outcome.findings.iter().any(changed) {
        return Err(Failure::Outcome("it changes a field that it routes"));
    }
    if outcome.findings.iter().any(|finding| !is_code(&finding.code)) {
        return Err(Failure::Outcome("a finding's code is not field.reason of [a-z0-9_]"));
    }
    Ok(outcome)
}

/// Whether `code` is `field.reason`: two or more words of `[a-z0-9_]` between dots.
pub(crate) fn is_code(code: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    code.contains('.') && code.split('.').all(is_word)
}

fn into_result(outcome: Outcome) -> RecordResult {
    let verdict = verdict(!outcome.changes.is_empty(), !outcome.findings.is_empty());
    let changes = outcome.changes.into_iter().map(|change| v1::Change {
        field: change.field.into_owned(),
        before: change.before,
        after: change.after,
        rule: change.rule.into_owned(),
    });
    let findings = outcome.findings.into_iter().map(|finding| v1::Finding {
        code: finding.code.into_owned(),
        field: finding.field.into_owned(),
        proposals: finding.proposals,
        rule: finding.rule.into_owned(),
    });
    RecordResult {
        verdict: verdict.into(),
        changes: changes.collect(),
        findings: findings.collect(),
        ..RecordResult::default()
    }
}

#[cfg(test)]
mod tests;
