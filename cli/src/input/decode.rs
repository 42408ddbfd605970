//! Any encoding in, UTF-8 out, piece by piece.

use std::io::{self, Read};

use anyhow::Result;
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};

use crate::exit::Usage;

/// Stands in the decoded stream where bytes could not be decoded. It is never part of UTF-8, so the row that
/// holds it is noticed, and only that row.
const UNDECODABLE: u8 = 0xFF;

/// Raw bytes held at a time, and the least room the decoder is given to write to.
const RAW: usize = 64 * 1024;
const ROOM: usize = 64;

/// The encoding of that label, as the WHATWG names them.
///
/// # Errors
/// A [`Usage`] error when there is none of that label.
pub fn encoding(label: &str) -> Result<&'static Encoding> {
    Encoding::for_label(label.trim().as_bytes()).ok_or_else(|| {
        Usage::new(format!(
            "--encoding `{label}` is not known; use a WHATWG label such as utf-8, windows-1258, windows-1252 or utf-16le"
        ))
    })
}

/// A reader of UTF-8 over a reader of bytes: the byte order mark is gone, and what cannot be decoded is marked.
///
/// UTF-8 passes through unchecked: whoever reads the rows checks each of them. A UTF-16 byte order mark decides
/// when `encoding` is not given.
///
/// # Errors
/// When the source cannot be read.
pub(crate) fn utf8(
    mut source: Box<dyn Read + Send>,
    encoding: Option<&'static Encoding>,
) -> io::Result<Box<dyn Read + Send>> {
    let mut head = Vec::with_capacity(3);
    source.by_ref().take(3).read_to_end(&mut head)?;
    let marked = Encoding::for_bom(&head);
    let encoding = encoding.or(marked.map(|(encoding, _)| encoding)).unwrap_or(UTF_8);
    if encoding == UTF_8 {
        if marked.is_some_and(|(marked, _)| marked == UTF_8) {
            head.clear();
        }
        return Ok(Box::new(io::Cursor::new(head).chain(source)));
    }
    let source = Box::new(io::Cursor::new(head).chain(source));
    Ok(Box::new(Decoding {
        source,
        decoder: encoding.new_decoder_with_bom_removal(),
        raw: vec![0; RAW],
        start: 0,
        end: 0,
        ended: false,
        finished: false,
    }))
}

struct Decoding {
    source: Box<dyn Read + Send>,
    decoder: Decoder,
    raw: Vec<u8>,
    start: usize,
    end: usize,
    /// The source has no more bytes.
    ended: bool,
    /// The decoder has said its last.
    finished: bool,
}

impl Read for Decoding {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        assert!(out.len() >= ROOM, "the decoder needs room for whole characters");
        let mut written = 0;
        while !self.finished && out.len() - written >= ROOM {
            if self.start == self.end && !self.ended {
                if written > 0 {
                    break;
                }
                (self.start, self.end) = (0, self.source.read(&mut self.raw)?);
                self.ended = self.end == 0;
            }
            let raw = &self.raw[self.start..self.end];
            // One byte is kept free for the mark.
            let room = out.len() - 1;
            let (result, read, wrote) =
                self.decoder.decode_to_utf8_without_replacement(raw, &mut out[written..room], self.ended);
            self.start += read;
            written += wrote;
            match result {
                DecoderResult::InputEmpty => self.finished = self.ended,
                DecoderResult::OutputFull => break,
                DecoderResult::Malformed(..) => {
                    out[written] = UNDECODABLE;
                    written += 1;
                }
            }
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8], label: Option<&str>) -> Vec<u8> {
        let source = Box::new(OneByOne(bytes.to_vec(), 0));
        let label = label.map(|label| encoding(label).unwrap());
        let mut reader = utf8(source, label).unwrap();
        let (mut all, mut piece) = (Vec::new(), [0; ROOM]);
        loop {
            match reader.read(&mut piece).unwrap() {
                0 => return all,
                read => all.extend_from_slice(&piece[..read]),
            }
        }
    }

    /// Every character is split at every border.
    struct OneByOne(Vec<u8>, usize);

    impl Read for OneByOne {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let Some(byte) = self.0.get(self.1) else { return Ok(0) };
            out[0] = *byte;
            self.1 += 1;
            Ok(1)
        }
    }

    #[test]
    fn utf8_loses_its_mark_and_nothing_else() {
        assert_eq!(decoded("\u{feff}Nguyễn".as_bytes(), None), "Nguyễn".as_bytes());
        assert_eq!(decoded("Nguyễn".as_bytes(), Some("utf-8")), "Nguyễn".as_bytes());
        assert_eq!(decoded(b"", None), b"");
        assert_eq!(decoded(b"a", None), b"a");
    }

    #[test]
    fn legacy_encodings_become_utf8() {
        assert_eq!(decoded(b"caf\xe9 \x80", Some("windows-1252")), "café €".as_bytes());
        // windows-1258 writes tone marks as letters of their own: u + combining acute.
        assert_eq!(decoded(b"Thu\xec", Some("windows-1258")), "Thu\u{301}".as_bytes());
        let utf16: Vec<u8> = "Nguyễn 😀".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decoded(&utf16, Some("utf-16le")), "Nguyễn 😀".as_bytes());
    }

    #[test]
    fn a_utf16_mark_is_believed_when_nothing_else_was_said() {
        let utf16: Vec<u8> = "\u{feff}Nguyễn".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decoded(&utf16, None), "Nguyễn".as_bytes());
    }

    #[test]
    fn what_cannot_be_decoded_is_marked_where_it_stood() {
        // A lone surrogate, then an odd byte at the end.
        assert_eq!(decoded(b"a\0\x00\xd8b\0c", Some("utf-16le")), b"a\xffb\xff");
    }

    #[test]
    fn an_unknown_label_names_the_flag() {
        let error = encoding("latin-99").unwrap_err();
        assert!(error.to_string().contains("--encoding"), "{error}");
    }
}
