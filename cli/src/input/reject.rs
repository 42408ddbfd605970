//! Why a row was not taken.

/// Why a row could not be read. The codes are part of the wire contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectCode {
    /// The key field is missing or empty.
    MissingKey,
    /// More or fewer values than the header has columns.
    ColumnCount,
    /// Bytes that are not text in the file's encoding.
    Encoding,
    /// Larger than a record may be.
    TooLarge,
    /// Not what the format asks for.
    Syntax,
}

impl RejectCode {
    /// The stable code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingKey => "missing_key",
            Self::ColumnCount => "column_count",
            Self::Encoding => "encoding",
            Self::TooLarge => "too_large",
            Self::Syntax => "syntax",
        }
    }
}

/// What a code means, for the person who mends the file. Covers the scheduler's codes too.
pub fn explain(code: &str) -> &'static str {
    match code {
        "missing_key" => "the key field is missing or empty",
        "duplicate_key" => "the key stands in the job already, with other values",
        "column_count" => "the row has more or fewer values than the header has columns",
        "encoding" => "the row holds bytes that are not text in the file's encoding; see --encoding",
        "too_large" => "the row is larger than a record may be",
        "syntax" => "the row cannot be read: an open quote, or not a JSON object",
        _ => "the scheduler did not take the row",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained() {
        for code in [
            RejectCode::MissingKey,
            RejectCode::ColumnCount,
            RejectCode::Encoding,
            RejectCode::TooLarge,
            RejectCode::Syntax,
        ] {
            assert_ne!(explain(code.as_str()), explain("?"), "{code:?}");
        }
    }
}
