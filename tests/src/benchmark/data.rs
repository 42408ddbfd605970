//! The rows that everything is measured on.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::process::{binary, generate};

/// Generated records in files that go at the end.
pub(super) struct Data {
    folder: TempDir,
    pub(super) records: u64,
}

impl Data {
    /// Writes `records` synthetic records; shuffled, or in the order of their keys.
    pub(super) async fn make(records: u64, shuffled: bool) -> Result<Self> {
        let data = Self::generated(records, &[]).await?;
        if shuffled {
            data.shuffle()?;
        }
        Ok(data)
    }

    /// Writes `records` synthetic records of which some are of the same people.
    pub(super) async fn crowd(records: u64) -> Result<Self> {
        Self::generated(records, &["--crowd"]).await
    }

    async fn generated(records: u64, flags: &[&str]) -> Result<Self> {
        eprintln!("generating {records} records");
        let data = Self { folder: tempfile::tempdir()?, records };
        generate(&binary()?, records, data.folder.path(), flags).await?;
        Ok(data)
    }

    /// The records as `emend generate` wrote them.
    pub(super) fn csv(&self) -> PathBuf {
        self.folder.path().join("records.csv")
    }

    /// The same records with `job` and `seq` before them, for a table with this key. Made at the first call.
    pub(super) fn keyed_csv(&self) -> Result<PathBuf> {
        let path = self.folder.path().join("keyed.csv");
        if path.exists() {
            return Ok(path);
        }
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(self.csv())?;
        let mut writer = csv::Writer::from_path(&path)?;
        let (mut row, mut keyed) = (csv::ByteRecord::new(), csv::ByteRecord::new());
        let mut seq = 0_u64;
        while reader.read_byte_record(&mut row)? {
            keyed.clear();
            match seq {
                0 => keyed.extend(["job", "seq"]),
                _ => keyed.extend(["1", &seq.to_string()]),
            }
            keyed.extend(row.iter());
            writer.write_byte_record(&keyed)?;
            seq += 1;
        }
        writer.flush()?;
        Ok(path)
    }

    /// `count` keys, evenly from all of the file.
    pub(super) fn some_keys(&self, count: u64) -> Result<Vec<String>> {
        let every = (self.records / count).max(1);
        let mut reader = csv::Reader::from_path(self.csv())?;
        let (mut row, mut number, mut keys) = (csv::ByteRecord::new(), 0_u64, Vec::new());
        while reader.read_byte_record(&mut row)? {
            if number % every == every / 2 {
                let key = row.get(0).context("a row has a first column")?;
                keys.push(String::from_utf8(key.to_vec())?);
            }
            number += 1;
        }
        Ok(keys)
    }

    /// Puts the rows into an order in which neighbours come from far apart.
    fn shuffle(&self) -> Result<()> {
        let text = std::fs::read(self.csv())?;
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_slice());
        let (mut row, mut starts) = (csv::ByteRecord::new(), Vec::new());
        while reader.read_byte_record(&mut row)? {
            starts.push(usize::try_from(row.position().map_or(0, csv::Position::byte))?);
        }
        starts.push(text.len());
        let rows: Vec<&[u8]> = starts.windows(2).map(|ends| &text[ends[0]..ends[1]]).collect();
        let Some((header, rows)) = rows.split_first() else { return Ok(()) };
        let mut out = BufWriter::new(File::create(self.csv())?);
        out.write_all(header)?;
        // Steps of the golden ratio, made coprime to the count so that each row comes once.
        let mut step = (rows.len() as f64 * 0.618_034) as usize | 1;
        while common_divisor(step, rows.len()) != 1 {
            step += 2;
        }
        for place in 0..rows.len() {
            out.write_all(rows[place * step % rows.len()])?;
        }
        Ok(out.flush()?)
    }
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}
