//! What every process tells of itself: its version, and what it uses, as /proc has it.

use metrics::{counter, describe_counter, describe_gauge, gauge};

/// The kernel gives times to programs in hundredths of a second, on every architecture of Linux (USER_HZ).
const TICKS: u64 = 100;

/// Tells the current recorder. Elsewhere than on Linux there is only the version to tell.
pub(super) fn record() {
    describe_gauge!("emend_build_info", "1; the version is in the label.");
    gauge!("emend_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    if let Some(seconds) = cpu_seconds() {
        describe_counter!("process_cpu_seconds_total", "Processor time used, in whole seconds.");
        counter!("process_cpu_seconds_total").absolute(seconds);
    }
    if let Some(bytes) = resident_bytes() {
        describe_gauge!("process_resident_memory_bytes", "Memory held.");
        gauge!("process_resident_memory_bytes").set(bytes);
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        describe_gauge!("process_open_fds", "Open files and connections.");
        gauge!("process_open_fds").set(files.count() as f64);
    }
}

fn cpu_seconds() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name before it may hold anything, parentheses too; user and system time are the 12th and 13th after it.
    let mut times = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut time = || times.next()?.parse::<u64>().ok();
    Some((time()? + time()?) / TICKS)
}

fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 100_000.0));
        assert!(cpu_seconds().is_some());
    }
}
