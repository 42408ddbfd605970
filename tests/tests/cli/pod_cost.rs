//! `emend pod-cost` against a stand-in for the API server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, patch};
use axum::{Json, Router};
use emend_proto::v1::work_service_client::WorkServiceClient;
use emend_proto::v1::{LeaseUnitsRequest, PackRef};
use emend_tests::process::{Deployment, eventually};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{generated, import};

const ANNOTATION: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Pods and their annotations, as the API server would hold them.
type Pods = Arc<Mutex<HashMap<String, Value>>>;

fn is_known(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|value| value == "Bearer secret-of-the-test")
}

/// Two pods a page, so that the second page is needed.
async fn list(
    State(pods): State<Pods>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    if !is_known(&headers) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    if query.get("labelSelector").is_none_or(|labels| labels != "app=worker") {
        return Err(StatusCode::BAD_REQUEST);
    }
    let pods = pods.lock().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let mut names: Vec<_> = pods.keys().cloned().collect();
    names.sort();
    let from: usize = query.get("continue").and_then(|next| next.parse().ok()).unwrap_or(0);
    let page = names.iter().skip(from).take(2);
    let items: Vec<_> =
        page.map(|name| json!({"metadata": {"name": name, "annotations": pods[name]}})).collect();
    let next = if from + 2 < names.len() { (from + 2).to_string() } else { String::new() };
    Ok(Json(json!({"metadata": {"continue": next}, "items": items})))
}

async fn annotate(
    State(pods): State<Pods>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, StatusCode> {
    let merge = headers.get("content-type").is_some_and(|kind| kind == "application/merge-patch+json");
    let patch: Value = serde_json::from_str(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    if !is_known(&headers) || !merge {
        return Err(StatusCode::FORBIDDEN);
    }
    let mut pods = pods.lock().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let pod = pods.get_mut(&name).ok_or(StatusCode::NOT_FOUND)?;
    *pod = patch["metadata"]["annotations"].clone();
    Ok(Json(json!({})))
}

/// The API server of a namespace called `night`; its URL, and what runs it.
async fn api_server(pods: Pods) -> Result<(String, JoinSet<()>)> {
    let routes = Router::new()
        .route("/api/v1/namespaces/night/pods", get(list))
        .route("/api/v1/namespaces/night/pods/{name}", patch(annotate))
        .with_state(pods);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, routes).await.expect("the stand-in serves") });
    Ok((url, server))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_busiest_pods_cost_most_and_idle_ones_nothing() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let _scheduler = deployment.scheduler(0).await?;
    let csv = generated(&deployment, 2000).await?.display().to_string();
    deployment.run(import(&csv, "night")).await?.ok()?;
    let mut work = WorkServiceClient::connect(deployment.url(0)).await?.max_decoding_message_size(1 << 24);
    let version = deployment.job("night").await?.pack.context("a job has a pack")?.version;
    for (pod, units) in [("worker-a", 1), ("worker-b", 3)] {
        let lease = LeaseUnitsRequest {
            worker_id: format!("{pod}-0123456789ab"),
            request_id: pod.into(),
            capabilities: vec![PackRef { name: "vaccination".into(), version: version.clone() }],
            slots: 8,
            max_units: units,
            ..LeaseUnitsRequest::default()
        };
        let leases = work.lease_units(lease).await?.into_inner().leases;
        ensure!(leases.len() == units as usize, "{} units", leases.len());
    }
    let pods = Pods::default();
    for (name, annotations) in
        [("worker-a", json!({})), ("worker-b", json!({})), ("worker-idle", json!({ANNOTATION: "7"}))]
    {
        pods.lock().expect("no panic before").insert(name.into(), annotations);
    }
    let account = deployment.path("account");
    std::fs::create_dir(&account)?;
    std::fs::write(account.join("token"), "secret-of-the-test\n")?;
    std::fs::write(account.join("namespace"), "night")?;
    std::fs::write(account.join("ca.crt"), "")?;
    let (url, _server) = api_server(pods.clone()).await?;
    let account = account.display().to_string();
    let arguments =
        ["pod-cost", "--api", &url, "--account", &account, "--selector", "app=worker", "--interval", "1s"];
    let _pod_cost = deployment.start("pod-cost", arguments)?;
    // 500 records are level 9, 1,500 are level 11.
    let expected = [("worker-a", "9"), ("worker-b", "11"), ("worker-idle", "0")];
    eventually("costs of three pods", Duration::from_secs(20), async || {
        let pods = pods.lock().ok()?;
        expected.iter().all(|(name, cost)| pods[*name][ANNOTATION] == *cost).then_some(())
    })
    .await
}

#[tokio::test]
async fn what_is_missing_outside_kubernetes_is_named() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let output = deployment.run(["pod-cost", "--account", "nowhere"]).await?;
    super::expect(&output, super::FAILED, &["nowhere/namespace", "automountServiceAccountToken"])?;
    let output = deployment.run(["top"]).await?;
    super::expect(&output, super::USAGE, &["terminal", "emend status --json"])
}
