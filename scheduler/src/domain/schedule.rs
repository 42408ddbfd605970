//! Which job's units are leased first. Not part of what a job is made from: it may change at any time.

use std::time::Duration;

use super::job::Violation;
use super::time::Timestamp;

/// The furthest deadline: beyond ten years it is a slip of the pen.
const FURTHEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// How urgent a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// -1000 to 1000. No unit is leased while a job of a higher priority has ready ones.
    pub priority: i32,
    /// 1 to 1000. Jobs of one priority share the workers in the proportion of their weights.
    pub weight: u32,
    /// When the job should be done. Among jobs that have their share the earlier one goes first.
    pub deadline: Option<Timestamp>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { priority: 0, weight: 100, deadline: None }
    }
}

/// What changes about a schedule; the rest stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScheduleChange {
    /// Another priority.
    pub priority: Option<i32>,
    /// Another weight.
    pub weight: Option<u32>,
    /// Another deadline, or none any more.
    pub deadline: Option<Option<Timestamp>>,
}

impl Schedule {
    /// The schedule with `change` made to it.
    #[must_use]
    pub fn with(self, change: ScheduleChange) -> Self {
        Self {
            priority: change.priority.unwrap_or(self.priority),
            weight: change.weight.unwrap_or(self.weight),
            deadline: change.deadline.unwrap_or(self.deadline),
        }
    }
}

impl ScheduleChange {
    /// What is wrong with it when it is `now`; empty when nothing is.
    pub fn violations(&self, now: Timestamp) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut check = |holds: bool, field: &'static str, description: &str| {
            if !holds {
                found.push(Violation { field, description: description.to_owned() });
            }
        };
        let priority = self.priority.is_none_or(|priority| (-1000..=1000).contains(&priority));
        check(priority, "schedule.priority", "must be -1000 to 1000; higher ones go first");
        let weight = self.weight.is_none_or(|weight| (1..=1000).contains(&weight));
        check(weight, "schedule.weight", "must be 1 to 1000");
        let deadline = self.deadline.flatten().is_none_or(|at| now < at && at.since(now) <= FURTHEST);
        check(deadline, "schedule.deadline_in", "must be more than 0 and at most 10 years from now");
        found
    }
}

impl From<Schedule> for ScheduleChange {
    fn from(schedule: Schedule) -> Self {
        Self {
            priority: Some(schedule.priority),
            weight: Some(schedule.weight),
            deadline: Some(schedule.deadline),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    #[test]
    fn only_what_is_named_changes() {
        let before = Schedule { priority: 7, weight: 300, deadline: Some(NOW) };
        assert_eq!(before.with(ScheduleChange::default()), before);
        let change = ScheduleChange { weight: Some(1), deadline: Some(None), ..ScheduleChange::default() };
        assert_eq!(before.with(change), Schedule { priority: 7, weight: 1, deadline: None });
    }

    #[test]
    fn each_fault_names_its_field() {
        assert_eq!(ScheduleChange::from(Schedule::default()).violations(NOW), []);
        let late = |after| Some(Some(NOW + after));
        let faults = |change: ScheduleChange| {
            change.violations(NOW).into_iter().map(|found| found.field).collect::<Vec<_>>()
        };
        let wrong = ScheduleChange { priority: Some(-1001), weight: Some(0), deadline: late(Duration::ZERO) };
        assert_eq!(faults(wrong), ["schedule.priority", "schedule.weight", "schedule.deadline_in"]);
        let wrong = ScheduleChange { priority: Some(1001), weight: Some(1001), deadline: late(FURTHEST * 2) };
        assert_eq!(faults(wrong), ["schedule.priority", "schedule.weight", "schedule.deadline_in"]);
        let edges = ScheduleChange { priority: Some(-1000), weight: Some(1000), deadline: late(FURTHEST) };
        assert_eq!(edges.violations(NOW), []);
    }
}
