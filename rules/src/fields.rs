//! The fields that a file speaks of, by number.

use std::collections::HashMap;

/// The fields of a file. A number is the field's place in this list, in every structure made from the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
    /// The file lists its fields: a name that it does not list is a mistake.
    listed: bool,
}

impl Fields {
    /// The fields that a file lists.
    pub(crate) fn listed(names: impl IntoIterator<Item = String>) -> Self {
        let mut fields = Self::default();
        for name in names {
            fields.add(&name);
        }
        fields.listed = true;
        fields
    }

    /// The number of `name`, which becomes known by this; `None` when the file lists its fields, and not this one.
    pub(crate) fn add(&mut self, name: &str) -> Option<usize> {
        if let Some(number) = self.numbers.get(name) {
            return Some(*number);
        }
        if self.listed {
            return None;
        }
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), self.names.len() - 1);
        Some(self.names.len() - 1)
    }

    pub(crate) fn get(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    pub(crate) fn name(&self, field: usize) -> &str {
        &self.names[field]
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }
}
