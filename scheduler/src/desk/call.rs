//! A request that was let in, as its handler gets it.

use axum::body::Bytes;
use axum::http::{HeaderMap, Uri};
use serde::de::DeserializeOwned;

use super::fault::Fault;
use super::{Desk, Visitor};
use crate::domain::caller::{Caller, Role, Roles};
use crate::domain::time::Timestamp;
use crate::service::App;
use crate::store::Session;

/// A session, and what its id is stored as.
#[derive(Debug, Clone)]
pub(super) struct SignedIn {
    pub(super) session: Session,
    pub(super) id_hash: Vec<u8>,
}

/// A request that was let in.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) desk: Desk,
    pub(super) visitor: Visitor,
    /// There on every route but open ones.
    pub(super) signed_in: Option<SignedIn>,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) now: Timestamp,
}

impl Call {
    pub(super) fn app(&self) -> &App {
        &self.desk.app
    }

    /// Whose session it is.
    pub(super) fn session(&self) -> Result<&SignedIn, Fault> {
        self.signed_in.as_ref().ok_or_else(Fault::not_signed_in)
    }

    /// The account as a caller who decides. Never as an operator: that one acts for others, and here everybody acts for
    /// themselves.
    pub(super) fn reviewer(&self) -> Result<Caller, Fault> {
        let Session { account, grant, .. } = &self.session()?.session;
        let roles = Roles::of(&[Role::Reviewer, Role::Lead]);
        let roles = grant.roles.iter().filter(|role| roles.meet(Roles::of(&[*role])));
        let roles = roles.fold(Roles::default(), Roles::and);
        let skills = grant.skills.clone().into();
        Ok(Caller { name: Some(account.as_str().into()), roles, skills })
    }

    /// The body, as JSON. What is at fault in it is not repeated: it may be a value of a record.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        let body = if self.body.is_empty() { &b"{}"[..] } else { &self.body };
        serde_json::from_slice(body).map_err(|error| {
            Fault::invalid(format!(
                "the body is not what this call takes: see line {}, column {}",
                error.line(),
                error.column()
            ))
        })
    }
}
