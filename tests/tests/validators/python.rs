//! The example in Python, as somebody would install and run it: a register that serves a job through two workers, is killed in
//! the middle, and comes back.
//!
//! The long form: `PYTHON_RECORDS=100000 PYTHON_AWAY=20`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use emend_tests::process::{Deployment, Process, Signal, eventually, free_port, run};
use emend_tests::{amount, tools};

use super::{LIMIT, import, reviewing, stop, units, worker};

const UNIT: u64 = 200;

/// The package installed from its folder, as its README says.
async fn installed(deployment: &Deployment) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/validator-python");
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-validator");
    let programs = tools::python(&home, &folder.join("requirements.txt")).await?;
    // pip builds beside the sources.
    let copy = deployment.path("validator-python");
    let mut take = Command::new("cp");
    take.arg("-r").arg(&folder).arg(&copy);
    run(take, LIMIT).await?.ok()?;
    let mut install = Command::new(programs.join("python"));
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--force-reinstall",
    ]);
    run(
        {
            install.arg(&copy);
            install
        },
        LIMIT,
    )
    .await?
    .ok()?;
    let mut check = Command::new(programs.join("python"));
    check.args(["-m", "unittest", "discover", "--start-directory"]).arg(copy.join("tests"));
    run(check, LIMIT).await?.ok()?;
    Ok(programs)
}

/// One in fifty has another name in the register, and one in fifty writes it otherwise: the pack alone makes no mistake about
/// names that a register would find.
async fn marry(deployment: &Deployment, programs: &Path) -> Result<()> {
    let change = "import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as register:
    register.execute(\"UPDATE people SET full_name = 'Trần Thị Khác' WHERE rowid % 50 = 0\")
    register.execute('UPDATE people SET full_name = lower(full_name) WHERE rowid % 50 = 1')";
    let mut python = Command::new(programs.join("python"));
    python.args(["-c", change]).arg(deployment.path("register.db"));
    run(python, LIMIT).await?.ok().map(drop)
}

fn serve(deployment: &Deployment, programs: &Path, port: u16) -> Result<Process> {
    let mut serve = Command::new(programs.join("emend-register"));
    serve.arg("serve").arg(deployment.path("register.db")).args(["--listen", &format!("127.0.0.1:{port}")]);
    Process::start("register", &mut serve, &deployment.path("register.log"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_register_in_python_is_killed_and_comes_back() -> Result<()> {
    let (records, away) = (amount("PYTHON_RECORDS", 60_000), amount("PYTHON_AWAY", 0));
    let deployment = Deployment::on_sqlite()?;
    let programs = installed(&deployment).await?;
    let truth = deployment.generate(records).await?.join("truth.jsonl");
    let mut build = Command::new(programs.join("emend-register"));
    build.arg("build").arg(deployment.path("register.db")).arg(truth);
    run(build, LIMIT).await?.ok()?;
    marry(&deployment, &programs).await?;
    let port = free_port();
    let mut register = serve(&deployment, &programs, port)?;
    let url = format!("http://127.0.0.1:{port}");
    let mut processes =
        [deployment.scheduler(0).await?, worker(&deployment, 0, &url)?, worker(&deployment, 1, &url)?];
    import(&deployment, records, UNIT).await?;
    let done = async || deployment.job("job").await.ok()?.progress;
    let some = async || (done().await?.units_done > 0).then_some(());
    eventually("the first units", LIMIT, some).await?;
    register.signal(Signal::Kill)?;
    register.end(LIMIT).await?;
    let noticed = async || processes[1].log().contains("a validator is away").then_some(());
    eventually("a worker notices", LIMIT, noticed).await?;
    let left = done().await.context("progress")?;
    ensure!(left.units_done < records / UNIT, "the job was through before anybody was killed");
    // It stays away for so long: nothing that could be waited for happens.
    tokio::time::sleep(Duration::from_secs(away)).await;
    let _register = serve(&deployment, &programs, port)?;
    reviewing(&deployment).await?;
    let units = units(&deployment).await?;
    ensure!(units.iter().all(|unit| unit.attempts_left == 3), "an attempt was counted for its absence");
    let status = deployment.run(["status", "job", "--json"]).await?.ok()?.json()?;
    let (form, found) = (&status["rules"]["register.form"], &status["findings"]["full_name.register"]);
    println!("{records} records, away for {away} s: {form} names rewritten, {found} for people");
    let some = |count: &serde_json::Value| count.as_u64().is_some_and(|count| count > records / 100);
    ensure!(status["verdicts"]["failed"] == 0 && some(form) && some(found), "{status}");
    stop(&mut processes).await
}
