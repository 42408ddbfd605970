//! Reads files of records: CSV, JSONL and XLSX, row by row, whatever the size of the file.
//!
//! A bad row is answered as such and the next one follows; only a file that cannot be read at all is an error.

mod columns;
mod csv;
mod decode;
mod framing;
mod jsonl;
mod object;
mod payload;
mod reject;
mod window;
mod xlsx;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use encoding_rs::Encoding;

pub use columns::FieldNames;
pub use decode::encoding;
pub(crate) use object::{FieldsIn, as_text};
pub(crate) use payload::{push_string, record};
pub use reject::{RejectCode, explain};

use crate::exit::Usage;

/// The longest row that is looked at, in bytes of the file. What is longer cannot be a record.
const MAX_ROW_BYTES: usize = 4 * 1024 * 1024;

/// A row of the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The line it began on, or its row in the sheet; from 1.
    pub row: u64,
    /// The record, or why there is none.
    pub content: Result<Content<'a>, RejectCode>,
}

/// A record as it stood in the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Content<'a> {
    /// What the key field holds.
    pub key: &'a str,
    /// One JSON object on one line.
    pub payload: &'a [u8],
}

/// The rows of one file, in their order.
pub trait Rows: Send {
    /// The next row, good or bad; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read any further.
    fn next_row(&mut self) -> Result<Option<Row<'_>>>;

    /// The columns seen so far, in order, under the names that records use.
    fn columns(&self) -> &[String];
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Comma, semicolon or tab separated, with a header line.
    Csv,
    /// One JSON object on each line.
    Jsonl,
    /// The first sheet of a workbook, with a header row.
    Xlsx,
}

impl Format {
    /// The format that a file's name speaks of.
    ///
    /// # Errors
    /// [`Usage`], when it speaks of none.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match extension.as_str() {
            "csv" | "tsv" | "txt" => Ok(Self::Csv),
            "jsonl" | "ndjson" => Ok(Self::Jsonl),
            "xlsx" => Ok(Self::Xlsx),
            _ => Err(Usage::new(format!(
                "cannot tell the format of {} from its name; say --format csv, jsonl or xlsx",
                path.display()
            ))),
        }
    }
}

/// A file to read, and how.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it is.
    pub path: std::path::PathBuf,
    /// What it is.
    pub format: Format,
    /// Its encoding when one was named; otherwise UTF-8, or what its byte order mark says.
    pub encoding: Option<&'static Encoding>,
    /// What its columns mean.
    pub names: FieldNames,
    /// The largest payload of a record.
    pub max_payload: usize,
}

impl Source {
    /// Opens the file and reads its header. `read` counts the bytes as they are read.
    ///
    /// # Errors
    /// When it cannot be opened, or its header does not name the key.
    pub fn open(&self, read: Arc<AtomicU64>) -> Result<Box<dyn Rows>> {
        let at = || self.path.display().to_string();
        if self.format == Format::Xlsx {
            if self.encoding.is_some() {
                return Err(Usage::new(
                    "--encoding does not apply to XLSX, which is always Unicode; leave it out",
                ));
            }
            return Ok(Box::new(
                xlsx::open(&self.path, &self.names, self.max_payload, read).with_context(at)?,
            ));
        }
        let file = Counted { file: File::open(&self.path).with_context(at)?, read };
        let source = decode::utf8(Box::new(file), self.encoding).with_context(at)?;
        self.rows(source).with_context(at)
    }

    fn rows(&self, source: Box<dyn Read + Send>) -> Result<Box<dyn Rows>> {
        let window = window::Window::new(source);
        Ok(match self.format {
            Format::Jsonl => Box::new(jsonl::JsonlRows::new(window, self.names.clone(), self.max_payload)),
            Format::Csv | Format::Xlsx => {
                Box::new(csv::CsvRows::open(window, &self.names, self.max_payload)?)
            }
        })
    }
}

struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(out)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// All rows of `bytes`, as (row, `key payload` or the reject's code).
    pub(crate) fn read_all(format: Format, bytes: &[u8], label: Option<&str>) -> Vec<(u64, String)> {
        let source = Source {
            path: "test".into(),
            format,
            encoding: label.map(|label| encoding(label).unwrap()),
            names: columns::tests::names(),
            max_payload: 1000,
        };
        let bytes = decode::utf8(Box::new(io::Cursor::new(bytes.to_vec())), source.encoding).unwrap();
        collect(source.rows(bytes).unwrap().as_mut())
    }

    pub(crate) fn collect(rows: &mut dyn Rows) -> Vec<(u64, String)> {
        let mut all = Vec::new();
        while let Some(Row { row, content }) = rows.next_row().unwrap() {
            let text = match content {
                Ok(Content { key, payload }) => format!("{key} {}", String::from_utf8_lossy(payload)),
                Err(code) => code.as_str().to_owned(),
            };
            all.push((row, text));
        }
        all
    }

    #[test]
    fn the_format_is_told_by_the_name() {
        assert_eq!(Format::of(Path::new("a/B.CSV")).unwrap(), Format::Csv);
        assert_eq!(Format::of(Path::new("x.ndjson")).unwrap(), Format::Jsonl);
        assert!(Format::of(Path::new("x.doc")).unwrap_err().to_string().contains("--format"));
    }
}
