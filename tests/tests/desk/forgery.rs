//! Posts that our own page did not send: each gets 403, and does nothing.

use serde_json::json;

use crate::house::{House, on_both};

on_both!(
    a_post_from_elsewhere_is_refused,
    a_post_without_the_token_is_refused,
    a_post_after_signing_out_is_refused,
    a_body_has_bounds
);

async fn a_post_from_elsewhere_is_refused(house: &House) {
    let password = house.add("lan", &["reviewer"]).await;
    let mut browser = house.browser();
    assert_eq!(browser.sign_in("lan", &password).await.status, 303);
    let (here, csrf) = (browser.origin(), browser.csrf.clone());
    let attacks: [&[(&str, &str)]; 7] = [
        &[],
        &[("origin", "null")],
        &[("origin", "https://evil.example")],
        &[("origin", &here), ("sec-fetch-site", "cross-site")],
        &[("origin", &here), ("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
    ];
    let login = format!("csrf={}&account=lan&password={password}", house.browser().form_token().await);
    for headers in attacks {
        for path in ["/desk/api/lease", "/desk/logout", "/desk/login"] {
            // Even with the right token.
            let headers: Vec<_> = headers.iter().copied().chain([("x-emend-csrf", csrf.as_str())]).collect();
            let answer =
                browser.send("POST", path, &headers, if path == "/desk/login" { &login } else { "" }).await;
            assert_eq!(answer.status, 403, "{path} {headers:?}: {answer:?}");
        }
    }
    assert_eq!(browser.get("/desk/api/session").await.status, 200, "nobody signed it out");
    assert_eq!(house.scheduler.database.int("SELECT COUNT(*) FROM sessions").await, 1);
}

async fn a_post_without_the_token_is_refused(house: &House) {
    let mut browser = house.signed_in("lan", &["reviewer"]).await;
    let other = house.signed_in("an", &["reviewer"]).await;
    let right = browser.csrf.clone();
    for wrong in ["", "x", &other.csrf, &right[1..], &right.to_uppercase()] {
        browser.csrf = wrong.to_owned();
        for (method, body) in [("lease", json!({})), ("decide", json!({ "request_id": "r" }))] {
            let answer = browser.api(method, &body).await;
            assert_eq!((answer.status, answer.reason().as_str()), (403, "CSRF"), "{wrong}");
        }
    }
    browser.csrf = right;
    assert_eq!(browser.api("lease", &json!({})).await.status, 200);
    // The form to sign in is tied to the browser that asked for it: nobody is signed in as somebody else.
    let password = house.add("minh", &["reviewer"]).await;
    let (mut victim, mut attacker) = (house.browser(), house.browser());
    let (_, stolen) = (victim.form_token().await, attacker.form_token().await);
    for token in ["", "x", &stolen] {
        let body = format!("csrf={token}&account=minh&password={password}");
        assert_eq!(victim.form("/desk/login", &body).await.status, 403, "{token}");
    }
    assert_eq!(victim.get("/desk/api/session").await.status, 401);
}

async fn a_post_after_signing_out_is_refused(house: &House) {
    let mut browser = house.signed_in("lan", &["reviewer"]).await;
    let mut replayed = browser.clone();
    assert_eq!(browser.form("/desk/logout", &format!("csrf={}", replayed.csrf)).await.status, 303);
    for call in ["lease", "decide", "release"] {
        let answer = replayed.api(call, &json!({})).await;
        assert_eq!((answer.status, answer.reason().as_str()), (403, "SIGNED_OUT"), "{call}");
    }
    assert_eq!(replayed.form("/desk/logout", &format!("csrf={}", replayed.csrf)).await.status, 403);
    assert_eq!(replayed.get("/desk/api/session").await.status, 401);
}

async fn a_body_has_bounds(house: &House) {
    let mut browser = house.signed_in("lan", &["reviewer"]).await;
    let large = json!({ "job": "x".repeat(65 * 1024) });
    assert_eq!(browser.api("lease", &large).await.status, 413);
    // What is wrong is not repeated: it may be a value of a record.
    let answer = browser.api("decide", &json!({ "answer": { "values": "M4RKER" } })).await;
    assert_eq!((answer.status, answer.reason().as_str()), (400, "INVALID_REQUEST"));
    assert!(!answer.body.contains("M4RKER"), "{answer:?}");
    let answer = browser.api("open", &json!({ "review": { "job_id": 1, "seq": 1 } })).await;
    assert!([404, 409].contains(&answer.status), "{answer:?}");
    assert_eq!(browser.api("form", &json!({ "job_id": 999 })).await.reason(), "JOB_NOT_FOUND");
}
