//! A grouped job beside the same records in a job that is not.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

use super::Options;
use super::data::Data;
use super::pipeline::{Store, run_grouped};
use super::report::{median, seconds};
use super::server::Server;

/// People, as far as a name and a birth date tell them apart.
const GROUP_BY: &str = "full_name,date_of_birth";

/// In turns, so that whatever else the machine does meets both.
pub(super) async fn run(options: &Options, server: &Server) -> Result<String> {
    let data = Data::crowd(options.records).await?;
    let mut text = format!(
        "| {} records, some of the same people | total | to not grouped | import | rules, after it | export |\n\
         |---|---:|---:|---:|---:|---:|\n",
        options.records
    );
    for store in [Store::Postgres, Store::Sqlite] {
        let (mut plain, mut grouped) = (Vec::new(), Vec::new());
        for _turn in 0..options.runs {
            plain.push(run_grouped(&data, store, server, None).await?);
            grouped.push(run_grouped(&data, store, server, Some(GROUP_BY)).await?);
        }
        let total =
            |runs: &[super::Run]| median(runs.iter().map(|run| run.phases.total().as_secs_f64()).collect());
        let base = total(&plain).context("a run")?;
        for (name, runs) in [("not grouped", &plain), ("grouped by name and birth date", &grouped)] {
            let of = |value: fn(&super::Run) -> std::time::Duration| {
                let middle = median(runs.iter().map(|run| value(run).as_secs_f64()).collect());
                seconds(std::time::Duration::from_secs_f64(middle.unwrap_or_default()))
            };
            let _ = writeln!(
                text,
                "| {}, {name} | {} | {:.2}× | {} | {} | {} |",
                store.name(),
                of(|run| run.phases.total()),
                total(runs).context("a run")? / base,
                of(|run| run.phases.import),
                of(|run| run.phases.process),
                of(|run| run.phases.export),
            );
        }
    }
    Ok(text)
}
