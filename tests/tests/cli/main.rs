//! The command line as scripts see it: exit codes, JSON, files, and words that help.

mod demo;
mod groups;
mod job;
mod markers;
mod people;
mod pod_cost;
mod servers;
mod steering;
mod traces;
mod upgraded;
mod usage;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use emend_tests::process::{Deployment, Output};

/// The exit codes that scripts rely on.
const FAILED: i32 = 1;
const USAGE: i32 = 2;
const REJECTS: i32 = 3;

/// The command ended with this code, and said all of this.
fn expect(output: &Output, code: i32, words: &[&str]) -> Result<()> {
    ensure!(output.code == Some(code), "exit code {:?}, not {code}: {output:?}", output.code);
    let said = format!("{}{}", output.stdout, output.stderr);
    for word in words {
        ensure!(said.contains(word), "nothing about `{word}`: {said}");
    }
    ensure!(!said.contains("panicked"), "{said}");
    Ok(())
}

/// The arguments that bring `file` into `job`.
fn import<'a>(file: &'a str, job: &'a str) -> [&'a str; 8] {
    ["import", file, "--job", job, "--pack", "vaccination", "--as-of", "2021-09-20"]
}

/// A file of `count` generated records.
async fn generated(deployment: &Deployment, count: u64) -> Result<PathBuf> {
    Ok(deployment.generate(count).await?.join("records.csv"))
}

/// Rows of a CSV file without its header.
fn csv_rows(path: &Path) -> Result<usize> {
    let rows = csv::Reader::from_path(path)?.into_records().collect::<Result<Vec<_>, _>>()?;
    Ok(rows.len())
}
