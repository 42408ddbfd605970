//! The alarms for the Prometheus operator are those that promtool tests.

use std::process::Command;
use std::time::Duration;

use emend_tests::process::run;

use crate::rendered::{programs, root, scripts};

#[tokio::test]
async fn the_rule_holds_the_alarms_that_are_tested() {
    let monitoring = root().join("k8s/monitoring");
    let mut make = Command::new(programs().await.unwrap().join("python"));
    make.arg(scripts().join("rule.py")).arg(monitoring.join("alerts.yaml"));
    let made = run(make, Duration::from_secs(60)).await.unwrap().ok().unwrap().stdout;
    let kept = std::fs::read_to_string(monitoring.join("rule.yaml")).unwrap();
    assert!(made.contains("EmendSchedulerDown"), "{made}");
    assert!(made == kept, "alerts.yaml has changed: make rule.yaml anew, as its first line says");
}
