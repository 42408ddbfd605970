//! What the program says to those whose papers are not in order.

use std::path::Path;

use emend_tests::authority::Authority;
use emend_tests::database::Backend;
use emend_tests::process::{Deployment, Output};
use emend_tests::scheduler::Scheduler;

use super::support::Site;

const FAILED: i32 = 1;
const USAGE: i32 = 2;

/// `emend status` with these flags.
async fn status(deployment: &Deployment, url: &str, flags: &[&str]) -> Output {
    let line = [&["status", "--scheduler", url][..], flags].concat();
    deployment.run(line).await.unwrap()
}

fn expect(output: &Output, code: i32, words: &[&str]) {
    assert_eq!(output.code, Some(code), "{output:?}");
    for word in words {
        assert!(output.stderr.contains(word), "nothing about `{word}`: {}", output.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_says_what_is_wrong_with_its_papers() {
    let site = Site::start().await;
    let deployment = Deployment::on_sqlite().unwrap();
    let folder = site.folder.path();
    let operator = ["emend:operator/o"];
    let write = |papers: &emend_tests::authority::Papers, name: &str| {
        let (certificate, key) = papers.write(folder, name);
        (certificate.display().to_string(), key.display().to_string())
    };
    let stranger = Authority::new("stranger");
    let good = write(&site.authority.caller(&operator), "good");
    let late = write(&site.authority.late_caller(&operator), "late");
    let strange = write(&stranger.caller(&operator), "strange");
    let monitor = write(&site.authority.caller(&["emend:worker/w"]), "worker");
    std::fs::write(folder.join("stranger-ca.pem"), stranger.pem()).unwrap();
    let (ca, wrong_ca) = (shown(folder, "ca.pem"), shown(folder, "stranger-ca.pem"));
    let port = site.scheduler.address.port();
    let url = format!("https://127.0.0.1:{port}");
    let with = |papers: &(String, String)| {
        let flags = ["--ca", ca.as_str(), "--certificate", &papers.0, "--key", &papers.1];
        flags.map(str::to_owned).to_vec()
    };
    let plain = format!("http://127.0.0.1:{port}");
    let other_name = format!("https://127.0.0.2:{port}");
    let cases = [
        // The connection may be gone before its last words were read: then the client can only guess.
        (url.as_str(), with(&late), "client certificate"),
        (&url, with(&strange), "client certificate"),
        (&url, vec!["--ca".into(), ca.clone()], "client certificate"),
        (&url, vec!["--ca".into(), wrong_ca], "--ca, EMEND_CA"),
        (&url, with(&monitor), "the role worker may not call"),
        (&plain, vec![], "https://"),
        // Nobody listens there: the name is not the first thing that fails.
        (&other_name, with(&good), "127.0.0.2"),
    ];
    let runs = cases.iter().map(|(url, flags, word)| {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let deployment = &deployment;
        async move { expect(&status(deployment, url, &flags).await, FAILED, &[word]) }
    });
    futures::future::join_all(runs).await;
    let flags = with(&good);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    status(&deployment, &url, &flags).await.ok().unwrap();
    site.stop().await;
}

fn shown(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

#[tokio::test]
async fn tokens_are_made_used_and_kept_off_open_lines() {
    let deployment = Deployment::on_sqlite().unwrap();
    let new = ["token", "new", "--role", "operator", "--name", "me", "--json"];
    let made = deployment.run(new).await.unwrap().ok().unwrap().json().unwrap();
    let (tokens, file) = (deployment.path("tokens"), deployment.path("token").display().to_string());
    std::fs::write(&tokens, made["line"].as_str().unwrap()).unwrap();
    std::fs::write(&file, made["token"].as_str().unwrap()).unwrap();
    let scheduler = Scheduler::start_with(Backend::Sqlite, |config| config.tokens = Some(tokens)).await;
    let url = format!("http://{}", scheduler.address);
    status(&deployment, &url, &["--token-file", &file]).await.ok().unwrap();
    expect(&status(&deployment, &url, &[]).await, FAILED, &["not allowed", "bearer token"]);
    let clear = status(&deployment, "http://emend.example:7070", &["--token-file", &file]).await;
    expect(&clear, USAGE, &["http://emend.example:7070", "https://"]);
    let role = deployment.run(["token", "new", "--role", "chief", "--name", "me"]).await.unwrap();
    expect(&role, USAGE, &["operator, worker, reader, monitor, scaler"]);
    let name = deployment.run(["token", "new", "--role", "worker", "--name", "N o"]).await.unwrap();
    expect(&name, USAGE, &["--name"]);
    scheduler.stop().await;
}
