//! Takes the formatted units in order and makes the file of them.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Workbook, Worksheet};

use super::format::{Formatter, Piece};
use super::target::Target;
use crate::input::Format;

/// Rows that a sheet holds, the header among them.
const SHEET_ROWS: u32 = 1_048_576;

/// The file being written.
pub(super) enum Sink {
    /// What stands before the first record, until it is written, and the file. A job that cannot be exported puts
    /// nothing on stdout.
    Text(Vec<u8>, Target),
    Book(Box<Book>),
}

/// A workbook, which is kept in temporary files until it is finished.
pub(super) struct Book {
    target: Target,
    book: Workbook,
    header: Vec<String>,
    sheet: usize,
    /// The next row of the sheet.
    row: u32,
    sheet_rows: u32,
}

impl Sink {
    pub(super) fn create(path: &Path, format: Format, formatter: &Formatter) -> Result<Self> {
        let target = Target::create(path)?;
        if format == Format::Xlsx {
            return Ok(Self::Book(Box::new(Book::new(target, formatter.header(), SHEET_ROWS)?)));
        }
        Ok(Self::Text(formatter.head(), target))
    }

    pub(super) fn write(&mut self, piece: &Piece) -> Result<()> {
        match self {
            Self::Text(head, target) => {
                let head = std::mem::take(head);
                target.write_all(&head).and_then(|()| target.write_all(&piece.text)).context("writing --out")
            }
            Self::Book(book) => book.write(piece),
        }
    }

    pub(super) fn finish(self) -> Result<()> {
        match self {
            Self::Text(head, mut target) => {
                target.write_all(&head).context("writing --out")?;
                target.finish()
            }
            Self::Book(book) => book.finish(),
        }
    }
}

impl Book {
    fn new(target: Target, header: &[String], sheet_rows: u32) -> Result<Self> {
        let mut book = Workbook::new();
        // The time of writing would make each export of the same job another file.
        let epoch = ExcelDateTime::from_ymd(2021, 1, 1).context("a valid date")?;
        book.set_properties(&DocProperties::new().set_creation_datetime(&epoch));
        let mut this = Self { target, book, header: header.to_vec(), sheet: 0, row: 0, sheet_rows };
        this.add_sheet()?;
        Ok(this)
    }

    fn add_sheet(&mut self) -> Result<()> {
        let sheet = self.book.add_worksheet_with_constant_memory().context("making a temporary file")?;
        for (column, name) in (0..).zip(&self.header) {
            write_cell(sheet, 0, column, name)?;
        }
        self.sheet = self.book.worksheets().len() - 1;
        self.row = 1;
        Ok(())
    }

    fn write(&mut self, piece: &Piece) -> Result<()> {
        let text = std::str::from_utf8(&piece.text).context("a value is not UTF-8")?;
        let mut start = 0;
        for row in piece.cells.chunks(self.header.len()) {
            if self.row == self.sheet_rows {
                self.add_sheet()?;
            }
            let sheet = self.book.worksheet_from_index(self.sheet).context("finding the sheet")?;
            for (column, &end) in (0..).zip(row) {
                if end > start {
                    write_cell(sheet, self.row, column, &text[start..end])?;
                }
                start = end;
            }
            self.row += 1;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.book.save_to_writer(&mut self.target).context("writing --out")?;
        self.target.finish()
    }
}

/// Always as a string: no value becomes a formula, a number or a date.
fn write_cell(sheet: &mut Worksheet, row: u32, column: u16, text: &str) -> Result<()> {
    let written = sheet.write_string(row, column, text);
    written.map(drop).with_context(|| {
        format!(
            "row {}, column {} does not fit into a sheet; export to CSV or JSONL instead",
            row + 1,
            column + 1
        )
    })
}

#[cfg(test)]
mod tests {
    use calamine::{Data, Reader as _, Xlsx, open_workbook};

    use super::super::unit::{Only, tests::decided};
    use super::*;

    fn write(path: &Path, sheet_rows: u32) {
        let columns = ["id", "name", "note"].map(str::to_owned);
        let formatter = Formatter::new(Format::Xlsx, &columns, true, Only::default());
        let target = Target::create(path).unwrap();
        let mut sink = Sink::Book(Box::new(Book::new(target, formatter.header(), sheet_rows).unwrap()));
        sink.write(&formatter.unit(&decided()).unwrap()).unwrap();
        sink.finish().unwrap();
    }

    #[test]
    fn sheets_hold_strings_and_go_over_into_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.xlsx");
        write(&path, 4);
        let mut book: Xlsx<_> = open_workbook(&path).unwrap();
        let cells: Vec<Vec<Vec<String>>> = book
            .sheet_names()
            .iter()
            .map(|name| {
                let range = book.worksheet_range(name).unwrap();
                range.rows().map(|row| row.iter().map(Data::to_string).collect()).collect()
            })
            .collect();
        assert_eq!(cells.len(), 2);
        let header = ["id", "name", "note", "verdict", "findings", "decision", "decision_reason"];
        assert_eq!(cells[0][0], header);
        assert_eq!(cells[0][1][..4], ["1", "Ân", "", "valid"]);
        assert_eq!(cells[0][3], ["3", "B, \"y\"", "n", "routed", "name.missing;name.odd", "values", ""]);
        assert_eq!(cells[1][0][..4], header[..4]);
        assert_eq!(cells[1][1][..4], ["4", "=1+1", "a;b", "failed"]);
        assert_eq!(cells[1][1][5..], ["rejected", "no such person, \"x\""]);
    }

    #[test]
    fn the_same_records_give_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a.xlsx"), dir.path().join("b.xlsx"));
        write(&a, 100);
        write(&b, 100);
        assert!(std::fs::read(a).unwrap() == std::fs::read(b).unwrap());
    }
}
