//! A unit's records together with its results, and with what people decided on them.

use std::borrow::Cow;

use anyhow::{Context as _, Result, bail};
use emend_proto::v1::{AnswerKind, Block, Change, Record, RecordDecision, RecordResult, UnitBlocks, Verdict};

/// Which records are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Only(Vec<Verdict>);

impl Only {
    /// Records of these verdicts; all of them when there is none.
    pub fn these(verdicts: impl IntoIterator<Item = Verdict>) -> Self {
        Self(verdicts.into_iter().collect())
    }

    /// What to ask of the scheduler, which knows a single verdict or all.
    pub(super) fn wanted(&self) -> Verdict {
        match self.0.as_slice() {
            [verdict] => *verdict,
            _ => Verdict::Unspecified,
        }
    }

    fn takes(&self, result: Option<&RecordResult>) -> bool {
        self.0.is_empty() || result.is_some_and(|result| self.0.contains(&result.verdict()))
    }
}

/// A record with all that an export says of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'u> {
    /// Its place.
    pub(super) seq: u64,
    /// As it was imported.
    pub(super) record: &'u Record,
    /// What the rules said; none while it is pending.
    pub(super) result: Option<&'u RecordResult>,
    /// What people decided, if they did.
    pub(super) decision: Option<&'u RecordDecision>,
}

impl<'u> Entry<'u> {
    /// The rules' changes.
    pub(super) fn by_rule(&self) -> &'u [Change] {
        self.result.map_or(&[], |result| &result.changes)
    }

    /// All changes: the rules', and over them those by hand.
    pub(super) fn changes(&self) -> Cow<'u, [Change]> {
        match self.decision {
            Some(decision) if !decision.changes.is_empty() => {
                Cow::Owned([self.by_rule(), &decision.changes].concat())
            }
            _ => Cow::Borrowed(self.by_rule()),
        }
    }

    /// The rules' verdict as everything outside calls it. People do not change it.
    pub(super) fn verdict(&self) -> &'static str {
        match self.result.map_or(Verdict::Unspecified, RecordResult::verdict) {
            Verdict::Unspecified => "pending",
            Verdict::Valid => "valid",
            Verdict::Corrected => "corrected",
            Verdict::Routed => "routed",
            Verdict::Failed => "failed",
        }
    }

    /// Whether people marked it as not to be used.
    pub(super) fn is_rejected(&self) -> bool {
        self.decision.is_some_and(|decision| decision.kind() == AnswerKind::Rejected)
    }
}

/// Calls `each` with every wanted record of the unit, in order; how many there were.
///
/// # Errors
/// When a block is damaged, or the results or decisions are not those of the records.
pub(super) fn for_each(
    unit: &UnitBlocks,
    only: &Only,
    mut each: impl FnMut(Entry<'_>) -> Result<()>,
) -> Result<u64> {
    let at = || format!("the unit that begins with record {} is damaged", unit.first_seq);
    let records = unit.records.as_ref().context("no records in it").with_context(at)?;
    let mut results = match &unit.results {
        Some(results) if results.count != records.count => {
            bail!("{}: {} results for {} records", at(), results.count, records.count)
        }
        Some(results) => Some(emend_proto::decode::<RecordResult>(results).with_context(at)?),
        None => None,
    };
    let mut decisions = unit.decisions.iter().peekable();
    let mut taken = 0;
    for (seq, record) in (unit.first_seq..).zip(decoded(records).with_context(at)?) {
        let record = record.with_context(at)?;
        let result = match &mut results {
            Some(results) => {
                Some(results.next().context("a result is missing").with_context(at)?.with_context(at)?)
            }
            None => None,
        };
        if result.as_ref().is_some_and(|result| result.seq != seq) {
            bail!("{}: its results are those of other records", at());
        }
        let decision = decisions.next_if(|decision| decision.seq == seq);
        if only.takes(result.as_ref()) {
            let entry = Entry { seq, record: &record, result: result.as_ref(), decision };
            each(entry).with_context(|| format!("record {seq} is damaged"))?;
            taken += 1;
        }
    }
    if decisions.next().is_some() {
        bail!("{}: its decisions are those of other records", at());
    }
    Ok(taken)
}

/// The last record of a unit.
pub(super) fn last_seq(unit: &UnitBlocks) -> u64 {
    let count = unit.records.as_ref().map_or(0, |block| block.count);
    (unit.first_seq + u64::from(count)).saturating_sub(1)
}

fn decoded(block: &Block) -> Result<emend_proto::Decoded<Record>> {
    Ok(emend_proto::decode(block)?)
}

#[cfg(test)]
pub(super) mod tests {
    use emend_proto::v1::Finding;

    use super::*;

    /// A unit of four records, one for each verdict, or without results.
    pub(in crate::export) fn unit(done: bool) -> UnitBlocks {
        let payloads = [
            r#"{"id":"1","name":"Ân","note":""}"#,
            r#"{"id":"2","name":"an, \"x\"\n","note":null}"#,
            r#"{"id": 3, "note": {"a": 1}}"#,
            r#"{"id":"4","name":"=1+1","note":"a;b"}"#,
        ];
        let records: Vec<Record> = (1..)
            .zip(payloads)
            .map(|(at, payload)| Record {
                key: at.to_string(),
                payload: payload.as_bytes().to_vec().into(),
                row: at + 1,
                ..Record::default()
            })
            .collect();
        let change = |field: &str, before: &str, after: &str, rule: &str| Change {
            field: field.into(),
            before: before.into(),
            after: after.into(),
            rule: rule.into(),
        };
        let finding = |code: &str, proposals: &[&str]| Finding {
            code: code.into(),
            field: "name".into(),
            proposals: proposals.iter().map(|&text| text.into()).collect(),
            ..Finding::default()
        };
        let result =
            |seq, verdict: Verdict| RecordResult { seq, verdict: verdict.into(), ..RecordResult::default() };
        let results = [
            result(11, Verdict::Valid),
            RecordResult {
                changes: vec![
                    change("name", "an, \"x\"\n", "AN, X", "name.case"),
                    change("name", "AN, X", "AN", "name.x"),
                ],
                ..result(12, Verdict::Corrected)
            },
            RecordResult {
                changes: vec![change("note", "{\"a\": 1}", "n", "note.text")],
                findings: vec![finding("name.missing", &[]), finding("name.odd", &["A \"B\""])],
                ..result(13, Verdict::Routed)
            },
            RecordResult { failure: "panic".into(), ..result(14, Verdict::Failed) },
        ];
        let results = done.then(|| emend_proto::encode(&results));
        UnitBlocks {
            first_seq: 11,
            records: Some(emend_proto::encode(&records)),
            results,
            decisions: Vec::new(),
        }
    }

    /// The same, with what people decided on the last two records.
    pub(in crate::export) fn decided() -> UnitBlocks {
        let by_hand = Change {
            field: "name".into(),
            before: String::new(),
            after: "B, \"y\"".into(),
            rule: "decision".into(),
        };
        let values = RecordDecision {
            seq: 13,
            kind: AnswerKind::Values.into(),
            changes: vec![by_hand],
            reviewers: vec!["a".into(), "b".into()],
            ..RecordDecision::default()
        };
        let rejected = RecordDecision {
            seq: 14,
            kind: AnswerKind::Rejected.into(),
            reason: "no such person, \"x\"".into(),
            reviewers: vec!["a".into()],
            ..RecordDecision::default()
        };
        UnitBlocks { decisions: vec![values, rejected], ..unit(true) }
    }

    fn keys(unit: &UnitBlocks, only: &Only) -> Result<String> {
        let mut keys = String::new();
        let count = for_each(unit, only, |entry| {
            keys.push_str(&entry.record.key);
            Ok(())
        })?;
        assert_eq!(count, keys.len() as u64);
        Ok(keys)
    }

    #[test]
    fn only_the_wanted_verdicts_are_taken() {
        let unit = unit(true);
        assert_eq!(keys(&unit, &Only::default()).unwrap(), "1234");
        assert_eq!(keys(&unit, &Only::these([Verdict::Corrected])).unwrap(), "2");
        assert_eq!(keys(&unit, &Only::these([Verdict::Routed, Verdict::Failed])).unwrap(), "34");
        assert_eq!(last_seq(&unit), 14);
    }

    #[test]
    fn a_unit_that_is_not_done_has_no_verdicts() {
        assert_eq!(keys(&unit(false), &Only::default()).unwrap(), "1234");
        assert_eq!(keys(&unit(false), &Only::these([Verdict::Valid])).unwrap(), "");
    }

    #[test]
    fn damage_is_said_with_the_place_and_without_values() {
        let mut shifted = unit(true);
        shifted.first_seq = 12;
        let mut short = unit(true);
        short.results.as_mut().unwrap().count = 3;
        let mut flipped = unit(true);
        flipped.records.as_mut().unwrap().checksum ^= 1;
        let mut misplaced = decided();
        misplaced.decisions[0].seq = 15;
        for unit in [shifted, short, flipped, misplaced] {
            let error = format!("{:#}", keys(&unit, &Only::default()).unwrap_err());
            assert!(error.contains("record 1") && !error.contains("Ân"), "{error}");
        }
    }

    #[test]
    fn decisions_go_over_the_changes_of_rules() {
        let mut seen = Vec::new();
        for_each(&decided(), &Only::default(), |entry| {
            let rules: Vec<String> = entry.changes().iter().map(|change| change.rule.clone()).collect();
            seen.push((entry.seq, rules.join(" "), entry.is_rejected()));
            assert_eq!(entry.by_rule().len(), entry.result.unwrap().changes.len());
            Ok(())
        })
        .unwrap();
        let expected = [
            (11, "", false),
            (12, "name.case name.x", false),
            (13, "note.text decision", false),
            (14, "", true),
        ];
        assert_eq!(seen, expected.map(|(seq, rules, rejected)| (seq, rules.to_owned(), rejected)));
    }
}
