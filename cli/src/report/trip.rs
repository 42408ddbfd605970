//! Thresholds that were exceeded, in words.

use emend_proto::v1::threshold::{Action, Of};
use emend_proto::v1::{Trip, Verdict};

use crate::term::grouped;

/// A threshold that was exceeded, in words.
pub(super) fn in_words(trip: &Trip) -> String {
    let threshold = trip.threshold.clone().unwrap_or_default();
    let what = match &threshold.of {
        Some(Of::Rule(rule)) => format!("rule {rule} acted"),
        Some(Of::Finding(code)) => format!("finding {code} came"),
        Some(Of::Validator(name)) => format!("rules of {name} acted"),
        Some(Of::Verdict(verdict)) if *verdict == i32::from(Verdict::Failed) => "failed".to_owned(),
        Some(Of::Verdict(_)) => "routed".to_owned(),
        None => "exceeded".to_owned(),
    };
    let follows = match threshold.action() {
        Action::Route => "what it would change goes to people",
        Action::Pause | Action::Unspecified => "the job was paused",
    };
    format!(
        "{what} {} times in {} records, more than {} %; {follows}",
        grouped(trip.count),
        grouped(trip.records),
        (threshold.over * 1e6).round() / 1e4
    )
}
