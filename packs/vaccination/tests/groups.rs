//! The checks of groups on a crowd whose relations are known, and what holds for every group, however broken.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod grouping;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use emend_vaccination::generator::{Crowd, Member, Relation};
use emend_vaccination::{
    Column, FINDINGS, GROUP_FINDINGS, RULES, Relations, Truth, TruthLine, Vaccination, Values,
};
use emend_worker::{JobContext, Outcome, Record, Validator};
use grouping::{GROUPINGS, corrected, groups, job};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Made once: its texts cost more than a small group.
static PACK: LazyLock<Vaccination> = LazyLock::new(Vaccination::new);

fn check(job: &JobContext, group: &[(&str, &Values)]) -> Vec<Outcome> {
    let records: Vec<_> =
        group.iter().map(|(key, values)| Record::from_fields(key, values.fields())).collect();
    PACK.validate(job, &records)
}

#[test]
fn relations_of_a_crowd() {
    let members: Vec<Member> = Crowd::new(20_210_920).members(200_000).collect();
    let values = corrected(&members);
    for group_by in GROUPINGS {
        let job = job(group_by);
        let mut relations = Relations::new(&job.group_by);
        let mut wrong = Vec::new();
        for group in groups(group_by, values.iter()) {
            let of = |at: &usize| (members[*at].record.key.as_str(), &members[*at].record.values);
            let outcomes = check(&job, &group.iter().map(of).collect::<Vec<_>>());
            for (at, outcome) in group.iter().zip(outcomes) {
                let before = relations.precision();
                relations.observe(&members[*at].related, &outcome.findings);
                let after = relations.precision();
                if after.of - before.of != after.right - before.right {
                    wrong.push((group.clone(), outcome.findings));
                }
            }
        }
        // Synthetic people: their values may be shown.
        for (group, findings) in wrong.iter().take(4) {
            println!("{findings:?}");
            for at in group {
                println!("    {:?} {:?}", members[*at].related.relation, members[*at].record.truth.fields);
            }
        }
        println!("{group_by:?}: {relations:?}");
        assert!(relations.precision().of > 1_000);
        assert!(relations.precision().ratio() >= 0.999);
        assert!(relations.found_of_shown().ratio() >= 0.98);
        assert!(relations.found().ratio() >= 0.7);
    }
}

/// What may be done to records of a group: another's value, or any text, in one column of one of them or of all.
#[derive(Debug, Clone)]
enum Mutation {
    Copy(Index, Index, usize),
    CopyToAll(Index, usize),
    Text(Index, usize, String),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    // Those that checks of groups look at come more often.
    let column = prop_oneof![select(&[1, 2, 4, 5, 8, 9, 10, 11, 13][..]), 1..Column::ALL.len()];
    let text = prop_oneof![
        any::<String>(),
        select(&["", " ", "1", "2", "Mũi 1", "3", "1960", "NGUYEN VAN HOA", "250 123 456", "?"][..])
            .prop_map(str::to_owned),
    ];
    prop_oneof![
        (any::<Index>(), any::<Index>(), column.clone())
            .prop_map(|(from, to, at)| Mutation::Copy(from, to, at)),
        (any::<Index>(), column.clone()).prop_map(|(from, at)| Mutation::CopyToAll(from, at)),
        (any::<Index>(), column, text).prop_map(|(to, at, text)| Mutation::Text(to, at, text)),
    ]
}

prop_compose! {
    /// Records of a street, some of them more than once, and then broken. Each has a key of its own.
    fn group()(
        seed in any::<u64>(),
        size in 2..20_usize,
        again in prop::collection::vec(any::<Index>(), 0..6),
        mutations in prop::collection::vec(mutation(), 0..16),
    ) -> Vec<(String, Values)> {
        let street = Crowd::new(seed).street(seed % 1_000);
        let mut values: Vec<_> = street.into_iter().take(size).map(|member| member.record.values).collect();
        for index in again {
            values.push(index.get(&values).clone());
        }
        for mutation in &mutations {
            match mutation {
                Mutation::Copy(from, to, column) => {
                    let value = from.get(&values).get(Column::ALL[*column]).to_owned();
                    let to = to.index(values.len());
                    values[to].set(Column::ALL[*column], value);
                }
                Mutation::CopyToAll(from, column) => {
                    let value = from.get(&values).get(Column::ALL[*column]).to_owned();
                    values.iter_mut().for_each(|values| values.set(Column::ALL[*column], value.as_str()));
                }
                Mutation::Text(to, column, text) => {
                    let to = to.index(values.len());
                    values[to].set(Column::ALL[*column], text.as_str());
                }
            }
        }
        values.into_iter().enumerate().map(|(at, values)| (format!("HCM-{at:09}"), values)).collect()
    }
}

/// Those that have no checks.
const OTHER_GROUPINGS: [&[&str]; 4] = [&[], &["site"], &["phone", "national_id"], &["", "full_name"]];

fn any_job() -> impl Strategy<Value = JobContext> {
    let fields = prop_oneof![
        4 => select(&GROUPINGS[..]),
        1 => select(&OTHER_GROUPINGS[..]),
    ];
    fields.prop_map(job)
}

fn borrowed(group: &[(String, Values)]) -> Vec<(&str, &Values)> {
    group.iter().map(|(key, values)| (key.as_str(), values)).collect()
}

proptest! {
    // More, for a long search, by PROPTEST_CASES.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1_000), ..ProptestConfig::default() })]

    #[test]
    fn a_group_only_adds_findings(group in group(), job in any_job()) {
        let together = check(&job, &borrowed(&group));
        prop_assert_eq!(together.len(), group.len());
        let alone = grouping::job(&[]);
        for ((key, values), outcome) in group.iter().zip(together) {
            let by_itself = check(&alone, &[(key, values)]).pop().unwrap();
            let one_of_one = check(&job, &[(key, values)]).pop().unwrap();
            prop_assert_eq!(&one_of_one, &by_itself);
            let routed = |field: &str| outcome.findings.iter().any(|finding| finding.field == field);
            let changes: Vec<_> = by_itself.changes.into_iter().filter(|change| !routed(&change.field)).collect();
            prop_assert_eq!(&outcome.changes, &changes);
            prop_assert!(changes.iter().all(|change| RULES.contains(&&*change.rule)));
            let (of_groups, own): (Vec<_>, Vec<_>) =
                outcome.findings.into_iter().partition(|finding| GROUP_FINDINGS.contains(&&*finding.code));
            prop_assert_eq!(own, by_itself.findings);
            for finding in of_groups {
                prop_assert!(FINDINGS.contains(&&*finding.code));
                let came = values.get(Column::named(&finding.field).unwrap());
                prop_assert!(!finding.proposals.iter().any(|proposal| proposal == came));
            }
        }
    }

    #[test]
    fn the_order_of_records_changes_nothing(
        group in group(),
        job in any_job(),
        order in prop::collection::vec(any::<u32>(), 32),
    ) {
        let mut turned: Vec<_> = group.iter().cloned().zip(order).collect();
        turned.sort_by_key(|(_, order)| *order);
        let turned: Vec<_> = turned.into_iter().map(|(record, _)| record).collect();
        let by_key = |group: &[(String, Values)]| -> BTreeMap<String, Outcome> {
            let keys = group.iter().map(|(key, _)| key.clone());
            keys.zip(check(&job, &borrowed(group))).collect()
        };
        prop_assert_eq!(by_key(&group), by_key(&turned));
    }

    #[test]
    fn a_second_pass_finds_the_same(group in group(), job in any_job()) {
        let first = check(&job, &borrowed(&group));
        let mut after = group.clone();
        for ((_, values), outcome) in after.iter_mut().zip(&first) {
            for change in &outcome.changes {
                values.set(Column::named(&change.field).unwrap(), change.after.as_str());
            }
        }
        let second = check(&job, &borrowed(&after));
        for (first, second) in first.into_iter().zip(second) {
            prop_assert!(second.changes.is_empty());
            prop_assert_eq!(first.findings, second.findings);
        }
    }
}

/// Everybody with one name, one number and one phone: what compared each with each would not come back.
#[test]
fn a_large_group_takes_little_more_than_linear_time() {
    let mut members: Vec<_> = Crowd::new(3).members(100_000).map(|member| member.record).collect();
    let one = members[0].values.clone();
    for member in &mut members {
        for column in [Column::FullName, Column::DateOfBirth, Column::NationalId, Column::Phone] {
            member.values.set(column, one.get(column));
        }
    }
    let group: Vec<_> = members.iter().map(|member| (member.key.as_str(), &member.values)).collect();
    for group_by in GROUPINGS {
        assert_eq!(check(&job(group_by), &group).len(), group.len());
    }
}

#[test]
fn a_street_hangs_on_its_seed_and_number_alone() {
    let crowd = Crowd::new(3);
    let in_order: Vec<Member> = crowd.members(640).collect();
    let backwards: Vec<_> = (0..10).rev().map(|street| Crowd::new(3).street(street)).collect();
    assert_eq!(in_order, backwards.into_iter().rev().flatten().collect::<Vec<_>>());
    assert!(in_order.is_sorted_by(|one, other| one.record.key < other.record.key));
    assert_ne!(Crowd::new(4).street(0), crowd.street(0));
}

#[test]
fn every_relation_takes_part_and_says_what_is_true() {
    let mut seen: BTreeMap<Relation, u32> = BTreeMap::new();
    let mut people: BTreeMap<u64, Values> = BTreeMap::new();
    for member in Crowd::new(7).members(20_000) {
        *seen.entry(member.related.relation).or_default() += 1;
        let truth = &member.record.truth;
        if let Some(code) = &member.related.finding {
            let field = code.split('.').next().unwrap().to_owned();
            assert!(truth.person_fields.contains(&field), "{truth:?}");
        }
        // The same person is the same in every record, but for the place of a tone mark and what was injected.
        let first = people.entry(member.related.person).or_insert_with(|| truth.fields.clone());
        for column in
            [Column::DateOfBirth, Column::Gender, Column::NationalId, Column::InsuranceId, Column::Ward]
        {
            assert_eq!(first.get(column), truth.fields.get(column));
        }
    }
    assert!(Relation::ALL.iter().all(|relation| seen[relation] > 400), "{seen:?}");
}

#[test]
fn a_member_is_one_line_of_truth() {
    for Member { record, related } in Crowd::new(5).members(1_000) {
        let line = TruthLine { truth: record.truth.clone(), related: Some(related) };
        let text = serde_json::to_string(&line).unwrap();
        assert!(!text.contains('\n') && text.starts_with("{\"key\":\"HCM-"));
        assert_eq!(serde_json::from_str::<TruthLine>(&text).unwrap(), line);
        // The same line says of the record by itself what it says in a file that is no crowd's.
        assert_eq!(serde_json::from_str::<Truth>(&text).unwrap(), record.truth);
        let alone = serde_json::to_string(&record.truth).unwrap();
        assert!(text.starts_with(alone.trim_end_matches('}')));
        let plain = TruthLine { truth: record.truth, related: None };
        assert_eq!(serde_json::to_string(&plain).unwrap(), alone);
        assert_eq!(serde_json::from_str::<TruthLine>(&alone).unwrap(), plain);
    }
}
