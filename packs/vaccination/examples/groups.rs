//! What checks of groups find, and what they cost:
//! `cargo run --profile perf -p emend-vaccination --example groups -- [records] [seed]`.
//!
//! Groups a crowd whose relations are known in each way that has checks, by values as they came and by values as a
//! first job left them, and prints how much is found and how much of that is right. Then how fast records are checked
//! in groups, and by themselves.

#![allow(clippy::unwrap_used, reason = "the helper is shared with tests")]

#[path = "../tests/grouping/mod.rs"]
mod grouping;

use std::hint::black_box;
use std::time::Instant;

use emend_vaccination::generator::{Crowd, Member};
use emend_vaccination::{Relations, Share, Vaccination};
use emend_worker::{Record, Validator};
use grouping::{GROUPINGS, corrected, groups, job};

const ROUNDS: usize = 7;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().ok());
    let records = arguments.next().flatten().unwrap_or(200_000);
    let crowd = Crowd::new(arguments.next().flatten().unwrap_or(1));
    let members: Vec<Member> = crowd.members(records).collect();
    let corrected = corrected(&members);
    println!(
        "{:<26} {:<10} {:>22} {:>22} {:>22}",
        "grouped by", "values", "precision", "found", "found of shown"
    );
    for group_by in GROUPINGS {
        let came = groups(group_by, members.iter().map(|member| &member.record.values));
        tell(group_by, "as came", &members, &came);
        tell(group_by, "corrected", &members, &groups(group_by, corrected.iter()));
    }
    let alone: Vec<Vec<usize>> = (0..members.len()).map(|at| vec![at]).collect();
    time(&[], &members, &alone);
    for group_by in GROUPINGS {
        time(group_by, &members, &groups(group_by, corrected.iter()));
    }
}

/// The records of a group.
fn parsed<'m>(members: &'m [Member], group: &[usize]) -> Vec<Record<'m>> {
    let record = |&at: &usize| Record::from_fields(&members[at].record.key, members[at].record.fields());
    group.iter().map(record).collect()
}

fn tell(group_by: &[&str], values: &str, members: &[Member], groups: &[Vec<usize>]) {
    let pack = Vaccination::new();
    let job = job(group_by);
    let mut relations = Relations::new(&job.group_by);
    for group in groups {
        let outcomes = pack.validate(&job, &parsed(members, group));
        for (&at, outcome) in group.iter().zip(outcomes) {
            relations.observe(&members[at].related, &outcome.findings);
        }
    }
    let [precision, found, shown] =
        [relations.precision(), relations.found(), relations.found_of_shown()].map(shown);
    println!("{:<26} {values:<10} {precision:>22} {found:>22} {shown:>22}", group_by.join(", "));
}

fn shown(share: Share) -> String {
    format!("{:.2} % of {}", share.ratio() * 100.0, share.of)
}

fn time(group_by: &[&str], members: &[Member], groups: &[Vec<usize>]) {
    let pack = Vaccination::new();
    let job = job(group_by);
    let groups: Vec<_> = groups.iter().map(|group| parsed(members, group)).collect();
    let round = |_| {
        let start = Instant::now();
        for group in &groups {
            black_box(pack.validate(&job, group));
        }
        start.elapsed()
    };
    // Whatever else the machine does makes a round slower, never faster.
    let best = (0..ROUNDS).map(round).min().unwrap_or_default();
    let rate = members.len() as f64 / best.as_secs_f64();
    let largest = groups.iter().map(Vec::len).max().unwrap_or_default();
    let by = if group_by.is_empty() { "not grouped".to_owned() } else { group_by.join(", ") };
    println!("{by:<26} {rate:>10.0} records/s, {} groups, the largest of {largest}", groups.len());
}
