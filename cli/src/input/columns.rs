//! From the headers that files carry to the names that records use.

use std::collections::HashMap;

use anyhow::{Result, anyhow, bail};
use emend_worker::Manifest;
use unicode_normalization::UnicodeNormalization;

/// Which field each header or alias names.
#[derive(Debug, Clone)]
pub struct FieldNames {
    key: String,
    /// By folded header or alias.
    canonical: HashMap<String, String>,
}

impl FieldNames {
    /// The names and aliases of a rule pack's fields.
    pub fn of(manifest: &Manifest) -> Self {
        let mut canonical = HashMap::new();
        for field in &manifest.fields {
            for alias in field.aliases.iter().chain([&field.label_vi]) {
                canonical.entry(fold(alias)).or_insert_with(|| field.name.clone());
            }
        }
        // A field's own name wins over another one's alias.
        let names = manifest.fields.iter().map(|field| &field.name).chain([&manifest.key_field]);
        canonical.extend(names.map(|name| (fold(name), name.clone())));
        Self { key: manifest.key_field.clone(), canonical }
    }

    /// The field that identifies a record.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The field that a header names, if the pack knows it.
    pub fn canonical(&self, header: &str) -> Option<&str> {
        self.canonical.get(&fold(header)).map(String::as_str)
    }

    /// The columns of a header line, and which of them is the key.
    ///
    /// # Errors
    /// When the key is missing or two headers name one field.
    pub fn columns<'a>(&self, headers: impl Iterator<Item = &'a str>) -> Result<(Vec<String>, usize)> {
        let mut columns = Vec::new();
        for (at, header) in headers.enumerate() {
            let name = match header.trim() {
                "" => format!("column_{}", at + 1),
                header => self.canonical(header).unwrap_or(header).to_owned(),
            };
            if columns.contains(&name) {
                bail!("two columns are `{name}`; rename or remove one of them");
            }
            columns.push(name);
        }
        let key = columns.iter().position(|name| *name == self.key);
        key.map(|key| (columns.clone(), key)).ok_or_else(|| self.no_key(&columns))
    }

    fn no_key(&self, columns: &[String]) -> anyhow::Error {
        let seen: Vec<_> = columns.iter().take(40).map(|name| shorten(name)).collect();
        let aliases = self
            .canonical
            .iter()
            .filter(|(alias, name)| **name == self.key && **alias != self.key)
            .map(|(alias, _)| alias);
        let mut expected: Vec<_> = aliases.map(String::as_str).collect();
        expected.sort_unstable();
        anyhow!(
            "no key column: expected `{}` (or {}), the header has: {}",
            self.key,
            expected.join(", "),
            seen.join(", ")
        )
    }
}

/// A header without case, outer spaces, and the ways in which one letter can be written.
fn fold(header: &str) -> String {
    header.trim().nfc().flat_map(char::to_lowercase).collect()
}

/// A file without a header line would put a record into the message.
fn shorten(header: &str) -> String {
    match header.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &header[..at]),
        None => header.to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use emend_worker::Field;

    use super::*;

    /// A small pack: `id` is the key, `name` has Vietnamese aliases.
    pub(crate) fn names() -> FieldNames {
        let field = |name: &str, label_vi: &str, aliases: &[&str]| Field {
            name: name.into(),
            label_vi: label_vi.into(),
            label_en: name.into(),
            aliases: aliases.iter().map(|&alias| alias.into()).collect(),
            ..Field::default()
        };
        FieldNames::of(&Manifest {
            name: "test".into(),
            version: "1".into(),
            key_field: "id".into(),
            fields: vec![field("id", "Mã", &["Mã số"]), field("name", "Họ và tên", &["Họ tên"])],
            ..Manifest::default()
        })
    }

    fn columns(header: &str) -> Result<(Vec<String>, usize)> {
        names().columns(header.split(','))
    }

    #[test]
    fn aliases_are_found_whatever_their_case_spaces_and_form() {
        let decomposed: String = "HỌ VÀ TÊN".nfd().collect();
        let (columns, key) = columns(&format!("note, {decomposed} ,mã số")).unwrap();
        assert_eq!((columns, key), (vec!["note".into(), "name".into(), "id".into()], 2));
    }

    #[test]
    fn nameless_columns_get_a_name() {
        assert_eq!(columns("id,, x ").unwrap().0, ["id", "column_2", "x"]);
    }

    #[test]
    fn a_missing_key_says_what_was_seen_and_what_is_expected() {
        let message = columns("name,x").unwrap_err().to_string();
        assert!(
            message.contains("`id`") && message.contains("mã số") && message.contains("name, x"),
            "{message}"
        );
    }

    #[test]
    fn two_columns_of_one_name_are_refused() {
        let message = columns("id,Họ tên,name").unwrap_err().to_string();
        assert!(message.contains("`name`"), "{message}");
    }
}
