//! The wire contract: linted, and held against the last release's. `emend.v1` only grows.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use emend_tests::process::{Output, run};
use emend_tests::tools;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);

/// A copy of proto/ that a test may change.
struct Protos {
    folder: TempDir,
    baseline: PathBuf,
}

impl Protos {
    fn copy() -> Self {
        let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto");
        let baselines: Vec<PathBuf> =
            fs::read_dir(proto.join("baseline")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(baselines.len(), 1, "one release is the last: {baselines:?}");
        let folder = tempfile::tempdir().unwrap();
        copy(&proto, folder.path());
        Self { folder, baseline: baselines[0].clone() }
    }

    /// Replaces text that must be there.
    fn change(&self, file: &str, from: &str, to: &str) {
        let path = self.folder.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    async fn buf(&self, arguments: &[&str]) -> Output {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manifest-tools");
        let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("k8s/requirements.txt");
        let programs = tools::python(&home, &requirements).await.unwrap();
        let mut buf = Command::new(programs.join("buf"));
        buf.args(arguments).current_dir(self.folder.path());
        run(buf, LIMIT).await.unwrap()
    }

    async fn breaking(&self) -> Output {
        self.buf(&["breaking", "--against", self.baseline.to_str().unwrap()]).await
    }
}

/// Copies the protos and buf.yaml; nothing else of the crate matters here.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&path, &target);
        } else if path.extension().is_some_and(|extension| extension == "proto" || extension == "yaml") {
            fs::copy(&path, target).unwrap();
        }
    }
}

#[tokio::test]
async fn the_protos_are_clean_and_break_nobody() {
    let protos = Protos::copy();
    for output in [protos.buf(&["lint"]).await, protos.breaking().await] {
        assert!(output.code == Some(0) && output.stdout.is_empty(), "{output:?}");
    }
}

#[tokio::test]
async fn a_new_field_breaks_nobody() {
    let protos = Protos::copy();
    protos.change(
        "emend/v1/job.proto",
        "message SealJobRequest {",
        "message SealJobRequest {\n  bool extra = 99;",
    );
    let output = protos.breaking().await;
    assert!(output.code == Some(0), "{output:?}");
}

#[tokio::test]
async fn what_breaks_others_is_found() {
    let changes = [
        ("rpc SealJob(SealJobRequest)", "rpc CloseJob(SealJobRequest)", "SealJob"),
        (
            "message SealJobRequest {",
            "message SealJobRequest {\n  reserved \"x\";\n }\nmessage Other {",
            "SealJobRequest",
        ),
        ("string job = 1;", "bytes job = 1;", "type"),
    ];
    for (from, to, named) in changes {
        let protos = Protos::copy();
        protos.change("emend/v1/job.proto", from, to);
        let output = protos.breaking().await;
        assert!(output.code != Some(0), "not found: {to}");
        let said = output.stdout + output.stderr.as_str();
        assert!(said.contains(named), "{named}: {said}");
    }
}

#[tokio::test]
async fn what_reads_badly_is_found() {
    let protos = Protos::copy();
    protos.change(
        "emend/v1/job.proto",
        "message SealJobRequest {",
        "message SealJobRequest {\n  bool extraField = 99;",
    );
    let output = protos.buf(&["lint"]).await;
    assert!(output.code != Some(0) && output.stdout.contains("extraField"), "{output:?}");
}
