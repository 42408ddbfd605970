//! Who may use Kubernetes' own API: nobody, but for the component that has to.

use serde_json::{Value, json};

use crate::mutate::{Change, notices, object, pod, unset};
use crate::rendered::{all, exists, list, name, objects, of_kind, workloads};

/// The one workload with a token.
const WITH_TOKEN: &str = "emend-pod-cost";

fn faults(objects: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    for workload in workloads(objects) {
        let (spec, called) = (workload.spec(), workload.name);
        let account = &spec["serviceAccountName"];
        if !exists(objects, "ServiceAccount", account) {
            faults.push(format!("{called} runs as {account}, which there is not"));
        }
        if account == "default" {
            faults.push(format!("{called} runs as everybody"));
        }
        if spec["automountServiceAccountToken"] != json!(called == WITH_TOKEN) {
            faults.push(format!("{called}: a token where none is needed, or none where it is"));
        }
        let shared =
            workloads(objects).iter().filter(|other| other.spec()["serviceAccountName"] == *account).count();
        if shared != 1 {
            faults.push(format!("{called} shares its account"));
        }
    }
    for account in of_kind(objects, "ServiceAccount") {
        if account["automountServiceAccountToken"] != false {
            faults.push(format!("{} hands its token to every pod", name(account)));
        }
    }
    faults.extend(role_faults(objects));
    faults
}

fn role_faults(objects: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    for kind in ["ClusterRole", "ClusterRoleBinding"] {
        faults.extend(of_kind(objects, kind).map(|found| format!("{kind} {}", name(found))));
    }
    let least = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "patch"]}]);
    for role in of_kind(objects, "Role").filter(|role| role["rules"] != least) {
        faults.push(format!("role {} is more or less than it has to be", name(role)));
    }
    for binding in of_kind(objects, "RoleBinding") {
        if !exists(objects, "Role", &binding["roleRef"]["name"]) {
            faults.push(format!("{} binds no role", name(binding)));
        }
        for subject in list(&binding["subjects"]) {
            if subject["kind"] != "ServiceAccount" || subject["name"] != WITH_TOKEN {
                faults.push(format!("{} gives it to {subject}", name(binding)));
            }
        }
    }
    faults
}

#[tokio::test]
async fn nobody_has_a_token_without_a_need() {
    for rendered in all().await {
        assert_eq!(faults(&rendered.objects), Vec::<String>::new(), "{}", rendered.name);
    }
}

#[tokio::test]
async fn the_policy_notices_what_breaks_it() {
    let changes: [Change; 9] = [
        ("a pod takes a token", |all| pod(all, "emend-worker")["automountServiceAccountToken"] = json!(true)),
        ("a pod does not say", |all| unset(pod(all, "emend-scheduler"), "automountServiceAccountToken")),
        ("no account of its own", |all| unset(pod(all, "emend-worker"), "serviceAccountName")),
        ("another's account", |all| pod(all, "emend-worker")["serviceAccountName"] = json!("emend-pod-cost")),
        ("an account gives tokens away", |all| {
            object(all, "ServiceAccount", "emend-worker")["automountServiceAccountToken"] = json!(true);
        }),
        ("a role that deletes", |all| {
            object(all, "Role", "emend-pod-cost")["rules"][0]["verbs"] =
                json!(["get", "list", "patch", "delete"]);
        }),
        ("a role over secrets", |all| {
            object(all, "Role", "emend-pod-cost")["rules"][0]["resources"] = json!(["pods", "secrets"]);
        }),
        ("the whole cluster", |all| {
            object(all, "RoleBinding", "emend-pod-cost")["kind"] = json!("ClusterRoleBinding");
        }),
        ("a role for workers", |all| {
            object(all, "RoleBinding", "emend-pod-cost")["subjects"][0]["name"] = json!("emend-worker");
        }),
    ];
    notices(objects("base with pod-deletion-cost").await, faults, &changes);
}
