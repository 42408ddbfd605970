//! CSV: a header line, then a row for each record.

use anyhow::{Context as _, Result, bail};

use super::framing::{Framed, Framing};
use super::payload::{PayloadWriter, is_too_large};
use super::window::Window;
use super::{Content, FieldNames, RejectCode, Row, Rows};

const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// The rows of a CSV file.
pub(super) struct CsvRows {
    framing: Framing,
    columns: Vec<String>,
    key: usize,
    payload: PayloadWriter,
    max_payload: usize,
}

impl CsvRows {
    /// Reads the header.
    pub(super) fn open(mut window: Window, names: &FieldNames, max_payload: usize) -> Result<Self> {
        let delimiter = delimiter(&mut window)?;
        let mut framing = Framing::new(window, delimiter);
        match framing.next(None).context("reading the header")? {
            None => bail!("the file is empty; its first line must name the columns"),
            Some(Framed::Row) => {}
            Some(Framed::TooLarge | Framed::OpenQuote) => bail!("the header is too long to be one"),
        }
        let Ok(header) = std::str::from_utf8(framing.text()) else {
            bail!("the header is not UTF-8; say --encoding, such as windows-1258 or utf-16le");
        };
        let mut start = 0;
        let headers = framing.ends().iter().map(|&end| &header[std::mem::replace(&mut start, end)..end]);
        let (columns, key) = names.columns(headers)?;
        let payload = PayloadWriter::new(&columns);
        Ok(Self { framing, columns, key, payload, max_payload })
    }
}

impl Rows for CsvRows {
    fn next_row(&mut self) -> Result<Option<Row<'_>>> {
        let Some(framed) = self.framing.next(Some(self.columns.len()))? else { return Ok(None) };
        let row = self.framing.line();
        let (text, ends) = (self.framing.text(), self.framing.ends());
        let reject = |code| Ok(Some(Row { row, content: Err(code) }));
        match framed {
            Framed::Row => {}
            Framed::TooLarge => return reject(RejectCode::TooLarge),
            Framed::OpenQuote => return reject(RejectCode::Syntax),
        }
        if ends.len() != self.columns.len() {
            return reject(RejectCode::ColumnCount);
        }
        let Some(text) = text_of(text, ends) else { return reject(RejectCode::Encoding) };
        let start = if self.key == 0 { 0 } else { ends[self.key - 1] };
        let key = &text[start..ends[self.key]];
        if key.trim().is_empty() {
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

/// The row's values as text, when each of them is.
fn text_of<'a>(text: &'a [u8], ends: &[usize]) -> Option<&'a str> {
    let text = std::str::from_utf8(text).ok()?;
    // Two broken values side by side could make a whole character between them.
    ends.iter().all(|&end| text.is_char_boundary(end)).then_some(text)
}

/// The separator that stands most often in the header line, outside of quotes.
fn delimiter(window: &mut Window) -> Result<u8> {
    let mut seen = 0;
    while memchr::memchr(b'\n', &window.bytes()[seen..]).is_none() && window.bytes().len() < 1024 * 1024 {
        seen = window.bytes().len();
        if !window.fill().context("reading the header")? {
            break;
        }
    }
    let mut quoted = false;
    let mut counts = [0_usize; DELIMITERS.len()];
    let header = window.bytes().trim_ascii_start();
    for byte in header.iter().take_while(|&&byte| byte != b'\n') {
        match DELIMITERS.iter().position(|delimiter| delimiter == byte) {
            Some(at) if !quoted => counts[at] += 1,
            _ => quoted ^= *byte == b'"',
        }
    }
    let best = (0..DELIMITERS.len()).rev().max_by_key(|&at| counts[at]).unwrap_or(0);
    Ok(DELIMITERS[best])
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::tests::read_all;
    use super::*;

    fn read(bytes: &[u8]) -> Vec<(u64, String)> {
        read_all(Format::Csv, bytes, None)
    }

    fn rows(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
        expected.iter().map(|&(row, text)| (row, text.to_owned())).collect()
    }

    #[test]
    fn every_separator_line_end_and_order_reads_the_same() {
        let expected = rows(&[(2, r#"7 {"name":"Ân","id":"7"}"#), (3, r#"8 {"name":"","id":"8"}"#)]);
        for delimiter in [",", ";", "\t"] {
            for end in ["\n", "\r\n"] {
                for (mark, last) in [("", ""), ("\u{feff}", end)] {
                    let lines = ["Họ và tên,Mã số", "Ân,7", ",8"].join(end).replace(',', delimiter);
                    let file = format!("{mark}{lines}{last}");
                    assert_eq!(read(file.as_bytes()), expected, "{file:?}");
                }
            }
        }
    }

    #[test]
    fn a_separator_inside_a_quoted_header_does_not_count() {
        let read = read(b"id;\"a,b,c\"\n1;x\n");
        assert_eq!(read, rows(&[(2, r#"1 {"id":"1","a,b,c":"x"}"#)]));
    }

    #[test]
    fn quoted_newlines_stay_in_the_row_and_the_lines_are_counted() {
        for end in ["\n", "\r\n"] {
            let file = "id,name\n1,\"a\n\"\"b\"\"\"\n\n\n2,c\n3\n4,d".replace('\n', end);
            let a = format!(r#"1 {{"id":"1","name":"a{}\"b\""}}"#, end.escape_default());
            let expected = [
                (2, a.as_str()),
                (6, r#"2 {"id":"2","name":"c"}"#),
                (7, "column_count"),
                (8, r#"4 {"id":"4","name":"d"}"#),
            ];
            assert_eq!(read(file.as_bytes()), rows(&expected), "{file:?}");
        }
    }

    #[test]
    fn a_bad_row_costs_itself_only() {
        let mut file = b"id,name\n1,a\n,b\n  ,b\n2\n3,c,d\n4,\xff\n5,\xe1\xbb,\n6,".to_vec();
        file.extend_from_slice(&[b'x'; 1000]);
        file.extend_from_slice(b"\n7,g\n");
        let expected = [
            (2, r#"1 {"id":"1","name":"a"}"#),
            (3, "missing_key"),
            (4, "missing_key"),
            (5, "column_count"),
            (6, "column_count"),
            (7, "encoding"),
            (8, "column_count"),
            (9, "too_large"),
            (10, r#"7 {"id":"7","name":"g"}"#),
        ];
        assert_eq!(read(&file), rows(&expected));
    }

    #[test]
    fn two_broken_values_do_not_make_a_whole_one() {
        assert_eq!(read(b"name,id\n\xc3,\xa9\n"), rows(&[(2, "encoding")]));
    }

    #[test]
    fn an_open_quote_costs_its_row_and_not_those_after_it() {
        let expected = [
            (2, r#"1 {"id":"1","name":"a","n":""}"#),
            (3, "syntax"),
            (4, r#"3 {"id":"3","name":"c","n":""}"#),
        ];
        assert_eq!(read(b"id,name,n\n1,a,\n2,\"b,\n3,c,\n"), rows(&expected));
        assert_eq!(read(b"id,name,n\n1,a,\n2,b,\"\n3,c,"), rows(&expected));
        let mut later = expected.to_vec();
        later.push((5, r#"4 {"id":"4","name":"d","n":"x"}"#));
        assert_eq!(read(b"id,name,n\n1,a,\n2,\"b,\n3,c,\n4,d,\"x\"\n"), rows(&later));
    }

    #[test]
    fn a_row_beyond_all_bounds_is_passed_over() {
        let mut file = b"id,name\n1,\"".to_vec();
        file.resize(file.len() + 3 * super::super::MAX_ROW_BYTES, b'\n');
        file.extend_from_slice(b"\"\n2,b\n");
        let line = 4 + 3 * super::super::MAX_ROW_BYTES as u64 - 1;
        assert_eq!(read(&file), rows(&[(2, "too_large"), (line, r#"2 {"id":"2","name":"b"}"#)]));
        let mut file = b"id,name\n1,a\n".to_vec();
        file.extend_from_slice(b"2,\"b\n");
        for line in 0..600_000 {
            file.extend_from_slice(format!("{line},c\n").as_bytes());
        }
        let read = read(&file);
        assert_eq!((read.len(), read[1].clone()), (600_002, (3, "syntax".into())));
    }

    #[test]
    fn characters_are_whole_wherever_the_file_is_cut_into_pieces() {
        let mut file = "id,name\n".to_owned();
        for row in 0..60_000 {
            file.push_str(&format!("{row},Nguyễn Thị Thúy Hòa ế\n"));
        }
        let read = read(file.as_bytes());
        assert_eq!(read.len(), 60_000);
        for (row, (line, text)) in read.iter().enumerate() {
            assert_eq!(*line, row as u64 + 2);
            assert_eq!(*text, format!(r#"{row} {{"id":"{row}","name":"Nguyễn Thị Thúy Hòa ế"}}"#));
        }
    }

    #[test]
    fn legacy_bytes_are_read_as_the_encoding_says() {
        let read = read_all(Format::Csv, b"Ma\xde s\xf4\xec,x\n1,\xca\n", Some("windows-1258"));
        assert_eq!(
            read.len(),
            1,
            "the header's alias is found although its tone mark is a letter of its own"
        );
        assert!(read[0].1.contains("\"x\":\"Ê\""), "{read:?}");
    }

    #[test]
    fn a_file_without_a_readable_header_says_what_to_do() {
        let open = |bytes: &'static [u8]| {
            let window = Window::new(Box::new(bytes));
            CsvRows::open(window, &super::super::columns::tests::names(), 1000)
                .map(|_| ())
                .unwrap_err()
                .to_string()
        };
        assert!(open(b"").contains("first line"));
        assert!(open(b"M\xe3,x\n").contains("--encoding"));
        assert!(open(b"a,b\n").contains("`id`"));
    }
}
