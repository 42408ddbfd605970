//! Which records go into one call, and what becomes of a call that fails.

use std::time::Duration;

use emend_proto::v1::{RecordResult, RecordToValidate, ValidateRequest, Verdict};
use tonic::{Code, Status};

use super::description::Description;
use crate::runtime::chain::current;
use crate::{JobContext, Record};

/// How often a call is tried on a validator that is there, before its records are asked about apart.
const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// A record of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// In its unit.
    pub(super) at: usize,
    /// Its group, where the validator compares records; else 0.
    group: u64,
}

/// The records of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) places: Vec<Place>,
    tries: u32,
}

/// What to do about a call that failed on a validator that is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The same again after a while.
    Again(Batch, Duration),
    /// The records apart, each group whole: one of them may be at fault.
    Halves(Batch, Batch),
    /// The one record, or the one group, cannot be checked.
    GiveUp(Batch),
    /// The validator says again and again that it cannot now: nothing is wrong with the records.
    LeaveIt,
}

/// All records that the chain has not given up on, in batches of at most `size`; a larger group is in one by itself.
/// `groups` are those of the records, or none where nobody compares them.
pub(super) fn batches(results: &[RecordResult], groups: &[u64], size: usize) -> Vec<Batch> {
    let place = |at: usize| Place { at, group: groups.get(at).copied().unwrap_or_default() };
    let checked = |at: &usize| results[*at].verdict() != Verdict::Failed;
    let places: Vec<Place> = (0..results.len()).filter(checked).map(place).collect();
    let mut batches: Vec<Batch> = Vec::new();
    for slice in slices(&places) {
        match batches.last_mut().filter(|batch| batch.places.len() + slice.len() <= size) {
            Some(batch) => batch.places.extend_from_slice(slice),
            None => batches.push(Batch::of(slice)),
        }
    }
    batches
}

/// Records that are to be asked about together: single ones, and groups.
fn slices(places: &[Place]) -> impl Iterator<Item = &[Place]> {
    places.chunk_by(|one, next| one.group != 0 && one.group == next.group)
}

impl Batch {
    fn of(places: &[Place]) -> Self {
        Self { places: places.to_vec(), tries: 0 }
    }

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
        // By records and not by groups: a large group is not to stay with half of the others.
        let half = self.places.len() / 2;
        let starts = slices(&self.places).scan(0, |start, slice| {
            *start += slice.len();
            Some(*start)
        });
        let border =
            starts.filter(|start| *start < self.places.len()).min_by_key(|start| start.abs_diff(half));
        let Some((front, back)) = border.map(|border| self.places.split_at(border)) else {
            return Next::GiveUp(self);
        };
        Next::Halves(Self::of(front), Self::of(back))
    }

    /// The call about these records.
    pub(super) fn request(
        &self,
        of: &Description,
        job: &JobContext,
        records: &[Option<Record<'_>>],
        results: &[RecordResult],
    ) -> ValidateRequest {
        let ask = |(id, place): (usize, &Place)| {
            let (record, result) = (records[place.at].as_ref()?, &results[place.at]);
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
                group: place.group,
            })
        };
        let records = self.places.iter().enumerate().filter_map(ask).collect();
        ValidateRequest { as_of: job.as_of.clone(), group_by: job.group_by.clone(), records }
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
mod tests;
