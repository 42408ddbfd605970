//! Names an import by what is in the file.

use std::fs::File;
use std::io::Read;

use anyhow::{Context as _, Result};

use crate::input::{Format, Source};

/// How much is hashed at a time.
const STEP: usize = 256 * 1024;

/// The import's id: the file's digest, and how it is read when that is not the usual way. The same file always
/// gives the same id; another reading of it gives other rows, and so another id.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn import_id(source: &Source) -> Result<String> {
    let at = || source.path.display().to_string();
    let mut file = File::open(&source.path).with_context(at)?;
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; STEP];
    loop {
        match file.read(&mut piece).with_context(at)? {
            0 => break,
            read => hasher.update(&piece[..read]),
        };
    }
    let mut id = hasher.finalize().to_hex().to_string();
    if let Some(encoding) = source.encoding.filter(|encoding| *encoding != encoding_rs::UTF_8) {
        id = format!("{id}-{}", encoding.name());
    }
    if Format::of(&source.path).is_ok_and(|usual| usual != source.format) {
        id = format!("{id}-{:?}", source.format).to_lowercase();
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{FieldNames, encoding};

    #[test]
    fn the_id_is_the_content_and_how_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let pack = emend_worker::Manifest {
            name: "t".into(),
            version: "1".into(),
            key_field: "id".into(),
            ..emend_worker::Manifest::default()
        };
        let id = |name: &str, text: &str, label: Option<&str>, format| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            let encoding = label.map(|label| encoding(label).unwrap());
            let names = FieldNames::of(&pack);
            import_id(&Source { path, format, encoding, names, max_payload: 1 }).unwrap()
        };
        let plain = id("a.csv", "id\n1\n", None, Format::Csv);
        assert_eq!(plain, blake3::hash(b"id\n1\n").to_hex().to_string());
        assert_eq!(plain, id("b.csv", "id\n1\n", Some("utf8"), Format::Csv));
        let others = [
            id("a.csv", "id\n2\n", None, Format::Csv),
            id("a.csv", "id\n1\n", Some("windows-1258"), Format::Csv),
            id("a.csv", "id\n1\n", None, Format::Jsonl),
        ];
        for other in others {
            assert_ne!(plain, other);
            assert!(other.len() <= 128, "the contract's limit");
        }
    }
}
