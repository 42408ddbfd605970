//! Settings that are never shown.

use serde::Deserialize;

/// A text that is never shown: it prints as `***`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    #[test]
    fn a_secret_is_not_shown() {
        let broker = Some(Secret::new("amqp://me:s3cret@mq"));
        let shown = format!("{:?}", Config { broker, ..Config::default() });
        assert!(shown.contains("***") && !shown.contains("s3cret"), "{shown}");
    }
}
