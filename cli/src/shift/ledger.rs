//! What a shift did, kept against the truth.

use std::collections::HashMap;

use super::report::{Clusters, Errors, ShiftReport};

/// Whether an answer was right by the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Right,
    Wrong,
}

/// What was said of one review so far.
#[derive(Debug, Clone, Copy, Default)]
struct Answers {
    said: u8,
    wrong: u8,
    /// The last one: it stands, for a review is settled by the answer that it waits for no more after.
    last_wrong: bool,
}

/// Counts what the shift's reviewers said. What others say meanwhile is not in it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    reviews: HashMap<u64, Answers>,
    /// Answers by round: the first, the second, the third.
    rounds: [u64; 3],
    decisions: u64,
    skipped: u64,
    cannot_decide: u64,
    taken: u64,
    paused: u64,
    clusters: Clusters,
}

impl Ledger {
    /// One review was answered.
    pub(super) fn answered(&mut self, seq: u64, round: u32, mark: Mark) {
        self.decisions += 1;
        self.count(seq, round, mark);
    }

    /// A cluster was answered at once, in this round: what the truth says of each member.
    pub(super) fn cluster(&mut self, round: u32, members: &[(u64, Mark)]) {
        self.decisions += 1;
        self.clusters.decisions += 1;
        for &(seq, mark) in members {
            self.clusters.reviews += 1;
            self.clusters.wrong += u64::from(mark == Mark::Wrong);
            self.count(seq, round, mark);
        }
    }

    fn count(&mut self, seq: u64, round: u32, mark: Mark) {
        let answers = self.reviews.entry(seq).or_default();
        answers.said = answers.said.saturating_add(1);
        answers.wrong += u8::from(mark == Mark::Wrong);
        answers.last_wrong = mark == Mark::Wrong;
        let at = (round.clamp(1, 3) - 1) as usize;
        self.rounds[at] += 1;
    }

    pub(super) fn skipped(&mut self) {
        self.skipped += 1;
    }

    /// Somebody left a review to a lead. That is a decision in the log, and no answer.
    pub(super) fn cannot_decide(&mut self) {
        self.decisions += 1;
        self.cannot_decide += 1;
    }

    /// An answer came after somebody else's.
    pub(super) fn taken(&mut self) {
        self.taken += 1;
    }

    /// Somebody gets no more reviews: too many of the answers were wrong.
    pub(super) fn paused(&mut self) {
        self.paused += 1;
    }

    /// How much was done: it grows with whatever brings the shift on.
    pub(super) fn moves(&self) -> u64 {
        self.decisions + self.skipped
    }

    /// What there is to say at the end.
    pub(super) fn into_report(self, report: ShiftReport) -> ShiftReport {
        let mut errors = Errors::default();
        for answers in self.reviews.values() {
            errors.made += u64::from(answers.wrong);
            match (answers.last_wrong, answers.wrong) {
                (_, 0) => {}
                (false, _) => errors.caught += 1,
                (true, _) => errors.stood += 1,
            }
            if answers.last_wrong && answers.said == 1 {
                errors.stood_alone += 1;
            }
        }
        let seconds = report.seconds.max(0.001);
        let answers = self.rounds.iter().sum::<u64>();
        ShiftReport {
            reviews: self.reviews.len() as u64,
            answers,
            decisions: self.decisions,
            decisions_per_second: self.decisions as f64 / seconds,
            reviews_per_second: self.reviews.len() as f64 / seconds,
            first: self.rounds[0],
            second: self.rounds[1],
            third: self.rounds[2],
            skipped: self.skipped,
            paused: self.paused,
            cannot_decide: self.cannot_decide,
            taken: self.taken,
            clusters: self.clusters,
            errors,
            ..report
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_caught_by_a_later_answer_or_it_stands() {
        let mut ledger = Ledger::default();
        let mut say = |seq, marks: &[Mark]| {
            for (round, &mark) in (1..).zip(marks) {
                ledger.answered(seq, round, mark);
            }
        };
        say(1, &[Mark::Right]);
        say(2, &[Mark::Wrong]);
        say(3, &[Mark::Wrong, Mark::Right, Mark::Right]);
        say(4, &[Mark::Right, Mark::Wrong, Mark::Right]);
        say(5, &[Mark::Wrong, Mark::Wrong]);
        ledger.cluster(1, &[(6, Mark::Right), (7, Mark::Wrong)]);
        ledger.cannot_decide();
        ledger.skipped();
        assert_eq!(ledger.moves(), 13);
        let report = ledger.into_report(ShiftReport { seconds: 2.0, ..ShiftReport::default() });
        assert_eq!((report.first, report.second, report.third), (7, 3, 2));
        assert_eq!((report.reviews, report.answers, report.decisions), (7, 12, 12));
        let Errors { made, caught, stood, stood_alone } = report.errors;
        assert_eq!((made, caught, stood, stood_alone), (6, 2, 3, 2));
        let Clusters { decisions, reviews, wrong } = report.clusters;
        assert_eq!((decisions, reviews, wrong), (1, 2, 1));
        assert!((report.decisions_per_second - 6.0).abs() < 1e-9);
    }
}
