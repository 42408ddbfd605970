//! `WorkService`: what workers call.

use std::collections::HashMap;
use std::time::Duration;

use emend_proto::MAX_MESSAGE_BYTES;
use emend_proto::v1::work_service_server::WorkService;
use emend_proto::v1::{self, beat, commit_outcome};
use tonic::{Request, Response, Status};

use super::{App, compute, status};
use crate::domain::beat::Beat;
use crate::domain::caller::Caller;
use crate::domain::lease::{HandBack, LeaseRef, Leased, Token};
use crate::domain::results::Results;
use crate::store::{Commit, LeaseAsk, Outcome, UnitToDo};
use crate::{deadline, ids, meters};

/// The longest that a call waits for ready units.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Seconds that a record may cost.
const MOST_COST: f64 = 3_600.0;
/// Units in one call.
const MOST_UNITS: usize = 1024;
/// The units of one answer, before compression: with room for the rest of the message.
const MOST_BYTES: i64 = (MAX_MESSAGE_BYTES - 2 * 1024 * 1024) as i64;

#[tonic::async_trait]
impl WorkService for App {
    async fn lease_units(
        &self,
        request: Request<v1::LeaseUnitsRequest>,
    ) -> Result<Response<v1::LeaseUnitsResponse>, Status> {
        let worker_id = worker_id(&request, &request.get_ref().worker_id)?;
        self.pulse.saw(&worker_id);
        let request = v1::LeaseUnitsRequest { worker_id, ..request.into_inner() };
        if request.request_id.is_empty() || request.request_id.len() > 128 {
            return Err(status::invalid(
                "request_id",
                "must be 1 to 128 bytes, the same when the call is sent again",
            ));
        }
        if request.max_units == 0 || request.max_units > may_hold(request.slots) {
            return Err(status::invalid("max_units", "must be 1 to 2 x (slots + 1)"));
        }
        // Less the way back.
        let patience = deadline::left().map_or(Duration::MAX, |left| left.mul_f64(0.9));
        let wait = duration(request.wait).min(LONGEST_WAIT).min(patience);
        let leases = self.wait_for_units(&request, wait).await?;
        let leases = leases.into_iter().map(|leased| self.lease_view(leased, request.accept_zstd));
        let leases = leases.collect::<Result<_, _>>()?;
        Ok(Response::new(v1::LeaseUnitsResponse { leases, drain: self.stopping.is_cancelled() }))
    }

    async fn heartbeat(
        &self,
        request: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatResponse>, Status> {
        worker_id(&request, &request.get_ref().worker_id)?;
        let request = request.into_inner();
        self.pulse.saw(&request.worker_id);
        let beats = request.beats.into_iter().map(read_beat).collect::<Result<Vec<_>, _>>()?;
        let ids: Vec<_> = beats.iter().map(|beat| beat.lease.unit_id).collect();
        let ttl = self.config.lease_ttl();
        let outcomes = self.store.beat(beats, ttl, self.clock.now()).await.map_err(status::from_store)?;
        let outcomes = ids.into_iter().zip(outcomes).map(|(id, outcome)| v1::BeatOutcome {
            unit_id: id.unsigned_abs(),
            refusal: outcome.err().map(status::refusal),
        });
        Ok(Response::new(v1::HeartbeatResponse {
            outcomes: outcomes.collect(),
            ttl: Some(proto_duration(ttl)),
            drain: self.stopping.is_cancelled(),
        }))
    }

    async fn commit_units(
        &self,
        request: Request<v1::CommitUnitsRequest>,
    ) -> Result<Response<v1::CommitUnitsResponse>, Status> {
        let worker_id = worker_id(&request, &request.get_ref().worker_id)?;
        let request = request.into_inner();
        check_count("commits", request.commits.len())?;
        let commits =
            compute(move || request.commits.into_iter().map(read_commit).collect::<Result<Vec<_>, _>>())
                .await??;
        let ids: Vec<_> = commits.iter().map(|commit| commit.lease.unit_id).collect();
        let verdicts: Vec<_> = commits.iter().map(|commit| commit.content.verdicts()).collect();
        let outcomes = self.store.commit(worker_id, commits, self.clock.now()).await;
        let outcomes = outcomes.map_err(status::from_store)?;
        outcomes.iter().zip(verdicts).for_each(|(outcome, verdicts)| meters::committed(outcome, verdicts));
        if outcomes.iter().any(Outcome::gives_back) {
            self.ready.ring();
        }
        let outcomes = ids.into_iter().zip(outcomes).map(|(id, outcome)| commit_view(id, outcome)).collect();
        Ok(Response::new(v1::CommitUnitsResponse { outcomes }))
    }

    async fn release_units(
        &self,
        request: Request<v1::ReleaseUnitsRequest>,
    ) -> Result<Response<v1::ReleaseUnitsResponse>, Status> {
        worker_id(&request, &request.get_ref().worker_id)?;
        let request = request.into_inner();
        let leases =
            request.leases.into_iter().map(|lease| Ok((read_lease(Some(lease))?, HandBack::Release)));
        let outcomes = self.hand_back(leases.collect::<Result<_, Status>>()?).await?;
        Ok(Response::new(v1::ReleaseUnitsResponse { outcomes }))
    }

    async fn fail_units(
        &self,
        request: Request<v1::FailUnitsRequest>,
    ) -> Result<Response<v1::FailUnitsResponse>, Status> {
        let worker_id = worker_id(&request, &request.get_ref().worker_id)?;
        let request = request.into_inner();
        let mut failures = Vec::with_capacity(request.failures.len());
        for failure in request.failures {
            let lease = read_lease(failure.lease)?;
            check_category(&failure.category)?;
            tracing::warn!(
                unit_id = lease.unit_id, epoch = lease.epoch, %worker_id,
                category = %failure.category, retryable = failure.retryable, "a worker failed a unit"
            );
            failures.push((lease, HandBack::Fail { retryable: failure.retryable }));
        }
        let outcomes = self.hand_back(failures).await?;
        Ok(Response::new(v1::FailUnitsResponse { outcomes }))
    }
}

impl App {
    /// Listens, looks, waits, and looks again: the bell saves time, the poll stays the truth.
    async fn wait_for_units(
        &self,
        request: &v1::LeaseUnitsRequest,
        wait: Duration,
    ) -> Result<Vec<Leased<UnitToDo>>, Status> {
        let give_up = tokio::time::sleep(wait);
        tokio::pin!(give_up);
        let packs = request.capabilities.iter().map(|pack| format!("{}@{}", pack.name, pack.version));
        let packs: Vec<String> = packs.collect();
        let mut listener = self.ready.listen();
        let mut first = true;
        loop {
            // Asking is cheaper than taking, and a call that waits asks often.
            if first
                || self.store.has_ready(packs.clone(), self.clock.now()).await.map_err(status::from_store)?
            {
                let leases = self.lease_now(request, &packs).await?;
                if !leases.is_empty() {
                    return Ok(leases);
                }
            }
            first = false;
            let poll = self.config.poll().mul_f64(0.75 + ids::share() / 2.0);
            tokio::select! {
                () = &mut give_up => return Ok(Vec::new()),
                () = self.stopping.cancelled() => return Ok(Vec::new()),
                () = listener.heard() => {}
                () = tokio::time::sleep(poll) => {}
            }
        }
    }

    async fn lease_now(
        &self,
        request: &v1::LeaseUnitsRequest,
        packs: &[String],
    ) -> Result<Vec<Leased<UnitToDo>>, Status> {
        if self.stopping.is_cancelled() {
            return Ok(Vec::new());
        }
        let count = (request.max_units as usize).min(MOST_UNITS);
        let costs = read_costs(request)?;
        let ask = LeaseAsk {
            worker: request.worker_id.clone(),
            request: request.request_id.clone(),
            packs: packs.to_vec(),
            may_hold: may_hold(request.slots),
            tokens: std::iter::repeat_with(ids::token).take(count).collect(),
            max_bytes: MOST_BYTES,
            costs,
        };
        let leases = self.store.lease(ask, self.config.lease_ttl(), self.clock.now()).await;
        let leases = leases.map_err(status::from_store)?;
        meters::leased(leases.len());
        Ok(leases)
    }

    fn lease_view(&self, leased: Leased<UnitToDo>, zstd: bool) -> Result<v1::Lease, Status> {
        let Leased { what: unit, lease, .. } = leased;
        let records = if zstd { Ok(unit.records) } else { unit.records.into_plain() };
        Ok(v1::Lease {
            unit_id: lease.unit_id.unsigned_abs(),
            epoch: lease.epoch.unsigned_abs(),
            token: lease.token.secret().to_vec(),
            ttl: Some(proto_duration(self.config.lease_ttl())),
            first_seq: unit.first_seq.unsigned_abs(),
            last_seq: unit.last_seq.unsigned_abs(),
            records: Some(records.map_err(|error| status::from_block("records", &error))?),
            job_id: unit.job_id.unsigned_abs(),
            pack: Some(v1::PackRef { name: unit.pack, version: unit.pack_version }),
            as_of: unit.as_of,
            paused_rules: unit.paused_rules,
            validators: unit.validators.iter().map(|link| super::views::pack_ref(link)).collect(),
            rules_off: unit.rules_off,
            group_by: unit.group_by.into_iter().map(|field| field.field).collect(),
            traceparent: unit.traceparent,
        })
    }

    async fn hand_back(&self, leases: Vec<(LeaseRef, HandBack)>) -> Result<Vec<v1::UnitOutcome>, Status> {
        let ids: Vec<_> = leases.iter().map(|(lease, _)| lease.unit_id).collect();
        let how: Vec<_> = leases.iter().map(|(_, how)| *how).collect();
        check_count("leases", ids.len())?;
        let outcomes = self.store.hand_back(leases).await.map_err(status::from_store)?;
        self.ready.ring();
        how.into_iter().zip(&outcomes).for_each(|(how, outcome)| meters::handed_back(how, outcome));
        let outcomes = ids.into_iter().zip(outcomes).map(|(id, outcome)| v1::UnitOutcome {
            unit_id: id.unsigned_abs(),
            refusal: outcome.err().map(status::refusal),
        });
        Ok(outcomes.collect())
    }
}

/// What a worker works on, one unit that waits, and as many again on their way.
/// What a record costs each capability of which that is known.
fn read_costs(request: &v1::LeaseUnitsRequest) -> Result<HashMap<String, Duration>, Status> {
    let costs = &request.seconds_per_record;
    let known = costs.iter().all(|cost| (0.0..=MOST_COST).contains(cost));
    if !known || !costs.is_empty() && costs.len() != request.capabilities.len() {
        return Err(status::invalid("seconds_per_record", "must be 0 to 3,600 for each capability, or none"));
    }
    let costly = request.capabilities.iter().zip(costs).filter(|(_, cost)| **cost > 0.0);
    Ok(costly
        .map(|(pack, cost)| (format!("{}@{}", pack.name, pack.version), Duration::from_secs_f64(*cost)))
        .collect())
}

fn may_hold(slots: u32) -> u32 {
    slots.saturating_add(1).saturating_mul(2)
}

/// The worker's id as it is stored: with its caller's name before it, so that nobody passes for another one's.
fn worker_id<T>(request: &Request<T>, given: &str) -> Result<String, Status> {
    if !(1..=128).contains(&given.len()) {
        return Err(status::invalid("worker_id", "must be 1 to 128 bytes, new at every start of a worker"));
    }
    let caller = request.extensions().get::<Caller>();
    Ok(caller.map_or_else(|| given.to_owned(), |caller| caller.worker_id(given)))
}

fn check_count(field: &str, count: usize) -> Result<(), Status> {
    if count <= MOST_UNITS {
        return Ok(());
    }
    Err(status::invalid(field, &format!("must be at most {MOST_UNITS}")))
}

/// A category goes to the log, so it must be a code and nothing else.
fn check_category(category: &str) -> Result<(), Status> {
    let code = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'.';
    if (1..=64).contains(&category.len()) && category.bytes().all(code) {
        return Ok(());
    }
    Err(status::invalid("category", "must be 1 to 64 of the characters a-z 0-9 _ ."))
}

fn read_lease(lease: Option<v1::LeaseRef>) -> Result<LeaseRef, Status> {
    let lease = lease.ok_or_else(|| status::invalid("lease", "is missing"))?;
    let number = |field, value| i64::try_from(value).map_err(|_| status::invalid(field, "is out of range"));
    Ok(LeaseRef {
        unit_id: number("lease.unit_id", lease.unit_id)?,
        epoch: number("lease.epoch", lease.epoch)?,
        token: Token::new(lease.token),
    })
}

fn read_beat(beat: v1::Beat) -> Result<Beat, Status> {
    let progress = match beat.state() {
        beat::State::Running => Some(i64::from(beat.progress)),
        beat::State::Queued => None,
        beat::State::Unspecified => return Err(status::invalid("beats.state", "must be QUEUED or RUNNING")),
    };
    Ok(Beat { lease: read_lease(beat.lease)?, progress })
}

fn read_commit(commit: v1::UnitCommit) -> Result<Commit, Status> {
    let results = commit.results.ok_or_else(|| status::invalid("commits.results", "is missing"))?;
    Ok(Commit {
        lease: read_lease(commit.lease)?,
        content: Results::read(results),
        commit_id: ids::commit_id(),
    })
}

fn commit_view(unit_id: i64, outcome: Outcome) -> v1::CommitOutcome {
    let (outcome, replayed, late) = match outcome {
        Outcome::Accepted { receipt, replayed, late } => {
            (commit_outcome::Outcome::Receipt(super::views::receipt(receipt)), replayed, late)
        }
        Outcome::Refused(refusal) => {
            (commit_outcome::Outcome::Refusal(status::refusal(refusal)), false, false)
        }
    };
    v1::CommitOutcome { unit_id: unit_id.unsigned_abs(), outcome: Some(outcome), replayed, late }
}

pub(super) fn duration(value: Option<prost_types::Duration>) -> Duration {
    value.and_then(|value| Duration::try_from(value).ok()).unwrap_or_default()
}

pub(super) fn proto_duration(value: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(value).unwrap_or_default()
}
