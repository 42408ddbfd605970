//! Which records go into one call, and what becomes of a call that fails.

use std::time::Duration;

use emend_proto::v1::{RecordResult, RecordToValidate, ValidateRequest, Verdict};
use tonic::{Code, Status};

use super::description::Description;
use crate::Record;
use crate::runtime::chain::current;

/// How often a call is tried on a validator that is there, before its records are asked about apart.
const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Places of records in their unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) places: Vec<usize>,
    tries: u32,
}

/// What to do about a call that failed on a validator that is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The same again after a while.
    Again(Batch, Duration),
    /// The records apart: one of them may be at fault.
    Halves(Batch, Batch),
    /// The one record cannot be checked.
    GiveUp(usize),
    /// The validator says again and again that it cannot now: nothing is wrong with the records.
    LeaveIt,
}

/// All records that the chain has not given up on, in batches of at most `size`.
pub(super) fn batches(results: &[RecordResult], size: usize) -> Vec<Batch> {
    let checked = |place: &usize| results[*place].verdict() != Verdict::Failed;
    let places: Vec<usize> = (0..results.len()).filter(checked).collect();
    places.chunks(size).map(|places| Batch { places: places.to_vec(), tries: 0 }).collect()
}

impl Batch {
    pub(super) fn after(mut self, failure: &Status) -> Next {
        self.tries += 1;
        let busy = matches!(failure.code(), Code::Unavailable | Code::ResourceExhausted | Code::Aborted);
        if busy && self.tries < TRIES {
            let pause = FIRST_PAUSE * 2u32.pow(self.tries);
            return Next::Again(self, pause);
        }
        if is_said(failure) && matches!(failure.code(), Code::Unavailable | Code::ResourceExhausted) {
            return Next::LeaveIt;
        }
        match &self.places[..] {
            [place] => Next::GiveUp(*place),
            places => {
                let (front, back) = places.split_at(places.len() / 2);
                let half = |places: &[usize]| Self { places: places.to_vec(), tries: 0 };
                Next::Halves(half(front), half(back))
            }
        }
    }

    /// The call about these records.
    pub(super) fn request(
        &self,
        of: &Description,
        as_of: &str,
        records: &[Option<Record<'_>>],
        results: &[RecordResult],
    ) -> ValidateRequest {
        let ask = |(id, place): (usize, &usize)| {
            let (record, result) = (records[*place].as_ref()?, &results[*place]);
            let names: Vec<&str> = match &of.reads[..] {
                [] => record.fields().map(|(name, _)| name).collect(),
                names => names.iter().map(String::as_str).collect(),
            };
            let read = |name: &str| Some((name.to_owned(), current(record, result, name)?.to_owned()));
            let fields = names.into_iter().filter_map(read).collect();
            Some(RecordToValidate {
                id: u32::try_from(id).unwrap_or(u32::MAX),
                key: record.key().to_owned(),
                fields,
                changed: result.changes.clone(),
                routed: result.findings.iter().map(|finding| finding.field.clone()).collect(),
            })
        };
        let records = self.places.iter().enumerate().filter_map(ask).collect();
        ValidateRequest { as_of: as_of.to_owned(), records }
    }
}

/// Whether the validator itself has said so, and not the line that broke off.
fn is_said(failure: &Status) -> bool {
    std::error::Error::source(failure).is_none()
}

/// Whether a failure may mean that nobody is there.
pub(super) fn may_be_away(failure: &Status) -> bool {
    matches!(
        failure.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown | Code::Internal
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_fails_is_tried_again_and_then_taken_apart() {
        let results = vec![RecordResult { verdict: Verdict::Valid.into(), ..RecordResult::default() }; 5];
        let mut batch = batches(&results, 3).remove(0);
        assert_eq!(batch.places, [0, 1, 2]);
        let busy = Status::unavailable("");
        for _ in 1..TRIES {
            let Next::Again(again, pause) = batch.after(&busy) else { panic!("it is tried again") };
            assert!(pause > FIRST_PAUSE);
            batch = again;
        }
        assert_eq!(batch.clone().after(&busy), Next::LeaveIt, "it says so itself");
        let broken = Status::from_error(Box::new(std::io::Error::other("the line broke off")));
        let Next::Halves(front, back) = batch.after(&broken) else { panic!("it is taken apart") };
        assert_eq!((front.places.as_slice(), back.places.as_slice()), (&[0][..], &[1, 2][..]));
        assert_eq!(front.after(&Status::out_of_range("")), Next::GiveUp(0), "no use in trying that again");
    }

    #[test]
    fn records_that_failed_are_asked_about_no_more() {
        let of = |verdict: Verdict| RecordResult { verdict: verdict.into(), ..RecordResult::default() };
        let results = [of(Verdict::Failed), of(Verdict::Routed), of(Verdict::Failed), of(Verdict::Valid)];
        let batches = batches(&results, 10);
        assert_eq!(batches.iter().map(|batch| &batch.places[..]).collect::<Vec<_>>(), [[1, 3]]);
    }
}
