//! The desk's page, its files, and where one comes out without a path.

use axum::response::{IntoResponse as _, Redirect};
use futures::FutureExt as _;

use super::fault::Fault;
use super::files;
use super::routes::{Kind, Method, OPERATORS, REVIEWERS, Route, Rule, page};

/// The routes.
pub(super) const ROUTES: &[Route] = &[
    page("/", Rule::AnySession, |call| {
        async move {
            let roles = call.session()?.session.grant.roles;
            let may = |rule| matches!(rule, Rule::Only(allowed) if roles.meet(allowed));
            if may(REVIEWERS) {
                Ok(Redirect::to("/desk").into_response())
            } else if may(OPERATORS) {
                Ok(Redirect::to("/ops").into_response())
            } else {
                Err(Fault::forbidden("ROLE_NOT_ALLOWED", "there is no page for this account's roles"))
            }
        }
        .boxed()
    }),
    page("/desk", REVIEWERS, |_| async { files::html("desk.html", &[]) }.boxed()),
    Route {
        method: Method::Get,
        path: "/desk/assets/{*path}",
        rule: Rule::Open,
        kind: Kind::Asset,
        handler: |call| {
            async move { files::asset(call.uri.path().strip_prefix("/desk/assets/").unwrap_or_default()) }
                .boxed()
        },
    },
];
