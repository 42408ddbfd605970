//! Calls that come from the desk instead of the wire: the same methods, for a caller that a session speaks for, and what
//! they answer in the words of HTTP.

use std::time::Duration;

use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;

use crate::domain::caller::Caller;

/// Why a call was refused.
#[derive(Debug)]
pub(crate) struct Refused {
    /// As HTTP numbers it.
    pub(crate) status: u16,
    /// Stable, for programs.
    pub(crate) reason: String,
    /// For people; holds no value of a record.
    pub(crate) message: String,
    /// When it may go better.
    pub(crate) retry_after: Option<Duration>,
}

/// Makes a call as `caller`, who may make it.
pub(crate) async fn call<Q, A, F>(
    caller: Caller,
    message: Q,
    rpc: impl FnOnce(Request<Q>) -> F,
) -> Result<A, Refused>
where
    F: Future<Output = Result<Response<A>, Status>>,
{
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller);
    rpc(request).await.map(Response::into_inner).map_err(|status| refused(&status))
}

/// What the store's error is to a browser.
pub(crate) fn from_store(error: crate::store::StoreError) -> Refused {
    refused(&super::status::from_store(error))
}

fn refused(status: &Status) -> Refused {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone());
    let retry = details.retry_info().and_then(|info| info.retry_delay);
    let code = http(status.code());
    Refused {
        status: code,
        reason: reason.unwrap_or_else(|| "INTERNAL".into()),
        message: if code == 500 { "something went wrong here".into() } else { status.message().to_owned() },
        retry_after: retry.or_else(|| (code == 503).then_some(Duration::from_secs(2))),
    }
}

fn http(code: Code) -> u16 {
    match code {
        Code::Ok => 200,
        Code::InvalidArgument | Code::OutOfRange => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => 503,
        Code::Unknown | Code::Unimplemented | Code::Internal | Code::DataLoss => 500,
    }
}
