//! What `emend top` shows.

use std::time::Duration;

use emend_proto::v1::{Job, JobState, Progress, WorkerStatus};
use ratatui::Frame;
use ratatui::crossterm::event::KeyCode;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style, Stylize as _};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Sparkline, Table, TableState};
use tonic::Status;

use super::rate::{Rates, decided};
use super::sample::Sample;
use crate::report::state_name;
use crate::term::{grouped, seconds};

/// Cells of a job's bar.
const BAR: usize = 20;

/// The screen, and where its user is.
#[derive(Debug)]
pub(super) struct Screen {
    schedulers: String,
    jobs: Vec<(Job, f64)>,
    workers: Vec<WorkerStatus>,
    curve: Vec<u64>,
    /// The job looked at closely: its id, and what came of it.
    opened: Option<(u64, Option<Job>)>,
    selected: TableState,
    /// Why there is nothing newer to show.
    trouble: Option<String>,
}

impl Screen {
    pub(super) fn new(schedulers: String) -> Self {
        Self {
            schedulers,
            jobs: Vec::new(),
            workers: Vec::new(),
            curve: Vec::new(),
            opened: None,
            selected: TableState::new().with_selected(Some(0)),
            trouble: None,
        }
    }

    /// The id of the job that is looked at closely.
    pub(super) fn opened(&self) -> Option<u64> {
        self.opened.as_ref().map(|(id, _)| *id)
    }

    pub(super) fn key(&mut self, key: KeyCode) {
        match key {
            KeyCode::Down | KeyCode::Char('j') => self.selected.select_next(),
            KeyCode::Up | KeyCode::Char('k') => self.selected.select_previous(),
            KeyCode::Enter => {
                let job = self.selected.selected().and_then(|at| self.jobs.get(at));
                self.opened = job.map(|(job, _)| (job.id, None));
            }
            KeyCode::Esc => self.opened = None,
            _ => {}
        }
    }

    pub(super) fn update(&mut self, sample: Result<Sample, Status>, rates: &Rates) {
        let sample = match sample {
            Ok(sample) => sample,
            Err(status) => {
                self.trouble = Some(status.message().to_owned());
                return;
            }
        };
        self.trouble = None;
        self.jobs = sample.jobs.into_iter().map(|job| (rates.of(job.id), job)).map(|(r, j)| (j, r)).collect();
        // What is at work stands first; the scheduler gives the newest first.
        self.jobs.sort_by_key(|(job, _)| matches!(job.state(), JobState::Completed | JobState::Cancelled));
        // An empty table has taken the selection away.
        if self.selected.selected().is_none() {
            self.selected.select_first();
        }
        self.workers = sample.workers;
        self.workers.sort_by_key(|worker| std::cmp::Reverse(worker.records - worker.progress));
        self.curve = rates.curve();
        if let Some((_, opened)) = &mut self.opened {
            *opened = sample.opened;
        }
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>) {
        let jobs = u16::try_from(self.jobs.len()).unwrap_or(u16::MAX).saturating_add(3);
        let [head, curve, jobs, below, foot] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(4),
            Constraint::Max(jobs.min(frame.area().height / 2)),
            Constraint::Min(3),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        frame.render_widget(self.head(), head);
        let sparkline = Sparkline::default().block(titled("records a second")).data(&self.curve);
        frame.render_widget(sparkline, curve);
        self.draw_jobs(frame, jobs);
        match self.opened.as_ref().and_then(|(_, job)| job.as_ref()) {
            Some(job) => draw_tallies(frame, below, job),
            None => self.draw_workers(frame, below),
        }
        let foot_line = match &self.trouble {
            Some(trouble) => Line::from(format!("{trouble} (still trying)")).red(),
            None => {
                Line::from("q leave · ↑ ↓ select a job · Enter its rules and findings · Esc workers").dim()
            }
        };
        frame.render_widget(foot_line, foot);
    }

    fn head(&self) -> Line<'static> {
        let units = self.workers.iter().map(|worker| u64::from(worker.units)).sum();
        let rate = self.curve.last().copied().unwrap_or(0);
        let workers = grouped(self.workers.len() as u64);
        let text = format!(
            "emend {} · {workers} workers hold {} units · {} records a second",
            self.schedulers,
            grouped(units),
            grouped(rate)
        );
        Line::from(text).bold()
    }

    fn draw_jobs(&mut self, frame: &mut Frame<'_>, area: Rect) {
        let header = ["job", "state", "done", "", "records", "a second", "left", "ready", "leased", "aside"];
        let widths = [
            Constraint::Fill(1),
            Constraint::Length(18),
            Constraint::Length(BAR as u16),
            Constraint::Length(6),
            Constraint::Length(11),
            Constraint::Length(9),
            Constraint::Length(13),
            Constraint::Length(7),
            Constraint::Length(7),
            Constraint::Length(5),
        ];
        let rows = self.jobs.iter().map(|(job, rate)| job_row(job, *rate));
        let table = Table::new(rows, widths)
            .header(Row::new(header).style(Style::new().add_modifier(Modifier::DIM)))
            .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
            .block(titled("jobs"));
        frame.render_stateful_widget(table, area, &mut self.selected);
    }

    fn draw_workers(&self, frame: &mut Frame<'_>, area: Rect) {
        let rows = self.workers.iter().map(|worker| {
            let left = worker.expires_in.map_or(0, |left| left.seconds);
            Row::new([
                worker.worker_id.clone(),
                worker.units.to_string(),
                grouped(worker.records),
                grouped(worker.progress),
                format!("{left} s"),
            ])
        });
        let widths = [
            Constraint::Fill(1),
            Constraint::Length(7),
            Constraint::Length(11),
            Constraint::Length(11),
            Constraint::Length(12),
        ];
        let table = Table::new(rows, widths)
            .header(Row::new(["worker", "units", "records", "done", "lease lasts"]).dim())
            .block(titled("workers, the busiest first"));
        frame.render_widget(table, area);
    }
}

fn titled(title: &str) -> Block<'_> {
    Block::new().borders(Borders::TOP).title(title)
}

fn job_row(job: &Job, rate: f64) -> Row<'static> {
    let progress = job.progress.clone().unwrap_or_default();
    let Progress { records, pending, units_ready, units_leased, units_set_aside, .. } = progress;
    let state = state_name(job.state());
    let state = if job.paused { format!("{state}, paused") } else { state.to_owned() };
    let share = if records == 0 { 0.0 } else { decided(job) as f64 / records as f64 };
    let left = match pending {
        0 => String::new(),
        _ if rate < 0.05 => "no end seen".to_owned(),
        pending => seconds(Duration::try_from_secs_f64(pending as f64 / rate).unwrap_or(Duration::MAX)),
    };
    let aside = Cell::new(grouped(units_set_aside));
    Row::new([
        Cell::new(job.name.clone()),
        Cell::new(state),
        Cell::new(bar(share)),
        Cell::new(format!("{:.1} %", 100.0 * share)),
        Cell::new(grouped(records)),
        Cell::new(grouped(rate as u64)),
        Cell::new(left),
        Cell::new(grouped(units_ready)),
        Cell::new(grouped(units_leased)),
        // They wait for an operator.
        if units_set_aside > 0 { aside.red() } else { aside },
    ])
}

fn bar(share: f64) -> String {
    let full = (share * BAR as f64) as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(BAR.saturating_sub(full)))
}

fn draw_tallies(frame: &mut Frame<'_>, area: Rect, job: &Job) {
    let progress = job.progress.clone().unwrap_or_default();
    let halves = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).split(area);
    for (area, title, counts) in
        [(halves[0], "changes by rule", progress.rules), (halves[1], "findings by code", progress.findings)]
    {
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
        let lines =
            counts.into_iter().map(|(name, count)| Line::from(format!("{:>9}  {name}", grouped(count))));
        let title = format!("{}: {title}", job.name);
        frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()).block(titled(&title)), area);
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    fn sample(decided: u64) -> Sample {
        let progress = Progress {
            records: 1000,
            pending: 1000 - decided,
            units_ready: 3,
            units_set_aside: 1,
            rules: [("name.case".to_owned(), 12)].into(),
            ..Progress::default()
        };
        let job = |id, name: &str, state: JobState| Job {
            id,
            name: name.to_owned(),
            state: state.into(),
            progress: Some(progress.clone()),
            ..Job::default()
        };
        let worker = WorkerStatus { worker_id: "pod-1-abc".into(), units: 2, ..WorkerStatus::default() };
        let jobs = vec![job(9, "ended", JobState::Completed), job(8, "hcm", JobState::Running)];
        Sample { opened: Some(jobs[1].clone()), jobs, workers: vec![worker] }
    }

    fn drawn(screen: &mut Screen) -> String {
        let mut terminal = Terminal::new(TestBackend::new(140, 24)).unwrap();
        terminal.draw(|frame| screen.draw(frame)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn jobs_at_work_stand_first_with_their_rate_and_the_time_left() {
        let (mut screen, mut rates) = (Screen::new("http://here:7070".into()), Rates::default());
        let start = tokio::time::Instant::now();
        rates.add(start, &sample(0));
        rates.add(start + Duration::from_secs(10), &sample(500));
        screen.update(Ok(sample(500)), &rates);
        let text = drawn(&mut screen);
        let line = |word: &str| text.lines().position(|line| line.contains(word)).unwrap_or(usize::MAX);
        assert!(line(" hcm") == usize::MAX && line("\"hcm") < line("\"ended"), "{text}");
        let hcm = text.lines().nth(line("\"hcm")).unwrap();
        for part in ["running", "50.0 %", "1,000", "50", "10.0 s"] {
            assert!(hcm.contains(part), "{part}: {hcm}");
        }
        assert!(text.contains("pod-1-abc") && text.contains("1 workers hold 2 units"), "{text}");
    }

    #[test]
    fn a_job_opens_and_trouble_is_said() {
        let (mut screen, rates) = (Screen::new(String::new()), Rates::default());
        drawn(&mut screen);
        screen.update(Ok(sample(1)), &rates);
        screen.key(KeyCode::Enter);
        assert_eq!(screen.opened(), Some(8));
        screen.update(Ok(sample(1)), &rates);
        assert!(drawn(&mut screen).contains("12  name.case"));
        screen.update(Err(Status::unavailable("nobody is there")), &rates);
        let text = drawn(&mut screen);
        assert!(text.contains("nobody is there (still trying)") && text.contains("name.case"), "{text}");
        screen.key(KeyCode::Esc);
        assert!(drawn(&mut screen).contains("pod-1-abc"));
    }
}
