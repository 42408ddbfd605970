//! Declared rules, for people who do not program: a YAML file of conditions and corrections that runs as a validator.
//!
//! ```
//! use emend_rules::RuleFile;
//! use emend_worker::{JobContext, Record, Validator};
//!
//! let file = RuleFile::parse(
//!     r#"
//! name: phones
//! version: "1"
//! rules:
//!   - name: phone.prefix_2018
//!     when: phone.starts_with("0168") && phone.len() == 11
//!     set:
//!       phone: '"038" + phone.sub_string(4)'
//!     examples:
//!       - given: { phone: "01681234567" }
//!         expect: { phone: "0381234567" }
//! "#,
//! )
//! .expect("the file has no problem");
//! assert!(file.test().iter().all(|example| example.passed));
//! let record = Record::from_fields("k", [("phone", "01689999999")]);
//! let outcomes = file.validate(&JobContext::default(), &[record]);
//! assert_eq!(outcomes[0].changes[0].after, "0389999999");
//! ```
//!
//! Rules run in order, and each sees the record as those before it left it. A rule sets fields or routes one to a
//! person. A field that is routed goes as it came, and no later rule is about it. A rule that cannot be worked out on a
//! record routes its field as `field.rule_failed`: the SDK has no word for a record that a validator gives up on, and
//! a person can decide about it all the same.
//!
//! The words that rules are written in stand in `docs/RULE_FILES.md`.

mod check;
mod compiled;
mod dates;
mod declared;
mod examples;
mod fields;
mod file;
mod functions;
mod language;
mod place;
mod problem;
mod run;
mod text;
mod yaml;

pub use examples::ExampleOutcome;
pub use file::{LONGEST_FILE, RuleFile, RuleInfo};
pub use functions::{FUNCTIONS, Function, Kind, LONGEST_VALUE};
pub use problem::{Place, Problem};
