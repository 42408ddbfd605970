//! Who may talk to whom: an evaluator of NetworkPolicies, and the exact flows that there are.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::mutate::{Change, notices, object, take};
use crate::rendered::{list, name, objects, of_kind, selects, workloads};

/// Someone who may want to talk: a pod, or an address outside.
#[derive(Clone)]
enum Peer {
    Pod { namespace: String, labels: Value },
    Address(Ipv4Addr),
}

impl Peer {
    fn pod(namespace: &str, labels: Value) -> Self {
        Self::Pod { namespace: namespace.to_owned(), labels }
    }
}

/// The namespace that the policies are in.
fn home(objects: &[Value]) -> &str {
    objects[0]["metadata"]["namespace"].as_str().unwrap_or_else(|| name(&objects[0]))
}

/// Whether `from` may open a connection to `to` at `port`: both sides must allow it. A pod that no policy of a
/// direction selects is open in that direction.
fn may(objects: &[Value], from: &Peer, to: &Peer, port: u64, protocol: &str) -> bool {
    let asked = (port, protocol);
    side(objects, "Egress", from, to, asked) && side(objects, "Ingress", to, from, asked)
}

fn side(objects: &[Value], direction: &str, pod: &Peer, other: &Peer, asked: (u64, &str)) -> bool {
    let Peer::Pod { namespace, labels } = pod else { return true };
    if namespace != home(objects) {
        // Policies of others are not ours to know.
        return true;
    }
    let mut selecting = of_kind(objects, "NetworkPolicy")
        .map(|policy| &policy["spec"])
        .filter(|spec| list(&spec["policyTypes"]).contains(&json!(direction)))
        .filter(|spec| selects(&spec["podSelector"], labels))
        .peekable();
    let (rules, peers) = if direction == "Egress" { ("egress", "to") } else { ("ingress", "from") };
    selecting.peek().is_none()
        || selecting
            .flat_map(|spec| list(&spec[rules]))
            .any(|rule| allows_port(rule, asked) && allows_peer(&rule[peers], home(objects), other))
}

fn allows_port(rule: &Value, (port, protocol): (u64, &str)) -> bool {
    let ports = list(&rule["ports"]);
    ports.is_empty()
        || ports.iter().any(|allowed| {
            let first = &allowed["port"];
            assert!(first.is_null() || first.is_u64(), "{first}: ports are numbers here");
            let last = allowed["endPort"].as_u64().or(first.as_u64());
            let within =
                first.as_u64().is_none_or(|first| first <= port) && last.is_none_or(|last| port <= last);
            allowed["protocol"].as_str().unwrap_or("TCP") == protocol && within
        })
}

/// Whether a rule's list of peers has `other`. No list at all means everyone.
fn allows_peer(peers: &Value, home: &str, other: &Peer) -> bool {
    if list(peers).is_empty() {
        return true;
    }
    list(peers).iter().any(|allowed| match other {
        Peer::Address(address) => !allowed["ipBlock"].is_null() && in_block(&allowed["ipBlock"], *address),
        Peer::Pod { namespace, labels } => {
            let there = match &allowed["namespaceSelector"] {
                Value::Null => namespace == home,
                selector => selects(selector, &json!({"kubernetes.io/metadata.name": namespace})),
            };
            allowed["ipBlock"].is_null() && there && selects(&allowed["podSelector"], labels)
        }
    })
}

fn in_block(block: &Value, address: Ipv4Addr) -> bool {
    let within = |cidr: &Value| {
        let (start, bits) = cidr.as_str().unwrap().split_once('/').unwrap();
        let (start, bits): (Ipv4Addr, u32) = (start.parse().unwrap(), bits.parse().unwrap());
        let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        u32::from(start) & mask == u32::from(address) & mask
    };
    within(&block["cidr"]) && !list(&block["except"]).iter().any(within)
}

/// Everyone there is: the pods that are rendered, those of others that matter, and addresses.
fn everyone(objects: &[Value]) -> Vec<(String, Peer)> {
    let home = home(objects);
    let mut found: Vec<(String, Peer)> = workloads(objects)
        .iter()
        .map(|workload| {
            let called = workload.name.trim_start_matches("emend-").to_owned();
            (called, Peer::pod(home, workload.labels().clone()))
        })
        .collect();
    let client = json!({"app.kubernetes.io/name": "emend", "app.kubernetes.io/component": "client"});
    let others = [
        ("client", home, client.clone()),
        ("a client elsewhere", "other", client),
        ("a worker elsewhere", "other", workloads(objects)[0].labels().clone()),
        ("a stranger", home, json!({"app": "stranger"})),
        ("a stranger elsewhere", "other", json!({"app": "stranger"})),
        ("dns", "kube-system", json!({"k8s-app": "kube-dns"})),
        ("others of kube-system", "kube-system", json!({"app": "other"})),
        ("keda", "keda", json!({"app": "keda-operator"})),
        ("others of keda", "keda", json!({"app": "keda-admission-webhooks"})),
        ("prometheus", "monitoring", json!({"app.kubernetes.io/name": "prometheus"})),
        ("grafana", "monitoring", json!({"app.kubernetes.io/name": "grafana"})),
        ("ingress", "ingress-nginx", json!({"app.kubernetes.io/component": "controller"})),
    ];
    found.extend(others.map(|(called, namespace, labels)| (called.to_owned(), Peer::pod(namespace, labels))));
    let addresses = [
        ("the database's address", [192, 0, 2, 10]),
        ("the broker's address", [192, 0, 2, 20]),
        ("an address nearby", [10, 1, 2, 3]),
        ("the world", [203, 0, 113, 9]),
    ];
    found.extend(addresses.map(|(called, address)| (called.to_owned(), Peer::Address(address.into()))));
    found
}

/// Every flow that is possible from or to one of our pods, as `who -> whom port`.
fn flows(objects: &[Value]) -> BTreeSet<String> {
    const PORTS: [(u64, &str); 13] = [
        (53, "UDP"),
        (53, "TCP"),
        (80, "TCP"),
        (443, "TCP"),
        (4317, "TCP"),
        (5432, "TCP"),
        (5671, "TCP"),
        (5672, "TCP"),
        (6443, "TCP"),
        (7070, "TCP"),
        (7071, "TCP"),
        (7080, "TCP"),
        (15672, "TCP"),
    ];
    let everyone = everyone(objects);
    let ours = |peer: &Peer| matches!(peer, Peer::Pod { namespace, .. } if namespace == home(objects));
    let mut found = BTreeSet::new();
    for (from, source) in &everyone {
        for (to, target) in everyone.iter().filter(|(to, _)| to != from) {
            for (port, protocol) in PORTS {
                if (ours(source) || ours(target)) && may(objects, source, target, port, protocol) {
                    let over = if protocol == "UDP" { "/udp" } else { "" };
                    found.insert(format!("{from} -> {to} {port}{over}"));
                }
            }
        }
    }
    found
}

/// What the flows have too much or too little.
fn faults(objects: &[Value], expected: &[&str]) -> Vec<String> {
    let (found, expected) = (flows(objects), expected.iter().map(|&flow| flow.to_owned()).collect());
    let extra = found.difference(&expected).map(|flow| format!("open: {flow}"));
    extra.chain(expected.difference(&found).map(|flow| format!("closed: {flow}"))).collect()
}

/// Flows that are there wherever Emend runs.
const BASE: [&str; 10] = [
    "client -> dns 53",
    "client -> dns 53/udp",
    "client -> scheduler 7070",
    "migrate -> dns 53",
    "migrate -> dns 53/udp",
    "scheduler -> dns 53",
    "scheduler -> dns 53/udp",
    "worker -> dns 53",
    "worker -> dns 53/udp",
    "worker -> scheduler 7070",
];

const PRODUCTION: [&str; 6] = [
    "keda -> scheduler 7070",
    "migrate -> the database's address 5432",
    "prometheus -> scheduler 7071",
    "prometheus -> worker 7071",
    "scheduler -> the broker's address 5671",
    "scheduler -> the database's address 5432",
];

#[tokio::test]
async fn the_base_reaches_no_database() {
    assert_eq!(faults(objects("base with mtls").await, &BASE), Vec::<String>::new());
}

#[tokio::test]
async fn the_trial_cluster_has_exactly_its_flows() {
    let own = ["migrate -> postgresql 5432", "scheduler -> postgresql 5432", "scheduler -> rabbitmq 5672"];
    let expected = [&BASE[..], &own].concat();
    assert_eq!(faults(objects("dev").await, &expected), Vec::<String>::new());
}

#[tokio::test]
async fn production_has_exactly_its_flows() {
    let expected = [&BASE[..], &PRODUCTION].concat();
    let changes: [Change; 12] = [
        ("no default", |all| take(all, "NetworkPolicy", "default-deny")),
        ("a default of one direction", |all| {
            object(all, "NetworkPolicy", "default-deny")["spec"]["policyTypes"] = json!(["Ingress"]);
        }),
        ("a default for a few", |all| {
            object(all, "NetworkPolicy", "default-deny")["spec"]["podSelector"] =
                json!({"matchLabels": {"app.kubernetes.io/name": "emend"}});
        }),
        ("workers reach the database", |all| {
            object(all, "NetworkPolicy", "emend-to-postgresql")["spec"]["podSelector"] =
                json!({"matchLabels": {"app.kubernetes.io/name": "emend"}});
        }),
        ("the database is anywhere", |all| {
            object(all, "NetworkPolicy", "emend-to-postgresql")["spec"]["egress"][0]["to"][0]["ipBlock"]["cidr"] =
                json!("0.0.0.0/0");
        }),
        ("any port", |all| {
            crate::mutate::unset(
                &mut object(all, "NetworkPolicy", "emend-scheduler-from-keda")["spec"]["ingress"][0],
                "ports",
            );
        }),
        ("anyone to the scheduler", |all| {
            object(all, "NetworkPolicy", "emend-scheduler-from-clients")["spec"]["ingress"][0]["from"] =
                json!([]);
        }),
        ("clients of every namespace", |all| {
            object(all, "NetworkPolicy", "emend-scheduler-from-clients")["spec"]["ingress"][0]["from"][0]["namespaceSelector"] =
                json!({});
        }),
        ("all of KEDA's namespace", |all| {
            crate::mutate::unset(
                &mut object(all, "NetworkPolicy", "emend-scheduler-from-keda")["spec"]["ingress"][0]["from"]
                    [0],
                "podSelector",
            );
        }),
        ("metrics for everyone", |all| {
            object(all, "NetworkPolicy", "emend-from-prometheus")["spec"]["ingress"][0]["from"] = json!([]);
        }),
        ("no names", |all| take(all, "NetworkPolicy", "emend-dns")),
        ("workers cannot reach schedulers", |all| take(all, "NetworkPolicy", "emend-worker-to-scheduler")),
    ];
    notices(objects("production").await, |all| faults(all, &expected), &changes);
}

#[tokio::test]
async fn components_open_what_they_need_and_no_more() {
    let opened = [
        ("hpa", &[][..]),
        ("keda", &["keda -> scheduler 7070"]),
        ("servicemonitor", &["prometheus -> scheduler 7071", "prometheus -> worker 7071"]),
        ("ingress", &["ingress -> scheduler 7080"]),
    ];
    for (component, flows) in opened {
        let expected = [&BASE[..], flows].concat();
        let found = faults(objects(&format!("base with {component}")).await, &expected);
        assert_eq!(found, Vec::<String>::new(), "{component}");
    }
}

#[tokio::test]
async fn only_pod_cost_reaches_the_api_of_kubernetes() {
    let found = flows(objects("base with pod-deletion-cost").await);
    let own: Vec<&String> = found.iter().filter(|flow| flow.contains("pod-cost")).collect();
    assert!(own.iter().all(|flow| flow.starts_with("pod-cost -> ")), "{own:?}");
    let away = found.iter().filter(|flow| flow.contains("the world") || flow.contains("nearby"));
    let away: Vec<&str> = away.map(String::as_str).collect();
    assert_eq!(
        away,
        [
            "pod-cost -> an address nearby 443",
            "pod-cost -> an address nearby 6443",
            "pod-cost -> the world 443",
            "pod-cost -> the world 6443"
        ]
    );
    assert!(
        found.contains("pod-cost -> scheduler 7070") && found.contains("pod-cost -> dns 53/udp"),
        "{found:?}"
    );
}
