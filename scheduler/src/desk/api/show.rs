//! What the page is answered, from the messages of review.proto to JSON.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use emend_proto::v1::{self, AnswerKind};
use serde_json::{Value, json};

use crate::desk::json::{Object, list, seconds};

fn review(review: v1::ReviewRef) -> Value {
    json!({ "job_id": review.job_id, "seq": review.seq })
}

fn token(token: &[u8]) -> String {
    BASE64_STANDARD.encode(token)
}

fn kind(kind: AnswerKind) -> Option<&'static str> {
    match kind {
        AnswerKind::Unspecified => None,
        AnswerKind::Values => Some("values"),
        AnswerKind::Rejected => Some("rejected"),
        AnswerKind::CannotDecide => Some("cannot_decide"),
    }
}

fn answer(answer: v1::Answer) -> Value {
    let word = kind(answer.kind());
    let values = list(answer.values, |one| json!({ "field": one.field, "value": one.value }));
    Object::default().maybe("kind", word).with("values", values).with("reason", answer.reason).done()
}

fn card(card: v1::ReviewCard) -> Value {
    let findings = list(
        card.findings,
        |finding| json!({ "code": finding.code, "field": finding.field, "proposals": finding.proposals }),
    );
    let fields = list(
        card.fields,
        |field| json!({ "name": field.name, "value": field.value, "masked": field.masked, "at_issue": field.at_issue }),
    );
    Object::default()
        .with("round", card.round)
        .with("findings", findings)
        .with("fields", fields)
        .maybe("draft", card.draft.map(answer))
        .with("alike", card.alike)
        .with("failure", card.failure)
        .with("answers", list(card.answers, answer))
        .done()
}

fn decision(decision: v1::Decision) -> Value {
    let word = kind(decision.kind());
    let changes = list(
        decision.changes,
        |change| json!({ "field": change.field, "before": change.before, "after": change.after }),
    );
    Object::default()
        .with("decision_id", decision.decision_id)
        .maybe("review", decision.review.map(review))
        .with("round", decision.round)
        .with("reviewer", decision.reviewer)
        .maybe("kind", word)
        .with("changes", changes)
        .with("reason", decision.reason)
        .with("pack_version", decision.pack_version)
        .maybe("age", decision.age.map(seconds))
        .maybe("undo_in", decision.undo_in.map(seconds))
        .with("undone", decision.undone)
        .with("members", decision.members)
        .with("stands", decision.stands)
        .done()
}

fn queue(queue: v1::ReviewQueue) -> Value {
    Object::default()
        .with("open", queue.open)
        .with("held", queue.held)
        .maybe("next_free_in", queue.next_free_in.map(seconds))
        .with("later", queue.later)
        .maybe("next_due_in", queue.next_due_in.map(seconds))
        .with("for_leads", queue.for_leads)
        .with("passed", queue.passed)
        .with("decided_today", queue.decided_today)
        .done()
}

pub(super) fn leased(answer: v1::LeaseReviewsResponse) -> Value {
    let leases = list(answer.leases, |lease| {
        Object::default()
            .maybe("review", lease.review.map(review))
            .with("token", token(&lease.token))
            .maybe("expires_in", lease.expires_in.map(seconds))
            .maybe("card", lease.card.map(card))
            .done()
    });
    Object::default().with("leases", leases).maybe("queue", answer.queue.map(queue)).done()
}

pub(super) fn renewed(answer: v1::RenewReviewsResponse) -> Value {
    json!({ "lost": list(answer.lost, review) })
}

pub(super) fn nothing<T>(_: T) -> Value {
    json!({})
}

pub(super) fn decided(answer: v1::DecideResponse) -> Value {
    Object::default()
        .maybe("decision", answer.decision.map(decision))
        .maybe("decided_before", answer.decided_before.map(decision))
        .with("replayed", answer.replayed)
        .done()
}

pub(super) fn released(answer: v1::ReleaseReviewsResponse) -> Value {
    json!({ "released": answer.released })
}

pub(super) fn undone(answer: v1::UndoDecisionResponse) -> Value {
    json!({ "reopened": answer.reopened })
}

pub(super) fn cluster(answer: v1::LeaseClusterResponse) -> Value {
    json!({ "members": list(answer.members, review), "token": token(&answer.token) })
}

pub(super) fn opened(answer: v1::OpenReviewResponse) -> Value {
    Object::default().maybe("card", answer.card.map(card)).done()
}

pub(super) fn cluster_decided(answer: v1::DecideClusterResponse) -> Value {
    Object::default()
        .maybe("decision", answer.decision.map(decision))
        .with("replayed", answer.replayed)
        .done()
}

pub(super) fn revealed(answer: v1::RevealFieldResponse) -> Value {
    json!({ "value": answer.value })
}

pub(super) fn decisions(answer: v1::ListDecisionsResponse) -> Value {
    json!({ "decisions": list(answer.decisions, decision), "next_page_token": answer.next_page_token })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_left_out_and_durations_are_seconds() {
        let lease = v1::ReviewLease {
            review: Some(v1::ReviewRef { job_id: 1, seq: 2 }),
            token: vec![0, 1],
            expires_in: Some(prost_types::Duration { seconds: 1, nanos: 500_000_000 }),
            card: None,
        };
        let shown = leased(v1::LeaseReviewsResponse { leases: vec![lease], queue: None });
        let expected = json!({ "leases": [{ "review": { "job_id": 1, "seq": 2 }, "token": "AAE=", "expires_in": 1.5 }] });
        assert_eq!(shown, expected);
        let asked = v1::Answer { kind: AnswerKind::CannotDecide.into(), ..v1::Answer::default() };
        assert_eq!(answer(asked), json!({ "kind": "cannot_decide", "values": [], "reason": "" }));
        assert_eq!(answer(v1::Answer::default()), json!({ "values": [], "reason": "" }));
    }
}
