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
    call("/desk/api/lease", REVIEWERS, |call| {
        async move {
            let mut ask = call.json::<read::Lease>()?.read()?;
            let caller = call.reviewer()?;
            ask.skills = bound(&caller.skills, ask.skills)?;
            let answer = desk::call(caller, ask, |request| call.app().lease_reviews(request));
            Ok(Json(show::leased(answer.await?)).into_response())
        }
        .boxed()
    }),
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

/// The skills that were asked for, as far as the account has them; all that it has when none were. A field is a skill
/// in all of its findings.
fn bound(own: &[String], asked: Vec<String>) -> Result<Vec<String>, Fault> {
    if own.is_empty() {
        return Ok(asked);
    }
    if asked.is_empty() {
        return Ok(own.to_vec());
    }
    let within = |narrow: &str, wide: &str| {
        narrow.strip_prefix(wide).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let narrower = asked.iter().filter(|asked| own.iter().any(|own| within(asked, own)));
    let wider = own.iter().filter(|own| asked.iter().any(|asked| within(own, asked)));
    let mut both: Vec<String> = narrower.chain(wider).cloned().collect();
    both.sort();
    both.dedup();
    if both.is_empty() { Err(Fault::invalid("skills are none of the account's")) } else { Ok(both) }
}

/// Who has signed in, and what the page needs to begin.
async fn session(call: &Call) -> Result<serde_json::Value, Fault> {
    let session = &call.session()?.session;
    let roles: Vec<_> = session.grant.roles.iter().map(Role::as_str).collect();
    let own =
        call.app().store.own_queue(session.account.clone(), None, call.now).await.map_err(from_store)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_asks_for_more_than_the_account_s_skills() {
        let list = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let own = list(&["national_id", "phone.invalid"]);
        let bound = |asked: &[&str]| bound(&own, list(asked));
        assert_eq!(bound(&[]).unwrap(), own);
        assert_eq!(bound(&["national_id.length"]).unwrap(), ["national_id.length"]);
        assert_eq!(bound(&["phone", "name"]).unwrap(), ["phone.invalid"]);
        assert_eq!(bound(&["national_id"]).unwrap(), ["national_id"]);
        assert!(bound(&["name"]).is_err() && bound(&["national_identity"]).is_err());
        assert_eq!(super::bound(&[], list(&["name"])).unwrap(), ["name"]);
    }
}
