//! Imports run one way: who may know what, checked against the sources.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Every line of `folder` that names one of `words`, except in files whose path holds one of `allowed`.
fn strays(folder: &str, words: &[&str], allowed: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut strays = Vec::new();
    for path in sources(&root.join(folder)) {
        let shown = path.strip_prefix(root).unwrap().display().to_string();
        if allowed.iter().any(|part| shown.contains(part)) {
            continue;
        }
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if words.iter().any(|word| code.contains(word)) {
                strays.push(format!("{shown}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    strays
}

#[test]
fn only_the_store_knows_sql() {
    assert_eq!(strays("scheduler/src", &["sqlx"], &["/store/"]), Vec::<String>::new());
    assert_eq!(strays("cli/src", &["sqlx"], &[]), Vec::<String>::new());
}

#[test]
fn only_the_service_and_the_server_know_grpc() {
    assert_eq!(strays("scheduler/src", &["tonic"], &["/service/", "/server/"]), Vec::<String>::new());
}

#[test]
fn only_the_events_know_amqp() {
    assert_eq!(strays("scheduler/src", &["lapin"], &["/events/"]), Vec::<String>::new());
    assert_eq!(strays("cli/src", &["lapin"], &[]), Vec::<String>::new());
    assert_eq!(strays("worker/src", &["lapin"], &[]), Vec::<String>::new());
}

#[test]
fn the_domain_is_pure() {
    let impure = [
        "async ",
        "tokio",
        "std::fs",
        "std::net",
        "Instant::now",
        "SystemTime",
        "rand::",
        "crate::store",
        "crate::service",
    ];
    assert_eq!(strays("scheduler/src/domain", &impure, &[]), Vec::<String>::new());
}

#[test]
fn the_store_does_not_look_up() {
    assert_eq!(
        strays(
            "scheduler/src/store",
            &["crate::service", "crate::server", "crate::loops", "crate::events"],
            &[]
        ),
        Vec::<String>::new()
    );
}

#[test]
fn workers_and_packs_never_know_the_scheduler() {
    assert_eq!(strays("worker/src", &["emend_scheduler"], &[]), Vec::<String>::new());
    assert_eq!(
        strays("packs", &["emend_scheduler", "emend_proto", "tokio", "std::fs"], &["/examples/"]),
        Vec::<String>::new()
    );
}

/// The check itself can fail.
#[test]
fn a_stray_is_found() {
    assert!(!strays("scheduler/src/store", &["sqlx"], &[]).is_empty());
}
