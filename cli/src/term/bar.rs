//! Progress bars on stderr, when a terminal watches.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::grouped;

const TICK: Duration = Duration::from_millis(200);

/// A bar. Clones are one bar.
#[derive(Debug, Clone)]
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar over records that are counted elsewhere.
    pub fn new(what: &'static str, total: u64) -> Self {
        let template =
            "{prefix} {bar:30} {percent:>3} % · {count}/{total} records · {speed} · {eta} left{msg}";
        Self::with(what, total, ProgressStyle::with_template(template).expect("a valid template"))
    }

    /// A bar over a file, `bytes` long.
    pub(crate) fn over_file(what: &'static str, bytes: u64) -> Self {
        let template = "{prefix} {bar:30} {percent:>3} % · {msg} · {eta} left";
        Self::with(what, bytes, ProgressStyle::with_template(template).expect("a valid template"))
    }

    /// How much of the file was read, and how many rows were sent.
    pub(crate) fn set_file(&self, read: u64, rows: u64) {
        let rate = rows as f64 / self.0.elapsed().as_secs_f64().max(0.001);
        self.0.set_position(read);
        self.0.set_message(format!("{} rows · {}/s", grouped(rows), grouped(rate as u64)));
    }

    fn with(what: &'static str, total: u64, style: ProgressStyle) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
        let style = style
            .with_key("count", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = out.write_str(&grouped(state.pos()));
            })
            .with_key("total", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = out.write_str(&grouped(state.len().unwrap_or(0)));
            })
            .with_key("speed", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = write!(out, "{}/s", grouped(state.per_sec() as u64));
            });
        bar.set_style(style);
        bar.set_prefix(what);
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// Where it is now.
    pub fn set(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }

    /// What it counts up to.
    pub fn total(&self) -> u64 {
        self.0.length().unwrap_or(0)
    }

    /// A word after the numbers.
    pub fn say(&self, text: String) {
        self.0.set_message(text);
    }

    /// Whether anyone sees it.
    pub fn is_hidden(&self) -> bool {
        self.0.is_hidden()
    }

    /// Takes it away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
