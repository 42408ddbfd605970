//! The client side of a set of schedulers: which one to talk to, and when to try again.
//!
//! Any scheduler can answer any call, so a client stays with one until it fails, then goes to the next. Every RPC
//! of Emend may be sent again after an unknown outcome; [`Endpoints::call`] does so.

mod budget;
mod fault;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::time::Instant;
use tonic::Status;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

use budget::Budget;
use fault::Fault;

/// Flow-control window of one stream. A block fits in without waiting for updates.
const STREAM_WINDOW: u32 = 4 * 1024 * 1024;

/// Flow-control window of a connection; its streams share it. HTTP/2's default of 64 KiB would make them queue.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a connection is probed, and how long it may stay silent: a peer that vanished without a word is
/// noticed within fifteen seconds.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a set of endpoints cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// There is no URL at all.
    #[error("no scheduler is given; name at least one, such as http://127.0.0.1:7070")]
    Missing,
    /// A URL cannot be used.
    #[error(
        "{url:?} is not a scheduler's URL ({problem}); write it like http://127.0.0.1:7070 or https://emend.example:7070"
    )]
    Invalid {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// How long, and how patiently, a call is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The time one try may take before its outcome counts as unknown. Default: 30 s.
    pub call_timeout: Duration,
    /// The time all tries together may take, waits included. Default: 60 s.
    pub max_elapsed: Duration,
    /// The wait after the first round of all endpoints; it doubles from round to round, with jitter. Default: 100 ms.
    pub min_delay: Duration,
    /// The longest wait between two rounds. Default: 5 s.
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            call_timeout: Duration::from_secs(30),
            max_elapsed: Duration::from_secs(60),
            min_delay: Duration::from_millis(100),
            max_delay: Duration::from_secs(5),
        }
    }
}

impl RetryPolicy {
    /// The default with other limits: `call_timeout` for one try, `max_elapsed` for all together.
    pub fn within(call_timeout: Duration, max_elapsed: Duration) -> Self {
        Self { call_timeout, max_elapsed, ..Self::default() }
    }

    fn delays(&self) -> impl Iterator<Item = Duration> {
        ExponentialBuilder::new()
            .with_min_delay(self.min_delay)
            .with_max_delay(self.max_delay)
            .with_factor(2.0)
            .with_jitter()
            .without_max_times()
            .build()
    }
}

/// A set of schedulers, one of which is current. Cheap to clone; clones share the current one.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use emend_proto::v1::{GetJobRequest, job_service_client::JobServiceClient};
/// use emend_worker::endpoints::{Endpoints, RetryPolicy};
///
/// let endpoints = Endpoints::new(&["http://10.0.0.1:7070".into(), "http://10.0.0.2:7070".into()])?;
/// let request = GetJobRequest { job: "vaccination-2021".into(), ..Default::default() };
/// let answer = endpoints
///     .call(&RetryPolicy::default(), |channel| {
///         let request = request.clone();
///         async move { JobServiceClient::new(channel).get_job(request).await }
///     })
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Endpoints {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    endpoints: Vec<Endpoint>,
    urls: Vec<String>,
    current: Mutex<Current>,
    budget: Mutex<Budget>,
}

/// The endpoint in use. Each turn opens a connection of its own, also with a single endpoint: behind a load
/// balancer, a new connection is what reaches another scheduler.
#[derive(Debug, Default)]
struct Current {
    turn: usize,
    channel: Option<Channel>,
}

impl Endpoints {
    /// Checks `urls`; connects to none of them yet. `https` trusts the system's certificates.
    ///
    /// # Errors
    /// [`EndpointError`] when there is no URL, or one that cannot be used.
    pub fn new(urls: &[String]) -> Result<Self, EndpointError> {
        Self::with_tls(urls, &ClientTlsConfig::new().with_native_roots())
    }

    /// As [`Endpoints::new`], with `tls` for the URLs that are `https`: another authority, a client certificate.
    ///
    /// # Errors
    /// As [`Endpoints::new`].
    pub fn with_tls(urls: &[String], tls: &ClientTlsConfig) -> Result<Self, EndpointError> {
        if urls.is_empty() {
            return Err(EndpointError::Missing);
        }
        let urls: Vec<String> = urls.iter().map(|url| url.trim().to_owned()).collect();
        let endpoints = urls.iter().map(|url| endpoint(url, tls)).collect::<Result<_, _>>()?;
        let (current, budget) = (Mutex::default(), Mutex::default());
        Ok(Self { shared: Arc::new(Shared { endpoints, urls, current, budget }) })
    }

    /// The current endpoint's channel, for streams. Must be called within a tokio runtime.
    pub fn channel(&self) -> Channel {
        self.pick().1
    }

    /// Leaves the current endpoint for the next one: it failed on a stream, or said that it is stopping. What runs
    /// on its channel goes on.
    pub fn move_on(&self) {
        let turn = self.current().turn;
        self.leave(turn);
    }

    /// Calls the current endpoint, and tries again while the outcome is unknown or nobody is there: the next
    /// endpoint at once, and with growing waits when all of them have failed. An overloaded scheduler is given the
    /// time that it asks for. Every other error is returned as it came.
    ///
    /// `attempt` makes one try. It may be cancelled, and it may run although an earlier one took effect.
    ///
    /// # Errors
    /// What `attempt` failed with; or, when time is up, a status that says who was tried and what came back
    /// (UNAVAILABLE, or RESOURCE_EXHAUSTED with its details).
    pub async fn call<T, F, A>(&self, policy: &RetryPolicy, mut attempt: F) -> Result<T, Status>
    where
        F: FnMut(Channel) -> A,
        A: Future<Output = Result<T, Status>>,
    {
        let (begin, mut delays, mut tries) = (Instant::now(), policy.delays(), 0);
        loop {
            let (turn, channel) = self.pick();
            let left = policy.max_elapsed.saturating_sub(begin.elapsed());
            let timeout = policy.call_timeout.min(left);
            let answer = tokio::time::timeout(timeout, attempt(channel)).await;
            tries += 1;
            let fault = match answer {
                Ok(Ok(value)) => {
                    self.budget().earn();
                    return Ok(value);
                }
                Ok(Err(status)) => Fault::of(status),
                Err(_) => Fault::silence(timeout),
            };
            let wait = match &fault {
                Fault::Refused(_) => return Err(fault.into_status()),
                Fault::Busy { wait, .. } => wait.or_else(|| delays.next()).unwrap_or_default(),
                Fault::Unknown(_) => {
                    self.leave(turn);
                    let round_over = tries % self.shared.urls.len() == 0;
                    if round_over { delays.next().unwrap_or_default() } else { Duration::ZERO }
                }
            };
            let wait = wait.max(self.budget().spend(Instant::now()));
            if begin.elapsed() + wait >= policy.max_elapsed {
                return Err(fault.give_up(&self.shared.urls, turn, tries, begin.elapsed()));
            }
            tracing::debug!(url = self.url(turn), ?wait, reason = fault.reason(), "trying again");
            tokio::time::sleep(wait).await;
        }
    }

    fn pick(&self) -> (usize, Channel) {
        let mut current = self.current();
        let endpoint = &self.shared.endpoints[current.turn % self.shared.endpoints.len()];
        let channel = current.channel.get_or_insert_with(|| endpoint.connect_lazy()).clone();
        (current.turn, channel)
    }

    /// Ends `turn`, unless another call that failed on it has done so already.
    fn leave(&self, turn: usize) {
        let mut current = self.current();
        if current.turn == turn {
            *current = Current { turn: turn.wrapping_add(1), channel: None };
        }
    }

    fn url(&self, turn: usize) -> &str {
        &self.shared.urls[turn % self.shared.urls.len()]
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Current> {
        self.shared.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn budget(&self) -> std::sync::MutexGuard<'_, Budget> {
        self.shared.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn endpoint(url: &str, tls: &ClientTlsConfig) -> Result<Endpoint, EndpointError> {
    let invalid = |problem: &str| EndpointError::Invalid { url: url.to_owned(), problem: problem.to_owned() };
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| invalid("it cannot be read"))?;
    let uri = endpoint.uri();
    let secure = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(invalid("it must begin with http:// or https://")),
    };
    if uri.host().is_none_or(str::is_empty) {
        return Err(invalid("it names no host"));
    }
    if uri.path() != "/" || uri.query().is_some() {
        return Err(invalid("nothing may follow host and port"));
    }
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(KEEPALIVE_INTERVAL))
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    if !secure {
        return Ok(endpoint);
    }
    endpoint.tls_config(tls.clone()).map_err(|error| invalid(&fault::root_cause(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(url: &str) -> String {
        Endpoints::new(&[url.to_owned()]).expect_err("this URL is wrong").to_string()
    }

    #[test]
    fn a_wrong_url_is_named_beside_a_right_one() {
        for url in
            ["127.0.0.1:7070", "localhost:7070", "ftp://host", "http://", "", "http://host:7070/path", "a b"]
        {
            let problem = problem(url);
            assert!(problem.contains(&format!("{url:?}")), "{problem}");
            assert!(problem.contains("http://127.0.0.1:7070"), "{problem}");
        }
        assert!(matches!(Endpoints::new(&[]), Err(EndpointError::Missing)));
    }

    #[test]
    fn right_urls_are_taken_without_a_runtime() {
        let urls = ["http://127.0.0.1:7070", "http://[::1]:7070/", " http://emend ", "https://emend.example"];
        Endpoints::new(&urls.map(str::to_owned)).unwrap();
    }
}
