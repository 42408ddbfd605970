//! A client in another language, made from the protos with grpcio, does a whole job.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use emend_tests::process::{Deployment, run};
use emend_tests::tools;

const LIMIT: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_client_does_a_whole_job() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-client");
    let python = tools::python(&home, &folder.join("requirements.txt")).await?.join("python");
    let deployment = Deployment::on_sqlite()?;
    let stubs = deployment.path("stubs");
    std::fs::create_dir(&stubs)?;
    make_stubs(&python, &stubs).await?;
    the_examples_are_these(&stubs)?;
    let _scheduler = deployment.scheduler(0).await?;
    let _worker = deployment.worker(0)?;
    let mut client = Command::new(&python);
    let address = deployment.url(0).replace("http://", "");
    client.arg(folder.join("client.py")).arg(address).env("PYTHONPATH", &stubs);
    let output = run(client, LIMIT).await?.ok()?;
    ensure!(output.stdout.contains("250 records"), "{output:?}");
    Ok(())
}

/// The modules that the example of a validator brings along are those of the protos.
fn the_examples_are_these(stubs: &Path) -> Result<()> {
    let theirs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/validator-python/src");
    for name in ["record_pb2.py", "validator_pb2.py", "validator_pb2_grpc.py"] {
        let of = |folder: &Path| std::fs::read_to_string(folder.join("emend/v1").join(name));
        ensure!(of(stubs)? == of(&theirs)?, "{name} is old: run examples/validator-python/stubs.sh");
    }
    Ok(())
}

/// Generates the modules of all protos into `stubs`.
async fn make_stubs(python: &Path, stubs: &Path) -> Result<()> {
    let protos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto");
    let mut make = Command::new(python);
    make.args(["-m", "grpc_tools.protoc", "-I"]).arg(&protos);
    for kind in ["--python_out", "--grpc_python_out"] {
        make.arg(format!("{kind}={}", stubs.display()));
    }
    for entry in std::fs::read_dir(protos.join("emend/v1"))? {
        make.arg(Path::new("emend/v1").join(entry?.file_name()));
    }
    run(make, LIMIT).await?.ok().map(drop)
}
