//! Cuts rows into chunks that the scheduler can keep as they come.

use anyhow::Result;
use emend_proto::v1::import_chunk::Body;
use emend_proto::v1::{ImportChunk, JobPolicy, Record, Reject};
use emend_proto::{BlockWriter, DEFAULT_UNIT_BYTES, DEFAULT_UNIT_RECORDS};

use crate::input::{Row, Rows, record};

/// A chunk holds at most this many rows, rejects among them.
const MAX_ROWS: u64 = 10_000;

/// How large a unit may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Records in a unit.
    pub records: u32,
    /// Bytes of payload in a unit; also in a single record.
    pub bytes: usize,
}

impl Limits {
    /// What the job's policy says, where a zero means the default.
    pub fn of(policy: Option<&JobPolicy>) -> Self {
        let or = |value: u32, default| if value == 0 { default } else { value };
        let policy = policy.cloned().unwrap_or_default();
        Self {
            records: or(policy.unit_records, DEFAULT_UNIT_RECORDS),
            bytes: or(policy.unit_bytes, DEFAULT_UNIT_BYTES) as usize,
        }
    }
}

/// Makes chunks of a file's rows.
pub(super) struct Cutter {
    rows: Box<dyn Rows>,
    limits: Limits,
    writer: BlockWriter,
    /// Rows before the next chunk.
    offset: u64,
    /// The row that did not fit into the last chunk.
    pending: Option<Result<Record, Reject>>,
    /// Columns that were sent.
    columns: usize,
    ended: bool,
}

impl Cutter {
    /// Begins after `offset` rows, which are read and passed over.
    ///
    /// # Errors
    /// When the file cannot be read, or has fewer rows.
    pub(super) fn new(mut rows: Box<dyn Rows>, limits: Limits, offset: u64) -> Result<Self> {
        for skipped in 0..offset {
            if rows.next_row()?.is_none() {
                anyhow::bail!(
                    "the scheduler has {offset} rows of this import and the file has {skipped}; it was changed while it was imported"
                );
            }
        }
        let writer = BlockWriter::default();
        Ok(Self { rows, limits, writer, offset, pending: None, columns: 0, ended: false })
    }

    /// The next chunk; the last one says so. `None` after it.
    ///
    /// # Errors
    /// When the file cannot be read any further.
    pub(super) fn next_chunk(&mut self) -> Result<Option<ImportChunk>> {
        if self.ended {
            return Ok(None);
        }
        let (mut bytes, mut rejects) = (0, Vec::new());
        while u64::from(self.writer.count()) + (rejects.len() as u64) < MAX_ROWS {
            match self.take()? {
                None => break,
                Some(Err(reject)) => rejects.push(reject),
                Some(Ok(record)) => {
                    let full = self.writer.count() == self.limits.records
                        || bytes + record.payload.len() > self.limits.bytes;
                    if full && self.writer.count() > 0 {
                        self.pending = Some(Ok(record));
                        break;
                    }
                    bytes += record.payload.len();
                    self.writer.push(&record);
                }
            }
        }
        // Whether this chunk is the last one shows in the row after it.
        self.pending = self.take()?;
        self.ended = self.pending.is_none();
        let offset = self.offset;
        self.offset += u64::from(self.writer.count()) + rejects.len() as u64;
        let body = (self.writer.count() > 0).then(|| Body::Block(self.writer.finish()));
        let columns = self.rows.columns()[self.columns..].to_vec();
        self.columns += columns.len();
        Ok(Some(ImportChunk { offset, body, rejects, columns, last: self.ended }))
    }

    /// Rows in the chunks so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    fn take(&mut self) -> Result<Option<Result<Record, Reject>>> {
        if let Some(pending) = self.pending.take() {
            return Ok(Some(pending));
        }
        let Some(Row { row, content }) = self.rows.next_row()? else { return Ok(None) };
        Ok(Some(match content {
            Ok(content) => Ok(record(content.key, content.payload, row)),
            Err(code) => Err(Reject { row, code: code.as_str().to_owned() }),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Content, RejectCode};

    /// Rows with payloads of the given sizes; 0 is a reject.
    struct Sizes(Vec<usize>, usize, Vec<String>, String);

    impl Rows for Sizes {
        fn next_row(&mut self) -> Result<Option<Row<'_>>> {
            let Some(&size) = self.0.get(self.1) else { return Ok(None) };
            self.1 += 1;
            self.2.resize(self.1.div_ceil(2), "c".to_owned());
            self.3 = "x".repeat(size);
            let content = match size {
                0 => Err(RejectCode::Syntax),
                _ => Ok(Content { key: "k", payload: self.3.as_bytes() }),
            };
            Ok(Some(Row { row: self.1 as u64 + 1, content }))
        }

        fn columns(&self) -> &[String] {
            &self.2
        }
    }

    const LIMITS: Limits = Limits { records: 3, bytes: 10 };

    /// (offset, rows of the records, rows of the rejects, columns, last)
    type Shape = (u64, Vec<u64>, Vec<u64>, usize, bool);

    fn cut(sizes: &[usize], offset: u64) -> Vec<Shape> {
        let rows = Box::new(Sizes(sizes.to_vec(), 0, vec![], String::new()));
        let mut cutter = Cutter::new(rows, LIMITS, offset).unwrap();
        let mut shapes = Vec::new();
        while let Some(chunk) = cutter.next_chunk().unwrap() {
            let records = match chunk.body {
                Some(Body::Block(block)) => {
                    emend_proto::decode::<Record>(&block).unwrap().map(|record| record.unwrap().row).collect()
                }
                Some(Body::Records(_)) => unreachable!("chunks are blocks"),
                None => vec![],
            };
            let rejects = chunk.rejects.iter().map(|reject| reject.row).collect();
            shapes.push((chunk.offset, records, rejects, chunk.columns.len(), chunk.last));
        }
        shapes
    }

    #[test]
    fn chunks_are_cut_by_count_and_bytes_and_rejects_travel_along() {
        let shapes = cut(&[1, 1, 0, 1, 1, 9, 2, 0], 0);
        let expected = [
            (0, vec![2, 3, 5], vec![4], 3, false),
            (4, vec![6, 7], vec![], 1, false),
            (6, vec![8], vec![9], 0, true),
        ];
        assert_eq!(shapes, expected);
    }

    #[test]
    fn the_last_chunk_is_known_when_it_is_sent() {
        assert_eq!(cut(&[1, 1, 1], 0), [(0, vec![2, 3, 4], vec![], 2, true)]);
        assert_eq!(cut(&[], 0), [(0, vec![], vec![], 0, true)]);
        assert_eq!(cut(&[0], 0), [(0, vec![], vec![2], 1, true)]);
    }

    #[test]
    fn an_import_goes_on_with_the_row_it_stopped_at() {
        let sizes = [1, 0, 1, 1, 1, 0, 1, 1, 1];
        let whole = cut(&sizes, 0);
        assert_eq!(cut(&sizes, 2)[0], (2, vec![4, 5, 6], vec![7], 4, false));
        // At a border between chunks, the rest is cut exactly as it was.
        let rest = cut(&sizes, whole[1].0);
        assert_eq!((rest[0].0, &rest[0].1), (whole[1].0, &whole[1].1));
        assert_eq!(cut(&sizes, 9), [(9, vec![], vec![], 5, true)]);
        let rows = Box::new(Sizes(sizes.to_vec(), 0, vec![], String::new()));
        assert!(Cutter::new(rows, LIMITS, 10).is_err());
    }

    #[test]
    fn a_zero_in_the_policy_is_the_default() {
        assert_eq!(Limits::of(None), Limits { records: 500, bytes: 1024 * 1024 });
        let policy = JobPolicy { unit_records: 7, ..JobPolicy::default() };
        assert_eq!(Limits::of(Some(&policy)).records, 7);
    }
}
