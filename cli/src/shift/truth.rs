//! What is true of the records that people decide on.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use emend_vaccination::{Column, Truth, Values};
use serde::Deserialize;

use super::person::Choice;
use crate::export::{ForPeople, Options};

/// The truth of a job's records, by their places. It stays in its file: only where each line stands is kept.
#[derive(Debug)]
pub(super) struct Truths {
    path: PathBuf,
    file: File,
    lines: HashMap<u64, Line>,
}

/// Where a record's truth stands, and what is right to say of its cluster.
#[derive(Debug, Clone, Copy)]
struct Line {
    offset: u64,
    length: u32,
    /// None where it is in no cluster, or where neither its value nor a proposal is true.
    choice: Option<Choice>,
}

/// Of a line, no more than is needed to know whether it is wanted.
#[derive(Deserialize)]
struct Key {
    key: String,
}

impl Truths {
    /// Finds the lines of the records `wanted`, by key.
    ///
    /// # Errors
    /// When the file cannot be read, or one of them is not in it.
    pub(super) fn read(path: &Path, mut wanted: HashMap<String, ForPeople>) -> Result<Self> {
        let at = || format!("--truth {}", path.display());
        let file = File::open(path).with_context(at)?;
        let mut reader = BufReader::with_capacity(256 * 1024, &file);
        let (mut lines, mut line, mut offset) = (HashMap::with_capacity(wanted.len()), String::new(), 0);
        while reader.read_line(&mut line).with_context(at)? > 0 {
            // The parser's own message would hold a piece of the record.
            let Key { key } =
                serde_json::from_str(&line).ok().context("not lines of truth").with_context(at)?;
            let length = u32::try_from(line.len()).context("a line is too long").with_context(at)?;
            if let Some(ForPeople { seq, alike }) = wanted.remove(&key) {
                let choice = match alike {
                    Some(options) => right_choice(&options, &parse(line.as_bytes()).with_context(at)?),
                    None => None,
                };
                lines.insert(seq, Line { offset, length, choice });
            }
            offset += u64::from(length);
            line.clear();
        }
        if !wanted.is_empty() {
            bail!("{} is not the truth of this job: {} of its records are not in it", at(), wanted.len());
        }
        drop(reader);
        Ok(Self { path: path.to_owned(), file, lines })
    }

    /// The true values of the record at this place.
    pub(super) fn of(&self, seq: u64) -> Result<Values> {
        let at = || format!("--truth {}, record {seq}", self.path.display());
        let &Line { offset, length, .. } =
            self.lines.get(&seq).context("it is not known").with_context(at)?;
        let mut line = vec![0; length as usize];
        self.file.read_exact_at(&mut line, offset).with_context(at)?;
        parse(&line).with_context(at)
    }

    /// Whether this is right to say of the record at this place as of all of its cluster.
    pub(super) fn allows(&self, seq: u64, choice: Choice) -> bool {
        self.lines.get(&seq).is_some_and(|line| line.choice == Some(choice))
    }
}

fn parse(line: &[u8]) -> Result<Values> {
    let truth: Truth = serde_json::from_slice(line).ok().context("not lines of truth")?;
    Ok(truth.fields)
}

fn right_choice(options: &Options, truth: &Values) -> Option<Choice> {
    let value = truth.get(Column::named(&options.field)?);
    match options.proposals.iter().position(|proposal| proposal == value) {
        Some(at) => u32::try_from(at).ok().map(Choice::Proposal),
        None => (options.value == value).then_some(Choice::AsItIs),
    }
}

#[cfg(test)]
mod tests {
    use emend_vaccination::generator::Generator;

    use super::*;

    #[test]
    fn lines_are_found_by_the_keys_of_places() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("truth.jsonl");
        let truths: Vec<Truth> = (0..20).map(|at| Generator::new(1).record(at).truth).collect();
        let text: String = truths.iter().map(|truth| serde_json::to_string(truth).unwrap() + "\n").collect();
        std::fs::write(&path, text).unwrap();
        // Places need not be those of the file: rows may have been rejected.
        let phone = truths[3].fields.get(Column::Phone).to_owned();
        let proposals = vec!["0".to_owned(), phone];
        let alike = Some(Options { field: "phone".into(), value: "1".into(), proposals });
        let wanted = || {
            HashMap::from([
                (truths[3].key.clone(), ForPeople { seq: 3, alike: alike.clone() }),
                (truths[17].key.clone(), ForPeople { seq: 12, alike: None }),
            ])
        };
        let found = Truths::read(&path, wanted()).unwrap();
        assert_eq!(found.of(3).unwrap(), truths[3].fields);
        assert_eq!(found.of(12).unwrap().get(Column::FullName), truths[17].fields.get(Column::FullName));
        assert!(found.of(17).is_err());
        assert!(found.allows(3, Choice::Proposal(1)) && !found.allows(3, Choice::Proposal(0)));
        assert!(!found.allows(3, Choice::AsItIs) && !found.allows(12, Choice::AsItIs));
        let mut more = wanted();
        more.insert("NOBODY".into(), ForPeople { seq: 99, alike: None });
        let said = format!("{:#}", Truths::read(&path, more).unwrap_err());
        assert!(said.contains("1 of its records") && !said.contains("NOBODY"), "{said}");
    }
}
