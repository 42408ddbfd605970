//! Talks to schedulers: tries again, moves on, and says what went wrong in words.

mod failure;
mod patience;

use std::future::Future;
use std::time::Duration;

use anyhow::Result;
use emend_proto::MAX_MESSAGE_BYTES;
use emend_proto::v1::job_service_client::JobServiceClient;
use emend_proto::v1::review_service_client::ReviewServiceClient;
use emend_worker::endpoints::{Credentials, EndpointError, Endpoints, Line, RetryPolicy};
use tonic::{Response, Status};

pub use failure::{explain, is_reason};
pub use patience::{Broken, Patience};

use crate::exit::Usage;

/// The generated client, over one connection.
pub type Jobs = JobServiceClient<Line>;

/// The same for reviews.
pub type Reviews = ReviewServiceClient<Line>;

/// How long one try may take before its outcome counts as unknown.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A client of one or several schedulers.
#[derive(Debug, Clone)]
pub struct Client {
    urls: Vec<String>,
    credentials: Credentials,
    endpoints: Endpoints,
    policy: RetryPolicy,
}

impl Client {
    /// For a person who waits for an answer: gives up after some seconds.
    ///
    /// # Errors
    /// [`Usage`], when a URL or a file of `credentials` cannot be used.
    pub fn new(urls: &[String], credentials: Credentials) -> Result<Self> {
        let endpoints = Endpoints::with(urls, credentials.clone()).map_err(|error| match error {
            EndpointError::Missing | EndpointError::Invalid { .. } => {
                Usage::new(format!("--scheduler: {error}"))
            }
            EndpointError::Credentials(_) | EndpointError::TokenInTheClear { .. } => {
                Usage::new(error.to_string())
            }
        })?;
        let policy = RetryPolicy::within(CALL_TIMEOUT, Duration::from_secs(10));
        Ok(Self { urls: urls.to_vec(), credentials, endpoints, policy })
    }

    /// Another client of the same schedulers, over a connection of its own; clones share theirs.
    ///
    /// # Errors
    /// When a file of the credentials cannot be used any more.
    pub fn another(&self) -> Result<Self> {
        Ok(Self { policy: self.policy, ..Self::new(&self.urls, self.credentials.clone())? })
    }

    /// For work that takes long anyway: outlasts the restart of a scheduler.
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.policy = RetryPolicy::within(CALL_TIMEOUT, patience::LONG);
        self
    }

    /// Calls once, and again while the outcome is unknown.
    ///
    /// # Errors
    /// The last status.
    pub async fn call<Q, A, T>(&self, request: Q, rpc: impl Fn(Jobs, Q) -> A) -> Result<T, Status>
    where
        Q: Clone,
        A: Future<Output = Result<Response<T>, Status>>,
    {
        let answer = self.endpoints.call(&self.policy, |line| rpc(jobs(line), request.clone()));
        answer.await.map(Response::into_inner)
    }

    /// As [`Client::call`], of any service.
    ///
    /// # Errors
    /// The last status.
    pub async fn call_over<Q, A, T>(&self, request: Q, rpc: impl Fn(Line, Q) -> A) -> Result<T, Status>
    where
        Q: Clone,
        A: Future<Output = Result<Response<T>, Status>>,
    {
        let answer = self.endpoints.call(&self.policy, |line| rpc(line, request.clone()));
        answer.await.map(Response::into_inner)
    }

    /// As [`Client::call`], about reviews.
    ///
    /// # Errors
    /// The last status.
    pub async fn call_reviews<Q, A, T>(&self, request: Q, rpc: impl Fn(Reviews, Q) -> A) -> Result<T, Status>
    where
        Q: Clone,
        A: Future<Output = Result<Response<T>, Status>>,
    {
        let reviews = |line| ReviewServiceClient::new(line).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let answer = self.endpoints.call(&self.policy, |line| rpc(reviews(line), request.clone()));
        answer.await.map(Response::into_inner)
    }

    /// The current scheduler, for a stream.
    pub fn jobs(&self) -> Jobs {
        jobs(self.endpoints.channel())
    }

    /// The current scheduler broke off: the next one is asked from now on.
    pub fn move_on(&self) {
        self.endpoints.move_on();
    }
}

fn jobs(line: Line) -> Jobs {
    JobServiceClient::new(line)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

/// Makes one call of `$client`: `call!(client, get_job(request))`.
macro_rules! call {
    ($client:expr, $rpc:ident($request:expr)) => {
        $client.call($request, |mut jobs, request| async move { jobs.$rpc(request).await }).await
    };
}
pub(crate) use call;

/// Makes one call of `$client` about reviews: `review!(client, decide(request))`.
macro_rules! review {
    ($client:expr, $rpc:ident($request:expr)) => {
        $client
            .call_reviews($request, |mut reviews, request| async move { reviews.$rpc(request).await })
            .await
    };
}
pub(crate) use review;
