//! How fast the rules are on one thread: `cargo run --profile perf -p emend-vaccination --example speed -- [records] [seed]`.
//!
//! Measures `validate` alone on parsed records, and parsing and validating together, on synthetic records.

use std::hint::black_box;
use std::time::Instant;

use emend_vaccination::Vaccination;
use emend_vaccination::generator::Generator;
use emend_worker::{JobContext, Record, RecordError, Validator};

const ROUNDS: usize = 5;

fn main() -> Result<(), RecordError> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().ok());
    let records = arguments.next().flatten().unwrap_or(200_000);
    let seed = arguments.next().flatten().unwrap_or(1);

    let start = Instant::now();
    let payloads = payloads(records, seed);
    report("generate", records, start);

    let pack = Vaccination::new();
    let job = JobContext { as_of: "2021-09-20".into(), ..JobContext::default() };
    let mut parsed = Vec::with_capacity(payloads.len());
    for (key, payload) in &payloads {
        parsed.push(Record::parse(key, payload)?);
    }
    // Several rounds: the first pays for look-up tables and cold caches.
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for record in &parsed {
            black_box(pack.validate(&job, std::slice::from_ref(record)));
        }
        report("validate", records, start);
        let start = Instant::now();
        for (key, payload) in &payloads {
            let record = Record::parse(key, payload)?;
            black_box(pack.validate(&job, &[record]));
        }
        report("parse and validate", records, start);
    }
    Ok(())
}

fn payloads(records: u64, seed: u64) -> Vec<(String, Vec<u8>)> {
    let generator = Generator::new(seed);
    (0..records)
        .map(|i| {
            let generated = generator.record(i);
            let payload = serde_json::to_vec(&generated.values).unwrap_or_default();
            (generated.key, payload)
        })
        .collect()
}

fn report(what: &str, records: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what:>20}: {:>10.0} records/s", records as f64 / seconds);
}
