//! What every request passes before its handler: is there room for it, whose session is it, may they, and does it come
//! from one of our pages.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::call::{Call, SignedIn};
use super::cookies::{self, Cookie};
use super::fault::Fault;
use super::routes::{Kind, Method, Route, Rule};
use super::{Desk, Visitor, origin, proxies};
use crate::deadline;
use crate::domain::time::Timestamp;
use crate::service::desk::from_store;
use crate::store::Known;

/// No request takes longer, its body included.
const LONGEST: Duration = Duration::from_secs(30);
/// A body in bytes, at most.
const MOST_BODY: usize = 64 * 1024;
/// With so many transactions waiting for the store, requests are turned away, as leases are on the wire.
const QUEUE: usize = 256;
/// A session that is used is noted so often.
const SEEN: Duration = Duration::from_secs(60);
/// Where scripts put the session's token; forms have a field.
const CSRF_HEADER: &str = "x-emend-csrf";

/// Lets a request in and answers it, or says why not.
pub(super) async fn serve(desk: &Desk, route: &'static Route, request: Request) -> Response {
    let deadline = Instant::now() + LONGEST;
    let done = deadline::until(deadline, answer(desk, route, request));
    let done = tokio::time::timeout_at(deadline.into(), done).await;
    let too_slow = || Err(Fault::new(StatusCode::REQUEST_TIMEOUT, "TOO_SLOW", "the request took too long"));
    let response = done.unwrap_or_else(|_| too_slow()).unwrap_or_else(|fault| fault.answer(route.kind));
    let class = match response.status().as_u16() {
        ..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    };
    metrics::counter!("emend_desk_requests_total", "route" => route.path, "code" => class).increment(1);
    response
}

async fn answer(desk: &Desk, route: &'static Route, request: Request) -> Result<Response, Fault> {
    let (Parts { headers, uri, extensions, .. }, body) = request.into_parts();
    let visitor = extensions.get::<Visitor>().copied();
    let visitor = visitor.ok_or_else(|| Fault::forbidden("NO_VISITOR", "the connection is not known"))?;
    let address = proxies::behind(&desk.app.config.desk.proxies, visitor.address, &headers);
    let visitor = Visitor { address, ..visitor };
    if route.kind != Kind::Asset && desk.app.store.waiting() >= QUEUE {
        return Err(Fault::busy("there is too much to do: come again later", Duration::from_secs(1)));
    }
    let post = route.method == Method::Post;
    if post && !origin::is_ours(&headers, &uri, visitor.secure) {
        return Err(Fault::forbidden("CROSS_ORIGIN", "the request does not come from a page of this desk"));
    }
    let now = desk.app.clock.now();
    // A form to sign in may come with whatever is left of the session before.
    let replay = post && route.rule != Rule::Open;
    let signed_in = match route.kind {
        Kind::Asset => None,
        Kind::Page | Kind::Api => session(desk, &headers, visitor, replay, now).await?,
    };
    admit(route.rule, signed_in.as_ref())?;
    let body = read(body).await?;
    if let Some(SignedIn { session, .. }) = signed_in.as_ref().filter(|_| replay) {
        let given = csrf(&headers, &body);
        if !given.is_some_and(|given| cookies::same(&given, &session.csrf)) {
            return Err(Fault::forbidden("CSRF", "the session's token is missing or another one"));
        }
    }
    if let Some(SignedIn { session, id_hash }) = &signed_in
        && now.since(session.seen_at) >= SEEN
    {
        desk.app.store.session_seen(id_hash.clone(), now).await.map_err(from_store)?;
    }
    let call = Call { desk: desk.clone(), visitor, signed_in, uri, headers, body, now };
    (route.handler)(call).await
}

/// The session that the request's cookie names. It is looked up at every request: a disabled account, or other roles,
/// count at once.
async fn session(
    desk: &Desk,
    headers: &HeaderMap,
    visitor: Visitor,
    replay: bool,
    now: Timestamp,
) -> Result<Option<SignedIn>, Fault> {
    let Some(id) = Cookie::Session.of(headers, visitor.secure) else { return Ok(None) };
    let id_hash = cookies::hash(&id);
    match desk.app.store.session(id_hash.clone(), now).await.map_err(from_store)? {
        Known::Live(session) => Ok(Some(SignedIn { session, id_hash })),
        Known::SignedOut if replay => {
            Err(Fault::forbidden("SIGNED_OUT", "the session was signed out: this was sent before"))
        }
        Known::SignedOut | Known::Nothing => Ok(None),
    }
}

fn admit(rule: Rule, signed_in: Option<&SignedIn>) -> Result<(), Fault> {
    match (rule, signed_in) {
        (Rule::Open, _) | (Rule::AnySession, Some(_)) => Ok(()),
        (Rule::AnySession | Rule::Only(_), None) => Err(Fault::not_signed_in()),
        (Rule::Only(roles), Some(SignedIn { session, .. })) if roles.meet(session.grant.roles) => Ok(()),
        (Rule::Only(roles), Some(_)) => {
            let message = format!("this is for accounts in one of the roles {roles}");
            Err(Fault::forbidden("ROLE_NOT_ALLOWED", &message))
        }
    }
}

async fn read(body: Body) -> Result<Bytes, Fault> {
    axum::body::to_bytes(body, MOST_BODY)
        .await
        .map_err(|_| Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE", "a request is at most 64 KiB"))
}

/// The token that a request brings: a script's in a header, a form's in a field.
fn csrf(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let header = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    header.map(str::to_owned).or_else(|| field(body, "csrf"))
}

/// A field of a form.
pub(super) fn field(body: &[u8], name: &str) -> Option<String> {
    let mut fields = form_urlencoded::parse(body);
    fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
