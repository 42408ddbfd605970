//! A unit's results, checked and counted once before any transaction begins.

use std::collections::BTreeMap;

use emend_proto::v1::{Block, RecordResult, Verdict};
use emend_proto::{BlockError, decode};
use prost::Message;
use serde::{Deserialize, Serialize};

use super::commit::Content;
use super::job::MAX_SAMPLE;
use super::review::FAILED;
use super::samples;

/// Violations beyond this many say nothing new.
const MAX_VIOLATIONS: usize = 10;

/// Records by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// Nothing to change, nothing found.
    pub valid: i64,
    /// Changed by rules, nothing left open.
    pub corrected: i64,
    /// A person is needed.
    pub routed: i64,
    /// A rule crashed or ran out of time.
    pub failed: i64,
}

/// Changes by rule and findings by code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tallies {
    /// Changes by rule, and findings in which it has a part.
    pub rules: BTreeMap<String, u64>,
    /// Findings by code.
    pub findings: BTreeMap<String, u64>,
}

/// A corrected record that people may look into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Its place.
    pub seq: i64,
    /// Jobs that look into more than this many of a million look into it.
    pub draw: u32,
    /// The codes under which it is shown, sorted, a comma between.
    pub kind: String,
    /// Fields, and the rules that changed them.
    pub rules: Vec<(String, String)>,
}

impl Sample {
    /// What there is to look into; `None` for what is not corrected, and for most that is.
    pub fn of(seq: i64, result: &RecordResult) -> Option<Self> {
        let draw = draw(seq);
        if result.verdict() != Verdict::Corrected || draw >= MAX_SAMPLE {
            return None;
        }
        let mut rules: Vec<(String, String)> =
            result.changes.iter().map(|change| (change.field.clone(), change.rule.clone())).collect();
        rules.sort();
        rules.dedup();
        let mut codes: Vec<String> = rules.iter().map(|(field, _)| check_code(field)).collect();
        codes.dedup();
        Some(Self { seq, draw, kind: codes.join(","), rules })
    }
}

/// The code under which a change of a field is looked into.
pub fn check_code(field: &str) -> String {
    format!("{field}.check")
}

/// A number below a million that a place has for good: so the sample is the same however units are cut and whoever
/// commits them.
pub(super) fn draw(seq: i64) -> u32 {
    // The multiplier of Fibonacci hashing: neighbours land far apart.
    let mixed = seq.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed >> 32) % 1_000_000) as u32
}

/// The sound results of one unit.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// Place of the first record.
    pub first_seq: i64,
    /// Place of the last record.
    pub last_seq: i64,
    /// BLAKE3 over the canonical results: no timings, no worker, no compression.
    pub digest: Vec<u8>,
    /// Records by verdict.
    pub verdicts: Verdicts,
    /// Changes by rule and findings by code.
    pub tallies: Tallies,
    /// Those that need a person.
    pub reviews: Vec<ToReview>,
    /// Those that a job may have people look into.
    pub samples: Vec<Sample>,
    /// The results as they will rest.
    pub block: Block,
}

/// A record that needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToReview {
    /// Its place.
    pub seq: i64,
    /// The codes of its findings, sorted, a comma between.
    pub kind: String,
    /// The same for those that one look can settle together.
    pub alike: Option<i64>,
}

impl ToReview {
    /// What there is for a person in a result; `None` when the rules settled it.
    pub fn of(seq: i64, result: &RecordResult) -> Option<Self> {
        match result.verdict() {
            Verdict::Routed => {
                let mut codes: Vec<_> = result.findings.iter().map(|finding| finding.code.as_str()).collect();
                codes.sort_unstable();
                codes.dedup();
                let alike = Some(result.alike.cast_signed()).filter(|&alike| alike != 0);
                Some(Self { seq, kind: codes.join(","), alike })
            }
            Verdict::Failed => Some(Self { seq, kind: FAILED.into(), alike: None }),
            Verdict::Unspecified | Verdict::Valid | Verdict::Corrected => None,
        }
    }
}

impl Results {
    /// Reads a block of results as a worker sent it.
    pub fn read(block: Block) -> Content {
        match Self::try_read(block) {
            Ok(Ok(results)) => Content::Sound(results),
            Ok(Err(violations)) => Content::Unsound(violations),
            Err(BlockError::Checksum) => Content::Corrupt,
            Err(error @ (BlockError::TooLarge | BlockError::Malformed(_))) => {
                Content::Unsound(vec![("results".into(), error.to_string())])
            }
        }
    }

    fn try_read(block: Block) -> Result<Result<Self, Vec<(String, String)>>, BlockError> {
        let mut results = Self::default();
        let mut violations = Vec::new();
        let mut digest = blake3::Hasher::new();
        let mut canonical = Vec::with_capacity(256);
        for (at, result) in decode::<RecordResult>(&block)?.enumerate() {
            let result = result?;
            if let Err(description) = results.add(at, &result) {
                violations.push((format!("results[{at}]"), description.to_owned()));
                if violations.len() == MAX_VIOLATIONS {
                    break;
                }
            }
            // Encoding what was decoded drops whatever this version does not know, and fixes the order of fields.
            canonical.clear();
            result.encode_length_delimited(&mut canonical).expect("a Vec grows as needed");
            digest.update(&canonical);
        }
        if block.count == 0 {
            violations.push(("results".into(), "is empty".into()));
        }
        if !violations.is_empty() {
            return Ok(Err(violations));
        }
        results.digest = digest.finalize().as_bytes().to_vec();
        results.block = block.into_zstd()?;
        Ok(Ok(results))
    }

    fn add(&mut self, at: usize, result: &RecordResult) -> Result<(), &'static str> {
        let seq = i64::try_from(result.seq).map_err(|_| "seq: is out of range")?;
        if at == 0 {
            self.first_seq = seq;
        } else if seq != self.last_seq + 1 {
            return Err("seq: does not follow the one before");
        }
        self.last_seq = seq;
        let (changed, found) = (!result.changes.is_empty(), !result.findings.is_empty());
        let count = match (result.verdict(), changed, found) {
            (Verdict::Valid, false, false) => &mut self.verdicts.valid,
            (Verdict::Corrected, true, false) => &mut self.verdicts.corrected,
            (Verdict::Routed, _, true) => &mut self.verdicts.routed,
            (Verdict::Failed, false, false) if !result.failure.is_empty() => &mut self.verdicts.failed,
            _ => return Err("verdict: does not agree with the changes, findings and failure"),
        };
        *count += 1;
        self.reviews.extend(ToReview::of(seq, result));
        self.samples.extend(Sample::of(seq, result));
        for finding in &result.findings {
            if !is_code(&finding.code) {
                return Err("findings: a code is not `field.reason` of [a-z0-9_], 128 bytes at most");
            }
            if result.changes.iter().any(|change| change.field == finding.field) {
                return Err("changes: one touches the field of a finding");
            }
            bump(&mut self.tallies.findings, &finding.code);
            for rule in finding.rule.split(',').filter(|rule| !rule.is_empty()) {
                bump(&mut self.tallies.rules, rule);
            }
        }
        for change in &result.changes {
            if change.field.is_empty() || change.rule.is_empty() {
                return Err("changes: one names no field or no rule");
            }
            bump(&mut self.tallies.rules, &change.rule);
        }
        Ok(())
    }

    /// Leaves nothing but the counts and a few examples: for a job that only tries its rules out.
    ///
    /// # Errors
    /// When the block is damaged.
    pub fn thin(&mut self) -> Result<(), BlockError> {
        self.block = samples::thin(&self.block)?;
        self.reviews.clear();
        self.samples.clear();
        Ok(())
    }

    /// Whether these are the results of exactly the records `first_seq..=last_seq`.
    ///
    /// # Errors
    /// The field at fault and what is wrong with it.
    pub fn check_cover(&self, first_seq: i64, last_seq: i64) -> Result<(), (String, String)> {
        if (self.first_seq, self.last_seq) == (first_seq, last_seq) {
            return Ok(());
        }
        let Self { first_seq: first, last_seq: last, .. } = self;
        Err(("results".into(), format!("cover {first}..={last}, the unit is {first_seq}..={last_seq}")))
    }
}

/// Finding codes are `field.reason`, and short enough for a routing key.
fn is_code(code: &str) -> bool {
    let word = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    code.len() <= 128 && code.split_once('.').is_some_and(|(field, reason)| word(field) && word(reason))
}

fn bump(tally: &mut BTreeMap<String, u64>, name: &str) {
    match tally.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            tally.insert(name.to_owned(), 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use emend_proto::encode;
    use emend_proto::v1::{Change, Encoding, Finding};

    use super::*;

    fn result(seq: u64, verdict: Verdict) -> RecordResult {
        let change =
            Change { field: "a".into(), before: "1".into(), after: "2".into(), rule: "a.fix".into() };
        let finding = Finding {
            code: "b.bad".into(),
            field: "b".into(),
            proposals: vec!["3".into()],
            ..Finding::default()
        };
        RecordResult {
            seq,
            verdict: verdict.into(),
            changes: if matches!(verdict, Verdict::Corrected | Verdict::Routed) {
                vec![change]
            } else {
                vec![]
            },
            findings: if verdict == Verdict::Routed { vec![finding] } else { vec![] },
            failure: if verdict == Verdict::Failed { "panic".into() } else { String::new() },
            alike: 0,
        }
    }

    fn all() -> Vec<RecordResult> {
        let verdicts = [Verdict::Valid, Verdict::Corrected, Verdict::Routed, Verdict::Failed];
        (5..).zip(verdicts).map(|(seq, verdict)| result(seq, verdict)).collect()
    }

    fn sound(block: Block) -> Results {
        match Results::read(block) {
            Content::Sound(results) => results,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sound_results_are_counted() {
        let results = sound(encode(&all()));
        assert_eq!((results.first_seq, results.last_seq), (5, 8));
        assert_eq!(results.verdicts, Verdicts { valid: 1, corrected: 1, routed: 1, failed: 1 });
        let review = |seq, kind: &str| ToReview { seq, kind: kind.into(), alike: None };
        assert_eq!(results.reviews, [review(7, "b.bad"), review(8, FAILED)]);
        assert_eq!(results.tallies.rules, BTreeMap::from([("a.fix".into(), 2)]));
        assert_eq!(results.tallies.findings, BTreeMap::from([("b.bad".into(), 1)]));
        assert!(results.check_cover(5, 8).is_ok());
        assert!(results.check_cover(5, 9).is_err());
    }

    #[test]
    fn the_digest_is_over_the_results_and_not_over_their_bytes() {
        let block = encode(&all());
        let plain = block.clone().into_plain().unwrap();
        let digest = sound(block).digest;
        assert_eq!(sound(plain).digest, digest);
        let mut other = all();
        other[1].changes[0].after.push('!');
        assert_ne!(sound(encode(&other)).digest, digest);
    }

    #[test]
    fn broken_promises_are_named() {
        type Spoil = fn(&mut Vec<RecordResult>);
        let cases: [(Spoil, &str); 7] = [
            (|all| all[2].seq = 9, "seq"),
            (|all| all[0].verdict = Verdict::Corrected.into(), "verdict"),
            (|all| all[1].verdict = Verdict::Valid.into(), "verdict"),
            (|all| all[3].failure.clear(), "verdict"),
            (|all| all[2].findings[0].field = "a".into(), "touches the field"),
            (|all| all[2].findings[0].code = "No Code".into(), "code"),
            (|all| all[1].changes[0].rule.clear(), "no rule"),
        ];
        for (spoil, named) in cases {
            let mut results = all();
            spoil(&mut results);
            match Results::read(encode(&results)) {
                Content::Unsound(violations) => assert!(violations[0].1.contains(named), "{violations:?}"),
                other => panic!("{named}: {other:?}"),
            }
        }
        assert!(matches!(Results::read(encode::<RecordResult>([])), Content::Unsound(_)));
    }

    #[test]
    fn damage_is_told_from_nonsense() {
        let block = encode(&all());
        assert!(matches!(Results::read(Block { checksum: 1, ..block.clone() }), Content::Corrupt));
        let nonsense = Block { encoding: Encoding::Plain.into(), ..block };
        assert!(matches!(Results::read(nonsense), Content::Unsound(_)));
    }
}
