//! Every route with every role and with none: the table is what happens.

use emend_scheduler::desk_routes;
use serde_json::json;

use crate::browser::{Answer, Browser};
use crate::house::{House, on_both};

on_both!(each_role_comes_where_the_table_says_and_nowhere_else, every_answer_guards_the_page);

/// Whether an answer says that the caller may not come here, or has to sign in first.
fn is_refused(answer: &Answer) -> bool {
    answer.status == 401 || answer.status == 403 || answer.header("location") == "/desk/login"
}

async fn visit(browser: &mut Browser, method: &str, path: &str) -> Answer {
    match (method, path.strip_prefix("/desk/api/")) {
        ("POST", Some(call)) => browser.api(call, &json!({})).await,
        ("POST", None) => browser.form(path, &format!("csrf={}", browser.csrf)).await,
        _ => browser.get(&path.replace("{*path}", "desk.js")).await,
    }
}

async fn each_role_comes_where_the_table_says_and_nowhere_else(house: &House) {
    let roles = ["operator", "lead", "reviewer", "worker"];
    let mut people = vec![(None, house.browser())];
    for role in roles {
        people.push((Some(role), house.signed_in(role, &[role]).await));
    }
    let table = desk_routes();
    assert!(table.len() >= 20, "{table:?}");
    for (method, path, who, kind) in &table {
        // It ends sessions, which is looked at elsewhere; and signing in is no matter of roles.
        if ["/desk/logout", "/desk/login"].contains(path) {
            continue;
        }
        for (role, browser) in &mut people {
            let answer = visit(browser, method, path).await;
            let may = match (who.as_str(), *role) {
                ("everybody", _) => true,
                (_, None) => false,
                // Programs' accounts have no page to be shown.
                ("whoever has signed in", Some(role)) => *path != "/" || role != "worker",
                (who, Some(role)) => who.split(", ").any(|word| word == role),
            };
            let said = format!("{method} {path} as {role:?}: {answer:?}");
            assert_eq!(!is_refused(&answer), may, "{said}");
            let expected = match (may, *role, *kind) {
                (true, ..) => continue,
                (false, None, "page") => 303,
                (false, None, _) => 401,
                (false, Some(_), _) => 403,
            };
            assert_eq!(answer.status, expected, "{said}");
        }
    }
    for (role, place) in [("operator", "/ops"), ("lead", "/desk"), ("reviewer", "/desk")] {
        let browser =
            people.iter_mut().find(|(who, _)| *who == Some(role)).map(|(_, browser)| browser).unwrap();
        assert_eq!(browser.get("/").await.header("location"), place);
    }
    // What stands in no row is not there, whoever asks.
    let operator = &mut people[1].1;
    for path in ["/desk/api/no-such", "/desk/api/", "/metrics", "/desk/assets/", "/desk/assets/../desk.html"]
    {
        assert_eq!(operator.get(path).await.status, 404, "{path}");
    }
    assert_eq!(operator.get("/desk/api/lease").await.status, 405);
    assert_eq!(operator.send("PUT", "/desk", &[], "").await.status, 405);
}

async fn every_answer_guards_the_page(house: &House) {
    let mut browser = house.signed_in("lan", &["reviewer"]).await;
    let hashed = {
        let page = browser.get("/desk").await;
        page.body.split("src=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let paths = [
        "/",
        "/desk",
        "/desk/login",
        "/desk/api/session",
        "/desk/assets/desk.css",
        &hashed,
        "/no-such",
        "/ops",
    ];
    for path in paths {
        let answer = browser.get(path).await;
        let policy = answer.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.split("; ").any(|held| held == part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("strict-transport-security"), "", "there is no TLS here: {path}");
        let cache = match path {
            _ if path == hashed => "public, max-age=31536000, immutable",
            "/desk/assets/desk.css" => "no-cache",
            _ => "no-store",
        };
        assert_eq!(answer.header("cache-control"), cache, "{path}");
    }
    let file = browser.get(&hashed).await;
    assert_eq!((file.status, file.header("content-type")), (200, "text/javascript; charset=utf-8"));
}
