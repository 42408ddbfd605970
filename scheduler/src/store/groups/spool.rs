//! Records in a file without a name, in the order in which they came.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::path::Path;

const BYTES: usize = 256 * 1024;

/// Takes records.
#[derive(Debug)]
pub(super) struct Spool {
    file: BufWriter<File>,
    count: u64,
}

/// Records that may be read, again and again, but by one at a time.
#[derive(Debug)]
pub(super) struct Finished {
    file: File,
    count: u64,
}

/// Reads them from the first on.
#[derive(Debug)]
pub(super) struct Spooled<'f> {
    file: BufReader<&'f File>,
    left: u64,
    record: Vec<u8>,
}

impl Spool {
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        let file = BufWriter::with_capacity(BYTES, tempfile::tempfile_in(folder)?);
        Ok(Self { file, count: 0 })
    }

    /// Takes a record, given in parts.
    pub(super) fn push(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        self.count += 1;
        let length: usize = parts.iter().map(|part| part.len()).sum();
        self.file.write_all(&length.to_le_bytes())?;
        parts.iter().try_for_each(|part| self.file.write_all(part))
    }

    pub(super) fn finish(self) -> io::Result<Finished> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Finished { file, count: self.count })
    }
}

impl Finished {
    pub(super) fn read(&self) -> io::Result<Spooled<'_>> {
        let mut file = &self.file;
        file.rewind()?;
        Ok(Spooled { file: BufReader::with_capacity(BYTES, file), left: self.count, record: Vec::new() })
    }
}

impl Spooled<'_> {
    /// The next record.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let Some(length) = self.length()? else { return Ok(None) };
        self.record.resize(length, 0);
        self.file.read_exact(&mut self.record)?;
        Ok(Some(&self.record))
    }

    /// Passes over the next record.
    pub(super) fn skip(&mut self) -> io::Result<()> {
        match self.length()? {
            Some(length) => self.file.seek_relative(i64::try_from(length).unwrap_or(i64::MAX)),
            None => Ok(()),
        }
    }

    fn length(&mut self) -> io::Result<Option<usize>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut length = [0; size_of::<usize>()];
        self.file.read_exact(&mut length)?;
        Ok(Some(usize::from_le_bytes(length)))
    }
}
