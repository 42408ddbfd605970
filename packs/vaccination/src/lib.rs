//! The rule pack for vaccination records.
