//! Puts records together, as a scheduler does, by values from which case, marks, spaces and signs are folded away.

use std::collections::BTreeMap;

use emend_vaccination::generator::Member;
use emend_vaccination::{Column, Vaccination, Values};
use emend_worker::{JobContext, Record, Validator};
use unicode_normalization::UnicodeNormalization;

pub(crate) const GROUPINGS: [&[&str]; 3] = [&["full_name", "date_of_birth"], &["national_id"], &["phone"]];

pub(crate) fn job(group_by: &[&str]) -> JobContext {
    let group_by = group_by.iter().map(|&field| field.into()).collect();
    JobContext { as_of: "2021-09-20".into(), group_by, ..JobContext::default() }
}

/// What a job without groups makes of each record.
pub(crate) fn corrected(members: &[Member]) -> Vec<Values> {
    let pack = Vaccination::new();
    let one = |member: &Member| {
        let record = Record::from_fields(&member.record.key, member.record.fields());
        let mut values = member.record.values.clone();
        for change in pack.validate(&job(&[]), &[record]).into_iter().flat_map(|outcome| outcome.changes) {
            values.set(Column::named(&change.field).unwrap(), change.after);
        }
        values
    };
    members.iter().map(one).collect()
}

/// Places of records with the same values in these fields. Where all of them are empty a record stays by itself.
pub(crate) fn groups<'v>(group_by: &[&str], records: impl Iterator<Item = &'v Values>) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut alone = Vec::new();
    for (at, values) in records.enumerate() {
        let fields = group_by.iter().map(|field| folded(values.get(Column::named(field).unwrap())));
        match fields.collect::<Vec<_>>().join("|") {
            key if key.trim_matches('|').is_empty() => alone.push(vec![at]),
            key => groups.entry(key).or_default().push(at),
        }
    }
    groups.into_values().chain(alone).collect()
}

fn folded(value: &str) -> String {
    let letters = value.nfd().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase);
    letters.map(|c| if c == 'đ' { 'd' } else { c }).collect()
}
