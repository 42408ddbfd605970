//! Breaks manifests, to see that a policy notices.

use serde_json::Value;

use crate::rendered::{kind, name};

/// A change to manifests, with what it breaks.
pub(crate) type Change = (&'static str, fn(&mut Vec<Value>));

/// The policy finds no fault in `objects`, and finds one after each of the changes.
pub(crate) fn notices(objects: &[Value], policy: impl Fn(&[Value]) -> Vec<String>, changes: &[Change]) {
    assert_eq!(policy(objects), Vec::<String>::new());
    for (what, change) in changes {
        let mut changed = objects.to_vec();
        change(&mut changed);
        assert_ne!(changed, objects, "{what}: nothing was changed");
        assert!(!policy(&changed).is_empty(), "{what}: not noticed");
    }
}

/// The object of this kind and name. A generated name is found without its hash.
pub(crate) fn object<'a>(objects: &'a mut [Value], wanted: &str, called: &str) -> &'a mut Value {
    let found = objects.iter_mut().find(|object| {
        let rest = name(object).strip_prefix(called);
        kind(object) == wanted && rest.is_some_and(|rest| rest.is_empty() || is_hash(rest))
    });
    found.unwrap_or_else(|| panic!("there is no {wanted} {called}"))
}

/// The first container of a Deployment.
pub(crate) fn container<'a>(objects: &'a mut [Value], deployment: &str) -> &'a mut Value {
    &mut pod(objects, deployment)["containers"][0]
}

/// The pods' spec of a Deployment.
pub(crate) fn pod<'a>(objects: &'a mut [Value], deployment: &str) -> &'a mut Value {
    &mut object(objects, "Deployment", deployment)["spec"]["template"]["spec"]
}

/// Takes the object of this kind and name out.
pub(crate) fn take(objects: &mut Vec<Value>, wanted: &str, called: &str) {
    objects.retain(|object| !(kind(object) == wanted && name(object) == called));
}

/// Takes a field out.
pub(crate) fn unset(value: &mut Value, field: &str) {
    value.as_object_mut().unwrap().remove(field);
}

fn is_hash(rest: &str) -> bool {
    rest.strip_prefix('-')
        .is_some_and(|hash| hash.len() == 10 && hash.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}
