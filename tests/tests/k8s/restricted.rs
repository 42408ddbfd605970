//! Pod security *restricted*, for every pod of every rendering, and what we ask for beyond it.

use serde_json::{Value, json};

use crate::mutate::{Change, container, notices, object, pod, unset};
use crate::rendered::{Workload, all, list, name, objects, of_kind, workloads};

/// What the profile forbids to share with the node, or to be at all.
const FORBIDDEN: [&str; 5] = ["hostNetwork", "hostPID", "hostIPC", "hostUsers", "shareProcessNamespace"];

/// The kinds of volumes that the profile allows.
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Everything in which the pods break the profile, or our own rules.
fn faults(objects: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    for workload in workloads(objects) {
        let mut say = |what: String| faults.push(format!("{} {}: {what}", workload.kind, workload.name));
        pod_faults(&workload, &mut say);
        for container in workload.containers() {
            let called = container["name"].as_str().unwrap_or_default().to_owned();
            container_faults(workload.spec(), container, &mut |what| say(format!("{called}: {what}")));
        }
    }
    for namespace in of_kind(objects, "Namespace") {
        if namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] != "restricted" {
            faults.push(format!("namespace {} does not enforce it", name(namespace)));
        }
    }
    faults
}

fn pod_faults(workload: &Workload<'_>, say: &mut impl FnMut(String)) {
    let spec = workload.spec();
    for field in FORBIDDEN.iter().filter(|field| !spec[**field].is_null()) {
        say(format!("{field} is set"));
    }
    for volume in list(&spec["volumes"]) {
        let kinds = volume.as_object().unwrap().keys().filter(|key| *key != "name");
        for kind in kinds.filter(|kind| !VOLUMES.contains(&kind.as_str())) {
            say(format!("a volume is a {kind}"));
        }
    }
    let security = &spec["securityContext"];
    if !list(&security["sysctls"]).is_empty() {
        say("sysctls are set".to_owned());
    }
    for field in ["fsGroup", "runAsGroup"] {
        if security[field].as_u64().unwrap_or_default() == 0 {
            say(format!("{field} is root's, or not said"));
        }
    }
    if spec["enableServiceLinks"] != false {
        say("services are told through the environment".to_owned());
    }
}

fn container_faults(spec: &Value, container: &Value, say: &mut impl FnMut(String)) {
    let (pod, own) = (&spec["securityContext"], &container["securityContext"]);
    // What the container does not say, the pod says for it.
    let either = |field: &str| if own[field].is_null() { &pod[field] } else { &own[field] };
    if either("runAsNonRoot") != true || either("runAsUser").as_u64().unwrap_or_default() == 0 {
        say("may run as root".to_owned());
    }
    let profile = either("seccompProfile")["type"].as_str();
    if !matches!(profile, Some("RuntimeDefault" | "Localhost")) {
        say("no seccomp profile".to_owned());
    }
    if own["allowPrivilegeEscalation"] != false || own["privileged"] == true {
        say("may gain privileges".to_owned());
    }
    if own["capabilities"]["drop"] != json!(["ALL"]) || !own["capabilities"]["add"].is_null() {
        say("keeps capabilities".to_owned());
    }
    if own["readOnlyRootFilesystem"] != true {
        say("may write to its image".to_owned());
    }
    if !own["procMount"].is_null() || !own["seLinuxOptions"].is_null() || !own["windowsOptions"].is_null() {
        say("procMount, SELinux or Windows is not the default".to_owned());
    }
    if list(&container["ports"]).iter().any(|port| !port["hostPort"].is_null()) {
        say("takes a port of the node".to_owned());
    }
    let resources = &container["resources"];
    for (kind, what) in [("requests", "cpu"), ("requests", "memory"), ("limits", "memory")] {
        if resources[kind][what].is_null() {
            say(format!("{kind} no {what}"));
        }
    }
    if !is_pinned(container["image"].as_str().unwrap_or_default()) {
        say("the image may change under its name".to_owned());
    }
}

/// Whether an image is named by digest, or by a tag that is a version.
fn is_pinned(image: &str) -> bool {
    if let Some((_, digest)) = image.split_once("@sha256:") {
        return digest.len() == 64;
    }
    let last = image.rsplit('/').next().unwrap_or_default();
    let tag = last.split_once(':').map_or("", |(_, tag)| tag);
    tag.starts_with(|first: char| first.is_ascii_digit()) && tag.contains('.')
}

#[tokio::test]
async fn every_pod_is_restricted() {
    for rendered in all().await {
        assert_eq!(faults(&rendered.objects), Vec::<String>::new(), "{}", rendered.name);
    }
}

#[test]
fn pinned_is_a_version_or_a_digest() {
    for pinned in ["emend:0.1.0", "localhost:5000/emend:0.1.0", "docker.io/library/postgres:17.5"] {
        assert!(is_pinned(pinned), "{pinned}");
    }
    for loose in ["emend", "emend:latest", "emend:1", "localhost:5000/emend", "emend@sha256:abc"] {
        assert!(!is_pinned(loose), "{loose}");
    }
}

const CHANGES: [Change; 22] = [
    ("runAsNonRoot is left out", |all| {
        unset(&mut pod(all, "emend-scheduler")["securityContext"], "runAsNonRoot");
    }),
    ("a container says it may be root", |all| {
        container(all, "emend-worker")["securityContext"]["runAsNonRoot"] = json!(false);
    }),
    ("user 0", |all| pod(all, "emend-worker")["securityContext"]["runAsUser"] = json!(0)),
    ("group 0", |all| pod(all, "emend-worker")["securityContext"]["runAsGroup"] = json!(0)),
    ("no seccomp profile", |all| unset(&mut pod(all, "emend-worker")["securityContext"], "seccompProfile")),
    ("seccomp off", |all| {
        container(all, "emend-worker")["securityContext"]["seccompProfile"] = json!({"type": "Unconfined"});
    }),
    ("capabilities are kept", |all| {
        unset(&mut container(all, "emend-worker")["securityContext"], "capabilities");
    }),
    ("a capability is added", |all| {
        container(all, "emend-worker")["securityContext"]["capabilities"]["add"] = json!(["NET_ADMIN"]);
    }),
    ("escalation is not said", |all| {
        unset(&mut container(all, "emend-worker")["securityContext"], "allowPrivilegeEscalation");
    }),
    ("privileged", |all| container(all, "emend-worker")["securityContext"]["privileged"] = json!(true)),
    ("a root file system to write to", |all| {
        container(all, "emend-worker")["securityContext"]["readOnlyRootFilesystem"] = json!(false);
    }),
    ("the node's network", |all| pod(all, "emend-worker")["hostNetwork"] = json!(true)),
    ("the node's processes", |all| pod(all, "emend-worker")["hostPID"] = json!(true)),
    ("a folder of the node", |all| {
        pod(all, "emend-worker")["volumes"] = json!([{"name": "x", "hostPath": {"path": "/"}}]);
    }),
    ("a port of the node", |all| container(all, "emend-worker")["ports"][0]["hostPort"] = json!(7071)),
    ("a sysctl", |all| {
        pod(all, "emend-worker")["securityContext"]["sysctls"] = json!([{"name": "a", "value": "b"}]);
    }),
    ("no limit of memory", |all| unset(&mut container(all, "emend-worker")["resources"], "limits")),
    ("an image without a version", |all| container(all, "emend-worker")["image"] = json!("emend")),
    ("an image that moves", |all| container(all, "emend-worker")["image"] = json!("emend:latest")),
    ("service links", |all| unset(pod(all, "emend-worker"), "enableServiceLinks")),
    ("a container before it", |all| {
        pod(all, "emend-worker")["initContainers"] = json!([{"name": "init", "image": "emend:0.1.0"}]);
    }),
    ("a namespace that enforces less", |all| {
        object(all, "Namespace", "emend")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] =
            json!("baseline");
    }),
];

#[tokio::test]
async fn the_policy_notices_what_breaks_it() {
    notices(objects("production").await, faults, &CHANGES);
}
