//! From what was drawn to what is called.

use emend_scheduler::domain::lease::{HandBack, Token};
use emend_tests::worker::number;

use super::{Driver, Known};
use crate::call::{Call, Rows, Sending};
use crate::op::{Message, Op, Place, Sent, Way};
use crate::rules;

impl Driver<'_> {
    /// What a message of a worker is, once it has a lease to speak of.
    pub(super) fn message(&self, message: &Message) -> Option<Call> {
        Some(match *message {
            Message::Commit { lease, sent } => self.commit(&[(lease, sent)])?,
            Message::Beat { lease, progress } => {
                Call::Beat { lease: self.pick(lease)?.lease.clone(), progress: progress.map(i64::from) }
            }
            Message::Release { lease } => {
                Call::HandBack { lease: self.pick(lease)?.lease.clone(), how: HandBack::Release }
            }
            Message::Fail { lease, retryable } => {
                Call::HandBack { lease: self.pick(lease)?.lease.clone(), how: HandBack::Fail { retryable } }
            }
        })
    }

    /// The calls that an operation makes, with what it picks from picked.
    pub(super) fn calls(&mut self, op: &Op) -> Vec<Call> {
        match op.clone() {
            Op::Import { source, rows, rejects, place, last } => {
                self.rows(source, &rows, rejects, place, last).map(Call::Import).into_iter().collect()
            }
            Op::Seal => vec![Call::Seal],
            Op::Pause(paused) => vec![Call::Pause(paused)],
            Op::Cancel => vec![Call::Cancel],
            Op::Delete => vec![Call::Delete],
            Op::Retain(ended) => vec![Call::Retain { ended }],
            Op::Beat { lease, progress } => {
                self.message(&Message::Beat { lease, progress }).into_iter().collect()
            }
            Op::Commit { lease, sent, way } => {
                let times = match way {
                    Way::RequestLost => 0,
                    Way::Arrives | Way::AnswerLost => 1,
                    Way::Doubled => 2,
                };
                (0..times).filter_map(|_| self.commit(&[(lease, sent)])).collect()
            }
            Op::CommitMany(commits) => self.commit(&commits).into_iter().collect(),
            Op::Release { lease } => self.message(&Message::Release { lease }).into_iter().collect(),
            Op::Fail { lease, retryable } => {
                self.message(&Message::Fail { lease, retryable }).into_iter().collect()
            }
            Op::Expire { young } => vec![Call::Expire { young }],
            Op::Split => vec![Call::Split { commit_id: format!("split-{}", number()) }],
            Op::Advance => vec![Call::Advance],
            Op::Find { key } => {
                let may = !self.oracle.deleted && !self.oracle.units.iter().any(|unit| unit.damaged);
                may.then(|| Call::Find { key: rules::name(key) }).into_iter().collect()
            }
            Op::Time { .. }
            | Op::Skew(_)
            | Op::Restart
            | Op::Damage { .. }
            | Op::Repair
            | Op::Together(..)
            | Op::Lease { .. } => Vec::new(),
        }
    }

    fn pick(&self, number: u8) -> Option<&Known> {
        let back = usize::from(number) % self.known.len().max(1);
        self.known.iter().rev().nth(back)
    }

    /// One worker's commits: of the first lease's worker, all of them.
    fn commit(&self, commits: &[(u8, Sent)]) -> Option<Call> {
        let worker = self.pick(commits.first()?.0)?.worker.clone();
        let sending = commits.iter().filter_map(|(lease, what)| {
            let Known { lease, first, records, .. } = self.pick(*lease)?;
            let mut lease = lease.clone();
            if *what == Sent::Stranger {
                lease.token = Token::new(*b"another's secret");
            }
            let results = rules::results(*what, *first, records);
            Some(Sending { lease, what: *what, results, commit_id: format!("commit-{}", number()) })
        });
        Some(Call::Commit { worker, commits: sending.collect() })
    }

    /// Rows as the source has them at that place. A damaged unit is in the way of an import.
    fn rows(
        &mut self,
        source: u8,
        rows: &[(u8, bool)],
        rejects: u8,
        place: Place,
        last: bool,
    ) -> Option<Rows> {
        if self.oracle.units.iter().any(|unit| unit.damaged) {
            return None;
        }
        if place == Place::Again {
            return self.sources.get(&source).cloned();
        }
        let name = format!("file-{source}");
        let next = self.oracle.imports.get(&name).map_or(0, |import| import.next_offset);
        let offset = next + if place == Place::Gap { 5 } else { 0 };
        let records = (offset + 1..).zip(rows).map(|(row, (key, plain))| rules::record(*key, *plain, row));
        let records = records.collect();
        let rows = Rows { source: name, offset, records, rejects: rejects.into(), last };
        if place == Place::Next {
            self.sources.insert(source, rows.clone());
        }
        Some(rows)
    }
}
