//! Writes synthetic records and their truth.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use emend_vaccination::generator::{Crowd, Generator, Member};
use emend_vaccination::{TruthLine, Values};

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

/// Writes `records.csv` and `truth.jsonl` into `dir`. The same seed gives the same bytes. The records of a crowd have to
/// do with each other.
///
/// # Errors
/// When they cannot be written.
pub fn generate(records: u64, seed: u64, crowd: bool, dir: &Path) -> Result<Generated> {
    fs::create_dir_all(dir).with_context(|| format!("--out {}", dir.display()))?;
    let (file, truth) = (dir.join("records.csv"), dir.join("truth.jsonl"));
    let written = if crowd {
        let crowd = Crowd::new(seed);
        let made = crowd.members(records).map(|Member { record, related }| {
            (record.values, TruthLine { truth: record.truth, related: Some(related) })
        });
        write(records, made, &file, &truth)
    } else {
        let generator = Generator::new(seed);
        let made = (0..records).map(|at| generator.record(at));
        let made = made.map(|record| (record.values, TruthLine { truth: record.truth, related: None }));
        write(records, made, &file, &truth)
    };
    written.with_context(|| format!("writing into --out {}", dir.display()))?;
    Ok(Generated { records, seed, file, truth })
}

/// Writes so many of these records: a crowd may end with a few more.
fn write(
    records: u64,
    made: impl Iterator<Item = (Values, TruthLine)>,
    file: &Path,
    truth: &Path,
) -> Result<()> {
    let open = |path| std::io::Result::Ok(BufWriter::with_capacity(BUFFER, File::create(path)?));
    let (mut rows, mut truths) = (open(file)?, open(truth)?);
    let (mut line, bar) = (Vec::new(), Bar::new("generating", records));
    for (at_record, (values, truth)) in (0..records).zip(made) {
        line.clear();
        if at_record == 0 {
            push_line(&mut line, values.fields().map(|(name, _)| name));
        }
        push_line(&mut line, values.fields().map(|(_, value)| value));
        rows.write_all(&line)?;
        serde_json::to_writer(&mut truths, &truth)?;
        truths.write_all(b"\n")?;
        if at_record.is_multiple_of(STEP) {
            bar.set(at_record, records);
        }
    }
    rows.flush()?;
    truths.flush()?;
    bar.finish();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_writes_the_same_files() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = generate(50, 7, false, &a.path().join("new")).unwrap();
        let second = generate(50, 7, false, b.path()).unwrap();
        assert_eq!(fs::read(first.file).unwrap(), fs::read(&second.file).unwrap());
        assert_eq!(fs::read(first.truth).unwrap(), fs::read(&second.truth).unwrap());
        let text = fs::read_to_string(second.file).unwrap();
        assert!(text.starts_with("record_id,full_name,"), "{text}");
        let truth = fs::read_to_string(second.truth).unwrap();
        assert_eq!(truth.lines().count(), 50);
        // To the byte what it was before there were crowds: scripts and other people's files rely on it.
        let expected = (0..50).map(|at| serde_json::to_string(&Generator::new(7).record(at).truth).unwrap());
        assert!(truth.lines().eq(expected));
    }

    #[test]
    fn a_crowd_ends_where_it_is_to_end_and_tells_relations() {
        let folder = tempfile::tempdir().unwrap();
        // A street has 64.
        let made = generate(70, 7, true, folder.path()).unwrap();
        assert_eq!(fs::read_to_string(made.file).unwrap().lines().count(), 1 + 70);
        let truth = fs::read_to_string(made.truth).unwrap();
        let lines: Vec<TruthLine> = truth.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 70);
        assert!(lines.iter().all(|line| line.related.is_some()));
    }
}
