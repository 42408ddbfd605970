//! Cuts CSV into rows and values, with the line on which each row began.

use std::io;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::MAX_ROW_BYTES;
use super::window::Window;

/// The largest number of columns; more is not a table.
const MAX_COLUMNS: usize = 4096;

/// What stood where a row was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framed {
    /// A row; [`Framing::text`] and [`Framing::ends`] hold it.
    Row,
    /// A row too long to be looked at. It was passed over.
    TooLarge,
    /// A quote that is never closed where it should be: the lines after it are rows of their own.
    OpenQuote,
}

/// Reads rows from a window.
pub(super) struct Framing {
    window: Window,
    parser: Reader,
    delimiter: u8,
    /// The row's values one after another, unquoted.
    text: Vec<u8>,
    /// How much of `text` is the row's.
    length: usize,
    ends: Vec<usize>,
    count: usize,
    /// The line on which the row began.
    line: u64,
}

impl Framing {
    pub(super) fn new(window: Window, delimiter: u8) -> Self {
        Self {
            window,
            parser: ReaderBuilder::new().delimiter(delimiter).build(),
            delimiter,
            text: vec![0; 16 * 1024],
            length: 0,
            ends: vec![0; 64],
            count: 0,
            line: 1,
        }
    }

    /// The row's values, one after another.
    pub(super) fn text(&self) -> &[u8] {
        &self.text[..self.length]
    }

    /// Where each value ends in [`Framing::text`].
    pub(super) fn ends(&self) -> &[usize] {
        &self.ends[..self.count]
    }

    /// The line on which the row began.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Reads the next row, which should have `columns` values when that is known. `None` at the end.
    pub(super) fn next(&mut self, columns: Option<usize>) -> io::Result<Option<Framed>> {
        if !self.skip_blank_lines()? {
            return Ok(None);
        }
        self.line = self.parser.line();
        let (mut taken, mut complete) = (0, false);
        (self.length, self.count) = (0, 0);
        while !complete {
            if taken == self.window.bytes().len() && !self.window.ended() {
                if taken > MAX_ROW_BYTES {
                    return self.give_up(taken, columns).map(Some);
                }
                self.window.fill()?;
                continue;
            }
            complete = self.step(&mut taken);
            if self.count > MAX_COLUMNS {
                return self.give_up(taken, columns).map(Some);
            }
        }
        if self.is_suspect(taken, columns) && self.swallowed_rows(taken, columns) {
            return Ok(Some(self.resume_after_first_line()));
        }
        self.window.consume(taken);
        Ok(Some(Framed::Row))
    }

    /// Parses what is in view; true when the row is complete.
    fn step(&mut self, taken: &mut usize) -> bool {
        let input = &self.window.bytes()[*taken..];
        if self.text.len() - self.length < input.len().min(4096) {
            self.text.resize(self.text.len() * 2, 0);
        }
        if self.ends.len() == self.count {
            self.ends.resize(self.ends.len() * 2, 0);
        }
        let (text, ends) = (&mut self.text[self.length..], &mut self.ends[self.count..]);
        let (result, read, wrote, ended) = self.parser.read_record(input, text, ends);
        *taken += read;
        self.length += wrote;
        self.count += ended;
        matches!(result, ReadRecordResult::Record | ReadRecordResult::End)
    }

    /// Passes over line ends in front of a row; false at the end of the file.
    fn skip_blank_lines(&mut self) -> io::Result<bool> {
        loop {
            let bytes = self.window.bytes();
            let blank = bytes.iter().take_while(|&&byte| matches!(byte, b'\n' | b'\r')).count();
            let lines = bytes[..blank].iter().filter(|&&byte| byte == b'\n').count();
            let more = blank < bytes.len();
            self.parser.set_line(self.parser.line() + lines as u64);
            self.window.consume(blank);
            if more {
                return Ok(true);
            }
            if !self.window.fill()? {
                return Ok(false);
            }
        }
    }

    /// Whether a row over several lines looks as if a quote in it had been left open.
    fn is_suspect(&self, taken: usize, columns: Option<usize>) -> bool {
        let bytes = self.window.bytes();
        let ended_in_it = self.window.ended() && taken == bytes.len();
        let own_end = u64::from(bytes[..taken].ends_with(b"\n"));
        self.parser.line() > self.line + own_end
            && (columns.is_some_and(|columns| columns != self.count)
                || (ended_in_it && !bytes.trim_ascii_end().ends_with(b"\"")))
    }

    /// Whether a line inside the row, from its second on, has as many values as a row has.
    fn swallowed_rows(&self, taken: usize, columns: Option<usize>) -> bool {
        let Some(columns) = columns.filter(|&columns| columns > 1) else { return false };
        let lines = self.window.bytes()[..taken].split(|&byte| byte == b'\n').skip(1);
        lines.into_iter().any(|line| memchr::memchr_iter(self.delimiter, line).count() + 1 == columns)
    }

    fn resume_after_first_line(&mut self) -> Framed {
        let bytes = self.window.bytes();
        let first = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        self.window.consume(first);
        self.window.shrink();
        self.restart(self.line + 1);
        Framed::OpenQuote
    }

    fn restart(&mut self, line: u64) {
        self.parser.reset();
        // The parser would take a byte order mark in the middle of the file for one at its start.
        self.parser.read_record(b"\n", &mut self.text, &mut self.ends);
        self.parser.set_line(line);
    }

    /// The row is longer than any record: goes to where the next one begins.
    fn give_up(&mut self, mut taken: usize, columns: Option<usize>) -> io::Result<Framed> {
        if self.swallowed_rows(taken, columns) {
            return Ok(self.resume_after_first_line());
        }
        loop {
            self.window.consume(taken);
            if self.window.bytes().is_empty() {
                self.window.fill()?;
            }
            (self.length, self.count, taken) = (0, 0, 0);
            if self.step(&mut taken) {
                self.window.consume(taken);
                self.window.shrink();
                (self.length, self.count) = (0, 0);
                self.text.truncate(64 * 1024);
                self.text.shrink_to_fit();
                return Ok(Framed::TooLarge);
            }
        }
    }
}
