//! How a job's records are put together, in numbers.

use emend_proto::v1::grouping::State;
use emend_proto::v1::{GroupField, Grouping};
use serde::Serialize;

use crate::term::grouped;

/// How a job's records are put together.
#[derive(Debug, Clone, Serialize)]
pub struct GroupingReport {
    /// By which fields, each as `field:normaliser`.
    pub by: Vec<String>,
    /// `importing`, `gathering`, `done`.
    pub state: &'static str,
    /// While gathering: records read.
    pub records_read: u64,
    /// And put into units.
    pub records_placed: u64,
    /// Groups of two records and more.
    pub groups: u64,
    /// The records in them.
    pub records_grouped: u64,
    /// Records of groups that were too large: each is by itself, and for a person.
    pub records_apart: u64,
    /// The unit that keeps the others from being put together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damaged_unit: Option<u64>,
}

impl From<&Grouping> for GroupingReport {
    fn from(grouping: &Grouping) -> Self {
        Self {
            by: grouping.by.iter().map(group_field).collect(),
            state: match grouping.state() {
                State::Unspecified => "unknown",
                State::Importing => "importing",
                State::Gathering => "gathering",
                State::Done => "done",
            },
            records_read: grouping.records_read,
            records_placed: grouping.records_placed,
            groups: grouping.groups,
            records_grouped: grouping.records_grouped,
            records_apart: grouping.records_apart,
            damaged_unit: Some(grouping.damaged_unit).filter(|&unit| unit != 0),
        }
    }
}

impl GroupingReport {
    /// For people, of a job of that name and so many records.
    pub(super) fn text(&self, job: &str, records: u64) -> String {
        let by = self.by.join(", ");
        if let Some(unit) = self.damaged_unit {
            return format!(
                "grouped by {by}: unit {unit} is damaged, so records are not put together; restore it, then `emend retry {job}`\n"
            );
        }
        match self.state {
            "done" => format!(
                "grouped by {by}: {} groups, {} records in groups, {} apart (groups too large)\n",
                grouped(self.groups),
                grouped(self.records_grouped),
                grouped(self.records_apart),
            ),
            "gathering" => format!(
                "grouped by {by}: of {} records {} read and {} put together\n",
                grouped(records),
                grouped(self.records_read),
                grouped(self.records_placed),
            ),
            _ => format!("grouped by {by}: records are put together when the job is sealed\n"),
        }
    }
}

/// A field as it is written behind `--group-by`.
pub fn group_field(by: &GroupField) -> String {
    let GroupField { field, normaliser } = by;
    if normaliser.is_empty() { field.clone() } else { format!("{field}:{normaliser}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouping(state: State) -> Grouping {
        let field =
            |field: &str, normaliser: &str| GroupField { field: field.into(), normaliser: normaliser.into() };
        Grouping {
            by: vec![field("full_name", "text"), field("date_of_birth", "date")],
            state: state.into(),
            records_read: 1_000,
            records_placed: 500,
            groups: 1_200,
            records_grouped: 2_500,
            records_apart: 1_001,
            damaged_unit: 0,
        }
    }

    #[test]
    fn the_json_has_what_scripts_rely_on() {
        let json = serde_json::to_value(GroupingReport::from(&grouping(State::Gathering))).unwrap();
        let expected = serde_json::json!({
            "by": ["full_name:text", "date_of_birth:date"],
            "state": "gathering",
            "records_read": 1000,
            "records_placed": 500,
            "groups": 1200,
            "records_grouped": 2500,
            "records_apart": 1001,
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn the_text_tells_how_far_it_is_and_what_stops_it() {
        let text = |grouping: &Grouping| GroupingReport::from(grouping).text("hcm", 2_000);
        let begin = "grouped by full_name:text, date_of_birth:date: ";
        for (state, said) in [
            (State::Importing, "when the job is sealed"),
            (State::Gathering, "of 2,000 records 1,000 read and 500 put together"),
            (State::Done, "1,200 groups, 2,500 records in groups, 1,001 apart"),
        ] {
            let text = text(&grouping(state));
            assert!(text.starts_with(begin) && text.contains(said), "{text}");
        }
        let damaged = text(&Grouping { damaged_unit: 7, ..grouping(State::Gathering) });
        assert!(damaged.contains("unit 7 is damaged") && damaged.contains("`emend retry hcm`"), "{damaged}");
    }
}
