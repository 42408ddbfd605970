//! What a row of the outbox becomes: messages of ids and codes, each under an id that stays the same.

use emend_proto::v1::{RecordResult, Verdict};
use emend_proto::{BlockError, decode};
use serde::Serialize;

use crate::domain::review::FAILED;
use crate::domain::time::Timestamp;
use crate::store::{OutboxRow, Told};

/// The routing key of the hint that units are ready.
pub(super) const UNIT_READY: &str = "unit.ready";

const OPENED: &str = "review.opened";
const DECIDED: &str = "record.decided";
const ALERT: &str = "job.alert";

/// Bytes of a code in a message. A routing key has at most 255.
const LONGEST_CODE: usize = 128;

/// A message to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// The same whenever it is sent again.
    pub(super) id: String,
    /// By which it is routed.
    pub(super) routing_key: String,
    /// The routing key without what varies, for metrics.
    pub(super) kind: &'static str,
    /// When it happened.
    pub(super) at: Timestamp,
    /// JSON, as in `docs/events/`.
    pub(super) body: Vec<u8>,
}

#[derive(Debug, Serialize)]
struct JobBody<'a> {
    event: &'a str,
    id: &'a str,
    job: i64,
    state: &'a str,
}

#[derive(Debug, Serialize)]
struct AlertBody<'a> {
    event: &'a str,
    id: &'a str,
    job: i64,
    alert: &'a str,
}

#[derive(Debug, Serialize)]
struct RecordBody<'a> {
    event: &'a str,
    id: &'a str,
    job: i64,
    unit: i64,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    finding: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct ReviewBody<'a> {
    event: &'a str,
    id: &'a str,
    job: i64,
    seq: u64,
    finding: &'a str,
}

#[derive(Debug, Serialize)]
struct DecidedBody<'a> {
    event: &'a str,
    id: &'a str,
    job: i64,
    seq: i64,
    decision: i64,
    kind: &'a str,
}

#[derive(Debug, Serialize)]
struct ReadyBody<'a> {
    event: &'a str,
    from: &'a str,
}

/// The messages of a row.
///
/// # Errors
/// When the block of results is damaged.
pub(super) fn expand(row: &OutboxRow) -> Result<Vec<Event>, BlockError> {
    match &row.told {
        Told::Nothing => Ok(Vec::new()),
        Told::Alert { created_at, number, what } => {
            let id = format!("alert-{}-{}-{what}-{number}", row.job_id, created_at.0);
            let body = json(&AlertBody { event: ALERT, id: &id, job: row.job_id, alert: what });
            Ok(vec![Event { id, routing_key: ALERT.into(), kind: ALERT, at: row.at, body }])
        }
        Told::Job { created_at, state, ruleset } => {
            let state = state.as_str();
            let mut id = format!("job-{}-{}-{state}", row.job_id, created_at.0);
            if *ruleset > 1 {
                id = format!("{id}-{ruleset}");
            }
            let event = format!("job.{state}");
            let body = json(&JobBody { event: &event, id: &id, job: row.job_id, state });
            Ok(vec![Event { id, routing_key: event, kind: "job", at: row.at, body }])
        }
        Told::Decided { created_at, seq, decision_id, kind } => {
            // Decisions are numbered in each store: with the job it is this one in whichever.
            let (job, decision, kind) = (row.job_id, *decision_id, kind.as_str());
            let id = format!("decided-{job}-{}-{seq}-{decision}", created_at.0);
            let body = json(&DecidedBody { event: DECIDED, id: &id, job, seq: *seq, decision, kind });
            Ok(vec![Event { id, routing_key: DECIDED.into(), kind: DECIDED, at: row.at, body }])
        }
        Told::Results { unit_id, commit_id, results } => {
            let mut events = Vec::new();
            for result in decode::<RecordResult>(results)? {
                let result = result?;
                let of = Of { row, unit_id: *unit_id, commit_id, result: &result };
                match result.verdict() {
                    Verdict::Routed => of.routed(&mut events),
                    Verdict::Failed => events.extend([of.failed(), of.opened(FAILED)]),
                    Verdict::Unspecified | Verdict::Valid | Verdict::Corrected => {}
                }
            }
            Ok(events)
        }
    }
}

/// The body of the hint that units are ready; `from` is whoever rings.
pub(super) fn ready(from: &str) -> Vec<u8> {
    json(&ReadyBody { event: UNIT_READY, from })
}

/// One record's result, and where it stands.
struct Of<'a> {
    row: &'a OutboxRow,
    unit_id: i64,
    commit_id: &'a str,
    result: &'a RecordResult,
}

impl Of<'_> {
    /// One message of each kind for each code, however often it was found.
    fn routed(&self, events: &mut Vec<Event>) {
        let mut codes: Vec<&str> =
            self.result.findings.iter().map(|finding| bounded(&finding.code)).collect();
        codes.sort_unstable();
        codes.dedup();
        for code in codes {
            let id = format!("{}-{}-{code}", self.commit_id, self.result.seq);
            let body = self.body("record.routed", &id, Some(code), None);
            let routing_key = format!("record.routed.{code}");
            events.push(Event { id, routing_key, kind: "record.routed", at: self.row.at, body });
            events.push(self.opened(code));
        }
    }

    /// The record waits for a person, for this reason.
    fn opened(&self, finding: &str) -> Event {
        let (job, seq) = (self.row.job_id, self.result.seq);
        let id = format!("{}-{seq}-review-{finding}", self.commit_id);
        let body = json(&ReviewBody { event: OPENED, id: &id, job, seq, finding });
        let routing_key = format!("{OPENED}.{finding}");
        Event { id, routing_key, kind: OPENED, at: self.row.at, body }
    }

    fn failed(&self) -> Event {
        let id = format!("{}-{}-failed", self.commit_id, self.result.seq);
        let body = self.body("record.failed", &id, None, Some(failure_code(&self.result.failure)));
        let kind = "record.failed";
        Event { id, routing_key: kind.into(), kind, at: self.row.at, body }
    }

    fn body(&self, event: &str, id: &str, finding: Option<&str>, failure: Option<&str>) -> Vec<u8> {
        let (job, unit, seq) = (self.row.job_id, self.unit_id, self.result.seq);
        json(&RecordBody { event, id, job, unit, seq, finding, failure })
    }
}

/// Codes are ASCII, so any cut is between characters; what is not falls whole.
fn bounded(code: &str) -> &str {
    code.get(..code.len().min(LONGEST_CODE)).unwrap_or_default()
}

/// Workers send it, and only a code may travel on.
fn failure_code(failure: &str) -> &str {
    let code = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=64).contains(&failure.len()) && failure.bytes().all(code) { failure } else { "other" }
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("texts and numbers are always JSON")
}
