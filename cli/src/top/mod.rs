//! `emend top`: jobs and workers, live in a terminal.

mod rate;
mod sample;
mod screen;

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Result;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::client::Client;
use crate::exit::{Exit, Usage};
use rate::Rates;
use sample::Sample;
use screen::Screen;

/// How long the thread that reads keys waits before it looks whether anybody still listens.
const KEYS: Duration = Duration::from_millis(100);

/// Shows what `client` sees until the user leaves; asks every `interval`.
///
/// # Errors
/// [`Usage`] without a terminal; when the terminal fails.
pub async fn run(client: Client, schedulers: &[String], interval: Duration) -> Result<Exit> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Usage::new("emend top needs a terminal; programs use `emend status --json`"));
    }
    let mut terminal = ratatui::try_init()?;
    let shown = show(&mut terminal, &client, schedulers, interval).await;
    ratatui::try_restore()?;
    shown.map(|()| Exit::Done)
}

async fn show(
    terminal: &mut ratatui::DefaultTerminal,
    client: &Client,
    schedulers: &[String],
    interval: Duration,
) -> Result<()> {
    let (mut screen, mut rates) = (Screen::new(schedulers.join(", ")), Rates::default());
    let mut keys = keys();
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        terminal.draw(|frame| screen.draw(frame))?;
        tokio::select! {
            key = keys.recv() => match key {
                Some(key) if is_leave(key) => return Ok(()),
                Some(key) => {
                    screen.key(key.code);
                    if key.code == KeyCode::Enter {
                        tick.reset_immediately();
                    }
                }
                None => return Ok(()),
            },
            // A scheduler that does not answer must not hold up the keys: the call is dropped at the next key.
            sample = next(&mut tick, client, screen.opened()) => {
                if let Ok(sample) = &sample {
                    rates.add(tokio::time::Instant::now(), sample);
                }
                screen.update(sample, &rates);
            }
        }
    }
}

async fn next(
    tick: &mut tokio::time::Interval,
    client: &Client,
    opened: Option<u64>,
) -> Result<Sample, tonic::Status> {
    tick.tick().await;
    Sample::take(client, opened).await
}

/// Keys as they are pressed. The terminal is read by a thread of its own, which ends with the receiver.
fn keys() -> mpsc::Receiver<KeyEvent> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        while !sender.is_closed() {
            let event = match event::poll(KEYS) {
                Ok(true) => event::read(),
                Ok(false) => continue,
                Err(_) => return,
            };
            // A terminal that changed its size is drawn anew as after a key.
            let key = match event {
                Ok(Event::Key(key)) if key.kind == KeyEventKind::Press => key,
                Ok(Event::Resize(..)) => KeyEvent::new(KeyCode::Null, KeyModifiers::NONE),
                Ok(_) => continue,
                Err(_) => return,
            };
            if sender.blocking_send(key).is_err() {
                return;
            }
        }
    });
    receiver
}

fn is_leave(key: KeyEvent) -> bool {
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    interrupt || key.code == KeyCode::Char('q')
}
