//! What a shift has to say at its end.

use std::time::Duration;

use serde::Serialize;

use crate::term::{Table, grouped, right, seconds, share};

/// A shift in numbers.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ShiftReport {
    /// The job.
    pub job: String,
    /// How many reviewers, leads among them.
    pub reviewers: u32,
    /// How many leads.
    pub leads: u32,
    /// What the errors were drawn from.
    pub seed: u64,
    /// The share of errors that was asked for.
    pub error_rate: f64,
    /// From the first lease to the last answer.
    pub seconds: f64,
    /// Reviews that the shift answered.
    pub reviews: u64,
    /// Of them in one second.
    pub reviews_per_second: f64,
    /// Answers, each to one review: where two must agree, a review has several.
    pub answers: u64,
    /// Answers of the first round.
    pub first: u64,
    /// Of the second: somebody must agree.
    pub second: u64,
    /// Of the third, who has the last word: the first two differed.
    pub third: u64,
    /// Entries in the log: one for a whole cluster, one for each review left to a lead.
    pub decisions: u64,
    /// Of them in one second.
    pub decisions_per_second: f64,
    /// Reviews that were handed back.
    pub skipped: u64,
    /// Reviews that were left to a lead.
    pub cannot_decide: u64,
    /// Answers that came after somebody else's.
    pub taken: u64,
    /// Reviewers who were paused: they missed too many known answers.
    pub paused: u64,
    /// Reviews decided together.
    pub clusters: Clusters,
    /// What was said that the truth says is wrong.
    pub errors: Errors,
    /// Reviews that are still open.
    pub left: u64,
}

/// Reviews decided together.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Clusters {
    /// How often.
    pub decisions: u64,
    /// How many reviews, counted again in each round.
    pub reviews: u64,
    /// Of those, for how many it was wrong: they are not like the samples.
    pub wrong: u64,
}

/// What was said that the truth says is wrong.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Errors {
    /// Wrong answers.
    pub made: u64,
    /// Reviews with a wrong answer that came out right, because another person was asked.
    pub caught: u64,
    /// Reviews that came out wrong.
    pub stood: u64,
    /// Of those, the ones that one person decided alone.
    pub stood_alone: u64,
}

impl ShiftReport {
    /// For people.
    pub fn text(&self) -> String {
        let took = seconds(Duration::try_from_secs_f64(self.seconds).unwrap_or_default());
        let mut text = format!(
            "{} reviewers, {} of them leads, answered {} reviews of job {} in {took}: {} decisions a second\n",
            grouped(self.reviewers.into()),
            grouped(self.leads.into()),
            grouped(self.reviews),
            self.job,
            grouped(self.decisions_per_second as u64),
        );
        let mut table = Table::new(["people", "", ""]);
        for (name, count, of) in [
            ("answers of the first round", self.first, None),
            ("answers of the second: somebody must agree", self.second, None),
            ("answers of the third: the first two differed", self.third, None),
            ("reviews decided in clusters", self.clusters.reviews, None),
            ("handed back", self.skipped, None),
            ("left to a lead", self.cannot_decide, None),
            ("answered after somebody else", self.taken, None),
            ("reviewers paused for missing known answers", self.paused, None),
            ("wrong answers", self.errors.made, Some(self.answers)),
            ("reviews with one that came out right", self.errors.caught, Some(self.reviews)),
            ("reviews that came out wrong", self.errors.stood, Some(self.reviews)),
            ("  of those, decided by one person alone", self.errors.stood_alone, Some(self.reviews)),
        ] {
            let of = of.map(|of| share(count, of)).unwrap_or_default();
            table.row([name.into(), right(grouped(count)), right(of)]);
        }
        text += &format!("{table}\n");
        if self.left > 0 {
            text += &format!(
                "{} reviews are open still: nobody of this shift may take them\n",
                grouped(self.left)
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_tells_errors_and_what_is_left() {
        let report = ShiftReport {
            job: "x".into(),
            reviewers: 300,
            reviews: 1_000,
            answers: 1_500,
            errors: Errors { made: 30, caught: 20, stood: 10, stood_alone: 9 },
            left: 3,
            ..ShiftReport::default()
        };
        let text = report.text();
        for part in
            ["300 reviewers", "1,000 reviews of job x", "2.0 %", "1.0 %", "0.9 %", "3 reviews are open"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!ShiftReport { left: 0, ..report }.text().contains("open still"));
    }
}
