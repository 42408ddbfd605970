//! Writes synthetic records and their truth.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use emend_vaccination::generator::Generator;

use crate::export::push_line;
use crate::term::Bar;

const BUFFER: usize = 256 * 1024;

/// How many records are made between two looks at the bar.
const STEP: u64 = 1000;

/// What was written.
#[derive(Debug, serde::Serialize)]
pub struct Generated {
    /// How many records.
    pub records: u64,
    /// What they were made from.
    pub seed: u64,
    /// The records, CSV.
    pub file: PathBuf,
    /// What is true of each, JSONL in the same order.
    pub truth: PathBuf,
}

/// Writes `records.csv` and `truth.jsonl` into `dir`. The same seed gives the same bytes.
///
/// # Errors
/// When they cannot be written.
pub fn generate(records: u64, seed: u64, dir: &Path) -> Result<Generated> {
    fs::create_dir_all(dir).with_context(|| format!("--out {}", dir.display()))?;
    let (file, truth) = (dir.join("records.csv"), dir.join("truth.jsonl"));
    let at = || format!("writing into --out {}", dir.display());
    let open = |path| anyhow::Ok(BufWriter::with_capacity(BUFFER, File::create(path).with_context(at)?));
    let (mut rows, mut truths) = (open(&file)?, open(&truth)?);
    let (generator, bar) = (Generator::new(seed), Bar::new("generating", records));
    let mut line = Vec::new();
    for at_record in 0..records {
        let made = generator.record(at_record);
        line.clear();
        if at_record == 0 {
            push_line(&mut line, made.fields().map(|(name, _)| name));
        }
        push_line(&mut line, made.fields().map(|(_, value)| value));
        rows.write_all(&line).with_context(at)?;
        serde_json::to_writer(&mut truths, &made.truth).with_context(at)?;
        truths.write_all(b"\n").with_context(at)?;
        if at_record.is_multiple_of(STEP) {
            bar.set(at_record, records);
        }
    }
    rows.flush().with_context(at)?;
    truths.flush().with_context(at)?;
    bar.finish();
    Ok(Generated { records, seed, file, truth })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_writes_the_same_files() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = generate(50, 7, &a.path().join("new")).unwrap();
        let second = generate(50, 7, b.path()).unwrap();
        assert_eq!(fs::read(first.file).unwrap(), fs::read(&second.file).unwrap());
        assert_eq!(fs::read(first.truth).unwrap(), fs::read(&second.truth).unwrap());
        let text = fs::read_to_string(second.file).unwrap();
        assert!(text.starts_with("record_id,full_name,"), "{text}");
        assert_eq!(fs::read_to_string(second.truth).unwrap().lines().count(), 50);
    }
}
