//! `emend set`.

use anyhow::Result;
use emend_proto::v1::schedule_change::Deadline;
use emend_proto::v1::{ScheduleChange, UpdateJobRequest};

use super::{change::show, client};
use crate::args::{Common, DeadlineArg, ScheduleArgs, SetArgs};
use crate::client::{call, explain};
use crate::exit::{Exit, Usage};

pub(super) async fn run(args: SetArgs, common: &Common) -> Result<Exit> {
    let change = change(&args.schedule);
    if change == ScheduleChange::default() {
        return Err(Usage::new("nothing to change: say --priority, --weight or --deadline"));
    }
    let client = client(&args.remote, common)?;
    let request = UpdateJobRequest { job: args.job.clone(), schedule: Some(change) };
    let answer = call!(client, update_job(request)).map_err(|status| explain(&status, &args.job))?;
    show(answer.job, "is set; workers see it at their next lease", &args.remote)
}

/// What the flags change.
pub(super) fn change(args: &ScheduleArgs) -> ScheduleChange {
    let deadline = args.deadline.map(|deadline| match deadline {
        DeadlineArg::In(after) => {
            Deadline::DeadlineIn(prost_types::Duration::try_from(after).unwrap_or_default())
        }
        DeadlineArg::Never => Deadline::NoDeadline(true),
    });
    ScheduleChange { priority: args.priority, weight: args.weight, deadline }
}
