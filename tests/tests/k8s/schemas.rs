//! Every object against the schema of its kind, strictly: an unknown field is a fault.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use emend_tests::process::run;
use emend_tests::tools;
use serde_json::{Value, json};

use crate::mutate::object;
use crate::rendered::{all, kind, name, programs, scripts};

const LIMIT: Duration = Duration::from_secs(120);

/// The versions of Kubernetes that the manifests are for.
const VERSIONS: [&str; 9] = ["1.28", "1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36"];

/// Whose kinds are not Kubernetes' own.
const CUSTOM: [&str; 3] = ["cert-manager.io", "keda.sh", "monitoring.coreos.com"];

fn is_custom(object: &Value) -> bool {
    let group = object["apiVersion"].as_str().and_then(|version| version.split('/').next());
    group.is_some_and(|group| CUSTOM.contains(&group))
}

/// All rendered objects, each once however often it is rendered; custom ones, or Kubernetes' own.
async fn rendered(custom: bool) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for rendered in all().await {
        for object in rendered.objects.iter().filter(|object| is_custom(object) == custom) {
            if !found.iter().any(|item| item["object"] == *object) {
                let shown = format!("{}: {} {}", rendered.name, kind(object), name(object));
                found.push(json!({"name": shown, "object": object}));
            }
        }
    }
    found
}

/// What Kubernetes' schemas have against the objects, in any version.
async fn faults(objects: &[Value], versions: &[&str]) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("objects.json");
    std::fs::write(&file, json!({"versions": versions, "objects": objects}).to_string()).unwrap();
    let mut validate = Command::new(programs().await.unwrap().join("python"));
    validate.arg(scripts().join("validate.py")).arg(file);
    let output = run(validate, LIMIT).await.unwrap().ok().unwrap();
    output.json().unwrap().as_array().unwrap().clone()
}

/// What the makers' models have against custom objects.
async fn custom_faults(objects: &[Value]) -> Vec<Value> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manifest-models");
    tools::node(&home, &scripts()).await.unwrap();
    std::fs::copy(scripts().join("models.mjs"), home.join("models.mjs")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("objects.json");
    std::fs::write(&file, json!({"objects": objects}).to_string()).unwrap();
    let mut validate = Command::new("node");
    validate.arg(home.join("models.mjs")).arg(file);
    let output = run(validate, LIMIT).await.unwrap().ok().unwrap();
    output.json().unwrap().as_array().unwrap().clone()
}

/// The names that faults were found in, sorted, each once.
fn at_fault(faults: &[Value]) -> Vec<&str> {
    let mut names: Vec<&str> = faults.iter().map(|fault| fault["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[tokio::test]
async fn all_fits_the_schemas_of_kubernetes() {
    let objects = rendered(false).await;
    assert!(objects.len() > 60, "{} objects", objects.len());
    assert_eq!(faults(&objects, &VERSIONS).await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_a_version_does_not_know_is_found() {
    let base = crate::rendered::objects("base").await;
    let changed = |change: fn(&mut Vec<Value>)| {
        let mut objects = base.to_vec();
        change(&mut objects);
        objects.into_iter().find(|object| !base.contains(object)).unwrap()
    };
    let objects = [
        json!({"name": "typing error", "object": changed(|all| {
            object(all, "Deployment", "emend-worker")["spec"]["strategie"] = json!({});
        })}),
        // A sleep before SIGTERM came with 1.30 only.
        json!({"name": "too new", "object": changed(|all| {
            crate::mutate::container(all, "emend-scheduler")["lifecycle"] =
                json!({"preStop": {"sleep": {"seconds": 5}}});
        })}),
        json!({"name": "no such kind", "object": {"apiVersion": "apps/v1", "kind": "Deploiment"}}),
        json!({"name": "wrong type", "object": changed(|all| {
            object(all, "Deployment", "emend-worker")["spec"]["replicas"] = json!("two");
        })}),
    ];
    let old = faults(&objects, &["1.28"]).await;
    assert_eq!(at_fault(&old), ["no such kind", "too new", "typing error", "wrong type"]);
    let new = faults(&objects, &["1.36"]).await;
    assert_eq!(at_fault(&new), ["no such kind", "typing error", "wrong type"]);
}

#[tokio::test]
async fn custom_resources_fit_the_models_of_their_makers() {
    let objects = rendered(true).await;
    for kind in [
        "ScaledObject",
        "TriggerAuthentication",
        "Certificate",
        "Issuer",
        "ServiceMonitor",
        "PodMonitor",
        "PrometheusRule",
    ] {
        assert!(objects.iter().any(|item| item["object"]["kind"] == kind), "no {kind} is rendered");
    }
    assert_eq!(custom_faults(&objects).await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_a_model_does_not_know_is_found() {
    let mut objects = rendered(true).await;
    let find = |kind: &str| objects.iter().position(|item| item["object"]["kind"] == kind).unwrap();
    let (scaled, certificate, monitor) = (find("ScaledObject"), find("Certificate"), find("ServiceMonitor"));
    let mut expected: Vec<String> = Vec::new();
    for index in [scaled, certificate, monitor] {
        expected.push(objects[index]["name"].as_str().unwrap().to_owned());
    }
    expected.sort_unstable();
    objects[scaled]["object"]["spec"]["scaleTargetRef"]["nome"] = json!("emend-worker");
    crate::mutate::unset(&mut objects[certificate]["object"]["spec"], "issuerRef");
    objects[monitor]["object"]["spec"]["endpoints"][0]["interval"] = json!("often");
    assert_eq!(at_fault(&custom_faults(&objects).await), expected);
}
