//! Python with pinned packages, for what other people's programs must say of ours.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::process::run;

const LIMIT: Duration = Duration::from_secs(600);

/// The Python of a virtual environment with the packages of a requirements file. It is kept as `home/name` from run to
/// run.
///
/// # Errors
/// When there is no Python, or PyPI cannot be reached; says what to install.
pub async fn environment(home: &Path, name: &str, requirements: &Path) -> Result<PathBuf> {
    let wanted = std::fs::read_to_string(requirements)?;
    let home = home.join(name);
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
    run(install, LIMIT).await?.ok().context("packages could not be installed from PyPI")?;
    std::fs::write(stamp, wanted)?;
    Ok(python)
}
