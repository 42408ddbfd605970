//! The gate in front of all services: who calls, and whether they may. It looks at a call's head alone, so what is
//! refused is never read.

use std::future::{Ready, ready};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use futures::future::Either;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response, header};
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::bearer::Tokens;
use super::connection::Peer;
use super::policy::{self, Rule};
use super::shed::Class;
use super::watch::{Files, Watched};
use crate::config::Config;
use crate::domain::caller::Caller;
use crate::domain::time::Timestamp;
use crate::service::status;

/// Lets calls in, by the table of [`policy`].
#[derive(Debug, Clone)]
pub(super) struct Gate(Arc<Keeper>);

#[derive(Debug)]
struct Keeper {
    /// Nobody is asked for a name: neither certificates nor tokens are set up.
    open: bool,
    path: Option<std::path::PathBuf>,
    tokens: RwLock<Tokens>,
}

impl Gate {
    /// Reads the token file, if there is one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(config: &Config) -> Result<(Self, Files), String> {
        let (path, open) = (config.tokens.clone(), !config.knows_callers());
        let gate = Self(Arc::new(Keeper { open, path, tokens: RwLock::default() }));
        let files = gate.files()?;
        gate.take(&files, Timestamp::default())?;
        Ok((gate, files))
    }

    /// Whether everybody may do everything.
    pub(super) fn is_open(&self) -> bool {
        self.0.open
    }

    /// Who calls, when they may, and how urgent it is.
    fn admit(&self, path: &str, headers: &HeaderMap, peer: Option<&Peer>) -> Result<(Caller, Class), Status> {
        let row = policy::row(path);
        if let Some((Rule::Open, class)) = row {
            return Ok((Caller::nobody(), class));
        }
        let caller = self.caller(headers, peer)?;
        match row {
            Some((rule, class)) if rule.lets(caller.roles) => Ok((caller, class)),
            Some(_) => Err(status::with_reason(
                Code::PermissionDenied,
                "ROLE_NOT_ALLOWED",
                format!("the role {} may not call {}", caller.roles, &path[1..]),
            )),
            None => Err(status::with_reason(Code::Unimplemented, "UNKNOWN_METHOD", "there is no such call")),
        }
    }

    /// A token counts before a certificate: it was put there for this call.
    fn caller(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Result<Caller, Status> {
        if self.0.open {
            return Ok(Caller::anybody());
        }
        let nobody = |reason, message: &str| status::with_reason(Code::Unauthenticated, reason, message);
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
            let tokens = self.0.tokens.read().unwrap_or_else(PoisonError::into_inner);
            let caller = token.and_then(|token| tokens.caller(token)).cloned();
            return caller.ok_or_else(|| {
                nobody("UNKNOWN_TOKEN", "the bearer token is not one of scheduler.tokens; was it revoked?")
            });
        }
        match peer.and_then(|peer| peer.certificate.as_deref()) {
            Some(Ok(caller)) => Ok(caller.clone()),
            Some(Err(why)) => Err(nobody("NO_ROLE", &format!("the client certificate names no role: {why}"))),
            None => Err(nobody(
                "NO_CREDENTIALS",
                "this scheduler asks who calls: give a client certificate or a bearer token",
            )),
        }
    }
}

impl Watched for Gate {
    fn what(&self) -> &'static str {
        "tokens"
    }

    fn files(&self) -> Result<Files, String> {
        Files::read([("scheduler.tokens", self.0.path.as_deref())])
    }

    fn take(&self, files: &Files, _now: Timestamp) -> Result<(), String> {
        let [Some(file)] = files.contents() else { return Ok(()) };
        let fault = |what: String| format!("scheduler.tokens {}: {what}", file.path.display());
        let text = std::str::from_utf8(&file.bytes).map_err(|_| fault("it is no text".into()))?;
        let tokens = Tokens::parse(text).map_err(fault)?;
        tracing::info!(tokens = tokens.len(), "bearer tokens read");
        *self.0.tokens.write().unwrap_or_else(PoisonError::into_inner) = tokens;
        Ok(())
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { gate: self.clone(), inner }
    }
}

/// A service behind the gate. Calls carry as extensions who made them and how urgent they are: the table is looked at
/// once a call.
#[derive(Debug, Clone)]
pub(super) struct Gated<S> {
    gate: Gate,
    inner: S,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let peer = request.extensions().get::<Peer>();
        match self.gate.admit(request.uri().path(), request.headers(), peer) {
            Ok((caller, class)) => {
                request.extensions_mut().insert(caller);
                request.extensions_mut().insert(class);
                Either::Left(self.inner.call(request))
            }
            Err(status) => {
                let code = status.code();
                tracing::debug!(
                    path = request.uri().path(),
                    ?code,
                    reason = status.message(),
                    "call refused"
                );
                metrics::counter!("emend_calls_refused_total", "code" => code_name(code)).increment(1);
                Either::Right(ready(Ok(status.into_http())))
            }
        }
    }
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Unauthenticated => "unauthenticated",
        Code::PermissionDenied => "permission_denied",
        _ => "unimplemented",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tonic_types::StatusExt as _;

    use super::super::bearer::NewToken;
    use super::*;
    use crate::domain::caller::Role;

    const LEASE: &str = "/emend.v1.WorkService/LeaseUnits";

    fn gate(open: bool, tokens: &str) -> Gate {
        let tokens = RwLock::new(Tokens::parse(tokens).unwrap());
        Gate(Arc::new(Keeper { open, path: None, tokens }))
    }

    fn peer(certificate: Result<Caller, &'static str>) -> Peer {
        Peer { certificate: Some(Arc::new(certificate)) }
    }

    fn with_token(token: &str) -> HeaderMap {
        [(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap())].into_iter().collect()
    }

    fn told(answer: Result<(Caller, Class), Status>) -> (Code, String) {
        let status = answer.unwrap_err();
        (status.code(), status.get_details_error_info().unwrap().reason)
    }

    #[test]
    fn who_does_not_say_who_they_are_may_ask_for_health_alone() {
        let (gate, none) = (gate(false, ""), HeaderMap::new());
        let no = (Code::Unauthenticated, "NO_CREDENTIALS".to_owned());
        for path in policy::TABLE.iter().map(|(service, method, ..)| format!("/{service}/{method}")) {
            let answer = gate.admit(&path, &none, None);
            if path.contains("Health") {
                assert!(answer.unwrap().0.roles.is_empty());
            } else {
                assert_eq!(told(answer), no, "{path}");
            }
        }
        assert_eq!(told(gate.admit("/no/such", &none, None)), no);
        assert_eq!(told(gate.admit(LEASE, &none, Some(&peer(Err("x"))))).1, "NO_ROLE");
    }

    #[test]
    fn a_role_opens_its_own_calls() {
        let (gate, none) = (gate(false, ""), HeaderMap::new());
        let (worker, operator) =
            (peer(Ok(Caller::new("w", Role::Worker))), peer(Ok(Caller::new("o", Role::Operator))));
        assert_eq!(gate.admit(LEASE, &none, Some(&worker)).unwrap().0.name.as_deref(), Some("w"));
        assert_eq!(
            told(gate.admit(LEASE, &none, Some(&operator))),
            (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned())
        );
        assert_eq!(told(gate.admit("/no/such", &none, Some(&worker))).0, Code::Unimplemented);
    }

    #[test]
    fn a_token_counts_before_a_certificate_and_a_wrong_one_is_no_way_in() {
        let new = NewToken::make(Role::Worker, "t").unwrap();
        let gate = gate(false, &new.line);
        let operator = peer(Ok(Caller::new("o", Role::Operator)));
        let caller = gate.admit(LEASE, &with_token(&new.token), Some(&operator)).unwrap();
        assert_eq!(caller, (Caller::new("t", Role::Worker), Class::Lease));
        for wrong in ["", "x", &new.line] {
            let job = "/emend.v1.JobService/GetJob";
            assert_eq!(told(gate.admit(job, &with_token(wrong), Some(&operator))).1, "UNKNOWN_TOKEN");
        }
    }

    #[test]
    fn a_scheduler_that_asks_nobody_lets_everybody_call_what_there_is() {
        let (gate, none) = (gate(true, ""), HeaderMap::new());
        assert_eq!(gate.admit(LEASE, &none, None).unwrap(), (Caller::anybody(), Class::Lease));
        assert_eq!(told(gate.admit("/no/such", &none, None)).0, Code::Unimplemented);
    }
}
