//! What a request is told that was not done.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::json;

use super::routes::Kind;
use crate::service::desk::Refused;

/// Why a request was not done. Holds no value of a record.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    /// Stable, for programs.
    pub(super) reason: String,
    /// For people.
    pub(super) message: String,
    /// When it may go better.
    pub(super) retry_after: Option<Duration>,
}

impl Fault {
    pub(super) fn new(status: StatusCode, reason: &str, message: impl Into<String>) -> Self {
        Self { status, reason: reason.to_owned(), message: message.into(), retry_after: None }
    }

    pub(super) fn not_signed_in() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "NOT_SIGNED_IN", "there is no session: sign in")
    }

    pub(super) fn forbidden(reason: &str, message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, reason, message)
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", message)
    }

    pub(super) fn busy(message: &str, retry: Duration) -> Self {
        let fault = Self::new(StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", message);
        Self { retry_after: Some(retry), ..fault }
    }

    /// As whoever asked can read it.
    pub(super) fn answer(self, kind: Kind) -> Response {
        let to_login = kind == Kind::Page && self.status == StatusCode::UNAUTHORIZED;
        let mut response = match kind {
            _ if to_login => return Redirect::to("/desk/login").into_response(),
            Kind::Page | Kind::Asset => (self.status, format!("{}\n", self.message)).into_response(),
            Kind::Api => (self.status, axum::Json(self.json())).into_response(),
        };
        if let Some(seconds) = self.retry_seconds() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn json(&self) -> serde_json::Value {
        let mut answer = json!({ "reason": self.reason, "message": self.message });
        if let Some(seconds) = self.retry_seconds() {
            answer["retry_after"] = seconds.into();
        }
        answer
    }

    /// In whole seconds, as HTTP counts them, and not too early.
    pub(super) fn retry_seconds(&self) -> Option<u64> {
        self.retry_after.map(|retry| retry.as_secs() + u64::from(retry.subsec_nanos() > 0))
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        let Refused { status, reason, message, retry_after } = refused;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, reason, message, retry_after }
    }
}

/// There is nothing at that path.
pub(super) async fn not_found() -> Response {
    Fault::new(StatusCode::NOT_FOUND, "NOT_FOUND", "there is no such page").answer(Kind::Page)
}
