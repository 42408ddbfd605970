//! The Containerfile: linted, and held to what the docs say of the image.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use emend_tests::process::run;

use crate::rendered::{programs, root};

const LIMIT: Duration = Duration::from_secs(60);

/// What hadolint says of a file; nothing is good.
async fn lint(file: &Path) -> String {
    let mut lint = Command::new(programs().await.unwrap().join("hadolint"));
    lint.args(["--no-color", "--failure-threshold", "style"]).arg(file);
    let output = run(lint, LIMIT).await.unwrap();
    assert_eq!(output.code == Some(0), output.stdout.is_empty(), "{output:?}");
    output.stdout
}

/// Where the image is not what we say: from scratch, one binary, nobody's user, nothing fetched.
fn faults(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let lines: Vec<(&str, &str)> = joined
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| line.split_once(' ').unwrap_or((line, "")))
        .collect();
    let all = |instruction: &str| -> Vec<&str> {
        lines.iter().filter(|(first, _)| *first == instruction).map(|(_, rest)| rest.trim()).collect()
    };
    let mut faults = Vec::new();
    let mut need = |holds: bool, what: &str| {
        if !holds {
            faults.push(what.to_owned());
        }
    };
    need(all("FROM") == ["scratch"], "it is from scratch");
    need(all("USER") == ["65532:65532"], "it runs as the user that the manifests name");
    need(all("ENTRYPOINT") == [r#"["/emend"]"#], "it runs the binary, without a shell");
    need(all("COPY").len() == 2, "it holds the binary and the authorities");
    need(all("COPY").iter().all(|copy| copy.contains("--chmod=0")), "it says who may write: nobody");
    for instruction in ["ADD", "RUN", "VOLUME", "SHELL", "ENV"] {
        need(all(instruction).is_empty(), instruction);
    }
    let label = |name: &str| all("LABEL").iter().any(|label| label.contains(name));
    for name in ["title", "description", "licenses", "version", "revision"] {
        need(label(&format!("org.opencontainers.image.{name}=")), name);
    }
    faults
}

#[tokio::test]
async fn the_containerfile_is_clean_and_what_we_say() {
    let file = root().join("Containerfile");
    assert_eq!(lint(&file).await, "");
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(faults(&text), Vec::<String>::new());
    let broken = [
        ("FROM scratch", "FROM docker.io/library/debian:12"),
        ("USER 65532:65532\n", ""),
        (r#"ENTRYPOINT ["/emend"]"#, "ENTRYPOINT /emend"),
        ("COPY --chmod=0555", "COPY"),
        ("COPY --chmod=0444", "ADD --chmod=0444"),
        ("org.opencontainers.image.licenses", "licence"),
    ];
    for (good, bad) in broken {
        let changed = text.replace(good, bad);
        assert_ne!(changed, text, "{good} is not in it");
        assert!(!faults(&changed).is_empty(), "not noticed: {bad}");
    }
}

#[tokio::test]
async fn the_linter_finds_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("Containerfile");
    for (text, rule) in [
        ("FROM debian\nUSER 1000\n", "DL3006"),
        ("FROM debian:12\nUSER root\n", "DL3002"),
        ("FROM scratch\nENTRYPOINT /emend\n", "DL3025"),
    ] {
        std::fs::write(&file, text).unwrap();
        let said = lint(&file).await;
        assert!(said.contains(rule), "{rule}: {said}");
    }
}
