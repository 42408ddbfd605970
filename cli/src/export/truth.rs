//! The truth of a job's records, found for each as it is exported.

use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use emend_vaccination::{Truth, TruthLine};
use serde::Deserialize;

const BUFFER: usize = 256 * 1024;

/// `truth.jsonl`: read from its begin to its end while records come in its order, and by keys once one does not.
pub(super) struct TruthFile {
    path: PathBuf,
    lines: BufReader<File>,
    line: String,
    /// Where the reader stands.
    offset: u64,
    /// Whether relations are told in it.
    related: bool,
    /// Hashes of keys, and where their lines begin, in the order of the hashes: 16 bytes for a record.
    places: Option<Vec<(u64, u64)>>,
}

/// Of a line, no more than is needed to find it.
#[derive(Deserialize)]
struct Key {
    key: String,
}

impl TruthFile {
    /// Opens it. Relations are read where they are wanted alone: it takes longer.
    pub(super) fn open(path: &Path, related: bool) -> Result<Self> {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        let lines = BufReader::with_capacity(BUFFER, file);
        Ok(Self { path: path.to_owned(), lines, line: String::new(), offset: 0, related, places: None })
    }

    /// The truth of the record of this key.
    ///
    /// # Errors
    /// When the file cannot be read, or does not tell of it.
    pub(super) fn of(&mut self, key: &str) -> Result<TruthLine> {
        let found = self.find(key).with_context(|| self.path.display().to_string())?;
        match found {
            Some(line) => Ok(line),
            None => bail!("{} is not the truth of this job: its records are others", self.path.display()),
        }
    }

    fn find(&mut self, key: &str) -> Result<Option<TruthLine>> {
        if self.places.is_none() {
            if let Some(line) = self.next()?.filter(|line| line.truth.key == key) {
                return Ok(Some(line));
            }
            self.places = Some(places(&self.path)?);
        }
        for offset in self.places_of(key) {
            // Groups are of records that stand near each other, as a rule: the buffer outlives a short way.
            self.lines.seek_relative(offset.cast_signed() - self.offset.cast_signed())?;
            self.offset = offset;
            if let Some(line) = self.next()?.filter(|line| line.truth.key == key) {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// Where lines of keys with the hash of this one begin: one line, but for a rare chance.
    fn places_of(&self, key: &str) -> Vec<u64> {
        let (places, hash) = (self.places.as_deref().unwrap_or_default(), hash(key));
        let from = places.partition_point(|&(other, _)| other < hash);
        places[from..].iter().take_while(|&&(other, _)| other == hash).map(|&(_, offset)| offset).collect()
    }

    /// The line at which the reader stands; none at the end.
    fn next(&mut self) -> Result<Option<TruthLine>> {
        self.line.clear();
        let read = self.lines.read_line(&mut self.line)?;
        self.offset += read as u64;
        // The parser's own message would hold a piece of the record.
        let line = match (read, self.related) {
            (0, _) => return Ok(None),
            (_, true) => serde_json::from_str(&self.line).ok(),
            (_, false) => {
                serde_json::from_str::<Truth>(&self.line).ok().map(|truth| TruthLine { truth, related: None })
            }
        };
        line.context("not lines of truth").map(Some)
    }
}

fn places(path: &Path) -> Result<Vec<(u64, u64)>> {
    let mut lines = BufReader::with_capacity(BUFFER, File::open(path)?);
    let (mut places, mut line, mut offset) = (Vec::new(), String::new(), 0);
    loop {
        line.clear();
        let read = lines.read_line(&mut line)? as u64;
        if read == 0 {
            break;
        }
        let Key { key } = serde_json::from_str(&line).ok().context("not lines of truth")?;
        places.push((hash(&key), offset));
        offset += read;
    }
    places.sort_unstable();
    Ok(places)
}

fn hash(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use emend_vaccination::generator::Relation;

    use super::*;
    use crate::generate::generate;

    #[test]
    fn records_are_found_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = generate(200, 1, true, folder.path()).unwrap().truth;
        let keys: Vec<String> = (1..=200).map(|at| format!("HCM-{at:09}")).collect();
        let mut truth = TruthFile::open(&path, true).unwrap();
        for key in &keys {
            assert_eq!(&truth.of(key).unwrap().truth.key, key);
        }
        assert!(truth.places.is_none(), "nothing had to be searched");
        let mut truth = TruthFile::open(&path, true).unwrap();
        let mut relations = Vec::new();
        // A group's records come where its first one stood.
        for at in [0, 1, 150, 2, 3, 199, 0, 5, 4] {
            let line = truth.of(&keys[at]).unwrap();
            assert_eq!(line.truth.key, keys[at]);
            relations.push(line.related.unwrap().relation);
        }
        assert!(relations.iter().any(|&relation| relation != Relation::Alone), "{relations:?}");
        let mut plain = TruthFile::open(&path, false).unwrap();
        assert!(plain.of(&keys[7]).unwrap().related.is_none());
    }

    #[test]
    fn a_record_that_is_not_in_it_is_said_and_no_value_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = generate(3, 1, false, folder.path()).unwrap().truth;
        for key in ["HCM-000000004", "NOBODY"] {
            let said = format!("{:#}", TruthFile::open(&path, false).unwrap().of(key).err().unwrap());
            assert!(said.contains("not the truth of this job") && !said.contains("NOBODY"), "{said}");
        }
        std::fs::write(&path, "{\"key\": \"HCM-000000001\", \"secret\": 1").unwrap();
        let said = format!("{:#}", TruthFile::open(&path, false).unwrap().of("HCM-000000001").err().unwrap());
        assert!(said.contains("not lines of truth") && !said.contains("secret"), "{said}");
    }
}
