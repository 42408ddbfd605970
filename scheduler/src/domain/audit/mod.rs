//! The audit log: entries in a chain, each with a MAC over itself and the MAC before it. Who does not have the key cannot
//! change, take out, move or add an entry without being found out; who cuts the end off is found out by the newest MAC,
//! which is kept elsewhere too.

mod check;

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

pub use check::{Checker, Fault};

use super::time::Timestamp;

/// What the canonical form of an entry begins with. Another form gets another one.
const FORM: &[u8] = b"emend-audit-1";

/// The key of the MACs. It is kept outside the store, and never shows.
#[derive(Clone)]
pub struct AuditKey([u8; 32]);

impl AuditKey {
    /// A key of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key that 64 hexadecimal digits stand for.
    ///
    /// # Errors
    /// What a key is, in words; never what stands there.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bytes = read_hex(text.trim())
            .ok_or("it is not 64 hexadecimal digits: `openssl rand -hex 32` makes some")?;
        Ok(Self(bytes))
    }

    /// As [`AuditKey::parse`] reads it, for a file that nobody else may read.
    pub fn reveal(&self) -> String {
        hex(&self.0)
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey(***)")
    }
}

/// An entry's MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac([u8; 32]);

impl Mac {
    /// What stands before the first entry.
    pub const NONE: Self = Self([0; 32]);

    /// The MAC that 64 hexadecimal digits stand for.
    pub fn parse(text: &str) -> Option<Self> {
        read_hex(text).map(Self)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// How far the chain goes: enough to notice that it was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Entries in it, and so the newest one's number.
    pub number: i64,
    /// The newest one's MAC.
    pub mac: Mac,
}

impl Head {
    /// The head of a log without entries.
    pub const EMPTY: Self = Self { number: 0, mac: Mac::NONE };

    /// Reads what [`fmt::Display`] writes: the number, and the MAC.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, mac) = text.trim().split_once(' ')?;
        Some(Self { number: number.parse().ok().filter(|number| *number >= 0)?, mac: Mac::parse(mac)? })
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.mac)
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the log, from 1.
    pub number: i64,
    /// When, by the store's clock.
    pub at: Timestamp,
    /// Who did it.
    pub who: String,
    /// What they did, in a word.
    pub what: String,
    /// The job, where there is one.
    pub job_id: Option<i64>,
    /// The record's place in it, where there is one.
    pub seq: Option<i64>,
    /// JSON: ids, names of fields, codes, reasons. Never a record's value.
    pub detail: String,
}

impl Entry {
    /// Its MAC after the one of the entry before.
    pub fn mac(&self, key: &AuditKey, previous: Mac) -> Mac {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).expect("HMAC takes a key of any length");
        mac.update(&previous.0);
        mac.update(&self.canonical());
        Mac(mac.finalize().into_bytes().into())
    }

    /// No two entries have the same bytes: every part has its length before it.
    fn canonical(&self) -> Vec<u8> {
        let mut bytes = FORM.to_vec();
        bytes.extend(self.number.to_be_bytes());
        bytes.extend(self.at.0.to_be_bytes());
        for number in [self.job_id, self.seq] {
            bytes.push(u8::from(number.is_some()));
            bytes.extend(number.unwrap_or(0).to_be_bytes());
        }
        for text in [&self.who, &self.what, &self.detail] {
            bytes.extend((text.len() as u64).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            number: 1,
            at: Timestamp(5),
            who: "a".into(),
            what: "b".into(),
            job_id: None,
            seq: None,
            detail: "{}".into(),
        }
    }

    #[test]
    fn every_part_of_an_entry_counts() {
        let key = AuditKey::new([7; 32]);
        let changes: [fn(&mut Entry); 9] = [
            |entry| entry.number = 2,
            |entry| entry.at = Timestamp(6),
            |entry| entry.who = "c".into(),
            |entry| entry.what = "c".into(),
            |entry| entry.job_id = Some(0),
            |entry| entry.seq = Some(0),
            |entry| entry.detail = "[]".into(),
            // What is moved from one part to the next.
            |entry| (entry.who, entry.what) = ("ab".into(), String::new()),
            |entry| (entry.what, entry.detail) = ("b{".into(), "}".into()),
        ];
        let mut macs = vec![entry().mac(&key, Mac::NONE).to_string()];
        macs.push(entry().mac(&AuditKey::new([8; 32]), Mac::NONE).to_string());
        macs.push(entry().mac(&key, Mac([1; 32])).to_string());
        for change in changes {
            let mut changed = entry();
            change(&mut changed);
            macs.push(changed.mac(&key, Mac::NONE).to_string());
        }
        let count = macs.len();
        macs.sort();
        macs.dedup();
        assert_eq!(macs.len(), count);
    }

    #[test]
    fn a_head_is_read_as_it_is_written_and_a_key_never_shows() {
        let head = Head { number: 3, mac: entry().mac(&AuditKey::new([7; 32]), Mac::NONE) };
        assert_eq!(Head::parse(&format!("{head}\n")), Some(head));
        for wrong in
            ["", "3", "-1 00", "x 00", &format!("3 {}", "g".repeat(64)), &format!("3 {}", "é".repeat(32))]
        {
            assert_eq!(Head::parse(wrong), None, "{wrong}");
        }
        let key = AuditKey::parse(&"ab".repeat(32)).unwrap();
        assert_eq!((key.reveal(), format!("{key:?}")), ("ab".repeat(32), "AuditKey(***)".to_owned()));
        assert!(!AuditKey::parse("s3cret").unwrap_err().contains("s3cret"));
    }
}
