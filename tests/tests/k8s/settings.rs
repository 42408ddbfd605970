//! Every setting in the manifests is one that the program knows.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use emend_tests::process::{Output, binary, run};
use serde_json::Value;

use crate::rendered::{Workload, all, list, objects, of_kind, workloads};

const LIMIT: Duration = Duration::from_secs(60);

/// What makes each command end at once, after it has read its settings: a store that cannot be opened, a URL that
/// is none.
const ENDINGS: [(&str, &[(&str, &str)]); 4] = [
    (
        "scheduler",
        &[
            ("EMEND__SCHEDULER__STORE", "sqlite:///dev/null/emend.db"),
            ("EMEND__SCHEDULER__LISTEN", "127.0.0.1:0"),
            ("EMEND__SCHEDULER__PROBES", "127.0.0.1:0"),
        ],
    ),
    ("worker", &[("EMEND__WORKER__SCHEDULERS", "no url"), ("EMEND__WORKER__PROBES", "127.0.0.1:0")]),
    ("migrate", &[("EMEND__SCHEDULER__STORE", "sqlite:///dev/null/emend.db")]),
    ("pod-cost", &[("EMEND_SCHEDULER", "no url")]),
];

/// The environment of a workload's first container; what a secret holds is not known here.
fn environment(objects: &[Value], workload: &Workload<'_>) -> BTreeMap<String, String> {
    let container = &workload.spec()["containers"][0];
    let mut found = BTreeMap::new();
    for source in list(&container["envFrom"]) {
        let map = of_kind(objects, "ConfigMap")
            .find(|map| map["metadata"]["name"] == source["configMapRef"]["name"])
            .unwrap();
        for (key, value) in map["data"].as_object().unwrap() {
            found.insert(key.clone(), value.as_str().unwrap().to_owned());
        }
    }
    for variable in list(&container["env"]) {
        let name = variable["name"].as_str().unwrap();
        let secret = match name {
            "EMEND__SCHEDULER__AUDIT__KEY" => "5a".repeat(32),
            _ => "amqp://user:secret@127.0.0.1:1".to_owned(),
        };
        found.insert(name.to_owned(), variable["value"].as_str().map_or(secret, str::to_owned));
    }
    found
}

/// Starts a command with this environment and nothing else of ours; it ends by itself.
async fn start(command: &str, environment: &BTreeMap<String, String>) -> Result<Output> {
    let ending = ENDINGS.iter().find(|(name, _)| *name == command).expect("a command of ours").1;
    let mut program = Command::new(binary()?);
    program.arg(command).env_clear().envs(environment).envs(ending.iter().copied());
    run(program, LIMIT).await
}

/// Whether the program refused its settings because of a key.
fn is_unknown(output: &Output) -> bool {
    assert!(output.code != Some(0), "it ended well: {output:?}");
    output.stderr.contains("configuration:")
}

#[tokio::test]
async fn every_setting_is_known() {
    let mut seen = Vec::new();
    for rendered in all().await {
        for workload in workloads(&rendered.objects) {
            let Some(command) = workload.spec()["containers"][0]["args"][0].as_str() else { continue };
            let environment = environment(&rendered.objects, &workload);
            if seen.contains(&(command, environment.clone())) {
                continue;
            }
            let output = start(command, &environment).await.unwrap();
            assert!(!is_unknown(&output), "{} {command}: {output:?}", rendered.name);
            seen.push((command, environment));
        }
    }
    // Schedulers and workers with and without TLS, in the clear for trials; the migration; the costs, both ways.
    assert!(seen.len() >= 8, "{} commands", seen.len());
}

#[tokio::test]
async fn a_setting_that_is_not_known_is_found() {
    for (name, key) in [
        ("emend-scheduler", "EMEND__SCHEDULER__TLS__CERTIFICAT"),
        ("emend-worker", "EMEND__WORKER__PROBE"),
        ("emend-migrate", "EMEND__LOGS__FORMAT"),
    ] {
        let objects = objects("production").await;
        let workload = workloads(objects).into_iter().find(|workload| workload.name == name).unwrap();
        let mut environment = environment(objects, &workload);
        environment.insert(key.to_owned(), "1".to_owned());
        let command = workload.spec()["containers"][0]["args"][0].as_str().unwrap();
        let output = start(command, &environment).await.unwrap();
        assert!(is_unknown(&output), "{key}: {output:?}");
    }
}
