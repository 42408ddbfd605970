//! How Kubernetes watches, replaces and ends pods.

use serde_json::{Value, json};

use crate::mutate::{Change, container, notices, object, pod, unset};
use crate::rendered::{Workload, all, list, name, objects, of_kind, selects, workloads};

/// Workloads that serve until they are asked to stop.
const SERVERS: [&str; 2] = ["emend-scheduler", "emend-worker"];

/// Seconds between a program's own end and Kubernetes' patience.
const MARGIN: f64 = 5.0;

fn faults(objects: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    for workload in workloads(objects).into_iter().filter(|workload| SERVERS.contains(&workload.name)) {
        let mut say = |what: &str| faults.push(format!("{}: {what}", workload.name));
        probe_faults(&workload.spec()["containers"][0], &mut say);
        let update = &workload.object["spec"]["strategy"]["rollingUpdate"];
        if update["maxUnavailable"] != 0 || update["maxSurge"] == 0 || update["maxSurge"].is_null() {
            say("a new version begins by taking an old pod away");
        }
        let patience = workload.spec()["terminationGracePeriodSeconds"].as_f64().unwrap_or(30.0);
        if patience < needed(objects, &workload) + MARGIN {
            say("is killed before its own grace is over");
        }
    }
    faults.extend(budget_faults(objects));
    faults
}

/// Liveness asks the process alone; readiness asks what it depends on.
fn probe_faults(container: &Value, say: &mut impl FnMut(&str)) {
    let port = list(&container["ports"]).iter().find(|port| port["name"] == "probes");
    if port.is_none_or(|port| port["containerPort"] != 7071) {
        say("no port for probes");
    }
    let paths = [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")];
    for (kind, path) in paths {
        if container[kind]["httpGet"] != json!({"path": path, "port": "probes"}) {
            say(&format!("{kind} does not ask {path}"));
        }
    }
}

/// Seconds that a pod may take to stop, from its settings.
fn needed(objects: &[Value], workload: &Workload<'_>) -> f64 {
    let setting = |key: &str| {
        let found = list(&workload.spec()["containers"][0]["envFrom"]).iter().find_map(|source| {
            let map = of_kind(objects, "ConfigMap")
                .find(|map| map["metadata"]["name"] == source["configMapRef"]["name"])?;
            map["data"][key].as_str().map(|value| value.trim_end_matches('s').parse::<f64>().unwrap())
        });
        found.unwrap_or_else(|| panic!("{} does not set {key}", workload.name))
    };
    match workload.name {
        // As before while it says that it is not ready, then once for the calls under way, once for its own tasks.
        "emend-scheduler" => {
            setting("EMEND__SCHEDULER__DRAIN_DELAY") + 2.0 * setting("EMEND__SCHEDULER__GRACE")
        }
        _ => setting("EMEND__WORKER__GRACE"),
    }
}

/// Each server has one budget that lets a node be drained, and each budget has pods.
fn budget_faults(objects: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    let budgets: Vec<&Value> = of_kind(objects, "PodDisruptionBudget").collect();
    for workload in workloads(objects).into_iter().filter(|workload| SERVERS.contains(&workload.name)) {
        let own =
            budgets.iter().filter(|budget| selects(&budget["spec"]["selector"], workload.labels())).count();
        if own != 1 {
            faults.push(format!("{} has {own} budgets", workload.name));
        }
    }
    for budget in budgets {
        let spec = &budget["spec"];
        if !workloads(objects).iter().any(|workload| selects(&spec["selector"], workload.labels())) {
            faults.push(format!("budget {} is for nobody", name(budget)));
        }
        let none = [json!(0), json!("0%")].contains(&spec["maxUnavailable"]);
        if spec["maxUnavailable"].is_null() || none || spec["unhealthyPodEvictionPolicy"] != "AlwaysAllow" {
            faults.push(format!("budget {} can hold up a drain for ever", name(budget)));
        }
    }
    faults
}

#[tokio::test]
async fn servers_are_watched_replaced_and_ended_gently() {
    for rendered in all().await {
        assert_eq!(faults(&rendered.objects), Vec::<String>::new(), "{}", rendered.name);
    }
}

#[tokio::test]
async fn the_policy_notices_what_breaks_it() {
    let changes: [Change; 11] = [
        ("liveness asks the database", |all| {
            container(all, "emend-scheduler")["livenessProbe"]["httpGet"]["path"] = json!("/readyz");
        }),
        ("no liveness", |all| unset(container(all, "emend-worker"), "livenessProbe")),
        ("readiness asks too little", |all| {
            container(all, "emend-scheduler")["readinessProbe"]["httpGet"]["path"] = json!("/livez");
        }),
        ("a probe of the wrong port", |all| {
            container(all, "emend-scheduler")["startupProbe"]["httpGet"]["port"] = json!("grpc");
        }),
        ("a pod goes first", |all| {
            object(all, "Deployment", "emend-scheduler")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] =
                json!(1);
        }),
        ("all go first", |all| {
            object(all, "Deployment", "emend-scheduler")["spec"]["strategy"] = json!({"type": "Recreate"});
        }),
        ("no time to stop", |all| pod(all, "emend-worker")["terminationGracePeriodSeconds"] = json!(25)),
        ("less than a grace of the settings", |all| {
            object(all, "ConfigMap", "emend-scheduler")["data"]["EMEND__SCHEDULER__GRACE"] = json!("30");
        }),
        ("a budget for nobody", |all| {
            object(all, "PodDisruptionBudget", "emend-worker")["spec"]["selector"]["matchLabels"] =
                json!({"app.kubernetes.io/component": "wörker"});
        }),
        ("a budget that lets nobody go", |all| {
            object(all, "PodDisruptionBudget", "emend-scheduler")["spec"]["maxUnavailable"] = json!(0);
        }),
        ("two budgets for one", |all| {
            object(all, "PodDisruptionBudget", "emend-worker")["spec"]["selector"] = json!({});
        }),
    ];
    notices(objects("production").await, faults, &changes);
}

#[tokio::test]
async fn production_survives_a_zone() {
    let workloads = workloads(objects("production").await);
    let scheduler = workloads.iter().find(|workload| workload.name == "emend-scheduler").unwrap();
    assert_eq!(scheduler.object["spec"]["replicas"], 3);
    let zones = list(&scheduler.spec()["topologySpreadConstraints"])
        .iter()
        .find(|rule| rule["topologyKey"] == "topology.kubernetes.io/zone")
        .unwrap();
    assert_eq!((&zones["whenUnsatisfiable"], &zones["maxSkew"]), (&json!("DoNotSchedule"), &json!(1)));
    assert!(selects(&zones["labelSelector"], scheduler.labels()));
    // Without it the old pods of an update would count, and the new ones might find no zone.
    assert_eq!(zones["matchLabelKeys"], json!(["pod-template-hash"]));
}
