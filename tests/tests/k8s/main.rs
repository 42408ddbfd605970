//! The manifests of k8s/: rendered as an operator would, checked against the schemas of Kubernetes and of those whose
//! custom resources they use, and against policies of our own. Every policy is shown to notice what breaks it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod accounts;
mod container;
mod monitoring;
mod mutate;
mod network;
mod probes;
mod rendered;
mod restricted;
mod schemas;
mod settings;
mod wiring;
