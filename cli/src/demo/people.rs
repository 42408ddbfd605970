//! The demo's second part: people decide what rules could not.

use anyhow::Result;
use emend_vaccination::{ClassRightness, Rightness, Share};
use serde::Serialize;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

use super::{Order, write};
use crate::client::Client;
use crate::command::{Until, wait};
use crate::export::{self, Only};
use crate::generate::Generated;
use crate::shift::{self, ShiftReport};
use crate::term::{Table, grouped, right};

/// The share of answers that are wrong: of untrained people who are many and tired.
const ERRORS: f64 = 0.02;

/// What people made of it.
#[derive(Debug, Serialize)]
pub struct PeopleReport {
    /// How the shift went, and what double review caught.
    #[serde(flatten)]
    pub shift: ShiftReport,
    /// How right the records are, before people and after.
    pub rightness: RightnessReport,
}

/// How right the records are, by their class.
#[derive(Debug, Serialize)]
pub struct RightnessReport {
    /// Nothing was wrong with them.
    pub clean: ClassReport,
    /// Rules can close them.
    pub form: ClassReport,
    /// They need a person.
    pub person: ClassReport,
    /// All of them.
    pub all: ClassReport,
}

/// The shares of one class, with the counts behind them.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ClassReport {
    /// Of all fields, those that are true: before people.
    pub fields_before: f64,
    /// And after.
    pub fields_after: f64,
    /// Of the fields that need a person, those that are true: before.
    pub at_issue_before: f64,
    /// And after.
    pub at_issue_after: f64,
    /// Of the records, those that are true in every field: before.
    pub records_before: f64,
    /// And after.
    pub records_after: f64,
    /// The counts.
    pub counts: ClassRightness,
}

impl From<&Rightness> for RightnessReport {
    fn from(rightness: &Rightness) -> Self {
        let [clean, form, person] = [rightness.clean, rightness.form, rightness.person].map(Into::into);
        Self { clean, form, person, all: rightness.all().into() }
    }
}

impl From<ClassRightness> for ClassReport {
    fn from(counts: ClassRightness) -> Self {
        let ClassRightness { fields, at_issue, whole, .. } = counts;
        Self {
            fields_before: fields.before.ratio(),
            fields_after: fields.after.ratio(),
            at_issue_before: at_issue.before.ratio(),
            at_issue_after: at_issue.after.ratio(),
            records_before: whole.before.ratio(),
            records_after: whole.after.ratio(),
            counts,
        }
    }
}

/// Has the shift work until the job is completed, and compares what is exported then with the truth.
pub(super) async fn decide(
    order: &Order,
    reviewers: u32,
    made: &Generated,
    client: &Client,
    shutdown: &CancellationToken,
) -> Result<PeopleReport> {
    let name = order.job();
    let shift = shift::Order {
        job: name.clone(),
        truth: made.truth.clone(),
        reviewers,
        leads: None,
        pace: Duration::ZERO,
        errors: ERRORS,
        seed: order.seed,
    };
    let shift = shift::run(client, &shift, shutdown).await?;
    // Whatever nobody may take leaves the job open: that is told, and what there is is measured.
    if shift.left == 0 {
        wait(client, &name, Until::Completed).await?;
    }
    write(client, &name, &order.out.join("final.csv"), Only::default(), true).await?;
    let measured = export::measure(client, &name, &made.truth).await?;
    Ok(PeopleReport { shift, rightness: (&measured.rightness).into() })
}

impl PeopleReport {
    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = self.shift.text();
        let mut table = Table::new([
            "right against the truth",
            "records",
            "fields before people",
            "after",
            "fields for people",
            "after",
            "whole records",
            "after",
            "rejected",
        ]);
        let RightnessReport { clean, form, person, all } = &self.rightness;
        for (name, class) in
            [("clean", clean), ("faults of form", form), ("faults for people", person), ("all", all)]
        {
            let ClassRightness { records, fields, at_issue, whole, rejected } = class.counts;
            table.row([
                name.into(),
                right(grouped(records)),
                right(percent(fields.before)),
                right(percent(fields.after)),
                right(percent(at_issue.before)),
                right(percent(at_issue.after)),
                right(percent(whole.before)),
                right(percent(whole.after)),
                right(grouped(rejected)),
            ]);
        }
        text += &format!("{table}\n");
        text
    }
}

fn percent(share: Share) -> String {
    if share.of == 0 { String::new() } else { format!("{:.3} %", 100.0 * share.ratio()) }
}

#[cfg(test)]
mod tests {
    use emend_vaccination::Turn;

    use super::*;

    #[test]
    fn shares_stand_beside_their_counts() {
        let turn = |before, after, of| Turn {
            before: Share { right: before, of },
            after: Share { right: after, of },
        };
        let person = ClassRightness {
            records: 10,
            fields: turn(140, 149, 150),
            at_issue: turn(0, 9, 10),
            whole: turn(0, 9, 10),
            rejected: 1,
        };
        let rightness = Rightness { person, ..Rightness::default() };
        let report = PeopleReport { shift: ShiftReport::default(), rightness: (&rightness).into() };
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["rightness"]["person"]["at_issue_after"], 0.9);
        assert_eq!(json["rightness"]["all"]["counts"]["fields"]["after"]["right"], 149);
        assert_eq!(json["errors"]["made"], 0);
        let text = report.text();
        assert!(text.contains("90.000 %") && text.contains("99.333 %"), "{text}");
    }
}
