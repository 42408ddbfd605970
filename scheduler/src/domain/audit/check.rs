//! Goes through the log and finds what was done to it.

use std::fmt;

use super::{AuditKey, Entry, Head, Mac};

/// What is wrong with the log, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The entry does not fit its MAC: it was edited, or stands where another one stood.
    Altered(i64),
    /// Entries from the first to the second number were taken out.
    Removed(i64, i64),
    /// The entry comes after ones that were taken out, so it cannot be checked.
    Unproven(i64),
    /// Entries from the first to the second number were cut off the end.
    Cut(i64, i64),
    /// The store's own head is not that of its newest entry: it was edited, or entries were put behind it.
    HeadAltered(i64),
    /// The entry of this number is not the one that the kept head names: the log was made anew, or with another key.
    NotTheKept(i64),
}

impl Fault {
    /// The first entry that is concerned.
    pub fn number(self) -> i64 {
        match self {
            Self::Altered(number)
            | Self::Removed(number, _)
            | Self::Unproven(number)
            | Self::Cut(number, _)
            | Self::HeadAltered(number)
            | Self::NotTheKept(number) => number,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = |f: &mut fmt::Formatter<'_>, first: i64, last: i64, what: &str| {
            if first == last {
                write!(f, "entry {first} was {what}")
            } else {
                write!(f, "entries {first} to {last} were {what}")
            }
        };
        match *self {
            Self::Altered(number) => {
                write!(f, "entry {number} was edited, or stands where another one stood")
            }
            Self::Removed(first, last) => span(f, first, last, "removed"),
            Self::Unproven(number) => {
                write!(f, "entry {number} cannot be checked: the one before it is not there")
            }
            Self::Cut(first, last) => span(f, first, last, "cut off the end"),
            Self::HeadAltered(number) => {
                write!(f, "entry {number} is not the newest one that the store's head names")
            }
            Self::NotTheKept(number) => {
                write!(f, "entry {number} is not the one that the kept head names: the log was made anew")
            }
        }
    }
}

/// So many faults are named; one who renumbers the log makes as many as it has entries.
const MOST: usize = 100;

/// Takes the entries in order of their numbers.
#[derive(Debug)]
pub struct Checker<'k> {
    key: &'k AuditKey,
    kept: Option<Head>,
    last: Head,
    faults: Vec<Fault>,
}

impl<'k> Checker<'k> {
    /// A check of a log from its first entry, against the head that was kept outside the store.
    pub fn new(key: &'k AuditKey, kept: Option<Head>) -> Self {
        Self { key, kept, last: Head::EMPTY, faults: Vec::new() }
    }

    /// The next entry, and its MAC as it stands in the store: none when it is no MAC at all.
    pub fn entry(&mut self, entry: &Entry, mac: Option<Mac>) {
        let (number, expected) = (entry.number, self.last.number + 1);
        if number > expected {
            self.found(Fault::Removed(expected, number - 1));
            self.found(Fault::Unproven(number));
        } else if number < expected || mac != Some(entry.mac(self.key, self.last.mac)) {
            self.found(Fault::Altered(number));
        }
        // What follows is checked against the MAC that stands there, so that one edit is one fault.
        self.last = Head { number, mac: mac.unwrap_or(Mac::NONE) };
        if let Some(kept) = self.kept
            && kept.number == number
            && Some(kept.mac) != mac
        {
            self.found(Fault::NotTheKept(number));
        }
    }

    /// The newest number so far.
    pub fn last(&self) -> i64 {
        self.last.number
    }

    fn found(&mut self, fault: Fault) {
        if self.faults.len() < MOST {
            self.faults.push(fault);
        }
    }

    /// What was found, and the newest entry. `head` is the head in the store.
    pub fn end(mut self, head: Option<Head>) -> (Vec<Fault>, Head) {
        let last = self.last;
        let heads = [head, self.kept];
        let most = heads.into_iter().flatten().map(|head| head.number).max().unwrap_or(0);
        if most > last.number {
            self.faults.push(Fault::Cut(last.number + 1, most));
        }
        if head.is_none_or(|head| {
            head.number < last.number || head.number == last.number && head.mac != last.mac
        }) {
            self.faults.push(Fault::HeadAltered(last.number));
        }
        (self.faults, last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    type Row = (Entry, Option<Mac>);

    fn key() -> AuditKey {
        AuditKey::new([7; 32])
    }

    fn log(count: i64) -> (Vec<Row>, Head) {
        let (mut rows, mut head) = (Vec::new(), Head::EMPTY);
        for number in 1..=count {
            let entry = Entry {
                number,
                at: Timestamp(number),
                who: format!("who {number}"),
                what: "decided".into(),
                job_id: Some(1),
                seq: Some(number),
                detail: "{}".into(),
            };
            head = Head { number, mac: entry.mac(&key(), head.mac) };
            rows.push((entry, Some(head.mac)));
        }
        (rows, head)
    }

    fn check(rows: &[Row], head: Head, kept: Option<Head>) -> Vec<Fault> {
        let key = key();
        let mut checker = Checker::new(&key, kept);
        rows.iter().for_each(|(entry, mac)| checker.entry(entry, *mac));
        checker.end(Some(head)).0
    }

    #[test]
    fn a_sound_log_has_no_fault() {
        for count in 0..4 {
            let (rows, head) = log(count);
            let (_, before) = log(count.min(2));
            assert_eq!(check(&rows, head, Some(before)), []);
        }
    }

    #[test]
    fn whatever_was_done_to_the_log_is_found_and_named() {
        let (rows, head) = log(5);
        let done = |change: fn(&mut Vec<Row>)| {
            let mut rows = rows.clone();
            change(&mut rows);
            check(&rows, head, Some(head))
        };
        assert_eq!(done(|rows| rows[2].0.who = "me".into()), [Fault::Altered(3)]);
        assert_eq!(done(|rows| drop(rows.remove(2))), [Fault::Removed(3, 3), Fault::Unproven(4)]);
        let swapped = done(|rows| {
            rows.swap(1, 2);
            (rows[1].0.number, rows[2].0.number) = (2, 3);
        });
        assert_eq!(swapped, [Fault::Altered(2), Fault::Altered(3), Fault::Altered(4)]);
        let renumbered = done(|rows| {
            rows.remove(2);
            rows.iter_mut().zip(1..).for_each(|(row, number)| row.0.number = number);
        });
        assert_eq!(renumbered, [Fault::Altered(3), Fault::Altered(4), Fault::Cut(5, 5),]);
        assert_eq!(done(|rows| rows.truncate(3)), [Fault::Cut(4, 5)]);
        assert_eq!(done(|rows| rows[0].1 = None), [Fault::Altered(1), Fault::Altered(2)]);
        assert_eq!(done(Vec::clear), [Fault::Cut(1, 5)]);
    }

    #[test]
    fn a_cut_that_moves_the_store_s_head_along_is_found_by_the_kept_one() {
        let (rows, head) = log(5);
        let (_, short) = log(3);
        assert_eq!(check(&rows[..3], short, Some(head)), [Fault::Cut(4, 5)]);
        assert_eq!(check(&rows[..3], short, None), []);
        assert_eq!(check(&rows, short, Some(head)), [Fault::HeadAltered(5)]);
        let other = Head { number: 3, ..head };
        assert_eq!(check(&rows, head, Some(other)), [Fault::NotTheKept(3)]);
    }
}
