//! The client side of a set of schedulers: which one to talk to, and when to try again.
//!
//! Any scheduler can answer any call. A client begins with one by chance, so that many clients spread, and stays with
//! it until it fails, has too much to do, or a few minutes are over; then it goes to the next. Every RPC of Emend may
//! be sent again after an unknown outcome; [`Endpoints::call`] does so.

mod budget;
mod credentials;
mod fault;
mod made;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::time::Instant;
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::chance;
use crate::runtime::meters;

use budget::Budget;
pub use credentials::{Bearer, Credentials, TlsFiles};
use fault::Fault;
pub use made::EndpointError;
use made::Made;

/// What calls go over: a connection, with the caller's bearer token on each call, and how long it is waited for.
pub type Line = InterceptedService<Channel, Bearer>;

/// How often the files of certificates and tokens are looked at, at most.
const LOOK: Duration = Duration::from_secs(2);

/// How long a client stays with one of several schedulers, and by how much longer at most.
const STAY: Duration = Duration::from_secs(240);
const STAY_SPREAD: Duration = Duration::from_secs(120);

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
    urls: Vec<String>,
    credentials: Credentials,
    current: Mutex<Current>,
    budget: Mutex<Budget>,
}

/// The endpoint in use. Each turn opens a connection of its own, also with a single endpoint: behind a load
/// balancer, a new connection is what reaches another scheduler.
#[derive(Debug)]
struct Current {
    turn: usize,
    /// When the next one's turn comes, if nothing comes before.
    until: Instant,
    channel: Option<Channel>,
    made: Made,
    /// When the files were looked at last.
    looked: Instant,
}

impl Current {
    /// The next endpoint's turn. Calls under way end on the connection that they began on.
    fn pass_on(&mut self) {
        (self.turn, self.until, self.channel) = (self.turn.wrapping_add(1), stay(), None);
    }
}

/// When a turn that begins now is over.
fn stay() -> Instant {
    Instant::now() + STAY + chance::up_to(STAY_SPREAD)
}

impl Endpoints {
    /// Checks `urls`; connects to none of them yet. `https` trusts the system's certificates.
    ///
    /// # Errors
    /// [`EndpointError`] when there is no URL, or one that cannot be used.
    pub fn new(urls: &[String]) -> Result<Self, EndpointError> {
        Self::with(urls, Credentials::default())
    }

    /// As [`Endpoints::new`], with certificates and a token from files. When these change, the calls that begin
    /// after that use what they hold then.
    ///
    /// # Errors
    /// As [`Endpoints::new`]; also when a file cannot be used, and when a token would be sent in the clear.
    pub fn with(urls: &[String], credentials: Credentials) -> Result<Self, EndpointError> {
        if urls.is_empty() {
            return Err(EndpointError::Missing);
        }
        let urls: Vec<String> = urls.iter().map(|url| url.trim().to_owned()).collect();
        let made = Made::new(&urls, &credentials)?;
        let turn = chance::below(urls.len());
        let current =
            Mutex::new(Current { turn, until: stay(), channel: None, made, looked: Instant::now() });
        Ok(Self { shared: Arc::new(Shared { urls, credentials, current, budget: Mutex::default() }) })
    }

    /// The current endpoint's channel, for streams. Must be called within a tokio runtime.
    pub fn channel(&self) -> Line {
        let (_, channel, bearer) = self.pick();
        InterceptedService::new(channel, bearer)
    }

    /// Leaves the current endpoint for the next one: it failed on a stream, or said that it is stopping. What runs
    /// on its channel goes on.
    pub fn move_on(&self) {
        let turn = self.current().turn;
        self.leave(turn);
    }

    /// Calls the current endpoint, and tries again while the outcome is unknown, nobody is there, or there is too much
    /// to do: the next endpoint at once, and when all of them have failed after a wait, which grows unless they ask for
    /// another. A scheduler whose store is full is asked again after the time that it asks for: the others have the same
    /// store. Every other error is returned as it came.
    ///
    /// `attempt` makes one try. It may be cancelled, and it may run although an earlier one took effect. Its calls tell
    /// the scheduler how long they are waited for, which is the policy's `call_timeout`.
    ///
    /// # Errors
    /// What `attempt` failed with; or, when time is up, a status that says who was tried and what came back
    /// (UNAVAILABLE, or RESOURCE_EXHAUSTED with its details).
    pub async fn call<T, F, A>(&self, policy: &RetryPolicy, mut attempt: F) -> Result<T, Status>
    where
        F: FnMut(Line) -> A,
        A: Future<Output = Result<T, Status>>,
    {
        let (begin, mut delays, mut tries) = (Instant::now(), policy.delays(), 0);
        loop {
            let (turn, channel, bearer) = self.pick();
            let left = policy.max_elapsed.saturating_sub(begin.elapsed());
            let timeout = policy.call_timeout.min(left);
            let line = InterceptedService::new(channel, bearer.within(timeout));
            let answer = tokio::time::timeout(timeout, attempt(line)).await;
            tries += 1;
            let fault = match answer {
                Ok(Ok(value)) => {
                    self.budget().earn();
                    return Ok(value);
                }
                Ok(Err(status)) => Fault::of(status),
                Err(_) => Fault::silence(timeout),
            };
            let round_over = tries % self.shared.urls.len() == 0;
            let wait = match &fault {
                Fault::Refused(_) => return Err(fault.into_status()),
                Fault::Full { wait, .. } => wait.or_else(|| delays.next()),
                Fault::Busy { wait, .. } => {
                    // Another one may have less to do. A new connection to the same one would only be more work for it.
                    if self.shared.urls.len() > 1 {
                        self.leave(turn);
                    }
                    if round_over { wait.or_else(|| delays.next()) } else { None }
                }
                Fault::Unknown(_) => {
                    self.leave(turn);
                    if round_over { delays.next() } else { None }
                }
            };
            let wait = wait.unwrap_or_default().max(self.budget().spend(Instant::now()));
            if begin.elapsed() + wait >= policy.max_elapsed {
                return Err(fault.give_up(&self.shared.urls, turn, tries, begin.elapsed()));
            }
            tracing::debug!(url = self.url(turn), ?wait, reason = fault.reason(), "trying again");
            meters::retried();
            tokio::time::sleep(wait).await;
        }
    }

    fn pick(&self) -> (usize, Channel, Bearer) {
        let mut current = self.current();
        self.look(&mut current);
        if self.shared.urls.len() > 1 && current.until <= Instant::now() {
            current.pass_on();
        }
        let Current { turn, channel, made, .. } = &mut *current;
        let endpoint = &made.endpoints[*turn % made.endpoints.len()];
        let channel = channel.get_or_insert_with(|| endpoint.connect_lazy()).clone();
        (*turn, channel, made.bearer.clone())
    }

    /// Takes what the files hold, if they have changed. Calls under way end on the connection that they began on.
    fn look(&self, current: &mut Current) {
        if current.looked.elapsed() < LOOK || self.shared.credentials == Credentials::default() {
            return;
        }
        current.looked = Instant::now();
        let Ok(read) = self.shared.credentials.bytes() else { return };
        if read == current.made.read {
            return;
        }
        match Made::new(&self.shared.urls, &self.shared.credentials) {
            Ok(made) => {
                tracing::info!("certificates or token have changed and are in use");
                (current.made, current.channel) = (made, None);
            }
            Err(error) => {
                tracing::error!(%error, "certificates or token have changed and cannot be used; the old ones stay");
                // Said once for what stands there.
                current.made.read = read;
            }
        }
    }

    /// Ends `turn`, unless another call that failed on it has done so already.
    fn leave(&self, turn: usize) {
        let mut current = self.current();
        if current.turn == turn {
            current.pass_on();
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
    fn a_token_is_not_sent_in_the_clear() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "emend_1").unwrap();
        let with = |url: &str| {
            let token_file = Some(file.path().to_owned());
            let credentials = Credentials { token_file, ..Credentials::default() };
            Endpoints::with(&["https://emend.example".to_owned(), url.to_owned()], credentials)
        };
        for url in ["http://emend.example:7070", "http://10.0.0.1", "http://[fe80::1]:7070"] {
            let said = with(url).unwrap_err().to_string();
            assert!(said.contains(url) && said.contains("https://"), "{said}");
        }
        for url in ["http://127.0.0.1:7070", "http://[::1]:7070", "http://localhost:1", "https://10.0.0.1"] {
            assert!(with(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn right_urls_are_taken_without_a_runtime() {
        let urls = ["http://127.0.0.1:7070", "http://[::1]:7070/", " http://emend ", "https://emend.example"];
        Endpoints::new(&urls.map(str::to_owned)).unwrap();
    }
}
