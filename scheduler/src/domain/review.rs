//! Reviews: who may answer one, and what an answer makes of it.

use emend_proto::v1::{Change, Finding};
use serde::{Deserialize, Serialize};

use super::mask::HIDDEN;
use super::time::Timestamp;

/// The rule that a person's changes name.
pub const BY_HAND: &str = "decision";
/// The kind of a review of a record on which the rules gave up.
pub const FAILED: &str = "record.failed";
/// Bytes of a reason, at most: about 500 characters.
const MAX_REASON: usize = 2_000;
/// Bytes of one value, at most.
const MAX_VALUE: usize = 4_096;

/// Names a review: its record's job and place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReviewRef {
    /// The job.
    pub job_id: i64,
    /// The record's place in it.
    pub seq: i64,
}

/// Who a review waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewLane {
    /// Any reviewer who knows its findings.
    Reviewer,
    /// A lead: a reviewer could not decide it.
    Lead,
}

impl ReviewLane {
    /// The word in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reviewer => "reviewer",
            Self::Lead => "lead",
        }
    }

    /// The lane of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Reviewer, Self::Lead].into_iter().find(|lane| lane.as_str() == word)
    }
}

/// A review's row, as locked for a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Which.
    pub at: ReviewRef,
    /// Whether it needs no more answers.
    pub decided: bool,
    /// Who it waits for.
    pub lane: ReviewLane,
    /// The answer that it waits for, from 1.
    pub round: i64,
    /// Who has it, or had it last.
    pub holder: Option<String>,
    /// Until when, unless it is extended.
    pub expires_at: Option<Timestamp>,
}

impl Review {
    /// Whether somebody else than `reviewer` holds it now.
    pub fn is_taken(&self, reviewer: &str, now: Timestamp) -> bool {
        self.holder.as_deref().is_some_and(|holder| holder != reviewer)
            && self.expires_at.is_some_and(|expires_at| expires_at > now)
    }
}

/// What a reviewer said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerKind {
    /// The right values.
    Values,
    /// The record is not to be used.
    Rejected,
    /// A lead shall decide.
    CannotDecide,
}

impl AnswerKind {
    /// The word in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Values => "values",
            Self::Rejected => "rejected",
            Self::CannotDecide => "cannot_decide",
        }
    }

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Values, Self::Rejected, Self::CannotDecide].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What was said.
    pub kind: AnswerKind,
    /// Field and value.
    pub values: Vec<(String, String)>,
    /// Why.
    pub reason: String,
}

/// One field that a person changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandChange {
    /// The field.
    pub field: String,
    /// As the rules left it.
    pub before: String,
    /// As the person wants it.
    pub after: String,
}

impl From<HandChange> for Change {
    fn from(change: HandChange) -> Self {
        let HandChange { field, before, after } = change;
        Self { field, before, after, rule: BY_HAND.into() }
    }
}

/// What an answer does to a record: the same for two people who agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// What was said.
    pub kind: AnswerKind,
    /// What it changes, by field.
    pub changes: Vec<HandChange>,
}

/// A record as a reviewer sees it.
#[derive(Debug, Clone, Default)]
pub struct Case {
    /// Fields and values, as the rules left them.
    pub fields: Vec<(String, String)>,
    /// What was found; nothing on a record on which the rules gave up.
    pub findings: Vec<Finding>,
    /// Of a corrected record that is looked into: the changed fields as they came, which is what is shown of them.
    pub came: Vec<(String, String)>,
}

impl Case {
    /// What stands in a field.
    pub fn value(&self, field: &str) -> Option<&str> {
        self.fields.iter().find_map(|(name, value)| (name == field).then_some(value.as_str()))
    }

    /// What an answer does to this record.
    ///
    /// # Errors
    /// The request's field at fault, and what is wrong with it. Holds no value.
    pub fn effect(&self, answer: &Answer) -> Result<Effect, (&'static str, String)> {
        let reason = answer.reason.trim();
        if reason.len() > MAX_REASON {
            return Err(("answer.reason", "must be 500 characters at most".into()));
        }
        match answer.kind {
            AnswerKind::Rejected | AnswerKind::CannotDecide if reason.is_empty() => {
                Err(("answer.reason", "must say why".into()))
            }
            AnswerKind::Rejected | AnswerKind::CannotDecide if !answer.values.is_empty() => {
                Err(("answer.values", "must be empty: this answer changes no field".into()))
            }
            AnswerKind::Rejected | AnswerKind::CannotDecide => {
                Ok(Effect { kind: answer.kind, changes: Vec::new() })
            }
            AnswerKind::Values => self.changes(answer),
        }
    }

    fn changes(&self, answer: &Answer) -> Result<Effect, (&'static str, String)> {
        let wrong = |what: String| Err(("answer.values", what));
        let given = |field: &str| answer.values.iter().any(|(name, _)| name == field);
        if let Some(finding) = self.findings.iter().find(|finding| !given(&finding.field)) {
            return wrong(format!("must give a value for `{}`", finding.field));
        }
        let mut changes: Vec<HandChange> = Vec::new();
        for (field, after) in &answer.values {
            let Some(before) = self.value(field).or_else(|| self.at_issue(field).then_some("")) else {
                return wrong(format!("name `{field}`, which the record does not have"));
            };
            // Of what stays as it came, or as a rule proposes it, nothing is asked: the reviewer did not write it.
            let written = after != before && !self.proposes(field, after);
            if written && after.contains(HIDDEN) {
                return wrong(format!("give `{field}` a value that is not masked"));
            }
            if written && (after.len() > MAX_VALUE || after.chars().any(char::is_control)) {
                return wrong(format!("give `{field}` a value that is too long, or of more than one line"));
            }
            if changes.iter().any(|change| change.field == *field) {
                return wrong(format!("name `{field}` twice"));
            }
            changes.push(HandChange {
                field: field.clone(),
                before: before.to_owned(),
                after: after.clone(),
            });
        }
        changes.retain(|change| change.before != change.after);
        changes.sort_by(|a, b| a.field.cmp(&b.field));
        Ok(Effect { kind: AnswerKind::Values, changes })
    }

    /// Whether a finding is about this field.
    pub fn at_issue(&self, field: &str) -> bool {
        self.findings.iter().any(|finding| finding.field == field)
    }

    /// Whether a finding offers this value for this field.
    fn proposes(&self, field: &str, value: &str) -> bool {
        let of = |finding: &&Finding| finding.field == field;
        self.findings.iter().filter(of).any(|finding| finding.proposals.iter().any(|one| one == value))
    }

    /// Whether a second person must agree with this: where the job says so, for what empties a field or rejects the
    /// record, and for what somebody typed.
    pub fn needs_two(&self, effect: &Effect, agree: &[String]) -> bool {
        let asked = |finding: &Finding| agree.contains(&finding.code) || agree.contains(&finding.field);
        let typed = |change: &HandChange| !self.proposes(&change.field, &change.after);
        // Whoever takes a rule's change back speaks against the rule.
        let against = !self.came.is_empty() && !effect.changes.is_empty();
        against
            || effect.kind == AnswerKind::Rejected
            || self.findings.iter().any(asked)
            || effect.changes.iter().any(|change| change.after.is_empty() || typed(change))
    }
}

/// What becomes of a review by an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It waits for another answer.
    Open {
        /// Which.
        round: i64,
        /// Whose.
        lane: ReviewLane,
    },
    /// This answer stands.
    Decided,
}

/// What `effect`, said in `round`, makes of a review; `before` is what was said in the round before.
pub fn next(round: i64, effect: &Effect, needs_two: bool, before: Option<&Effect>) -> Next {
    let another = Next::Open { round: round + 1, lane: ReviewLane::Reviewer };
    match (effect.kind, before) {
        (AnswerKind::CannotDecide, _) => Next::Open { round, lane: ReviewLane::Lead },
        (_, None) if needs_two => another,
        (_, Some(first)) if round == 2 && first != effect => another,
        // One was enough, two agree, or the third has the last word.
        _ => Next::Decided,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case() -> Case {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let finding = |code: &str, field: &str, proposals: &[&str]| Finding {
            code: code.into(),
            field: field.into(),
            proposals: proposals.iter().map(|&text| text.into()).collect(),
            ..Finding::default()
        };
        Case {
            fields: vec![field("phone", "9"), field("name", "A"), field("site", "x")],
            findings: vec![finding("phone.invalid", "phone", &["09", "08"])],
            came: vec![],
        }
    }

    fn values(values: &[(&str, &str)]) -> Answer {
        let values = values.iter().map(|&(field, value)| (field.into(), value.into())).collect();
        Answer { kind: AnswerKind::Values, values, reason: String::new() }
    }

    fn effect(given: &[(&str, &str)]) -> Effect {
        case().effect(&values(given)).unwrap()
    }

    #[test]
    fn an_answer_says_something_of_every_field_at_issue_and_only_changes_count() {
        let change = |field: &str, before: &str, after: &str| HandChange {
            field: field.into(),
            before: before.into(),
            after: after.into(),
        };
        assert_eq!(effect(&[("phone", "09")]).changes, [change("phone", "9", "09")]);
        assert_eq!(effect(&[("phone", "9")]).changes, []);
        let both = [change("name", "A", "B"), change("phone", "9", "08")];
        assert_eq!(effect(&[("phone", "08"), ("name", "B")]).changes, both);
        for (wrong, said) in [
            (&[][..], "value for `phone`"),
            (&[("phone", "9"), ("phone", "9")], "twice"),
            (&[("phone", "9"), ("other", "9")], "does not have"),
            (&[("phone", "0\n9")], "one line"),
            (&[("phone", "•••9")], "masked"),
        ] {
            let (field, what) = case().effect(&values(wrong)).unwrap_err();
            assert!(field == "answer.values" && what.contains(said), "{what}");
        }
        // What came in stays, whatever it looks like.
        for odd in ["0\u{90}9", "0\n9", "•9", &"9".repeat(5_000)] {
            let mut odd_one = case();
            odd_one.fields[0].1 = odd.to_owned();
            assert_eq!(odd_one.effect(&values(&[("phone", odd)])).unwrap().changes, []);
            // And what a rule proposes can be taken.
            let mut proposed = case();
            proposed.findings[0].proposals.push(odd.to_owned());
            assert_eq!(proposed.effect(&values(&[("phone", odd)])).unwrap().changes[0].after, odd);
        }
        // A field that the record lacks can be given when a finding is about it.
        let mut lacking = case();
        lacking.fields.remove(0);
        assert_eq!(lacking.effect(&values(&[("phone", "09")])).unwrap().changes[0].before, "");
    }

    #[test]
    fn no_values_go_with_a_reason_and_a_reason_is_needed() {
        let say = |kind, values: &[(&str, &str)], reason: &str| {
            case().effect(&Answer { kind, reason: reason.into(), ..self::values(values) })
        };
        for kind in [AnswerKind::Rejected, AnswerKind::CannotDecide] {
            assert_eq!(say(kind, &[], "no such person").unwrap(), Effect { kind, changes: vec![] });
            assert_eq!(say(kind, &[], " ").unwrap_err().0, "answer.reason");
            assert_eq!(say(kind, &[("phone", "09")], "why").unwrap_err().0, "answer.values");
            assert_eq!(AnswerKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(say(AnswerKind::Rejected, &[], &"x".repeat(2_001)).unwrap_err().0, "answer.reason");
    }

    #[test]
    fn two_are_needed_where_the_job_says_so_for_what_is_typed_and_for_what_is_lost() {
        let needs = |given: &[(&str, &str)], agree: &[&str]| {
            let agree: Vec<String> = agree.iter().map(|&name| name.into()).collect();
            case().needs_two(&effect(given), &agree)
        };
        assert!(!needs(&[("phone", "09")], &[]));
        assert!(!needs(&[("phone", "9")], &["name", "name.odd"]));
        assert!(needs(&[("phone", "9")], &["phone"]));
        assert!(needs(&[("phone", "09")], &["phone.invalid"]));
        assert!(needs(&[("phone", "07")], &[]), "typed");
        assert!(needs(&[("phone", "")], &[]), "emptied");
        assert!(needs(&[("phone", "09"), ("name", "B")], &[]), "typed, beside the finding");
        assert!(case().needs_two(&Effect { kind: AnswerKind::Rejected, changes: vec![] }, &[]));
    }

    #[test]
    fn one_answer_two_that_agree_or_the_third_settle_it() {
        let (a, b) = (effect(&[("phone", "09")]), effect(&[("phone", "08")]));
        let cannot = Effect { kind: AnswerKind::CannotDecide, changes: vec![] };
        let open = |round, lane| Next::Open { round, lane };
        assert_eq!(next(1, &a, false, None), Next::Decided);
        assert_eq!(next(1, &a, true, None), open(2, ReviewLane::Reviewer));
        assert_eq!(next(2, &a, false, Some(&a)), Next::Decided);
        assert_eq!(next(2, &b, false, Some(&a)), open(3, ReviewLane::Reviewer));
        assert_eq!(next(3, &a, true, Some(&b)), Next::Decided);
        for round in 1..=3 {
            assert_eq!(next(round, &cannot, true, None), open(round, ReviewLane::Lead));
        }
    }

    #[test]
    fn a_lease_that_ran_out_keeps_nobody_out() {
        let at = ReviewRef { job_id: 1, seq: 1 };
        let held = Review {
            at,
            decided: false,
            lane: ReviewLane::Reviewer,
            round: 1,
            holder: Some("a".into()),
            expires_at: Some(Timestamp(10)),
        };
        assert!(held.is_taken("b", Timestamp(9)));
        assert!(!held.is_taken("b", Timestamp(10)) && !held.is_taken("a", Timestamp(9)));
        assert!(!Review { holder: None, ..held }.is_taken("b", Timestamp(9)));
    }
}
