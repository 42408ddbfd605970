//! Signing in and out.
//!
//! The form is tied to the browser that asked for it by a cookie with the same token, so that nobody can be signed in as
//! somebody else from another site. Whether there is such an account shows neither in the answer nor in its time.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use emend_proto::v1::ReleaseReviewsRequest;
use emend_proto::v1::review_service_server::ReviewService as _;
use futures::FutureExt as _;

use super::call::Call;
use super::cookies::{self, Cookie};
use super::fault::Fault;
use super::files;
use super::gate::field;
use super::routes::{Kind, Method, Route, Rule, page};
use crate::domain::caller::is_name;
use crate::password;
use crate::service::desk::{self, from_store};
use crate::store::Attempt;

/// How long to wait for others whose passwords are looked at.
const PATIENCE: Duration = Duration::from_secs(10);

/// The routes.
pub(super) const ROUTES: &[Route] = &[
    page("/desk/login", Rule::Open, |call| async move { form(&call) }.boxed()),
    Route {
        method: Method::Post,
        path: "/desk/login",
        rule: Rule::Open,
        kind: Kind::Page,
        handler: |call| async move { Ok(sign_in(&call).await.unwrap_or_else(|fault| again(&fault))) }.boxed(),
    },
    Route {
        method: Method::Post,
        path: "/desk/logout",
        rule: Rule::AnySession,
        kind: Kind::Api,
        handler: |call| async move { sign_out(call).await }.boxed(),
    },
];

fn form(call: &Call) -> Result<Response, Fault> {
    if call.signed_in.is_some() {
        return Ok(Redirect::to("/").into_response());
    }
    let secure = call.visitor.secure;
    // Several tabs of a browser have one token, or only the last one's form would count.
    let token = Cookie::Form.of(&call.headers, secure).unwrap_or_else(cookies::fresh);
    let mut response = files::html("login.html", &[("csrf", &token)])?;
    response.headers_mut().append(header::SET_COOKIE, Cookie::Form.set(&token, secure));
    Ok(response)
}

async fn sign_in(call: &Call) -> Result<Response, Fault> {
    let secure = call.visitor.secure;
    let (token, given) = (Cookie::Form.of(&call.headers, secure), field(&call.body, "csrf"));
    if !token.zip(given).is_some_and(|(token, given)| cookies::same(&token, &given)) {
        return Err(Fault::forbidden("CSRF", "the form's token is missing or another one"));
    }
    let account = field(&call.body, "account").unwrap_or_default().trim().to_lowercase();
    let password = field(&call.body, "password").unwrap_or_default();
    if !is_name(&account) || password.is_empty() || password.len() > password::MOST {
        return Err(wrong());
    }
    check(call, &account, password).await?;
    let (id, csrf) = (cookies::fresh(), cookies::fresh());
    let before = Cookie::Session.of(&call.headers, secure).map(|id| cookies::hash(&id));
    let address = place(call.visitor.address);
    let begun = call.app().store.begin_session(account, address, cookies::hash(&id), csrf, before, call.now);
    // It was disabled within these milliseconds.
    if !begun.await.map_err(from_store)? {
        return Err(wrong());
    }
    count("signed_in");
    let mut response = Redirect::to("/").into_response();
    response.headers_mut().append(header::SET_COOKIE, Cookie::Session.set(&id, secure));
    response.headers_mut().append(header::SET_COOKIE, Cookie::Form.clear(secure));
    Ok(response)
}

/// Whether that is the account's password. The place among those that are looked at comes first, so that what counts as
/// an attempt under way is never more than a few.
async fn check(call: &Call, account: &str, password: String) -> Result<(), Fault> {
    let busy = || Fault::busy("too many people sign in: try again", Duration::from_secs(5));
    let place_in_line = tokio::time::timeout(PATIENCE, call.desk.passwords.acquire()).await;
    let Ok(Ok(_place)) = place_in_line else { return Err(busy()) };
    let (store, address) = (&call.app().store, place(call.visitor.address));
    let attempt = store.attempt_login(account.to_owned(), address.clone(), call.now).await;
    let hash = match attempt.map_err(from_store)? {
        Attempt::Go(hash) => hash,
        Attempt::Wait(wait) => {
            count("throttled");
            let message = "there were too many attempts: wait, then try again";
            let fault = Fault::new(StatusCode::TOO_MANY_REQUESTS, "THROTTLED", message);
            return Err(Fault { retry_after: Some(wait), ..fault });
        }
    };
    let right = tokio::task::spawn_blocking(move || password::verify(&password, hash.as_deref())).await;
    if right.is_ok_and(|right| right) {
        return Ok(());
    }
    count("wrong");
    store.login_failed(account.to_owned(), address, call.now).await.map_err(from_store)?;
    Err(wrong())
}

fn wrong() -> Fault {
    Fault::new(StatusCode::UNAUTHORIZED, "WRONG_CREDENTIALS", "the account or the password is wrong")
}

fn count(outcome: &'static str) {
    metrics::counter!("emend_sign_ins_total", "outcome" => outcome).increment(1);
}

/// The status for programs, and for people the form again, which says why.
fn again(fault: &Fault) -> Response {
    let error = match fault.reason.as_str() {
        "WRONG_CREDENTIALS" => "credentials",
        "THROTTLED" => "throttled",
        "CSRF" => "csrf",
        _ => "unavailable",
    };
    let html = format!(
        "<!doctype html><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0;url=/desk/login?error={error}\">\
         <title>Emend</title><a href=\"/desk/login?error={error}\">Emend</a>"
    );
    let mut response =
        (fault.status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
    if let Some(seconds) = fault.retry_seconds() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Ends the session, and frees what its account holds: whoever goes home keeps nobody waiting.
async fn sign_out(call: Call) -> Result<Response, Fault> {
    let signed_in = call.session()?;
    let caller = call.reviewer()?;
    if !caller.roles.is_empty() {
        let release = ReleaseReviewsRequest::default();
        desk::call(caller, release, |request| call.app().release_reviews(request)).await?;
    }
    let account = signed_in.session.account.clone();
    let ended = call.app().store.end_session(account, signed_in.id_hash.clone(), call.now);
    ended.await.map_err(from_store)?;
    let mut response = Redirect::to("/desk/login").into_response();
    response.headers_mut().append(header::SET_COOKIE, Cookie::Session.clear(call.visitor.secure));
    Ok(response)
}

/// An address as attempts are counted by: of IPv6 the network, since one machine has as many addresses as it likes.
fn place(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_place() {
        let at = |text: &str| place(text.parse().unwrap());
        assert_eq!(at("10.0.0.1"), "10.0.0.1");
        assert_eq!(at("::ffff:10.0.0.1"), "10.0.0.1");
        assert_eq!(at("2001:db8:1:2:3::4"), at("2001:db8:1:2:ffff::1"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
    }
}
