//! How urgent a job is, on the wire: durations there, moments in the store.

use std::time::Duration;

use emend_proto::v1;
use tonic::Status;

use super::status;
use crate::domain::schedule::{Schedule, ScheduleChange};
use crate::domain::time::Timestamp;

/// A schedule as a request gives it; a weight of 0 is the default.
pub(super) fn read(schedule: v1::Schedule, now: Timestamp) -> Result<Schedule, Status> {
    let default = Schedule::default();
    Ok(Schedule {
        priority: schedule.priority,
        weight: if schedule.weight == 0 { default.weight } else { schedule.weight },
        deadline: schedule.deadline_in.map(|after| deadline(after, now)).transpose()?,
    })
}

/// What a request changes about a schedule.
pub(super) fn read_change(change: v1::ScheduleChange, now: Timestamp) -> Result<ScheduleChange, Status> {
    use v1::schedule_change::Deadline;
    let deadline = match change.deadline {
        Some(Deadline::DeadlineIn(after)) => Some(Some(deadline(after, now)?)),
        Some(Deadline::NoDeadline(true)) => Some(None),
        Some(Deadline::NoDeadline(false)) | None => None,
    };
    Ok(ScheduleChange { priority: change.priority, weight: change.weight, deadline })
}

/// What callers see of it. The deadline counts from `at`: now, or when the job's last unit was done.
pub(super) fn view(schedule: Schedule, at: Timestamp) -> v1::Schedule {
    let deadline_in = schedule.deadline.map(|deadline| deadline.0.saturating_sub(at.0)).map(|millis| {
        prost_types::Duration {
            seconds: millis / 1000,
            // Both parts have the sign, as the type wants it.
            nanos: i32::try_from(millis % 1000).unwrap_or(0) * 1_000_000,
        }
    });
    v1::Schedule { priority: schedule.priority, weight: schedule.weight, deadline_in }
}

fn deadline(after: prost_types::Duration, now: Timestamp) -> Result<Timestamp, Status> {
    let after = Duration::try_from(after);
    let after = after.map_err(|_| status::invalid("schedule.deadline_in", "must be more than 0"))?;
    Ok(now + after)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(10_000);

    fn seconds(seconds: i64, nanos: i32) -> prost_types::Duration {
        prost_types::Duration { seconds, nanos }
    }

    #[test]
    fn a_deadline_is_a_duration_outside_and_a_moment_inside() {
        let asked = v1::Schedule { deadline_in: Some(seconds(2, 500_000_000)), ..v1::Schedule::default() };
        let schedule = read(asked, NOW).unwrap();
        assert_eq!(schedule, Schedule { deadline: Some(Timestamp(12_500)), ..Schedule::default() });
        assert_eq!(view(schedule, Timestamp(11_000)).deadline_in, Some(seconds(1, 500_000_000)));
        // Missed.
        assert_eq!(view(schedule, Timestamp(14_000)).deadline_in, Some(seconds(-1, -500_000_000)));
        let past = v1::Schedule { deadline_in: Some(seconds(-2, 0)), ..v1::Schedule::default() };
        assert!(read(past, NOW).is_err());
    }

    #[test]
    fn no_deadline_is_not_the_same_as_nothing_said() {
        use v1::schedule_change::Deadline;
        let change = |deadline| v1::ScheduleChange { deadline, ..v1::ScheduleChange::default() };
        assert_eq!(read_change(change(None), NOW).unwrap(), ScheduleChange::default());
        let none = read_change(change(Some(Deadline::NoDeadline(true))), NOW).unwrap();
        assert_eq!(none.deadline, Some(None));
    }
}
