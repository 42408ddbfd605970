//! The JSON API of the desk: the calls of `ReviewService`, made by whoever has signed in. Names are those of
//! review.proto; what is absent is left out.

mod form;
mod read;
mod show;

use axum::Json;
use axum::response::IntoResponse as _;
use emend_proto::v1::review_service_server::ReviewService as _;
use futures::FutureExt as _;
use serde_json::json;

use super::call::Call;
use super::fault::Fault;
use super::routes::{Kind, Method, REVIEWERS, Route, Rule, call};
use crate::domain::account::{ABSOLUTE, IDLE};
use crate::domain::caller::Role;
use crate::service::desk::{self, from_store};

/// A call of `ReviewService`: what is asked, the method, and how the answer is shown.
macro_rules! review {
    ($path:literal, $ask:ty, $method:ident, $show:path) => {
        call(concat!("/desk/api/", $path), REVIEWERS, |call| {
            async move {
                let ask: $ask = call.json()?;
                let ask = ask.read()?;
                let answer = desk::call(call.reviewer()?, ask, |request| call.app().$method(request));
                Ok(Json($show(answer.await?)).into_response())
            }
            .boxed()
        })
    };
}

/// The routes.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::Get,
        path: "/desk/api/session",
        rule: Rule::AnySession,
        kind: Kind::Api,
        handler: |call| async move { Ok(Json(session(&call).await?).into_response()) }.boxed(),
    },
    call("/desk/api/form", REVIEWERS, |call| {
        async move { Ok(Json(form::form(&call).await?).into_response()) }.boxed()
    }),
    review!("lease", read::Lease, lease_reviews, show::leased),
    review!("renew", read::Renew, renew_reviews, show::renewed),
    review!("draft", read::Draft, save_draft, show::nothing),
    review!("decide", read::Decide, decide, show::decided),
    review!("skip", read::Skip, skip_review, show::nothing),
    review!("release", read::Release, release_reviews, show::released),
    review!("undo", read::Undo, undo_decision, show::undone),
    review!("cluster", read::Cluster, lease_cluster, show::cluster),
    review!("open", read::Open, open_review, show::opened),
    review!("decide_cluster", read::DecideCluster, decide_cluster, show::cluster_decided),
    review!("reveal", read::Reveal, reveal_field, show::revealed),
    review!("decisions", read::Decisions, list_decisions, show::decisions),
];

/// Who has signed in, and what the page needs to begin.
async fn session(call: &Call) -> Result<serde_json::Value, Fault> {
    let session = &call.session()?.session;
    let roles: Vec<_> = session.grant.roles.iter().map(Role::as_str).collect();
    let own = call.app().store.own_queue(session.account.clone(), None, call.now).await.map_err(from_store)?;
    let age = call.now.since(session.created_at);
    Ok(json!({
        "account": session.account,
        "roles": roles,
        "csrf": session.csrf,
        "language": "vi",
        "idle_seconds": IDLE.as_secs(),
        "absolute_seconds": ABSOLUTE.saturating_sub(age).as_secs(),
        "shift": { "decided_today": own.decided_today },
    }))
}
