//! A job in numbers, for people.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Decisions, Report, Verdicts};
use crate::term::{Table, grouped, right, seconds, share};

impl Report {
    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "job {} (id {}): {}{} · {} · as of {}\n",
            self.job,
            self.id,
            self.state,
            self.flags(),
            self.pack,
            if self.as_of.is_empty() { "no day" } else { &self.as_of },
        );
        let (priority, weight) = (self.priority, self.weight);
        text += &format!("priority {priority}, weight {weight}, {}\n", self.deadline());
        let units = &self.units;
        text += &format!(
            "units: {} ready, {} leased, {} done, {} set aside{}\n",
            grouped(units.ready),
            grouped(units.leased),
            grouped(units.done),
            grouped(units.set_aside),
            if units.waiting > 0 { format!(", {} waiting", grouped(units.waiting)) } else { String::new() },
        );
        text += &self.grouping.as_ref().map(|by| by.text(&self.job, self.records)).unwrap_or_default();
        text += &self.guards();
        let took = seconds(Duration::try_from_secs_f64(self.seconds).unwrap_or_default());
        text += &format!("{took}, {} records a second\n", grouped(self.records_per_second as u64));
        text += &self.ahead();
        text += &self.people();
        text += &format!("{}\n", self.classes());
        if !self.rules.is_empty() {
            text += &format!("{}\n", counts("changes by rule", &self.rules));
        }
        if !self.rule_quality.is_empty() {
            text += &format!("{}\n", self.quality());
        }
        if !self.findings.is_empty() {
            text += &format!("{}\n", counts("findings by code", &self.findings));
        }
        if self.blocks_gone {
            text += "its records are deleted; only these counts are kept\n";
        } else if let Some(left) = self.blocks_go_in_seconds {
            text += &format!("its records will be deleted in {:.1} days\n", left / 86_400.0);
        }
        text
    }

    fn flags(&self) -> String {
        let flags = [
            (self.paused, "paused"),
            (self.awaits_approval, "waits for an approval"),
            (self.revising, "being revised"),
            (self.dry_run, "dry run"),
        ];
        flags.into_iter().filter(|(is, _)| *is).map(|(_, flag)| format!(", {flag}")).collect()
    }

    /// What stops it, or part of it, and what to do about that; empty when nothing does.
    fn guards(&self) -> String {
        let mut text = String::new();
        let job = &self.job;
        if self.awaits_approval {
            text += &format!(
                "the canary is done: `emend samples {job}` shows what rules did, `emend approve {job}` lets the rest go on\n"
            );
        }
        for trip in &self.trips {
            text += &format!("threshold: {trip}\n");
        }
        for version in &self.withdrawn {
            text += &format!(
                "{version} was withdrawn: `emend rerun {job} --with NAME@VERSION` gives the job another one\n"
            );
        }
        if !self.rules_off.is_empty() {
            text += &format!("rules that do not run: {}\n", self.rules_off.join(", "));
        }
        text
    }

    /// How often rules are wrong, the worst first.
    fn quality(&self) -> Table {
        let mut table = Table::new(["wrong changes, by rule", "looked into", "wrong", "95 % interval", ""]);
        let mut rules: Vec<_> = self.rule_quality.iter().collect();
        rules.sort_by(|a, b| b.interval[0].total_cmp(&a.interval[0]).then_with(|| a.rule.cmp(&b.rule)));
        for quality in rules {
            let [low, high] = quality.interval.map(|share| 100.0 * share);
            table.row([
                quality.rule.as_str().into(),
                right(grouped(quality.sampled)),
                right(grouped(quality.wrong)),
                right(format!("{low:.2} to {high:.2} %")),
                (if quality.paused { "paused" } else { "" }).into(),
            ]);
        }
        table
    }

    /// What is still to do; empty when nothing is.
    fn ahead(&self) -> String {
        if self.workers_wanted == 0 {
            return String::new();
        }
        let workers = match self.workers {
            0 => "no worker is at it".to_owned(),
            1 => "1 worker at it".to_owned(),
            many => format!("{} workers at it", grouped(many)),
        };
        let left = self.seconds_left.and_then(|left| Duration::try_from_secs_f64(left).ok());
        let left = left.map(|left| format!("about {} left, ", seconds(left))).unwrap_or_default();
        format!("{left}{workers}, {} wanted\n", grouped(self.workers_wanted))
    }

    /// What people have to do and did; empty when nothing is for them.
    fn people(&self) -> String {
        let Decisions { open, decided, rejected } = self.decisions;
        if open + decided == 0 {
            return String::new();
        }
        let [open, decided, rejected] = [open, decided, rejected].map(grouped);
        format!("people: {open} open, {decided} decided, {rejected} of them rejected\n")
    }

    fn deadline(&self) -> String {
        let Some(left) = self.deadline_in_seconds else { return "no deadline".to_owned() };
        let time = seconds(Duration::try_from_secs_f64(left.abs()).unwrap_or_default());
        match (matches!(self.state, "importing" | "running"), left >= 0.0) {
            (true, true) => format!("deadline in {time}"),
            (true, false) => format!("deadline overdue by {time}"),
            (false, true) => format!("deadline met with {time} to spare"),
            (false, false) => format!("deadline missed by {time}"),
        }
    }

    /// Every row in exactly one class, and their sum.
    fn classes(&self) -> Table {
        let Verdicts { valid, corrected, routed, failed } = self.verdicts;
        let mut table = Table::new(["rows", "", ""]);
        for (class, count, always) in [
            ("valid", valid, true),
            ("corrected", corrected, true),
            ("routed", routed, true),
            ("failed", failed, true),
            ("pending", self.pending, false),
            ("already there", self.already_there, false),
            ("rejected", self.rejected, false),
        ] {
            if always || count > 0 {
                table.row([class.into(), right(grouped(count)), right(share(count, self.rows))]);
            }
        }
        let verdict = if self.reconciled { "reconciled" } else { "NOT RECONCILED" };
        table.row(["all rows".into(), right(grouped(self.rows)), right(verdict)]);
        table
    }
}

/// Counts, the largest first.
fn counts(what: &str, counts: &BTreeMap<String, u64>) -> Table {
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
    let mut table = Table::new([what, ""]);
    for (name, count) in sorted {
        table.row([name.into(), right(grouped(*count))]);
    }
    table
}
