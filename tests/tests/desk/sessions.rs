//! Sessions: how they begin, what they are made of, and how they end.

use std::time::{Duration, Instant};

use emend_tests::database::Backend;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::house::{House, on_both};

on_both!(
    a_session_begins_with_the_form_and_ends_with_signing_out,
    an_id_is_new_at_every_sign_in,
    a_disabled_account_is_out_within_five_seconds,
    an_idle_or_old_session_is_over,
    the_store_holds_neither_ids_nor_passwords,
);

async fn a_session_begins_with_the_form_and_ends_with_signing_out(house: &House) {
    let password = house.add("lan", &["reviewer"]).await;
    let mut browser = house.browser();
    assert_eq!(browser.get("/desk").await.header("location"), "/desk/login");
    let token = browser.form_token().await;
    // As people type it.
    let answer =
        browser.form("/desk/login", &format!("csrf={token}&account=%20Lan&password={password}")).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/"));
    let cookie = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let cookie = cookie.filter(|cookie| cookie.starts_with("emend=")).collect::<Vec<_>>();
    assert_eq!(cookie.len(), 1);
    let parts: Vec<_> = cookie[0].split("; ").skip(1).collect();
    assert_eq!(parts, ["Path=/", "HttpOnly", "SameSite=Strict"]);
    let session = browser.get("/desk/api/session").await.json();
    assert_eq!(session["account"], "lan");
    assert_eq!(session["roles"], json!(["reviewer"]));
    assert_eq!((&session["language"], &session["idle_seconds"]), (&json!("vi"), &json!(1800)));
    assert!(session["absolute_seconds"].as_u64().unwrap() > 35_990, "{session}");
    assert_eq!(session["shift"], json!({ "decided_today": 0 }));
    browser.csrf = session["csrf"].as_str().unwrap().to_owned();
    // Whoever is signed in needs no form.
    assert_eq!(browser.get("/desk/login").await.header("location"), "/");
    let lease = browser.api("lease", &json!({ "max_reviews": 3, "reviewer": "somebody" })).await;
    assert_eq!(lease.status, 200, "{lease:?}");
    assert_eq!(lease.json()["leases"], json!([]));
    assert_eq!(lease.json()["queue"]["open"], json!(0));
    let origin = browser.origin();
    let headers = [("origin", origin.as_str()), ("x-emend-csrf", &browser.csrf.clone())];
    let out = browser.send("POST", "/desk/logout", &headers, "").await;
    assert_eq!((out.status, out.header("location")), (303, "/desk/login"));
    assert!(!browser.cookies.contains_key("emend"));
    assert_eq!(browser.get("/desk/api/session").await.status, 401);
}

async fn an_id_is_new_at_every_sign_in(house: &House) {
    let password = house.add("lan", &["reviewer"]).await;
    let mut browser = house.browser();
    // One that was put there beforehand is none.
    let planted = "0".repeat(64);
    browser.cookies.insert("emend".into(), planted.clone());
    assert_eq!(browser.sign_in("lan", &password).await.status, 303);
    let first = browser.cookies["emend"].clone();
    assert_ne!(first, planted);
    let mut old = browser.clone();
    // Signing in once more, by a form that was open in another tab.
    let mut form = house.browser();
    let token = form.form_token().await;
    browser.cookies.extend(form.cookies);
    let again = browser.form("/desk/login", &format!("csrf={token}&account=lan&password={password}")).await;
    assert_eq!(again.status, 303);
    assert_ne!(browser.cookies["emend"], first);
    assert_eq!(browser.get("/desk/api/session").await.status, 200);
    assert_eq!(old.get("/desk/api/session").await.status, 401, "the session before has ended");
}

async fn a_disabled_account_is_out_within_five_seconds(house: &House) {
    let mut browser = house.signed_in("lan", &["reviewer"]).await;
    assert_eq!(browser.api("lease", &json!({})).await.status, 200);
    house.disable("lan").await;
    let since = Instant::now();
    assert_eq!(browser.api("lease", &json!({})).await.status, 401);
    assert_eq!(browser.get("/desk/api/session").await.status, 401);
    assert!(since.elapsed() < Duration::from_secs(5));
    assert_eq!(house.scheduler.database.int("SELECT COUNT(*) FROM sessions").await, 0);
}

async fn an_idle_or_old_session_is_over(house: &House) {
    let mut browser = house.signed_in("lan", &["reviewer"]).await;
    let database = &house.scheduler.database;
    let minute = 60 * 1000;
    database.execute(&format!("UPDATE sessions SET seen_at = seen_at - {}", 29 * minute)).await;
    assert_eq!(browser.get("/desk/api/session").await.status, 200);
    // That was use.
    database.execute(&format!("UPDATE sessions SET seen_at = seen_at - {}", 29 * minute)).await;
    assert_eq!(browser.get("/desk/api/session").await.status, 200);
    database.execute(&format!("UPDATE sessions SET seen_at = seen_at - {}", 31 * minute)).await;
    assert_eq!(browser.get("/desk/api/session").await.status, 401);
    let mut browser = house.signed_in("an", &["reviewer"]).await;
    database.execute(&format!("UPDATE sessions SET created_at = created_at - {}", 601 * minute)).await;
    assert_eq!(browser.api("lease", &json!({})).await.status, 401);
}

async fn the_store_holds_neither_ids_nor_passwords(house: &House) {
    let password = house.add("lan", &["reviewer"]).await;
    let mut browser = house.browser();
    assert_eq!(browser.sign_in("lan", &password).await.status, 303);
    let database = &house.scheduler.database;
    let stored = database.texts("SELECT password FROM accounts").await.remove(0).remove(0);
    assert!(stored.starts_with("$argon2id$") && !stored.contains(&password), "{stored}");
    let id = &browser.cookies["emend"];
    let as_text = match database.backend() {
        Backend::Sqlite => "lower(hex(id_hash))",
        Backend::Postgres => "encode(id_hash, 'hex')",
    };
    let stored = database.texts(&format!("SELECT {as_text} FROM sessions")).await.remove(0).remove(0);
    assert!(stored.len() == 64 && stored != *id);
}

/// It waits neither for browsers that keep a connection for later nor for whoever says nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_desk_goes_with_its_scheduler() {
    let house = House::new(Backend::Sqlite, |config| config.grace = 30.0).await;
    let mut browser = house.signed_in("lan", &["reviewer"]).await;
    let silent = TcpStream::connect(house.desk).await.unwrap();
    let mut kept = TcpStream::connect(house.desk).await.unwrap();
    kept.write_all(b"GET /desk/login HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(kept.read(&mut [0; 1024]).await.unwrap() > 0);
    assert_eq!(browser.get("/desk/api/session").await.status, 200);
    let (since, desk) = (Instant::now(), house.desk);
    house.scheduler.stop().await;
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    assert!(TcpStream::connect(desk).await.is_err());
    drop((silent, kept));
}
