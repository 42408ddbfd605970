//! A client in another language, made from the protos with grpcio, does a whole job.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use emend_tests::process::{Deployment, run};

const LIMIT: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_client_does_a_whole_job() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let python = environment(&folder.join("requirements.txt")).await?;
    let deployment = Deployment::on_sqlite()?;
    let stubs = deployment.path("stubs");
    std::fs::create_dir(&stubs)?;
    make_stubs(&python, &stubs).await?;
    let _scheduler = deployment.scheduler(0).await?;
    let _worker = deployment.worker(0)?;
    let mut client = Command::new(&python);
    let address = deployment.url(0).replace("http://", "");
    client.arg(folder.join("client.py")).arg(address).env("PYTHONPATH", &stubs);
    let output = run(client, LIMIT).await?.ok()?;
    ensure!(output.stdout.contains("250 records"), "{output:?}");
    Ok(())
}

/// The Python of a virtual environment with the pinned packages. It is kept under target/ from run to run.
async fn environment(requirements: &Path) -> Result<PathBuf> {
    let wanted = std::fs::read_to_string(requirements)?;
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-client");
    let (python, stamp) = (home.join("bin/python"), home.join("requirements.txt"));
    if python.exists() && std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }

    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&home);
    let hint = "a virtual environment for Python is needed: apt-get install python3 python3-venv";
    run(make, LIMIT).await.context(hint)?.ok().context(hint)?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    install.arg(requirements);
    run(install, LIMIT).await?.ok().context("grpcio could not be installed from PyPI")?;
    std::fs::write(stamp, wanted)?;
    Ok(python)
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
