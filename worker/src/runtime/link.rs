//! The calls to the scheduler, each with its limits of time.

use std::time::Duration;

use emend_proto::MAX_MESSAGE_BYTES;
use emend_proto::v1::work_service_client::WorkServiceClient;
use emend_proto::v1::{
    CommitOutcome, CommitUnitsRequest, FailUnitsRequest, HeartbeatRequest, HeartbeatResponse, LeaseRef,
    LeaseUnitsRequest, LeaseUnitsResponse, Refusal, ReleaseUnitsRequest, UnitCommit, UnitFailure,
};
use tokio::time::Instant;
use tonic::{Code, Status};

use super::vitals::Vitals;
use crate::endpoints::{Endpoints, Line, RetryPolicy};

/// What a commit may take before its outcome counts as unknown: a store may be slow without being gone.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long finished results are offered again. They cost little to keep and much to make, and a late commit of the
/// newest lease is accepted.
const COMMIT_PATIENCE: Duration = Duration::from_secs(600);

/// Time that a call gets above the one it asks the scheduler to wait.
const MARGIN: Duration = Duration::from_secs(5);

/// Handing back is a courtesy: without it the leases run out by themselves.
const COURTESY: RetryPolicy = RetryPolicy {
    call_timeout: Duration::from_secs(2),
    max_elapsed: Duration::from_secs(3),
    min_delay: Duration::from_millis(50),
    max_delay: Duration::from_millis(500),
};

/// The scheduler as this worker sees it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) endpoints: Endpoints,
    pub(crate) worker_id: String,
    /// Told of every answer.
    pub(crate) vitals: Vitals,
}

impl Link {
    /// Asks for units, waiting as long as the request says. Also answers when the request was sent that got them.
    pub(crate) async fn lease(
        &self,
        request: &LeaseUnitsRequest,
        wait: Duration,
        patience: Duration,
    ) -> Result<(Instant, LeaseUnitsResponse), Status> {
        let timeout = wait + MARGIN.min(patience);
        let policy = RetryPolicy::within(timeout, wait + patience);
        let attempt = |channel| {
            let (mut client, request) = (client(channel), request.clone());
            let sent = Instant::now();
            async move { Ok((sent, client.lease_units(request).await?.into_inner())) }
        };
        self.heard(self.endpoints.call(&policy, attempt).await)
    }

    /// Sends beats, and again within `patience`. Also answers when the request was sent that was answered.
    pub(crate) async fn beat(
        &self,
        request: &HeartbeatRequest,
        patience: Duration,
    ) -> Result<(Instant, HeartbeatResponse), Status> {
        let policy = RetryPolicy {
            call_timeout: patience / 2,
            max_elapsed: patience,
            min_delay: patience / 20,
            max_delay: patience / 4,
        };
        let attempt = |channel| {
            let (mut client, request) = (client(channel), request.clone());
            let sent = Instant::now();
            async move { Ok((sent, client.heartbeat(request).await?.into_inner())) }
        };
        self.heard(self.endpoints.call(&policy, attempt).await)
    }

    /// Commits; after an unknown outcome the very same again.
    pub(crate) async fn commit(&self, commits: Vec<UnitCommit>) -> Result<Vec<CommitOutcome>, Status> {
        let policy = RetryPolicy::within(COMMIT_TIMEOUT, COMMIT_PATIENCE);
        let request = CommitUnitsRequest { worker_id: self.worker_id.clone(), commits };
        let attempt = |channel| {
            let (mut client, request) = (client(channel), request.clone());
            async move { Ok(client.commit_units(request).await?.into_inner().outcomes) }
        };
        self.heard(self.endpoints.call(&policy, attempt).await)
    }

    fn heard<T>(&self, answer: Result<T, Status>) -> Result<T, Status> {
        if answer.is_ok() {
            self.vitals.heard();
        }
        answer
    }

    /// Hands units back.
    pub(crate) async fn release(&self, leases: Vec<LeaseRef>) -> Result<(), Status> {
        let request = ReleaseUnitsRequest { worker_id: self.worker_id.clone(), leases };
        let attempt = |channel| {
            let (mut client, request) = (client(channel), request.clone());
            async move { client.release_units(request).await.map(|_| ()) }
        };
        self.endpoints.call(&COURTESY, attempt).await
    }

    /// Reports units that cannot be worked on.
    pub(crate) async fn fail(&self, failures: Vec<UnitFailure>) -> Result<(), Status> {
        let request = FailUnitsRequest { worker_id: self.worker_id.clone(), failures };
        let policy = RetryPolicy::default();
        let attempt = |channel| {
            let (mut client, request) = (client(channel), request.clone());
            async move { client.fail_units(request).await.map(|_| ()) }
        };
        self.endpoints.call(&policy, attempt).await
    }
}

/// Whether a call was refused in a way that no waiting mends: the scheduler does not know it or does not want us.
pub(crate) fn is_final(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument
            | Code::Unimplemented
            | Code::Unauthenticated
            | Code::PermissionDenied
            | Code::NotFound
            | Code::FailedPrecondition
    )
}

/// Whether a refusal says that somebody else has the unit, or that nobody wants it any more: no fault of anybody's.
pub(crate) fn is_loss(refusal: &Refusal) -> bool {
    matches!(refusal.reason.as_str(), "LEASE_LOST" | "SUPERSEDED" | "JOB_CANCELLED" | "RULESET_CHANGED")
}

fn client(line: Line) -> WorkServiceClient<Line> {
    WorkServiceClient::new(line)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}
