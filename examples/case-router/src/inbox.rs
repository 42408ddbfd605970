//! Events that wait for their case, in a file: a line for each that came, and one for each that is done.
//!
//! An event is on disk before it is acknowledged at the broker. That something is done may be forgotten: it is then done
//! again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::event::Routed;

/// While so many events wait, the rest stays at the broker.
const FULL: usize = 10_000;
/// An empty inbox starts a new file when the old one has grown to so many bytes.
const WORN: u64 = 1024 * 1024;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Came(Routed),
    Done(String),
}

/// The inbox. All clones of what is in it are gone once it is done.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    came: Notify,
    done: Notify,
}

#[derive(Debug)]
struct State {
    file: File,
    waiting: BTreeMap<String, Routed>,
}

impl Inbox {
    /// Opens the file, or makes it. Its last line may be torn by a crash; nobody was told that it was there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut waiting = BTreeMap::new();
        for line in text.lines() {
            match serde_json::from_str(line) {
                Ok(Line::Came(event)) => drop(waiting.insert(event.id.clone(), event)),
                Ok(Line::Done(id)) => drop(waiting.remove(&id)),
                Err(_) => tracing::warn!("the inbox has a torn line: left out"),
            }
        }
        // Written anew, so that it does not grow from start to start.
        let fresh = path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&lines(waiting.values().cloned().map(Line::Came)))?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        let file = File::options().append(true).open(path)?;
        let state = Mutex::new(State { file, waiting });
        Ok(Self { state, came: Notify::new(), done: Notify::new() })
    }

    /// Takes events; once this answers they are on disk. Those that wait already are taken once.
    pub(crate) fn take(&self, events: Vec<Routed>) -> io::Result<()> {
        let mut state = self.lock();
        let new: Vec<Routed> =
            events.into_iter().filter(|event| !state.waiting.contains_key(&event.id)).collect();
        if new.is_empty() {
            return Ok(());
        }
        state.file.write_all(&lines(new.iter().cloned().map(Line::Came)))?;
        state.file.sync_data()?;
        state.waiting.extend(new.into_iter().map(|event| (event.id.clone(), event)));
        drop(state);
        self.came.notify_one();
        Ok(())
    }

    /// Waits for an event. It stays until it is done.
    pub(crate) async fn next(&self) -> Routed {
        loop {
            let came = self.came.notified();
            let first = self.lock().waiting.values().next().cloned();
            match first {
                Some(event) => return event,
                None => came.await,
            }
        }
    }

    /// The event has its case.
    pub(crate) fn done(&self, event: &Routed) -> io::Result<()> {
        let mut state = self.lock();
        state.waiting.remove(&event.id);
        state.file.write_all(&lines([Line::Done(event.id.clone())]))?;
        if state.waiting.is_empty() && state.file.metadata()?.len() > WORN {
            state.file.set_len(0)?;
        }
        drop(state);
        self.done.notify_one();
        Ok(())
    }

    /// Waits until there is room for more.
    pub(crate) async fn room(&self) {
        loop {
            let done = self.done.notified();
            if self.lock().waiting.len() < FULL {
                return;
            }
            done.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lines(lines: impl IntoIterator<Item = Line>) -> Vec<u8> {
    let mut text = Vec::new();
    for line in lines {
        text.extend(serde_json::to_vec(&line).expect("texts and numbers are always JSON"));
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: u64) -> Routed {
        Routed { id: format!("e{seq}"), job: 1, seq }
    }

    #[tokio::test]
    async fn what_came_and_is_not_done_is_there_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inbox.jsonl");
        let inbox = Inbox::open(&path).unwrap();
        inbox.take(vec![event(1), event(2)]).unwrap();
        inbox.take(vec![event(2), event(3)]).unwrap();
        inbox.done(&event(1)).unwrap();
        drop(inbox);
        // The crash came in the middle of a line.
        File::options().append(true).open(&path).unwrap().write_all(b"{\"came\":{\"id").unwrap();
        let inbox = Inbox::open(&path).unwrap();
        for expected in [2, 3] {
            let next = inbox.next().await;
            assert_eq!(next, event(expected));
            inbox.done(&next).unwrap();
        }
        drop(inbox);
        assert!(Inbox::open(&path).unwrap().lock().waiting.is_empty());
    }

    #[tokio::test]
    async fn a_full_inbox_leaves_the_rest_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = Inbox::open(&folder.path().join("inbox.jsonl")).unwrap();
        inbox.take((0..FULL as u64).map(event).collect()).unwrap();
        let mut room = Box::pin(inbox.room());
        assert!(futures::poll!(&mut room).is_pending());
        inbox.done(&inbox.next().await).unwrap();
        room.await;
    }
}
