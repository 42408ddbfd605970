//! The people on a job: what is left for them, how long it takes at their rate, and how many would be through in time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::time::Timestamp;

/// What people do now is what they did within this time.
pub const LATELY: Duration = Duration::from_secs(10 * 60);
/// Whoever did something within this time is on shift.
pub const ON_SHIFT: Duration = Duration::from_secs(60 * 60);
/// What counts as today, whatever the hour: shifts go past midnight.
pub const TODAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The share of the time until a deadline that is planned with: people take breaks, and some answers are taken back.
const AIM: f64 = 0.9;
/// A rate is measured on at least so much time, or the first answer would promise wonders.
const SHORTEST: Duration = Duration::from_secs(10);
/// Steps in which a job's time is shown, at most,
const STEPS: u64 = 60;
/// and how long each is at least.
const SHORTEST_STEP: Duration = Duration::from_secs(5);

/// A job's reviews, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reviews {
    /// Wait for an answer.
    pub open: i64,
    /// Of those, for a lead's.
    pub for_leads: i64,
    /// Answers that the open ones have.
    pub given: i64,
    /// Need no more answers.
    pub decided: i64,
    /// Answers that it took to decide those.
    pub taken: i64,
    /// Open ones by finding; one with two findings is under both.
    pub by_finding: BTreeMap<String, i64>,
}

impl Reviews {
    /// Adds open reviews of one kind: the codes of their findings, a comma between.
    pub fn add_kind(&mut self, kind: &str, open: i64) {
        for code in kind.split(',').filter(|_| open > 0) {
            *self.by_finding.entry(code.to_owned()).or_default() += open;
        }
    }

    /// Answers that a review takes, as seen on those that are decided.
    fn answers_each(&self) -> f64 {
        if self.decided > 0 { (real(self.taken) / real(self.decided)).max(1.0) } else { 1.0 }
    }

    /// Answers that are still to be given when so many reviews are to come. Each open review wants one at least.
    fn answers_left(&self, to_come: i64) -> f64 {
        let open = real(self.open) * self.answers_each() - real(self.given);
        open.max(real(self.open)) + real(to_come) * self.answers_each()
    }
}

/// What people did lately.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lately {
    /// Reviews answered.
    pub answers: i64,
    /// By so many.
    pub reviewers: i64,
    /// When the job's first answer ever was.
    pub began: Option<Timestamp>,
}

impl Lately {
    /// Answers a second.
    pub fn rate(&self, now: Timestamp) -> f64 {
        let took = self.began.map_or(LATELY, |began| now.since(began).clamp(SHORTEST, LATELY));
        real(self.answers) / took.as_secs_f64()
    }
}

/// A job's records by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Records {
    /// Without a verdict.
    pub pending: i64,
    /// With one.
    pub settled: i64,
}

/// What is ahead of the people.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ahead {
    /// Reviews that pending records will become.
    pub to_come: i64,
    /// Answers for what is open and to come.
    pub answers_left: i64,
    /// Answers a second.
    pub rate: f64,
    /// Until all is decided, at this rate.
    pub left: Option<Duration>,
    /// Reviewers who would be through in time.
    pub reviewers_wanted: Option<i64>,
    /// The share of the records that rules settle alone.
    pub automatic: Option<f64>,
    /// The share with which the reviewers of now would be through in time.
    pub automatic_wanted: Option<f64>,
}

/// Looks ahead. Reviews come of pending records as often as they came of settled ones.
pub fn ahead(
    reviews: &Reviews,
    lately: &Lately,
    records: Records,
    deadline: Option<Timestamp>,
    now: Timestamp,
) -> Ahead {
    let all = reviews.open + reviews.decided;
    let share = (records.settled > 0).then(|| (real(all) / real(records.settled)).min(1.0));
    let to_come = round(real(records.pending) * share.unwrap_or(0.0));
    let (answers, rate) = (reviews.answers_left(to_come), lately.rate(now));
    let at_work = rate > 0.0 && lately.reviewers > 0;
    let left = (at_work && answers > 0.0).then(|| Duration::try_from_secs_f64(answers / rate).ok()).flatten();
    let time = deadline.filter(|_| at_work).map(|deadline| deadline.since(now).mul_f64(AIM).as_secs_f64());
    let wanted = |time: f64| {
        // Nothing makes up for time that is over.
        (time > 0.0 || answers == 0.0)
            .then(|| ceil(answers / time.max(1.0) / (rate / real(lately.reviewers))))
    };
    let affordable = |time: f64| {
        let reviews = real(reviews.decided) + (real(reviews.given) + rate * time) / reviews.answers_each();
        let records = real(records.settled + records.pending);
        (records > 0.0).then(|| (1.0 - reviews / records).clamp(0.0, 1.0))
    };
    Ahead {
        to_come,
        answers_left: ceil(answers),
        rate,
        left,
        reviewers_wanted: time.and_then(wanted),
        automatic: share.map(|share| 1.0 - share),
        automatic_wanted: time.and_then(affordable),
    }
}

/// How long each of the steps is in which so much time is shown.
pub fn step(time: Duration) -> Duration {
    // One more than it takes, so that the last step holds now.
    Duration::from_secs(time.as_secs() / STEPS + 1).max(SHORTEST_STEP)
}

/// A count as a real number.
#[expect(clippy::cast_precision_loss, reason = "an estimate of counts far below 2^53")]
fn real(count: i64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, reason = "what is out of range saturates")]
fn ceil(value: f64) -> i64 {
    // Rounding errors are no reason for one more.
    (value - 1e-6).ceil() as i64
}

#[expect(clippy::cast_possible_truncation, reason = "what is out of range saturates")]
fn round(value: f64) -> i64 {
    value.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(100_000_000);

    fn reviews(open: i64, given: i64, decided: i64, taken: i64) -> Reviews {
        Reviews { open, given, decided, taken, ..Reviews::default() }
    }

    /// `reviewers` who gave 60 answers a minute together for an hour.
    fn lately(reviewers: i64) -> Lately {
        Lately { answers: 600, reviewers, began: Some(NOW - ON_SHIFT) }
    }

    fn records(pending: i64, settled: i64) -> Records {
        Records { pending, settled }
    }

    #[test]
    fn what_is_left_counts_second_answers_and_what_is_to_come() {
        // Half of the decided ones took two answers; of 100 open ones 20 have their first.
        let reviews = reviews(100, 20, 100, 150);
        let ahead = ahead(&reviews, &lately(10), records(1_000, 1_000), None, NOW);
        assert_eq!((ahead.to_come, ahead.answers_left), (200, 130 + 300));
        assert_eq!((ahead.left, ahead.rate), (Some(Duration::from_secs(430)), 1.0));
        assert_eq!(
            (ahead.automatic, ahead.reviewers_wanted, ahead.automatic_wanted),
            (Some(0.8), None, None)
        );
    }

    #[test]
    fn a_deadline_says_how_many_would_meet_it_or_what_share_of_automation() {
        let deadline = Some(NOW + Duration::from_secs(1_000));
        let ahead = ahead(&reviews(1_800, 0, 200, 200), &lately(10), records(0, 10_000), deadline, NOW);
        // 1,800 answers in 900 s, at a tenth of an answer a second each.
        assert_eq!(ahead.reviewers_wanted, Some(20));
        // Ten of them manage 900 more reviews: 1,100 of 10,000 records.
        assert!((ahead.automatic_wanted.unwrap() - 0.89).abs() < 1e-9, "{ahead:?}");
        let late = super::ahead(&reviews(5, 0, 0, 0), &lately(10), records(0, 10), Some(NOW), NOW);
        assert_eq!(late.reviewers_wanted, None, "nobody makes up for time that is over");
        let done = super::ahead(&reviews(0, 0, 5, 5), &lately(10), records(0, 10), Some(NOW), NOW);
        assert_eq!((done.reviewers_wanted, done.left), (Some(0), None));
    }

    #[test]
    fn without_people_nothing_is_promised() {
        let deadline = Some(NOW + TODAY);
        let nobody = ahead(&reviews(5, 0, 0, 0), &Lately::default(), records(0, 0), deadline, NOW);
        assert_eq!((nobody.left, nobody.reviewers_wanted, nobody.automatic_wanted), (None, None, None));
        assert_eq!((nobody.answers_left, nobody.automatic), (5, None));
    }

    #[test]
    fn a_young_shift_is_measured_on_its_own_time() {
        let since =
            |seconds| Lately { answers: 30, reviewers: 1, began: Some(NOW - Duration::from_secs(seconds)) };
        assert_eq!(since(60).rate(NOW), 0.5);
        assert_eq!(since(1).rate(NOW), 3.0);
        assert_eq!(since(6_000).rate(NOW), 0.05);
    }

    #[test]
    fn a_review_with_two_findings_is_under_both() {
        let mut reviews = Reviews::default();
        reviews.add_kind("a.x,b.y", 2);
        reviews.add_kind("b.y", 3);
        reviews.add_kind("c.z", 0);
        let expected = BTreeMap::from([("a.x".to_owned(), 2), ("b.y".to_owned(), 5)]);
        assert_eq!(reviews.by_finding, expected);
    }

    #[test]
    fn time_is_shown_in_at_most_sixty_steps() {
        assert_eq!(step(Duration::ZERO), SHORTEST_STEP);
        for millis in [299_999, 300_000, 3_599_999, 3_600_000, 86_400_000] {
            let time = Duration::from_millis(millis);
            assert!(time.as_millis() / step(time).as_millis() < u128::from(STEPS), "{time:?}");
        }
    }
}
