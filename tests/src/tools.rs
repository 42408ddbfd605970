//! Tools that tests borrow from PyPI and npm, at pinned versions, kept under target/ from run to run.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::process::run;

/// How long a tool may take to install.
const LIMIT: Duration = Duration::from_secs(600);

/// The programs' folder of a virtual environment for Python with the packages that `requirements` pins: `python`,
/// and whatever they install. It is `home`, and made again when the file has changed.
///
/// # Errors
/// When it cannot be made; says what to install.
pub async fn python(home: &Path, requirements: &Path) -> Result<PathBuf> {
    let wanted = fs::read_to_string(requirements).with_context(|| requirements.display().to_string())?;
    let (programs, stamp) = (home.join("bin"), home.join("requirements.txt"));
    let _turn = turn(home)?;
    if programs.is_dir() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(programs);
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(home);
    let hint = "a virtual environment for Python is needed: apt-get install python3 python3-venv";
    run(make, LIMIT).await.context(hint)?.ok().context(hint)?;
    let mut install = Command::new(programs.join("python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(requirements);
    run(install, LIMIT).await?.ok().with_context(|| format!("installing from PyPI: {wanted}"))?;
    fs::write(stamp, wanted)?;
    Ok(programs)
}

/// Installs what `package` (a folder with package.json and its lock) pins into `home/node_modules`.
///
/// # Errors
/// When it cannot be installed; says what is needed.
pub async fn node(home: &Path, package: &Path) -> Result<()> {
    let lock = package.join("package-lock.json");
    let wanted = fs::read_to_string(&lock).with_context(|| lock.display().to_string())?;
    let stamp = home.join("installed.json");
    let _turn = turn(home)?;
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    for name in ["package.json", "package-lock.json"] {
        fs::copy(package.join(name), home.join(name))?;
    }
    let mut install = Command::new("npm");
    install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(home);
    let hint = "Node.js is needed: apt-get install nodejs npm";
    run(install, LIMIT).await.context(hint)?.ok().context("installing from npm")?;
    fs::write(stamp, wanted)?;
    Ok(())
}

/// Test programs may want the same tool at once: whoever comes second waits until this is dropped.
fn turn(home: &Path) -> Result<File> {
    fs::create_dir_all(home)?;
    let file = File::create(home.with_extension("lock"))?;
    file.lock()?;
    Ok(file)
}
