//! What a process used, as /proc tells.

use std::fs;

/// The kernel gives times to programs in hundredths of a second, on every architecture of Linux (USER_HZ).
const TICKS: f64 = 100.0;

/// CPU time and memory of a process so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// In user and system mode together.
    pub cpu_seconds: f64,
    /// The most memory it ever held, in bytes.
    pub peak_rss: u64,
}

impl Usage {
    /// Takes in what /proc says of `id` now. What is gone keeps its last value.
    pub(super) fn look(&mut self, id: u32) {
        if let Some(stat) = stat(id) {
            self.cpu_seconds = stat.own;
        }
        if let Some(peak) = peak_rss(id) {
            self.peak_rss = peak;
        }
    }
}

/// CPU seconds of a process and all that descend from it, the dead ones that it reaped included.
pub fn tree_cpu(root: u32) -> f64 {
    let Ok(entries) = fs::read_dir("/proc") else { return 0.0 };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let all: Vec<(u32, Stat)> = ids.filter_map(|id| Some((id, stat(id)?))).collect();
    let mut family = vec![root];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(all.iter().filter(|(_, stat)| stat.parent == parent).map(|(id, _)| *id));
        next += 1;
    }
    let members = all.iter().filter(|(id, _)| family.contains(id));
    members.map(|(_, stat)| stat.own + stat.reaped).sum()
}

/// CPU seconds that all processors of the machine have worked, for whomever, the kernel included.
pub fn machine_cpu() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<f64> = ticks.filter_map(|field| field.parse().ok()).collect();
    // Idle and waiting for a disk are the fourth and the fifth; guests, at the end, are counted in the first two.
    ticks
        .iter()
        .take(8)
        .enumerate()
        .filter(|(place, _)| ![3, 4].contains(place))
        .map(|(_, ticks)| ticks)
        .sum::<f64>()
        / TICKS
}

/// Whether the process has ended and waits to be reaped, or is gone.
pub(super) fn is_dead(id: u32) -> bool {
    stat(id).is_none_or(|stat| stat.state == 'Z')
}

struct Stat {
    state: char,
    parent: u32,
    own: f64,
    reaped: f64,
}

fn stat(id: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before it may hold anything, parentheses too.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    // After the state and the parent: nine fields, then utime, stime, cutime, cstime.
    let mut ticks = fields.skip(9).map(str::parse::<f64>);
    let mut two = || Some((ticks.next()?.ok()? + ticks.next()?.ok()?) / TICKS);
    Some(Stat { state, parent, own: two()?, reaped: two()? })
}

fn peak_rss(id: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let mut usage = Usage::default();
        usage.look(std::process::id());
        assert!(usage.peak_rss > 100_000, "{usage:?}");
        assert!(tree_cpu(std::process::id()) >= usage.cpu_seconds);
        assert!(machine_cpu() >= usage.cpu_seconds);
        assert!(!is_dead(std::process::id()));
    }
}
