//! All that k8s/ renders to, as JSON.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use emend_tests::process::run;
use emend_tests::tools;
use serde_json::Value;
use tokio::sync::OnceCell;

const LIMIT: Duration = Duration::from_secs(120);

/// What one kustomization renders to.
pub(crate) struct Rendered {
    pub(crate) name: String,
    pub(crate) objects: Vec<Value>,
}

/// Where the repository is.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The folder with the scripts and the pinned versions of this suite.
pub(crate) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("k8s")
}

/// The programs of the suite's virtual environment: `kubectl`, `hadolint`, `buf`, `python`.
pub(crate) async fn programs() -> Result<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manifest-tools");
    tools::python(&home, &scripts().join("requirements.txt")).await
}

/// Everything rendered: `base`, each overlay by its name, and `base with COMPONENT` for each component.
pub(crate) async fn all() -> &'static [Rendered] {
    static ALL: OnceCell<Vec<Rendered>> = OnceCell::const_new();
    ALL.get_or_init(async || render().await.unwrap()).await
}

/// The objects of one of them.
pub(crate) async fn objects(name: &str) -> &'static [Value] {
    let found = all().await.iter().find(|rendered| rendered.name == name);
    &found.unwrap_or_else(|| panic!("{name} is not rendered")).objects
}

async fn render() -> Result<Vec<Rendered>> {
    let programs = programs().await?;
    let scratch = tempfile::tempdir()?;
    let mut render = Command::new(programs.join("python"));
    render.arg(scripts().join("render.py")).arg(programs.join("kubectl")).arg(root().join("k8s"));
    render.arg(scratch.path());
    let output = run(render, LIMIT).await?.ok()?;
    let Value::Object(rendered) = output.json()? else { anyhow::bail!("render.py writes an object") };
    ensure!(rendered.len() > 8, "only {} kustomizations", rendered.len());
    let rendered = rendered.into_iter().map(|(name, objects)| {
        let Value::Array(objects) = objects else { anyhow::bail!("{name}: no list") };
        ensure!(!objects.is_empty(), "{name} renders to nothing");
        Ok(Rendered { name, objects })
    });
    rendered.collect()
}

/// Something that runs pods.
#[derive(Clone, Copy)]
pub(crate) struct Workload<'a> {
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
    pub(crate) object: &'a Value,
    /// The pods' metadata and spec.
    pub(crate) template: &'a Value,
}

impl<'a> Workload<'a> {
    /// The pods' spec.
    pub(crate) fn spec(&self) -> &'a Value {
        &self.template["spec"]
    }

    /// The pods' labels.
    pub(crate) fn labels(&self) -> &'a Value {
        &self.template["metadata"]["labels"]
    }

    /// All containers, those that run first among them.
    pub(crate) fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        let spec = self.spec();
        let kinds = ["containers", "initContainers", "ephemeralContainers"];
        kinds.into_iter().flat_map(|kind| list(&spec[kind]))
    }
}

/// Everything among `objects` that runs pods.
pub(crate) fn workloads(objects: &[Value]) -> Vec<Workload<'_>> {
    let workload = |object| {
        let kind = kind(object);
        let template = match kind {
            "Pod" => object,
            "CronJob" => &object["spec"]["jobTemplate"]["spec"]["template"],
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => &object["spec"]["template"],
            _ => return None,
        };
        Some(Workload { kind, name: name(object), object, template })
    };
    objects.iter().filter_map(workload).collect()
}

/// All objects of a kind.
pub(crate) fn of_kind<'a>(objects: &'a [Value], wanted: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| kind(object) == wanted)
}

/// Whether there is an object of this kind and name.
pub(crate) fn exists(objects: &[Value], wanted: &str, called: &Value) -> bool {
    of_kind(objects, wanted).any(|object| object["metadata"]["name"] == *called)
}

pub(crate) fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap_or_default()
}

pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// The items of a list that may be missing.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Whether `labels` have all that a selector asks for. An empty selector takes all.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    let exact = selector["matchLabels"].as_object().into_iter().flatten();
    let expressions = list(&selector["matchExpressions"]).iter();
    exact.into_iter().all(|(key, value)| labels[key] == *value)
        && expressions.into_iter().all(|expression| {
            let value = &labels[expression["key"].as_str().unwrap_or_default()];
            let among = list(&expression["values"]).contains(value);
            match expression["operator"].as_str() {
                Some("In") => among,
                Some("NotIn") => !among,
                Some("Exists") => !value.is_null(),
                Some("DoesNotExist") => value.is_null(),
                other => panic!("a selector's operator {other:?} is unknown"),
            }
        })
}
