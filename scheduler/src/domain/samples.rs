//! What rules did, by examples: a few for each, the same whenever it is asked.

use std::collections::{BTreeMap, HashMap, HashSet};

use emend_proto::v1::{Block, Change, Finding, RecordResult};
use emend_proto::{BlockError, BlockWriter, decode};

use super::results::{Tallies, draw};

/// One example: a record, and what was done with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The record's place.
    pub seq: i64,
    /// What it is an example of.
    pub of: Of,
}

/// What an example shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Of {
    /// A rule changed a field.
    Change(Change),
    /// A finding was raised.
    Finding(Finding),
}

/// The rules and codes of a result, each once.
fn names(result: &RecordResult) -> HashSet<&str> {
    let rules = result.changes.iter().map(|change| change.rule.as_str());
    rules.chain(result.findings.iter().map(|finding| finding.code.as_str())).collect()
}

/// Of a unit's results the ones that are examples: for each rule and each code the record that is drawn first.
///
/// # Errors
/// When the block is damaged.
pub fn thin(results: &Block) -> Result<Block, BlockError> {
    let mut first: HashMap<String, (u32, u64)> = HashMap::new();
    for result in decode::<RecordResult>(results)? {
        let result = result?;
        let drawn = (draw(result.seq.cast_signed()), result.seq);
        for name in names(&result) {
            match first.get_mut(name) {
                Some(least) => *least = drawn.min(*least),
                None => drop(first.insert(name.to_owned(), drawn)),
            }
        }
    }
    let kept: HashSet<u64> = first.values().map(|(_, seq)| *seq).collect();
    let mut writer = BlockWriter::default();
    for result in decode::<RecordResult>(results)? {
        let result = result?;
        if kept.contains(&result.seq) {
            writer.push(&result);
        }
    }
    Ok(writer.finish())
}

/// Of units with these tallies the ones that together hold `each` examples of everything, as far as there are so many.
/// Where `thin`, a unit holds one of each at most.
pub fn choose<Id: Copy>(units: &[(Id, Tallies)], rule: &str, each: u64, thin: bool) -> Vec<Id> {
    let mut have: HashMap<&str, u64> = HashMap::new();
    let mut chosen = Vec::new();
    for (id, tallies) in units {
        let mut needed = false;
        for (name, count) in tallies.rules.iter().chain(&tallies.findings) {
            if !rule.is_empty() && rule != name {
                continue;
            }
            let held = have.entry(name).or_default();
            needed |= *held < each;
            *held += if thin { 1 } else { *count };
        }
        if needed {
            chosen.push(*id);
        }
    }
    chosen
}

/// Examples, the first `each` by draw of every rule and every code.
#[derive(Debug)]
pub struct Picked {
    rule: String,
    each: usize,
    found: BTreeMap<String, BTreeMap<(u32, i64), Of>>,
}

impl Picked {
    /// Of `rule` alone, or of everything when it is empty.
    pub fn new(rule: &str, each: usize) -> Self {
        Self { rule: rule.to_owned(), each, found: BTreeMap::new() }
    }

    /// Looks through one result.
    pub fn look(&mut self, result: &RecordResult) {
        for change in &result.changes {
            self.add(&change.rule, result.seq, || Of::Change(change.clone()));
        }
        for finding in &result.findings {
            self.add(&finding.code, result.seq, || Of::Finding(finding.clone()));
            if finding.rule.split(',').any(|rule| rule == self.rule) && !self.rule.is_empty() {
                self.add(&self.rule.clone(), result.seq, || Of::Finding(finding.clone()));
            }
        }
    }

    fn add(&mut self, name: &str, seq: u64, of: impl FnOnce() -> Of) {
        if !self.rule.is_empty() && self.rule != name {
            return;
        }
        let seq = seq.cast_signed();
        let drawn = (draw(seq), seq);
        if !self.found.contains_key(name) {
            self.found.insert(name.to_owned(), BTreeMap::new());
        }
        let Some(found) = self.found.get_mut(name) else { return };
        let full = found.len() >= self.each;
        if full && found.last_key_value().is_none_or(|(last, _)| *last <= drawn) {
            return;
        }
        found.insert(drawn, of());
        if found.len() > self.each {
            found.pop_last();
        }
    }

    /// The examples, by rule and code.
    pub fn into_examples(self) -> Vec<Example> {
        let examples = self.found.into_values().flatten();
        examples.map(|((_, seq), of)| Example { seq, of }).collect()
    }
}

#[cfg(test)]
mod tests {
    use emend_proto::encode;
    use emend_proto::v1::Verdict;

    use super::*;

    fn result(seq: u64, rule: &str, code: &str) -> RecordResult {
        let change = Change { field: "a".into(), rule: rule.into(), ..Change::default() };
        let finding = Finding { code: code.into(), field: "b".into(), ..Finding::default() };
        RecordResult {
            seq,
            verdict: Verdict::Routed.into(),
            changes: vec![change],
            findings: vec![finding],
            ..RecordResult::default()
        }
    }

    fn all() -> Vec<RecordResult> {
        (1..=100).map(|seq| result(seq, if seq % 2 == 0 { "even" } else { "odd" }, "b.x")).collect()
    }

    #[test]
    fn there_are_so_many_of_each_and_always_the_same() {
        let pick = |results: Vec<RecordResult>, rule: &str| {
            let mut picked = Picked::new(rule, 3);
            results.iter().for_each(|result| picked.look(result));
            picked.into_examples()
        };
        let picked = pick(all(), "");
        assert_eq!(picked.len(), 9);
        let mut turned = all();
        turned.reverse();
        assert_eq!(pick(turned, ""), picked);
        let odd = pick(all(), "odd");
        assert!(odd.len() == 3 && odd.iter().all(|example| example.seq % 2 == 1), "{odd:?}");
    }

    #[test]
    fn a_thin_block_holds_the_first_example_of_each() {
        let block = encode(all().iter());
        let thin: Vec<RecordResult> = decode(&thin(&block).unwrap()).unwrap().map(Result::unwrap).collect();
        assert!((2..=3).contains(&thin.len()), "{}", thin.len());
        let mut few = Picked::new("", 1);
        all().iter().for_each(|result| few.look(result));
        let kept: HashSet<i64> = thin.iter().map(|result| result.seq.cast_signed()).collect();
        assert!(few.into_examples().iter().all(|example| kept.contains(&example.seq)));
    }

    #[test]
    fn no_more_units_are_read_than_examples_need() {
        let tallies = |rule: &str, count| {
            let mut tallies = Tallies::default();
            tallies.rules.insert(rule.into(), count);
            tallies
        };
        let units = [(1, tallies("a", 3)), (2, tallies("a", 3)), (3, tallies("b", 1)), (4, tallies("a", 9))];
        assert_eq!(choose(&units, "", 5, false), [1, 2, 3]);
        assert_eq!(choose(&units, "b", 5, false), [3]);
        assert_eq!(choose(&units, "", 2, true), [1, 2, 3]);
    }
}
