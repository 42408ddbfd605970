//! Every name and every selector in the manifests leads to something.

use serde_json::{Value, json};

use crate::mutate::{Change, container, notices, object, take};
use crate::rendered::{Workload, all, exists, kind, list, name, objects, of_kind, selects, workloads};

/// Secrets that an operator makes (docs/RUNBOOK.md), or that others make.
const GIVEN: [&str; 2] = ["emend-scheduler", "emend-desk-tls"];

fn faults(objects: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    for workload in workloads(objects) {
        faults.extend(reference_faults(objects, &workload));
        let own = &workload.object["spec"]["selector"];
        if !own.is_null() && !selects(own, workload.labels()) {
            faults.push(format!("{} does not select its own pods", workload.name));
        }
        for spread in list(&workload.spec()["topologySpreadConstraints"]) {
            if !selects(&spread["labelSelector"], workload.labels()) {
                faults.push(format!("{} spreads pods that are not its own", workload.name));
            }
        }
    }
    for object in objects {
        let found = match kind(object) {
            "Service" => service_faults(objects, object),
            "NetworkPolicy" => policy_faults(objects, object),
            "ScaledObject" | "HorizontalPodAutoscaler" => scaler_faults(objects, object),
            "ServiceMonitor" | "PodMonitor" => monitor_faults(objects, object),
            "Ingress" => ingress_faults(objects, object),
            "TriggerAuthentication" => list(&object["spec"]["secretTargetRef"])
                .iter()
                .filter(|secret| !has_secret(objects, &secret["name"]))
                .map(|secret| format!("there is no secret {}", secret["name"]))
                .collect(),
            "Certificate" => {
                let issuer = &object["spec"]["issuerRef"];
                let there = exists(objects, issuer["kind"].as_str().unwrap_or_default(), &issuer["name"]);
                if there { vec![] } else { vec![format!("there is no issuer {issuer}")] }
            }
            _ => vec![],
        };
        faults.extend(found.into_iter().map(|fault| format!("{} {}: {fault}", kind(object), name(object))));
    }
    faults
}

/// Whether a secret is in the manifests, or made by a certificate, or by an operator.
fn has_secret(objects: &[Value], called: &Value) -> bool {
    let issued =
        of_kind(objects, "Certificate").any(|certificate| certificate["spec"]["secretName"] == *called);
    issued || exists(objects, "Secret", called) || GIVEN.iter().any(|given| called == given)
}

fn reference_faults(objects: &[Value], workload: &Workload<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut need = |there: bool, what: &str, called: &Value| {
        if !there {
            faults.push(format!("{}: there is no {what} {called}", workload.name));
        }
    };
    for container in workload.containers() {
        for source in list(&container["envFrom"]) {
            let (map, secret) = (&source["configMapRef"]["name"], &source["secretRef"]["name"]);
            need(map.is_null() || exists(objects, "ConfigMap", map), "ConfigMap", map);
            need(secret.is_null() || has_secret(objects, secret), "Secret", secret);
        }
        for variable in list(&container["env"]) {
            let secret = &variable["valueFrom"]["secretKeyRef"]["name"];
            need(secret.is_null() || has_secret(objects, secret), "Secret", secret);
        }
        for mount in list(&container["volumeMounts"]) {
            let claims =
                list(&workload.object["spec"]["volumeClaimTemplates"]).iter().map(|claim| &claim["metadata"]);
            let there = list(&workload.spec()["volumes"]).iter().chain(claims);
            need(there.into_iter().any(|volume| volume["name"] == mount["name"]), "volume", &mount["name"]);
            // A secret that is renewed in place never shows through a subPath.
            need(mount["subPath"].is_null(), "subPath that is ever renewed:", &mount["subPath"]);
        }
    }
    for volume in list(&workload.spec()["volumes"]) {
        let secret = &volume["secret"]["secretName"];
        need(secret.is_null() || has_secret(objects, secret), "Secret", secret);
        let map = &volume["configMap"]["name"];
        need(map.is_null() || exists(objects, "ConfigMap", map), "ConfigMap", map);
    }
    faults
}

/// Whether one of the pods that a selector takes has a port of this name or number.
fn has_port<'a>(mut pods: impl Iterator<Item = Workload<'a>>, port: &Value) -> bool {
    pods.any(|workload| {
        workload
            .containers()
            .flat_map(|container| list(&container["ports"]))
            .any(|own| own["name"] == *port || own["containerPort"] == *port)
    })
}

fn service_faults(objects: &[Value], service: &Value) -> Vec<String> {
    let spec = &service["spec"];
    let selector = json!({"matchLabels": spec["selector"]});
    let lost = list(&spec["ports"]).iter().filter(|port| {
        let pods = workloads(objects).into_iter().filter(|workload| selects(&selector, workload.labels()));
        !has_port(pods, &port["targetPort"])
    });
    lost.map(|port| format!("port {} leads nowhere", port["name"])).collect()
}

/// A policy is for a pod that there is, and so are its peers in this namespace. Clients are the operator's own.
fn policy_faults(objects: &[Value], policy: &Value) -> Vec<String> {
    let client = json!({"app.kubernetes.io/name": "emend", "app.kubernetes.io/component": "client"});
    let matches = |selector: &Value| {
        selects(selector, &client)
            || workloads(objects).iter().any(|workload| selects(selector, workload.labels()))
    };
    let spec = &policy["spec"];
    let mut faults = Vec::new();
    if !matches(&spec["podSelector"]) {
        faults.push("it is for nobody".to_owned());
    }
    let rules = list(&spec["ingress"]).iter().chain(list(&spec["egress"]));
    for peer in rules.flat_map(|rule| list(&rule["from"]).iter().chain(list(&rule["to"]))) {
        if peer["namespaceSelector"].is_null() && peer["ipBlock"].is_null() && !matches(&peer["podSelector"])
        {
            faults.push(format!("it allows {peer}, which there is not"));
        }
    }
    faults
}

fn scaler_faults(objects: &[Value], scaler: &Value) -> Vec<String> {
    let spec = &scaler["spec"];
    let target =
        workloads(objects).into_iter().find(|workload| spec["scaleTargetRef"]["name"] == workload.name);
    let mut faults = match target {
        None => vec!["it scales nothing".to_owned()],
        Some(target) if !target.object["spec"]["replicas"].is_null() => {
            vec!["the count is fixed in the manifest too".to_owned()]
        }
        Some(_) => vec![],
    };
    for trigger in list(&spec["triggers"]) {
        let authentication = &trigger["authenticationRef"]["name"];
        if !authentication.is_null() && !exists(objects, "TriggerAuthentication", authentication) {
            faults.push(format!("there is no authentication {authentication}"));
        }
        if !list(&scheduler_names(objects)).contains(&trigger["metadata"]["scalerAddress"]) {
            faults.push(format!("{} is no scheduler", trigger["metadata"]["scalerAddress"]));
        }
    }
    faults
}

/// The schedulers' address as another namespace sees it.
fn scheduler_names(objects: &[Value]) -> Value {
    let services = of_kind(objects, "Service")
        .filter(|service| list(&service["spec"]["ports"]).iter().any(|port| port["port"] == 7070));
    let address = |service: &Value| {
        let namespace = service["metadata"]["namespace"].as_str().unwrap_or_default();
        json!(format!("{}.{namespace}.svc:7070", name(service)))
    };
    Value::Array(services.map(address).collect())
}

fn monitor_faults(objects: &[Value], monitor: &Value) -> Vec<String> {
    let spec = &monitor["spec"];
    let found = if kind(monitor) == "PodMonitor" {
        list(&spec["podMetricsEndpoints"]).iter().all(|endpoint| {
            let pods = workloads(objects).into_iter();
            has_port(pods.filter(|workload| selects(&spec["selector"], workload.labels())), &endpoint["port"])
        })
    } else {
        list(&spec["endpoints"]).iter().all(|endpoint| {
            let services = of_kind(objects, "Service");
            let mut ports = services
                .filter(|service| selects(&spec["selector"], &service["metadata"]["labels"]))
                .flat_map(|service| list(&service["spec"]["ports"]));
            // Two services with the port would have every pod scraped twice.
            ports.by_ref().filter(|port| port["name"] == endpoint["port"]).count() == 1
        })
    };
    if found { vec![] } else { vec!["its port is nobody's, or is found twice".to_owned()] }
}

fn ingress_faults(objects: &[Value], ingress: &Value) -> Vec<String> {
    let paths = list(&ingress["spec"]["rules"]).iter().flat_map(|rule| list(&rule["http"]["paths"]));
    let lost = paths.map(|path| &path["backend"]["service"]).filter(|backend| {
        let service =
            of_kind(objects, "Service").find(|service| service["metadata"]["name"] == backend["name"]);
        let ports = service.map_or(&[][..], |service| list(&service["spec"]["ports"]));
        !ports.iter().any(|port| port["name"] == backend["port"]["name"])
    });
    lost.map(|backend| format!("{backend} is no service")).collect()
}

#[tokio::test]
async fn every_name_leads_somewhere() {
    for rendered in all().await {
        assert_eq!(faults(&rendered.objects), Vec::<String>::new(), "{}", rendered.name);
    }
}

#[tokio::test]
async fn the_policy_notices_what_breaks_it() {
    let changes: [Change; 12] = [
        ("a setting without its map", |all| {
            container(all, "emend-worker")["envFrom"][0]["configMapRef"]["name"] = json!("emend-worker");
        }),
        ("a secret of another name", |all| {
            container(all, "emend-scheduler")["env"][0]["valueFrom"]["secretKeyRef"]["name"] = json!("store");
        }),
        ("a mount of nothing", |all| {
            container(all, "emend-worker")["volumeMounts"][0]["name"] = json!("tsl");
        }),
        ("a certificate that never changes", |all| {
            container(all, "emend-worker")["volumeMounts"][0]["subPath"] = json!("tls.crt");
        }),
        ("a certificate that nobody issues", |all| take(all, "Certificate", "emend-worker")),
        ("an authority that there is not", |all| take(all, "Issuer", "emend-ca")),
        ("a service of another port", |all| {
            object(all, "Service", "emend-scheduler")["spec"]["ports"][0]["targetPort"] = json!(7072);
        }),
        ("a policy for nobody", |all| {
            object(all, "NetworkPolicy", "emend-dns")["spec"]["podSelector"] =
                json!({"matchLabels": {"a": "b"}});
        }),
        ("a scaler of nothing", |all| {
            object(all, "ScaledObject", "emend-worker")["spec"]["scaleTargetRef"]["name"] = json!("worker");
        }),
        ("a scaler of another namespace", |all| {
            object(all, "ScaledObject", "emend-worker")["spec"]["triggers"][0]["metadata"]["scalerAddress"] =
                json!("emend-scheduler.default.svc:7070");
        }),
        ("a count beside the scaler", |all| {
            object(all, "Deployment", "emend-worker")["spec"]["replicas"] = json!(2);
        }),
        ("a monitor of no port", |all| {
            object(all, "ServiceMonitor", "emend-scheduler")["spec"]["endpoints"][0]["port"] =
                json!("metrics");
        }),
    ];
    notices(objects("production").await, faults, &changes);
}
