//! Builds a record's payload: one JSON object on one line.

use emend_proto::v1::Record;

/// A key is at most this long.
pub(crate) const MAX_KEY_BYTES: usize = 1024;

/// Writes payloads of one set of columns into one buffer.
pub(crate) struct PayloadWriter {
    /// For each column, what stands before its value: `{"name":"` or `","name":"`.
    before: Vec<Vec<u8>>,
    json: Vec<u8>,
}

impl PayloadWriter {
    pub(crate) fn new(columns: &[String]) -> Self {
        let before = columns.iter().enumerate().map(|(at, name)| {
            let mut bytes = if at == 0 { b"{".to_vec() } else { b"\",".to_vec() };
            push_string(&mut bytes, name);
            bytes.extend_from_slice(b":\"");
            bytes
        });
        Self { before: before.collect(), json: Vec::with_capacity(1024) }
    }

    /// The payload of one row: `text` holds its values one after another, `ends` says where each ends.
    pub(crate) fn write(&mut self, text: &str, ends: &[usize]) -> &[u8] {
        self.json.clear();
        // Nearly no row has anything to escape, and one look at the whole row is cheaper than one at each value.
        let plain = !needs_escape(text.as_bytes());
        let mut start = 0;
        for (before, &end) in self.before.iter().zip(ends) {
            self.json.extend_from_slice(before);
            let value = &text[start..end];
            if plain {
                self.json.extend_from_slice(value.as_bytes());
            } else {
                push_escaped(&mut self.json, value);
            }
            start = end;
        }
        self.json.extend_from_slice(b"\"}");
        &self.json
    }
}

/// Appends `text` as a JSON string.
pub(crate) fn push_string(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect("a string is always JSON, and a Vec takes it");
}

/// Appends `text` escaped, without the quotes around it.
fn push_escaped(json: &mut Vec<u8>, text: &str) {
    let at = json.len();
    push_string(json, text);
    json.pop();
    json.remove(at);
}

fn needs_escape(bytes: &[u8]) -> bool {
    // Without a branch inside, so that the compiler makes vector code of it.
    bytes.chunks(64).any(|chunk| {
        chunk.iter().fold(false, |found, &byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'))
    })
}

/// Whether a record with this key and payload is too large for its job.
pub(crate) fn is_too_large(key: &str, payload: &[u8], limit: usize) -> bool {
    key.len() > MAX_KEY_BYTES || payload.len() > limit
}

/// The record as it goes into a block.
pub(crate) fn record(key: &str, payload: &[u8], row: u64) -> Record {
    Record { key: key.to_owned(), payload: payload.to_vec().into(), row, ..Record::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_becomes_one_line_of_json_in_column_order() {
        let mut writer = PayloadWriter::new(&["id".into(), "a \"b\"".into(), "c".into()]);
        assert_eq!(writer.write("1xễ", &[1, 2, 5]), r#"{"id":"1","a \"b\"":"x","c":"ễ"}"#.as_bytes());
        assert_eq!(
            writer.write("1\"\n\\\u{1}", &[1, 3, 5]),
            br#"{"id":"1","a \"b\"":"\"\n","c":"\\\u0001"}"#
        );
        assert_eq!(writer.write("", &[0, 0, 0]), br#"{"id":"","a \"b\"":"","c":""}"#);
    }
}
