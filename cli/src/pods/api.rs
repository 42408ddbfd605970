//! The little of Kubernetes' API that is needed: listing pods, and one annotation.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// Where Kubernetes puts what a pod needs to talk to it.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// What a ReplicaSet looks at when it takes pods away.
const ANNOTATION: &str = "controller.kubernetes.io/pod-deletion-cost";
const TIMEOUT: Duration = Duration::from_secs(10);
/// Pods in one answer. More are asked for page by page.
const PAGE: u32 = 500;

/// A pod and the cost it has now; 0 where it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its `pod-deletion-cost`.
    pub cost: u32,
}

/// The API server, as one service account in one namespace sees it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Api {
    agent: Agent,
    pods: String,
    selector: String,
    token: PathBuf,
}

#[derive(Deserialize)]
struct PodList {
    metadata: ListMeta,
    items: Vec<Item>,
}

#[derive(Deserialize, Default)]
struct ListMeta {
    #[serde(default, rename = "continue")]
    next: String,
}

#[derive(Deserialize)]
struct Item {
    metadata: Meta,
}

#[derive(Deserialize)]
struct Meta {
    name: String,
    #[serde(default)]
    annotations: std::collections::HashMap<String, String>,
}

impl Api {
    /// The server at `url`, trusted by the service account in `account` (default: where Kubernetes mounts it), and
    /// pods with the labels of `selector` in the account's own namespace.
    ///
    /// # Errors
    /// When the account's files cannot be read.
    pub fn new(url: &str, account: Option<&Path>, selector: &str) -> Result<Self> {
        let account = account.unwrap_or_else(|| Path::new(ACCOUNT));
        let read = |name: &str| {
            let path = account.join(name);
            std::fs::read_to_string(&path).with_context(|| {
                format!(
                    "cannot read {}: run it in a pod with automountServiceAccountToken, or say --account",
                    path.display()
                )
            })
        };
        let namespace = read("namespace")?;
        let roots = certificates(&read("ca.crt")?)?;
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(roots)));
        let config = Agent::config_builder().tls_config(tls.build()).timeout_global(Some(TIMEOUT)).build();
        Ok(Self {
            agent: Agent::new_with_config(config),
            pods: format!("{}/api/v1/namespaces/{}/pods", url.trim_end_matches('/'), namespace.trim()),
            selector: selector.to_owned(),
            token: account.join("token"),
        })
    }

    /// The pods and their costs.
    ///
    /// # Errors
    /// When the API server does not answer, or forbids it.
    pub fn pods(&self) -> Result<Vec<Pod>> {
        let (mut pods, mut next) = (Vec::new(), String::new());
        loop {
            let request = self.agent.get(&self.pods).header("authorization", self.bearer()?);
            let request = request.query("labelSelector", &self.selector).query("limit", PAGE.to_string());
            let request = if next.is_empty() { request } else { request.query("continue", &next) };
            let mut answer = request.call().context("listing pods")?;
            let page: PodList = answer.body_mut().read_json().context("listing pods: no list of pods")?;
            pods.extend(page.items.into_iter().map(|item| Pod {
                cost:
                    item.metadata.annotations.get(ANNOTATION).and_then(|cost| cost.parse().ok()).unwrap_or(0),
                name: item.metadata.name,
            }));
            next = page.metadata.next;
            if next.is_empty() {
                return Ok(pods);
            }
        }
    }

    /// Sets a pod's cost. A pod that has gone meanwhile is no failure.
    ///
    /// # Errors
    /// When the API server does not answer, or forbids it.
    pub fn set_cost(&self, pod: &str, cost: u32) -> Result<()> {
        let patch = serde_json::json!({"metadata": {"annotations": {ANNOTATION: cost.to_string()}}});
        let request = self.agent.patch(format!("{}/{pod}", self.pods));
        let request = request.header("authorization", self.bearer()?);
        let request = request.header("content-type", "application/merge-patch+json");
        match request.send(patch.to_string()) {
            Ok(_) | Err(ureq::Error::StatusCode(404)) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("setting the cost of pod {pod}")),
        }
    }

    /// Kubernetes changes the token while the pod runs, so it is read each time.
    fn bearer(&self) -> Result<String> {
        let token = std::fs::read_to_string(&self.token)
            .with_context(|| format!("cannot read {}", self.token.display()))?;
        Ok(format!("Bearer {}", token.trim()))
    }
}

fn certificates(pem: &str) -> Result<Vec<Certificate<'static>>> {
    let items = parse_pem(pem.as_bytes()).map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Ok(Some(certificate)),
        Ok(_) => Ok(None),
        Err(error) => Err(error).context("ca.crt is no PEM file"),
    });
    items.filter_map(Result::transpose).collect()
}
