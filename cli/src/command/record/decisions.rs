//! What people said about a record.

use std::time::Duration;

use emend_proto::v1::{AnswerKind, Decision};
use serde::Serialize;

use super::{ShownChange, shown_change};
use crate::export::answer_name;
use crate::term::{Table, grouped, right, seconds};

/// A decision as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct ShownDecision {
    decision_id: u64,
    round: u32,
    reviewer: String,
    kind: &'static str,
    changes: Vec<ShownChange>,
    reason: String,
    pack_version: String,
    seconds_ago: f64,
    /// How long it may still be undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    undo_in_seconds: Option<f64>,
    undone: bool,
    /// Reviews decided with it, this record's among them.
    members: u32,
    /// It is the one that exports apply.
    stands: bool,
}

pub(super) fn shown(decision: Decision) -> ShownDecision {
    let kind = answer_name(decision.kind());
    let in_seconds = |time: prost_types::Duration| time.seconds as f64 + f64::from(time.nanos) / 1e9;
    ShownDecision {
        decision_id: decision.decision_id,
        round: decision.round,
        reviewer: decision.reviewer,
        kind,
        changes: decision.changes.into_iter().map(shown_change).collect(),
        reason: decision.reason,
        pack_version: decision.pack_version,
        seconds_ago: decision.age.map_or(0.0, in_seconds),
        undo_in_seconds: decision.undo_in.map(in_seconds),
        undone: decision.undone,
        members: decision.members,
        stands: decision.stands,
    }
}

/// Oldest first, as they were made.
pub(super) fn table(decisions: &[ShownDecision]) -> Table {
    let mut table = Table::new(["decision", "round", "reviewer", "when", "what", "reason", ""]);
    for decision in decisions {
        table.row([
            right(decision.decision_id),
            right(decision.round),
            decision.reviewer.as_str().into(),
            format!("{} ago", time(decision.seconds_ago)).into(),
            decision.what().into(),
            decision.reason.as_str().into(),
            decision.state().into(),
        ]);
    }
    table
}

impl ShownDecision {
    fn what(&self) -> String {
        if self.kind != answer_name(AnswerKind::Values) {
            return self.kind.replace('_', " ");
        }
        if self.changes.is_empty() {
            return "right as it is".to_owned();
        }
        let changes = self.changes.iter().map(|change| match change.after.as_str() {
            "" => format!("{}: emptied", change.field),
            after => format!("{}: {after}", change.field),
        });
        changes.collect::<Vec<_>>().join(" | ")
    }

    fn state(&self) -> String {
        let mut words = Vec::new();
        if self.stands {
            words.push("stands".to_owned());
        }
        if self.undone {
            words.push("undone".to_owned());
        }
        if let Some(left) = self.undo_in_seconds {
            words.push(format!("may be undone for {}", time(left)));
        }
        if self.members > 1 {
            words.push(format!("one of {}", grouped(self.members.into())));
        }
        words.join(", ")
    }
}

fn time(time: f64) -> String {
    seconds(Duration::try_from_secs_f64(time).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use emend_proto::v1::Change;

    use super::*;

    fn decision(kind: AnswerKind) -> Decision {
        let change =
            Change { field: "b".into(), before: "2".into(), after: "4".into(), rule: "decision".into() };
        let after = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        Decision {
            decision_id: 12,
            round: 2,
            reviewer: "sim-007".into(),
            kind: kind.into(),
            changes: if kind == AnswerKind::Values { vec![change] } else { Vec::new() },
            reason: "says the register".into(),
            pack_version: "1.0.0".into(),
            age: after(65),
            undo_in: after(30),
            members: 1,
            stands: true,
            ..Decision::default()
        }
    }

    #[test]
    fn who_when_what_and_whether_it_stands() {
        let mut undone = decision(AnswerKind::CannotDecide);
        (undone.undone, undone.stands, undone.undo_in, undone.members) = (true, false, None, 200);
        let shown: Vec<_> = [decision(AnswerKind::Values), undone].into_iter().map(shown).collect();
        let text = table(&shown).to_string();
        for part in [
            "12",
            "sim-007",
            "1 min 5 s ago",
            "b: 4",
            "says the register",
            "stands, may be undone for 30.0 s",
            "cannot decide",
            "undone, one of 200",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let json = serde_json::to_value(&shown).unwrap();
        assert_eq!((&json[0]["kind"], &json[1]["kind"]), (&"values".into(), &"cannot_decide".into()));
        assert_eq!((&json[0]["changes"][0]["after"], &json[0]["stands"]), (&"4".into(), &true.into()));
        assert_eq!((&json[0]["round"], &json[1]["undone"]), (&2.into(), &true.into()));
        assert_eq!((&json[0]["undo_in_seconds"], json[1].get("undo_in_seconds")), (&30.0.into(), None));
    }

    #[test]
    fn what_changes_nothing_or_takes_away_is_said() {
        let what = |changes| shown(Decision { changes, ..decision(AnswerKind::Values) }).what();
        assert_eq!(what(Vec::new()), "right as it is");
        assert_eq!(what(vec![Change { field: "b".into(), ..Change::default() }]), "b: emptied");
    }
}
