//! The rule pack for the COVID-19 vaccination records of Ho Chi Minh City, and its synthetic generator.
//!
//! One record is one dose of one person, as a clinic keyed it in. A rule rewrites the form of a value, or
//! chooses between values that the record itself proves; whatever needs a fact from outside becomes a
//! finding for a person. The pack is pure: no I/O, no clock, no randomness but the generator's seed.

mod address;
mod birth;
mod campaign;
mod codes;
mod columns;
mod dates;
mod dose;
mod findings;
mod fold;
mod gender;
pub mod generator;
mod group;
mod identity;
mod injection;
mod insurance_id;
mod legacy;
mod letters;
mod lot;
mod mojibake;
mod name;
mod national_id;
mod phone;
mod places;
mod quality;
mod relations;
mod rightness;
mod sheet;
mod syllables;
mod text;
mod truth;
mod vaccination;
mod vaccine;

pub use codes::RULES;
pub use columns::{COLUMNS, Column, PACK, VERSION};
pub use findings::{FINDINGS, GROUP_FINDINGS};
pub use quality::{Quality, Share, Verdict};
pub use relations::Relations;
pub use rightness::{ClassRightness, Rightness, Turn};
pub use truth::{Class, Truth, TruthLine, Values};
pub use vaccination::Vaccination;
