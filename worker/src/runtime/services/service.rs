//! One validator: its line, and whether it answers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use emend_proto::v1::validator_service_client::ValidatorServiceClient;
use emend_proto::v1::{DescribeRequest, ValidateRequest, ValidateResponse};
use tokio::sync::{Notify, Semaphore, watch};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Status};

use super::description::Description;
use super::pace::Pace;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long one is left alone that says that it cannot now.
const REST: Duration = Duration::from_secs(5);
/// An answer is no larger: a thousand records with what was found about them.
const MOST_ANSWER: usize = 4 * 1024 * 1024;

/// The description of one that answers.
pub(super) type Here = Arc<Description>;

/// A validator's address, and what is known of it.
#[derive(Debug)]
pub(crate) struct Service {
    url: String,
    client: ValidatorServiceClient<Channel>,
    here: Mutex<Option<Here>>,
    rests_until: Mutex<Option<Instant>>,
    calls: Semaphore,
    pace: Pace,
    /// It did not answer somebody.
    pub(super) missed: Notify,
    /// Told when it answers that it is here, or another than before.
    arrivals: watch::Sender<()>,
}

impl Service {
    /// Connects when it is first called.
    pub(super) fn new(url: &str, calls: usize, arrivals: watch::Sender<()>) -> Result<Self, String> {
        let wrong = |why: &str| format!("worker.validators: `{url}` is no address: {why}");
        let mut endpoint =
            Endpoint::from_shared(url.to_owned()).map_err(|error| wrong(&error.to_string()))?;
        if url.starts_with("https:") {
            let tls = ClientTlsConfig::new().with_native_roots();
            endpoint = endpoint.tls_config(tls).map_err(|error| wrong(&error.to_string()))?;
        } else if !url.starts_with("http:") && !url.starts_with("unix:") {
            return Err(wrong("it must begin with http:, https: or unix:"));
        }
        let line = endpoint.connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true).connect_lazy();
        let client = ValidatorServiceClient::new(line).max_decoding_message_size(MOST_ANSWER);
        Ok(Self {
            url: url.to_owned(),
            client,
            here: Mutex::default(),
            rests_until: Mutex::default(),
            calls: Semaphore::new(calls.max(1)),
            pace: Pace::default(),
            missed: Notify::new(),
            arrivals,
        })
    }

    /// What it is, if it answers.
    pub(super) fn here(&self) -> Option<Here> {
        self.here.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a record costs it: as it says, until that was seen.
    pub(super) fn cost(&self, of: &Description) -> Duration {
        self.pace.cost(of.cost)
    }

    /// Asks what it is; whether it answers, and sensibly.
    pub(super) async fn look(&self) -> bool {
        let rests_until = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        if rests_until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        let mut request = tonic::Request::new(DescribeRequest {});
        request.set_timeout(DESCRIBE_TIMEOUT);
        let mut client = self.client.clone();
        let asked = tokio::time::timeout(DESCRIBE_TIMEOUT, client.describe(request)).await;
        let said = match asked {
            Ok(Ok(said)) => Description::try_from(said.into_inner()).map_err(str::to_owned),
            Ok(Err(status)) => Err(format!("{:?}: {}", status.code(), status.message())),
            Err(_) => Err("it does not answer".to_owned()),
        };
        let now = said.as_ref().ok().cloned().map(Arc::new);
        let before = std::mem::replace(&mut *self.here.lock().unwrap_or_else(PoisonError::into_inner), now);
        match (&said, before) {
            (Ok(now), before) if before.as_deref() != Some(now) => {
                tracing::info!(url = self.url, name = now.name, version = now.version, "a validator answers");
                self.arrivals.send_replace(());
            }
            (Err(reason), Some(_)) => {
                tracing::warn!(
                    url = self.url,
                    reason,
                    "a validator is away; its units go back until it answers"
                );
            }
            (Err(reason), None) => tracing::debug!(url = self.url, reason, "a validator does not answer"),
            (Ok(_), _) => {}
        }
        said.is_ok()
    }

    /// It is there, and says that it cannot now: nobody leases for it for a while.
    pub(super) fn rest(&self) {
        let until = Instant::now() + REST;
        let before = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner).replace(until);
        if before.is_none_or(|before| before < Instant::now()) {
            tracing::warn!(
                url = self.url,
                "a validator says that it cannot check records now; it is left alone for a while"
            );
        }
        *self.here.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.missed.notify_one();
    }

    /// Somebody has found that it does not answer.
    pub(super) fn miss(&self) {
        self.missed.notify_one();
    }

    /// Checks a batch; no longer than `limit` once it is its turn.
    pub(super) async fn validate(
        &self,
        request: ValidateRequest,
        limit: Duration,
    ) -> Result<ValidateResponse, Status> {
        let _turn = self.calls.acquire().await.map_err(|_| Status::cancelled("the worker ends"))?;
        let (records, begun) = (request.records.len(), Instant::now());
        let mut request = tonic::Request::new(request);
        request.set_timeout(limit);
        let mut client = self.client.clone();
        match tokio::time::timeout(limit, client.validate(request)).await {
            Ok(Ok(answer)) => {
                self.pace.saw(records, begun.elapsed());
                Ok(answer.into_inner())
            }
            Ok(Err(status)) => Err(status),
            Err(_) => Err(Status::new(Code::DeadlineExceeded, "no answer in time")),
        }
    }
}
