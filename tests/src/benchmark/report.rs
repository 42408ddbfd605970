//! Tables for the README.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;

use super::pipeline::Run;
use super::server::Server;
use super::{Options, floor};
use crate::process::Usage;

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// What it was measured on and with.
pub(super) fn machine(options: &Options, server: &Server) -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let order = if options.shuffle { "keys in no order" } else { "keys ascending" };
    Ok(format!(
        "{cores} cores ({}), {}, durable defaults, over TCP; median of {}; {order}.\n",
        model.trim_start_matches([' ', '\t', ':']),
        server.version()?,
        runs(options.runs),
    ))
}

fn runs(count: u32) -> String {
    if count == 1 { "one run".to_owned() } else { format!("{count} runs in turns") }
}

/// All measured runs.
#[derive(Debug, Default)]
pub(super) struct Table {
    runs: Vec<Run>,
}

impl Table {
    pub(super) fn add(&mut self, run: Run) {
        eprintln!(
            "{}: {} = {} + {} + {}",
            run.name,
            seconds(run.phases.total()),
            seconds(run.phases.import),
            seconds(run.phases.process),
            seconds(run.phases.export)
        );
        self.runs.push(run);
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter()
    }

    /// The median of a contender's totals.
    pub(super) fn median(&self, name: &str) -> Option<Duration> {
        self.median_of(name, |run| run.phases.total().as_secs_f64()).map(Duration::from_secs_f64)
    }

    /// The median of anything about a contender.
    pub(super) fn median_of(&self, name: &str, value: impl Fn(&Run) -> f64) -> Option<f64> {
        median(self.runs.iter().filter(|run| run.name == name).map(value).collect())
    }

    /// Times with ratios to the floor, then what each process used.
    pub(super) fn markdown(&self, records: u64) -> String {
        let mut text = format!(
            "| {records} records | total | to the floor | slowest | import | rules, after it | export |\n\
             |---|---:|---:|---:|---:|---:|---:|\n"
        );
        let floor = self.median(floor::NAME);
        for name in self.names() {
            let median = |value: fn(&Run) -> Duration| {
                let found = self.median_of(name, |run| value(run).as_secs_f64());
                seconds(Duration::from_secs_f64(found.unwrap_or_default()))
            };
            let ratio =
                floor.zip(self.median(name)).map(|(floor, own)| own.as_secs_f64() / floor.as_secs_f64());
            let totals = self.runs.iter().filter(|run| run.name == name).map(|run| run.phases.total());
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {} | {} | {} | {} |",
                median(|run| run.phases.total()),
                ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}×")),
                seconds(totals.max().unwrap_or_default()),
                median(|run| run.phases.import),
                median(|run| run.phases.process),
                median(|run| run.phases.export),
            );
        }
        text.push('\n');
        text + self.processes().as_str()
    }

    fn processes(&self) -> String {
        let mut text = "| process | CPU seconds | peak RSS |\n|---|---:|---:|\n".to_owned();
        for name in self.names() {
            let Some(first) = self.runs.iter().find(|run| run.name == name) else { continue };
            for &(process, _) in &first.used {
                let of = |run: &Run| run.used.iter().find(|used| used.0 == process).map(|used| used.1);
                let cpu = self.median_of(name, |run| of(run).unwrap_or_default().cpu_seconds);
                let peak =
                    self.runs.iter().filter(|run| run.name == name).filter_map(of).map(|used| used.peak_rss);
                let used =
                    Usage { cpu_seconds: cpu.unwrap_or_default(), peak_rss: peak.max().unwrap_or_default() };
                let _ = writeln!(text, "{}", process_row(name, process, used));
            }
        }
        text
    }

    fn names(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for run in &self.runs {
            if !names.contains(&run.name) {
                names.push(run.name);
            }
        }
        names
    }
}

/// One process as a row of `process | CPU seconds | peak RSS`.
pub(super) fn process_row(name: &str, process: &str, used: Usage) -> String {
    // A server of many processes that share memory has no single peak.
    let peak = match used.peak_rss {
        0 => "–".to_owned(),
        bytes => format!("{:.0} MiB", bytes as f64 / MEBIBYTE),
    };
    format!("| {name}: {process} | {:.2} | {peak} |", used.cpu_seconds)
}

/// As a table shows it.
pub(super) fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// The middle one; the mean of the two in the middle of an even number.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
