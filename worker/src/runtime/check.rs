//! From one record to its result: parse, validate, and hold the outcome against the SDK's promises.

use std::fmt;

use emend_proto::v1::{self, RecordResult, Verdict};

use super::chain::{Chain, Rules, parts};
use super::panics;
use crate::{Finding, JobContext, Outcome, Record, Validator, alike};

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

/// What a chain says of one record, checked.
pub(crate) fn check(
    chain: &Chain,
    rules: &Rules,
    seq: u64,
    record: &v1::Record,
) -> Result<RecordResult, Failure> {
    let record = Record::parse(&record.key, &record.payload).map_err(|_| Failure::Payload)?;
    let (validator, job) = (&*chain.pack.validator, &chain.pack.job);
    let mut outcome = one(validator, job, &record)?;
    rules.leave_out(&mut outcome);
    let outcome = held_back(outcome, rules);
    // It asks the validator once more. One that does not stand that has still answered.
    let alike = panics::caught(|| alike(validator, job, &record, &outcome)).unwrap_or_default();
    let mut result = RecordResult { alike, ..into_result(seq, outcome) };
    for member in &chain.behind {
        member.run(&record, rules, chain.key_field(), &mut result)?;
    }
    Ok(result)
}

/// What one validator says of one record, held against its promises.
pub(crate) fn one(
    validator: &dyn Validator,
    job: &JobContext,
    record: &Record<'_>,
) -> Result<Outcome, Failure> {
    let outcomes =
        panics::caught(|| validator.validate(job, std::slice::from_ref(record))).map_err(Failure::Panic)?;
    let [outcome] = <[Outcome; 1]>::try_from(outcomes)
        .map_err(|_| Failure::Outcome("there must be one for each record"))?;
    keep_promises(&outcome)?;
    Ok(outcome)
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

fn keep_promises(outcome: &Outcome) -> Result<(), Failure> {
    let changed = |finding: &Finding| outcome.changes.iter().any(|change| change.field == finding.field);
    if outcome.findings.iter().any(changed) {
        return Err(Failure::Outcome("it changes a field that it routes"));
    }
    if outcome.findings.iter().any(|finding| !is_code(&finding.code)) {
        return Err(Failure::Outcome("a finding's code is not field.reason of [a-z0-9_]"));
    }
    Ok(())
}

/// Whether `code` is `field.reason`: two or more words of `[a-z0-9_]` between dots.
pub(crate) fn is_code(code: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    code.contains('.') && code.split('.').all(is_word)
}

fn into_result(seq: u64, outcome: Outcome) -> RecordResult {
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
        seq,
        verdict: verdict.into(),
        changes: changes.collect(),
        findings: findings.collect(),
        ..RecordResult::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use emend_proto::v1::{Lease, PackRef};

    use super::*;
    use crate::{Change, Manifest};

    struct Says(Manifest, Vec<Outcome>);

    impl Validator for Says {
        fn manifest(&self) -> &Manifest {
            &self.0
        }

        fn validate(&self, _: &JobContext, _: &[Record<'_>]) -> Vec<Outcome> {
            self.1.clone()
        }
    }

    fn change(field: &'static str) -> Change {
        Change { field: field.into(), before: "a".into(), after: "b".into(), rule: "r".into() }
    }

    fn finding(code: &'static str) -> Finding {
        Finding { code: code.into(), field: "phone".into(), ..Finding::default() }
    }

    fn judge(payload: &'static str, outcomes: Vec<Outcome>) -> Result<Verdict, Failure> {
        let manifest = Manifest {
            name: "test".into(),
            version: "1".into(),
            key_field: "id".into(),
            ..Manifest::default()
        };
        let record = v1::Record { key: "k".into(), payload: payload.into(), row: 1 };
        let pack = PackRef { name: "test".into(), version: "1".into() };
        let validator: Arc<dyn Validator> = Arc::new(Says(manifest, outcomes));
        let packs = HashMap::from([((pack.name.clone(), pack.version.clone()), validator)]);
        let (chain, _) = Chain::of(&Lease { pack: Some(pack), ..Lease::default() }, &packs);
        check(&chain.unwrap(), &Rules::default(), 7, &record).map(|result| result.verdict())
    }

    fn outcome(changes: &[Change], findings: &[Finding]) -> Vec<Outcome> {
        vec![Outcome { changes: changes.to_vec(), findings: findings.to_vec() }]
    }

    #[test]
    fn changes_and_findings_make_the_verdict() {
        assert_eq!(judge("{}", outcome(&[], &[])), Ok(Verdict::Valid));
        assert_eq!(judge("{}", outcome(&[change("name")], &[])), Ok(Verdict::Corrected));
        assert_eq!(judge("{}", outcome(&[change("name")], &[finding("phone.length")])), Ok(Verdict::Routed));
    }

    #[test]
    fn what_a_paused_rule_would_change_is_a_finding_with_the_chains_last_word() {
        let by = |field: &'static str, after: &str, rule: &'static str| Change {
            field: field.into(),
            before: "a".into(),
            after: after.into(),
            rule: rule.into(),
        };
        let changes =
            vec![by("name", "b", "name.trim"), by("name", "c", "name.case"), by("phone", "d", "phone.fix")];
        let outcome = Outcome { changes: changes.clone(), findings: vec![finding("site.odd")] };
        let paused = |rule: &str| Rules { paused: vec![rule.into()], ..Rules::default() };
        assert_eq!(held_back(outcome.clone(), &paused("other")), outcome);
        let held = held_back(outcome, &paused("name.trim"));
        assert_eq!(held.changes, changes[2..]);
        let told = Finding {
            code: "name.rule_paused".into(),
            field: "name".into(),
            proposals: vec!["c".into()],
            rule: "name.trim,name.case".into(),
        };
        assert_eq!(held.findings[1], told);
        let odd = Outcome { changes: vec![by("Họ tên", "b", "r")], findings: vec![] };
        assert_eq!(held_back(odd, &paused("r")).findings[0].code, "record.rule_paused");
    }

    #[test]
    fn a_broken_promise_fails_the_record() {
        assert_eq!(judge("[]", outcome(&[], &[])), Err(Failure::Payload));
        for outcomes in [
            vec![],
            vec![Outcome::default(), Outcome::default()],
            outcome(&[change("phone")], &[finding("phone.length")]),
            outcome(&[], &[finding("phone")]),
            outcome(&[], &[finding("phone.")]),
            outcome(&[], &[finding("Phone.length")]),
            outcome(&[], &[finding("phone.too long")]),
        ] {
            assert!(matches!(judge("{}", outcomes), Err(Failure::Outcome(_))));
        }
    }
}
