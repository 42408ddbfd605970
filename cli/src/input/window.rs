//! A growing view of a file: what a reader is looking at, never the whole of it.

use std::io::{self, Read};

/// How much is asked of the source at once.
const STEP: usize = 256 * 1024;

/// The bytes from the start of the row being read to as far as was needed to see its end.
pub(crate) struct Window {
    source: Box<dyn Read + Send>,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
}

impl Window {
    pub(crate) fn new(source: Box<dyn Read + Send>) -> Self {
        Self { source, bytes: vec![0; STEP], start: 0, end: 0, ended: false }
    }

    /// What is in view.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Whether nothing follows what is in view.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Leaves the first `count` bytes behind.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
    }

    /// Brings more into view, growing as it must; false at the end of the source.
    pub(crate) fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.bytes.len() - self.end < STEP / 4 {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        let read = loop {
            match self.source.read(&mut self.bytes[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.ended = read == 0;
        self.end += read;
        Ok(read > 0)
    }

    /// Gives memory back after a row that was much larger than others.
    pub(crate) fn shrink(&mut self) {
        if self.bytes.len() > 4 * STEP && self.end - self.start <= STEP {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            self.bytes.truncate(2 * STEP);
            self.bytes.shrink_to_fit();
        }
    }
}
