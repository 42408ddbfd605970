//! Who may come where: the one table. What does not stand in it is not served.

use axum::response::Response;
use futures::future::BoxFuture;

use super::call::Call;
use super::fault::Fault;
use super::{api, login, ops, pages};
use crate::domain::caller::{Role, Roles};

/// What is done with a request that was let in.
pub(super) type Handler = fn(Call) -> BoxFuture<'static, Result<Response, Fault>>;

/// How it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Changes nothing.
    Get,
    /// May change something: its origin and the session's token are looked at.
    Post,
}

/// Who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Everybody.
    Open,
    /// Whoever has signed in.
    AnySession,
    /// Accounts in one of these roles.
    Only(Roles),
}

/// What it is, which is how it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A person looks at it: who has not signed in is shown where.
    Page,
    /// A script asks for it: JSON.
    Api,
    /// A file of the page, which holds nobody's data.
    Asset,
}

/// One route.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) rule: Rule,
    pub(super) kind: Kind,
    pub(super) handler: Handler,
}

/// Who decides reviews here.
pub(super) const REVIEWERS: Rule = Rule::Only(Roles::of(&[Role::Reviewer, Role::Lead]));
/// Who runs jobs and shifts.
pub(super) const OPERATORS: Rule = Rule::Only(Roles::of(&[Role::Operator, Role::Lead]));

/// A page.
pub(super) const fn page(path: &'static str, rule: Rule, handler: Handler) -> Route {
    Route { method: Method::Get, path, rule, kind: Kind::Page, handler }
}

/// A call of the JSON API.
pub(super) const fn call(path: &'static str, rule: Rule, handler: Handler) -> Route {
    Route { method: Method::Post, path, rule, kind: Kind::Api, handler }
}

/// All routes.
pub(super) fn table() -> impl Iterator<Item = &'static Route> {
    [pages::ROUTES, login::ROUTES, api::ROUTES, ops::ROUTES].into_iter().flatten()
}

#[cfg(any(test, feature = "test-hooks"))]
impl Rule {
    fn words(self) -> String {
        match self {
            Self::Open => "everybody".into(),
            Self::AnySession => "whoever has signed in".into(),
            Self::Only(roles) => roles.to_string(),
        }
    }
}

#[cfg(any(test, feature = "test-hooks"))]
impl Method {
    fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// The table for tests: method, path, who may (as the docs say it), and whether it is for people, scripts or a file.
#[cfg(feature = "test-hooks")]
pub fn listed() -> Vec<(&'static str, &'static str, String, &'static str)> {
    let kind = |kind| match kind {
        Kind::Page => "page",
        Kind::Api => "api",
        Kind::Asset => "asset",
    };
    table().map(|route| (route.method.word(), route.path, route.rule.words(), kind(route.kind))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Rows as they stand in the docs; printed when they differ, to be put there.
    #[test]
    fn the_docs_show_this_table() {
        let mut expected = String::from("| method | path | who |\n|---|---|---|\n");
        for route in table() {
            let row = format!("| {} | `{}` | {} |\n", route.method.word(), route.path, route.rule.words());
            expected.push_str(&row);
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/SECURITY.md");
        let docs = std::fs::read_to_string(path).unwrap();
        assert!(docs.contains(&expected), "docs/SECURITY.md should hold:\n\n{expected}");
    }

    #[test]
    fn little_is_open_and_nothing_stands_twice() {
        let rows: BTreeSet<_> = table().map(|route| (route.method.word(), route.path)).collect();
        assert_eq!(rows.len(), table().count());
        let open = table().filter(|route| route.rule == Rule::Open).map(|route| route.path);
        assert_eq!(open.collect::<BTreeSet<_>>(), ["/desk/assets/{*path}", "/desk/login"].into());
        // No program's role opens a page.
        let people = Roles::of(&[Role::Operator, Role::Lead, Role::Reviewer]);
        for route in table() {
            if let Rule::Only(roles) = route.rule {
                assert!(roles.iter().all(|role| people.meet(Roles::of(&[role]))), "{}", route.path);
            }
        }
    }
}
