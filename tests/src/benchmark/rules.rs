//! Declared rules beside the pack that says the same in Rust, on one thread.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use emend_rules::RuleFile;
use emend_vaccination::Vaccination;
use emend_vaccination::generator::{Generated, Generator};
use emend_worker::{JobContext, Record, Validator};

use super::Options;
use super::report::median;

/// Of so many records the ratio is steady.
const RECORDS: u64 = 50_000;
const FILE: &str = "../examples/rules/vaccination.yaml";

/// Records that the example's rules, and the pack, check in a second; in turns, so that whatever else the machine does
/// meets both.
pub(super) fn run(options: &Options) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let file = RuleFile::parse(&text).map_err(|problems| anyhow!("{problems:?}"))?;
    let pack = Vaccination::new();
    let generator = Generator::new(1);
    let generated: Vec<Generated> = (0..RECORDS).map(|i| generator.record(i)).collect();
    let parsed: Vec<Record<'_>> =
        generated.iter().map(|generated| Record::from_fields(&generated.key, generated.fields())).collect();
    let (mut by_file, mut by_pack) = (Vec::new(), Vec::new());
    for _turn in 0..options.runs.max(3) {
        by_file.push(speed(&file, &parsed));
        by_pack.push(speed(&pack, &parsed));
    }
    let by_file = median(by_file).context("a run")?;
    let by_pack = median(by_pack).context("a run")?;
    let mut text =
        format!("| {RECORDS} records on one thread | records a second | to the pack |\n|---|---:|---:|\n");
    let _ = writeln!(text, "| the pack, all of its rules | {by_pack:.0} | 1.00× |");
    let rules = file.rules().count();
    let _ = writeln!(text, "| a rule file of {rules} of them | {by_file:.0} | {:.2}× |", by_file / by_pack);
    Ok(text)
}

fn speed(validator: &dyn Validator, records: &[Record<'_>]) -> f64 {
    let job = JobContext { as_of: "2021-09-20".into(), ..JobContext::default() };
    let start = Instant::now();
    for record in records {
        black_box(validator.validate(&job, std::slice::from_ref(record)));
    }
    records.len() as f64 / start.elapsed().as_secs_f64()
}
