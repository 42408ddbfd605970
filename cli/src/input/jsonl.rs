//! JSONL: a JSON object on each line.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;

use anyhow::Result;

use super::object::{FieldsIn, as_text};
use super::payload::{is_too_large, push_string};
use super::window::Window;
use super::{Content, FieldNames, MAX_ROW_BYTES, RejectCode, Row, Rows};

/// The rows of a JSONL file.
pub(super) struct JsonlRows {
    window: Window,
    names: FieldNames,
    columns: Vec<String>,
    /// What each name seen so far is called in records.
    known: HashMap<String, String>,
    max_payload: usize,
    line: u64,
    /// The line that was answered last, still in the window.
    taken: usize,
    key: String,
    payload: Vec<u8>,
}

impl JsonlRows {
    pub(super) fn new(window: Window, names: FieldNames, max_payload: usize) -> Self {
        Self {
            window,
            names,
            columns: Vec::new(),
            known: HashMap::new(),
            max_payload,
            line: 0,
            taken: 0,
            key: String::new(),
            payload: Vec::new(),
        }
    }

    /// Brings the next line into view; its length with its end, or `None` at the end of the file.
    fn next_line(&mut self) -> io::Result<Option<Line>> {
        self.window.consume(std::mem::take(&mut self.taken));
        self.line += 1;
        let (mut seen, mut too_large) = (0, false);
        loop {
            let bytes = self.window.bytes();
            if let Some(at) = memchr::memchr(b'\n', &bytes[seen..]) {
                self.taken = seen + at + 1;
                return Ok(Some(if too_large { Line::TooLarge } else { Line::Whole }));
            }
            seen = bytes.len();
            if seen > MAX_ROW_BYTES {
                self.window.consume(seen);
                self.window.shrink();
                (seen, too_large) = (0, true);
            }
            if !self.window.fill()? {
                self.taken = seen;
                return Ok(match (too_large, seen) {
                    (true, _) => Some(Line::TooLarge),
                    (false, 0) => None,
                    (false, _) => Some(Line::Whole),
                });
            }
        }
    }

    /// Puts key and payload of the line in view into their buffers.
    fn read_record(&mut self) -> Result<(), RejectCode> {
        let line = self.window.bytes()[..self.taken].trim_ascii();
        let line = std::str::from_utf8(line).map_err(|_| RejectCode::Encoding)?;
        let FieldsIn(fields) = serde_json::from_str(line).map_err(|_| RejectCode::Syntax)?;
        for (name, _) in &fields {
            if !self.known.contains_key(name.as_ref()) {
                let canonical = self.names.canonical(name).unwrap_or(name);
                self.known.insert(name.to_string(), canonical.to_owned());
            }
        }
        let mut renamed = false;
        let mut names = Vec::with_capacity(fields.len());
        for (name, _) in &fields {
            let canonical = &self.known[name.as_ref()];
            if names.contains(&canonical) {
                return Err(RejectCode::Syntax);
            }
            renamed |= canonical != name;
            names.push(canonical);
        }
        let key = names.iter().position(|name| *name == self.names.key()).ok_or(RejectCode::MissingKey)?;
        let key = key_text(fields[key].1.get())?;
        self.payload.clear();
        if renamed {
            for (at, (name, (_, value))) in names.iter().zip(&fields).enumerate() {
                self.payload.push(if at == 0 { b'{' } else { b',' });
                push_string(&mut self.payload, name);
                self.payload.push(b':');
                self.payload.extend_from_slice(value.get().as_bytes());
            }
            self.payload.push(b'}');
        } else {
            self.payload.extend_from_slice(line.as_bytes());
        }
        if is_too_large(&key, &self.payload, self.max_payload) {
            return Err(RejectCode::TooLarge);
        }
        self.key.clear();
        self.key.push_str(&key);
        // Only what a record really brings is a column.
        for name in names {
            if !self.columns.contains(name) {
                self.columns.push(name.clone());
            }
        }
        Ok(())
    }
}

enum Line {
    Whole,
    TooLarge,
}

impl Rows for JsonlRows {
    fn next_row(&mut self) -> Result<Option<Row<'_>>> {
        let code = loop {
            match self.next_line()? {
                None => return Ok(None),
                Some(Line::TooLarge) => break Err(RejectCode::TooLarge),
                Some(Line::Whole) if self.window.bytes()[..self.taken].trim_ascii().is_empty() => {}
                Some(Line::Whole) => break self.read_record(),
            }
        };
        let content = code.map(|()| Content { key: &self.key, payload: &self.payload });
        Ok(Some(Row { row: self.line, content }))
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }
}

/// A key may be a string or a number.
fn key_text(json: &str) -> Result<Cow<'_, str>, RejectCode> {
    match json.as_bytes() {
        [b'"' | b'-' | b'0'..=b'9', ..] => {
            let text = as_text(json);
            if text.trim().is_empty() { Err(RejectCode::MissingKey) } else { Ok(text) }
        }
        _ => Err(RejectCode::MissingKey),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::tests::read_all;
    use super::*;

    fn read(text: &str) -> Vec<(u64, String)> {
        read_all(Format::Jsonl, text.as_bytes(), None)
    }

    #[test]
    fn objects_pass_through_as_they_are() {
        let rows = read("\u{feff}{\"id\": \"a\", \"x\": [1, 2]}\r\n\n  {\"n\":null,\"id\":7}");
        assert_eq!(
            rows,
            [(1, r#"a {"id": "a", "x": [1, 2]}"#.to_owned()), (3, r#"7 {"n":null,"id":7}"#.to_owned())]
        );
    }

    #[test]
    fn aliases_are_renamed_and_their_values_left() {
        let rows = read(r#"{"Mã số": "a\u00e9", "Họ tên": {"y": 1.0}, "z": 1}"#);
        assert_eq!(rows, [(1, r#"aé {"id":"a\u00e9","name":{"y": 1.0},"z":1}"#.to_owned())]);
    }

    #[test]
    fn a_bad_line_costs_itself_only() {
        let mut file = Vec::new();
        let lines: [&[u8]; 9] = [
            b"{\"x\":1}",
            b"{\"id\":\" \"}",
            b"{\"id\":null}",
            b"[1]",
            b"{\"id\":\"1\"",
            b"{\"id\":\"\xff\"}",
            b"{\"id\":\"1\",\"M\xc3\xa3\":\"2\"}",
            &[b' '; 2],
            b"{\"id\":\"ok\"}",
        ];
        for line in lines {
            file.extend_from_slice(line);
            file.push(b'\n');
        }
        file.extend_from_slice(format!("{{\"id\":\"1\",\"x\":\"{}\"}}\n", "y".repeat(1000)).as_bytes());
        file.resize(file.len() + 2 * MAX_ROW_BYTES, b'x');
        file.extend_from_slice(b"\n{\"id\":2}");
        let codes: Vec<_> = read_all(Format::Jsonl, &file, None);
        let expected = [
            (1, "missing_key"),
            (2, "missing_key"),
            (3, "missing_key"),
            (4, "syntax"),
            (5, "syntax"),
            (6, "encoding"),
            (7, "syntax"),
            (9, r#"ok {"id":"ok"}"#),
            (10, "too_large"),
            (11, "too_large"),
            (12, r#"2 {"id":2}"#),
        ];
        assert_eq!(codes, expected.map(|(row, text)| (row, text.to_owned())));
    }

    #[test]
    fn columns_are_those_that_records_brought() {
        let window = Window::new(Box::new(&b"{\"id\":1,\"a\":1}\n{\"bad\":1}\n{\"b\":1,\"id\":2}\n"[..]));
        let mut rows = JsonlRows::new(window, super::super::columns::tests::names(), 1000);
        while rows.next_row().unwrap().is_some() {}
        assert_eq!(rows.columns(), ["id", "a", "b"]);
    }
}
