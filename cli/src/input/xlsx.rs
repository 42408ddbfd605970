//! XLSX: the first sheet of a workbook, its first used row naming the columns.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::{Context as _, Result, anyhow, bail};
use calamine::{DataRef, ExcelDateTime, Reader as _, Xlsx};

use super::payload::{PayloadWriter, is_too_large};
use super::{Content, FieldNames, RejectCode, Row, Rows};

/// A workbook's strings are held in memory, so it may not be larger than this, unpacked.
const MAX_UNPACKED: u64 = 1024 * 1024 * 1024;

/// Rows that wait between the thread that reads the sheet and whoever asks for rows.
const AHEAD: usize = 256;

/// One row of the sheet: its number from 1, its values one after another, and where each ends.
#[derive(Debug, Default)]
struct SheetRow {
    row: u64,
    text: String,
    ends: Vec<usize>,
}

/// The rows of the first sheet.
pub(super) struct XlsxRows {
    sheet: Receiver<Result<SheetRow>>,
    columns: Vec<String>,
    key: usize,
    payload: PayloadWriter,
    max_payload: usize,
    current: SheetRow,
    read: Arc<AtomicU64>,
    /// Bytes of the file, told once all is read: rows do not say where they stand in a compressed file.
    size: u64,
}

/// Opens the workbook and reads the header.
pub(super) fn open(
    path: &Path,
    names: &FieldNames,
    max_payload: usize,
    read: Arc<AtomicU64>,
) -> Result<XlsxRows> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    check_size(file)?;
    let book: Xlsx<_> = calamine::open_workbook(path)
        .map_err(|error: calamine::XlsxError| anyhow!("not an XLSX file: {error}"))?;
    let (send, sheet) = sync_channel(AHEAD);
    // The sheet's reader borrows the workbook, so both live on a thread of their own; it ends with the channel.
    std::thread::Builder::new().name("xlsx".into()).spawn(move || {
        if let Err(error) = read_sheet(book, &send) {
            let _ = send.send(Err(error));
        }
    })?;
    let Ok(header) = sheet.recv() else {
        bail!("the first sheet is empty; its first row must name the columns");
    };
    let header = header?;
    let mut start = 0;
    let headers: Vec<_> =
        header.ends.iter().map(|&end| &header.text[std::mem::replace(&mut start, end)..end]).collect();
    let used = headers.iter().rposition(|header| !header.trim().is_empty()).map_or(0, |last| last + 1);
    let (columns, key) = names.columns(headers.into_iter().take(used))?;
    let payload = PayloadWriter::new(&columns);
    let current = SheetRow::default();
    Ok(XlsxRows { sheet, columns, key, payload, max_payload, current, read, size })
}

/// A small file may unpack to a huge one.
fn check_size(file: File) -> Result<()> {
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(|_| anyhow!("not an XLSX file"))?;
    let mut unpacked = 0;
    for at in 0..archive.len() {
        unpacked += archive.by_index_raw(at).map_err(|_| anyhow!("a damaged XLSX file"))?.size();
    }
    if unpacked > MAX_UNPACKED {
        bail!("the workbook unpacks to more than {} MiB; save it as CSV and import that", MAX_UNPACKED >> 20);
    }
    Ok(())
}

fn read_sheet(mut book: Xlsx<BufReader<File>>, rows: &SyncSender<Result<SheetRow>>) -> Result<()> {
    let name = book.sheet_names().first().cloned().context("the workbook has no sheet")?;
    let mut cells = book.worksheet_cells_reader(&name).context("the first sheet cannot be read")?;
    let mut current = SheetRow::default();
    while let Some(cell) = cells.next_cell().context("the first sheet cannot be read to its end")? {
        let (row, column) = (u64::from(cell.get_position().0) + 1, cell.get_position().1 as usize);
        if row != current.row {
            if !current.text.is_empty() && rows.send(Ok(current)).is_err() {
                return Ok(());
            }
            current = SheetRow { row, ..SheetRow::default() };
        }
        if current.text.len() <= super::MAX_ROW_BYTES {
            current.ends.resize(column.max(current.ends.len()), current.text.len());
            push_value(&mut current.text, cell.get_value());
            current.ends.push(current.text.len());
        }
    }
    if !current.text.is_empty() {
        // Nobody to hear it is no error.
        let _ = rows.send(Ok(current));
    }
    Ok(())
}

impl Rows for XlsxRows {
    fn next_row(&mut self) -> Result<Option<Row<'_>>> {
        let Ok(next) = self.sheet.recv() else {
            self.read.store(self.size, Ordering::Relaxed);
            return Ok(None);
        };
        self.current = next?;
        let SheetRow { row, text, ends } = &mut self.current;
        let row = *row;
        let columns = self.columns.len();
        let filled = ends.get(columns - 1).copied().unwrap_or(text.len());
        let reject = |code| Ok(Some(Row { row, content: Err(code) }));
        if filled < text.len() {
            return reject(RejectCode::ColumnCount);
        }
        // Empty cells at a row's end are not in the file.
        ends.resize(columns, text.len());
        let start = if self.key == 0 { 0 } else { ends[self.key - 1] };
        let key = text[start..ends[self.key]].trim();
        if key.is_empty() {
            return reject(RejectCode::MissingKey);
        }
        let payload = self.payload.write(text, ends);
        if is_too_large(key, payload, self.max_payload) {
            return reject(RejectCode::TooLarge);
        }
        Ok(Some(Row { row, content: Ok(Content { key, payload }) }))
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }
}

/// Appends a cell as a person reads it.
fn push_value(text: &mut String, value: &DataRef<'_>) {
    use std::fmt::Write as _;
    let done = match value {
        DataRef::String(value) | DataRef::DateTimeIso(value) | DataRef::DurationIso(value) => {
            text.write_str(value)
        }
        DataRef::SharedString(value) => text.write_str(value),
        DataRef::Int(value) => write!(text, "{value}"),
        // Without an exponent: identity numbers and phones are kept as numbers in many sheets.
        DataRef::Float(value) => write!(text, "{value}"),
        DataRef::Bool(value) => write!(text, "{value}"),
        DataRef::DateTime(value) => push_date(text, value),
        DataRef::Error(value) => write!(text, "{value}"),
        DataRef::Empty => Ok(()),
    };
    done.expect("a String takes what is written to it");
}

fn push_date(text: &mut String, value: &ExcelDateTime) -> std::fmt::Result {
    use std::fmt::Write as _;
    // A duration, or a time without a day, has no date to show.
    if value.is_duration() || value.as_f64() < 1.0 {
        return write!(text, "{}", value.as_f64());
    }
    let (year, month, day, hour, minute, second, _) = value.to_ymd_hms_milli();
    write!(text, "{year:04}-{month:02}-{day:02}")?;
    if (hour, minute, second) != (0, 0, 0) {
        write!(text, " {hour:02}:{minute:02}:{second:02}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rust_xlsxwriter::{ExcelDateTime as Date, Format, Workbook};

    use super::super::columns::tests::names;
    use super::super::tests::collect;
    use super::*;

    fn read(fill: impl FnOnce(&mut rust_xlsxwriter::Worksheet)) -> Result<Vec<(u64, String)>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.xlsx");
        let mut book = Workbook::new();
        fill(book.add_worksheet());
        book.save(&path).unwrap();
        let read = Arc::new(AtomicU64::new(0));
        let mut rows = open(&path, &names(), 1000, read)?;
        Ok(collect(&mut rows))
    }

    #[test]
    fn cells_become_text_and_rows_keep_their_number() {
        let rows = read(|sheet| {
            let day = Format::new().set_num_format("yyyy-mm-dd");
            for (at, name) in ["Mã số", "Họ tên", "n", "d"].into_iter().enumerate() {
                sheet.write(1, u16::try_from(at).unwrap(), name).unwrap();
            }
            sheet.write(2, 0, "a").unwrap();
            sheet.write(2, 1, "Nguyễn \"Ân\"").unwrap();
            sheet.write(2, 2, 84_901_234_567_f64).unwrap();
            sheet.write_with_format(2, 3, Date::from_ymd(2021, 9, 20).unwrap(), &day).unwrap();
            sheet.write(4, 0, 7).unwrap();
            sheet.write(4, 2, 1.5).unwrap();
            sheet.write(5, 1, "x").unwrap();
            sheet.write(6, 0, "b").unwrap();
            sheet.write(6, 5, "beyond").unwrap();
            sheet.write(7, 0, "c").unwrap();
            sheet.write(7, 1, "y".repeat(1000)).unwrap();
        })
        .unwrap();
        let expected = [
            (3, r#"a {"id":"a","name":"Nguyễn \"Ân\"","n":"84901234567","d":"2021-09-20"}"#),
            (5, r#"7 {"id":"7","name":"","n":"1.5","d":""}"#),
            (6, "missing_key"),
            (7, "column_count"),
            (8, "too_large"),
        ];
        assert_eq!(rows, expected.map(|(row, text)| (row, text.to_owned())));
    }

    #[test]
    fn an_empty_sheet_and_a_missing_key_are_said() {
        assert!(read(|_| {}).unwrap_err().to_string().contains("first row"));
        let error = read(|sheet| {
            sheet.write(0, 0, "x").unwrap();
        })
        .unwrap_err();
        assert!(error.to_string().contains("`id`"), "{error}");
    }

    #[test]
    fn what_is_no_workbook_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.xlsx");
        std::fs::write(&path, "id,name\n").unwrap();
        let error = open(&path, &names(), 1000, Arc::default()).map(drop).unwrap_err();
        assert!(error.to_string().contains("not an XLSX"), "{error}");
    }
}
