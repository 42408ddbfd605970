//! The desk: where people sign in and decide, over HTTP. One table of routes ([`routes`]) says who may come where; what
//! every request passes before its handler stands in [`gate`].

mod api;
mod call;
mod cookies;
mod fault;
mod files;
mod gate;
mod headers;
mod json;
mod login;
mod ops;
mod origin;
mod pages;
mod proxies;
mod routes;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{MethodFilter, on};
use tokio::sync::Semaphore;

use crate::service::App;

#[cfg(feature = "test-hooks")]
pub use routes::listed;

/// Passwords looked at at the same time: each takes 19 MiB and some 25 ms of a core.
const PASSWORDS: usize = 3;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visitor {
    pub(crate) address: IpAddr,
    /// The connection is TLS.
    pub(crate) secure: bool,
}

/// What every request may use. Cheap to clone.
#[derive(Debug, Clone)]
struct Desk {
    app: App,
    passwords: Arc<Semaphore>,
}

/// All routes, from the table and from nowhere else.
pub(crate) fn router(app: &App) -> Router {
    let desk = Desk { app: app.clone(), passwords: Arc::new(Semaphore::new(PASSWORDS)) };
    let mut router = Router::new();
    for route in routes::table() {
        let desk = desk.clone();
        let filter = match route.method {
            routes::Method::Get => MethodFilter::GET,
            routes::Method::Post => MethodFilter::POST,
        };
        router = router.route(
            route.path,
            on(filter, move |request| {
                let desk = desk.clone();
                async move { gate::serve(&desk, route, request).await }
            }),
        );
    }
    router.fallback(fault::not_found).layer(middleware::from_fn(headers::set))
}
