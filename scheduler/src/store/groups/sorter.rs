//! Sorts more than the memory is to hold: full buffers are sorted and go into files without a name, which are merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// By what entries are sorted; no two are equal.
pub(super) type Key = (u128, u64);

/// Bytes in memory, at most.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// What stands before an entry: its key and its length.
const HEAD: usize = 16 + 8 + size_of::<usize>();
/// What a file is read by.
const READ_BYTES: usize = 64 * 1024;
const WRITE_BYTES: usize = 256 * 1024;

/// Takes entries in any order.
#[derive(Debug)]
pub(super) struct Sorter {
    folder: PathBuf,
    most_bytes: usize,
    buffer: Buffer,
    runs: Vec<File>,
}

#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    key: Key,
    // Half a word each: a buffer is never that large, and there are as many entries as records.
    start: u32,
    end: u32,
}

impl Entry {
    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl Buffer {
    fn end(&self) -> io::Result<u32> {
        u32::try_from(self.bytes.len()).map_err(|_| io::ErrorKind::FileTooLarge.into())
    }

    fn size(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Entry>()
    }
}

impl Sorter {
    /// Holds about `most_bytes` in memory, never much more than 64 MiB, and the rest in files in `folder`.
    pub(super) fn new(folder: &Path, most_bytes: usize) -> Self {
        let most_bytes = most_bytes.min(MOST_BYTES);
        // Room that is not used costs nothing, and a buffer that grows is copied again and again.
        let entries = Vec::with_capacity(most_bytes / size_of::<Entry>());
        let buffer = Buffer { bytes: Vec::with_capacity(most_bytes), entries };
        Self { folder: folder.to_owned(), most_bytes, buffer, runs: Vec::new() }
    }

    /// Takes an entry, given in parts.
    pub(super) fn push(&mut self, key: Key, parts: &[&[u8]]) -> io::Result<()> {
        let buffer = &mut self.buffer;
        let start = buffer.end()?;
        parts.iter().for_each(|part| buffer.bytes.extend_from_slice(part));
        let end = buffer.end()?;
        buffer.entries.push(Entry { key, start, end });
        if buffer.size() >= self.most_bytes { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> io::Result<()> {
        self.buffer.entries.sort_unstable_by_key(|entry| entry.key);
        // It has no name, so it is gone with this process whatever happens, and nobody else can open it.
        let mut file = BufWriter::with_capacity(WRITE_BYTES, tempfile::tempfile_in(&self.folder)?);
        for entry in &self.buffer.entries {
            let ((high, low), bytes) = (entry.key, &self.buffer.bytes[entry.range()]);
            file.write_all(&high.to_le_bytes())?;
            file.write_all(&low.to_le_bytes())?;
            file.write_all(&bytes.len().to_le_bytes())?;
            file.write_all(bytes)?;
        }
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.runs.push(file);
        self.buffer.bytes.clear();
        self.buffer.entries.clear();
        Ok(())
    }

    /// The entries in order.
    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        if self.runs.is_empty() {
            self.buffer.entries.sort_unstable_by_key(|entry| entry.key);
            return Ok(Sorted::Memory { buffer: self.buffer, next: 0 });
        }
        self.spill()?;
        drop(self.buffer);
        let mut merge =
            Merge { runs: self.runs.into_iter().map(Run::new).collect(), heads: BinaryHeap::new() };
        merge.rewind()?;
        Ok(Sorted::Files { merge, taken: None })
    }
}

/// Gives entries in order.
#[derive(Debug)]
pub(super) enum Sorted {
    Memory { buffer: Buffer, next: usize },
    Files { merge: Merge, taken: Option<usize> },
}

impl Sorted {
    /// Begins again with the first entry.
    pub(super) fn rewind(&mut self) -> io::Result<()> {
        match self {
            Self::Memory { next, .. } => *next = 0,
            Self::Files { merge, taken } => {
                *taken = None;
                merge.rewind()?;
            }
        }
        Ok(())
    }

    /// The next entry.
    pub(super) fn next(&mut self) -> io::Result<Option<(Key, &[u8])>> {
        match self {
            Self::Memory { buffer, next } => {
                let Some(entry) = buffer.entries.get(*next) else { return Ok(None) };
                *next += 1;
                Ok(Some((entry.key, &buffer.bytes[entry.range()])))
            }
            Self::Files { merge, taken } => {
                if let Some(run) = taken.take() {
                    merge.advance(run)?;
                }
                let Some(Reverse((key, run))) = merge.heads.pop() else { return Ok(None) };
                *taken = Some(run);
                Ok(Some((key, &merge.runs[run].entry)))
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Merge {
    runs: Vec<Run>,
    /// The first entry of each run that has one left.
    heads: BinaryHeap<Reverse<(Key, usize)>>,
}

#[derive(Debug)]
struct Run {
    file: BufReader<File>,
    entry: Vec<u8>,
}

impl Merge {
    fn rewind(&mut self) -> io::Result<()> {
        self.heads.clear();
        for run in 0..self.runs.len() {
            self.runs[run].file.rewind()?;
            self.advance(run)?;
        }
        Ok(())
    }

    fn advance(&mut self, run: usize) -> io::Result<()> {
        if let Some(key) = self.runs[run].read()? {
            self.heads.push(Reverse((key, run)));
        }
        Ok(())
    }
}

impl Run {
    fn new(file: File) -> Self {
        Self { file: BufReader::with_capacity(READ_BYTES, file), entry: Vec::new() }
    }

    fn read(&mut self) -> io::Result<Option<Key>> {
        let mut head = [0; HEAD];
        match self.file.read_exact(&mut head) {
            Ok(()) => {}
            // Files end between entries.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let (high, rest) = head.split_first_chunk().ok_or(io::ErrorKind::InvalidData)?;
        let (low, length) = rest.split_first_chunk().ok_or(io::ErrorKind::InvalidData)?;
        let length = length.first_chunk().ok_or(io::ErrorKind::InvalidData)?;
        self.entry.resize(usize::from_le_bytes(*length), 0);
        self.file.read_exact(&mut self.entry)?;
        Ok(Some((u128::from_le_bytes(*high), u64::from_le_bytes(*low))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sorted(entries: &[(Key, Vec<u8>)], most_bytes: usize) -> Vec<(Key, Vec<u8>)> {
        let mut sorter = Sorter::new(&std::env::temp_dir(), most_bytes);
        for (key, bytes) in entries {
            let (front, back) = bytes.split_at(bytes.len() / 2);
            sorter.push(*key, &[front, back]).unwrap();
        }
        let mut sorted = sorter.finish().unwrap();
        let mut found = Vec::new();
        while let Some((key, bytes)) = sorted.next().unwrap() {
            found.push((key, bytes.to_vec()));
        }
        sorted.rewind().unwrap();
        for entry in &found {
            assert_eq!(
                sorted.next().unwrap().map(|(key, bytes)| (key, bytes.to_vec())).as_ref(),
                Some(entry)
            );
        }
        assert!(sorted.next().unwrap().is_none());
        found
    }

    proptest! {
        #[test]
        fn memory_makes_no_difference(
            keys in prop::collection::hash_map((0..50_u128, any::<u64>()), prop::collection::vec(any::<u8>(), 0..40), 0..300),
            most_bytes in 1..4_000_usize,
        ) {
            let entries: Vec<_> = keys.into_iter().collect();
            let mut expected = entries.clone();
            expected.sort();
            prop_assert_eq!(&sorted(&entries, most_bytes), &expected);
            prop_assert_eq!(&sorted(&entries, usize::MAX), &expected);
        }
    }
}
