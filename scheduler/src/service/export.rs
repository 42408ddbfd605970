//! `ExportRecords`: every record once, in order.

use emend_proto::v1::{self};
use prost::Message as _;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::records::{Pick, refuse_dry, refuse_gone, refuse_grouping};
use super::{App, compute, status, views};
use crate::domain::job::JobState;
use crate::store::{Job, JobConflict, Note, Standing, StoreError, UnitBlocks};

type Answers = mpsc::Sender<Result<v1::ExportRecordsResponse, Status>>;

/// Units read at a time.
const UNITS: u32 = 16;
/// A message of plain records is sent when it is about this large.
const MESSAGE_BYTES: usize = 1024 * 1024;

impl App {
    pub(super) async fn export(
        &self,
        who: String,
        request: v1::ExportRecordsRequest,
    ) -> Result<ReceiverStream<Result<v1::ExportRecordsResponse, Status>>, Status> {
        let job = self.find(&request.job).await?;
        refuse_dry(&job)?;
        refuse_gone(job.blocks_gone)?;
        // What was exported so far would stand in another order than what follows.
        let grouping = self.store.grouping(job.id).await.map_err(status::from_store)?;
        let may_begin = matches!(job.state, JobState::Importing | JobState::Running);
        refuse_grouping(
            grouping.is_some_and(|grouping| grouping.is_replacing || may_begin && !grouping.is_done),
        )?;
        self.check_finished(&job, request.partial).await?;
        let after =
            i64::try_from(request.after_seq).map_err(|_| status::invalid("after_seq", "is out of range"))?;
        let detail = json!({ "after": after, "only": request.only().as_str_name() });
        let exported = Note::new(who, "export", detail).of_job(job.id);
        self.looked(exported).await?;
        let (sender, receiver) = mpsc::channel(4);
        let app = self.clone();
        self.streams.spawn(async move {
            if let Err(status) = app.export_into(&sender, job.id, &request, after).await {
                let _gone = sender.send(Err(status)).await;
            }
        });
        Ok(ReceiverStream::new(receiver))
    }

    async fn check_finished(&self, job: &Job, partial: bool) -> Result<(), Status> {
        let finished = match job.state {
            JobState::Reviewing | JobState::Completed => true,
            JobState::Importing => false,
            // The loop that moves jobs on may be a moment behind the last commit.
            JobState::Running | JobState::Cancelled => {
                let progress = self.store.progress(job.id).await.map_err(status::from_store)?;
                !job.revising && progress.ready + progress.leased + progress.set_aside + progress.waiting == 0
            }
        };
        if finished || partial {
            return Ok(());
        }
        Err(status::from_store(StoreError::JobState(JobConflict::Unfinished)))
    }

    /// Reads page by page in short transactions: what is committed never changes, and neither does what people have
    /// decided for good. Decisions that become final meanwhile are left to the next export, so that pages agree.
    async fn export_into(
        &self,
        answers: &Answers,
        job_id: i64,
        request: &v1::ExportRecordsRequest,
        mut after: i64,
    ) -> Result<(), Status> {
        let pick = Pick { verdict: request.only(), finding: String::new() };
        let now = self.clock.now();
        loop {
            let units = self.store.unit_blocks(job_id, pick.having(), after, UNITS).await;
            let units = units.map_err(status::from_store)?;
            let Some(last) = units.last().map(|unit| unit.last_seq) else { return Ok(()) };
            let first = units.first().map_or(after, |unit| unit.first_seq);
            let standing = self.store.standing(job_id, first, last, now).await;
            let mut standing = standing.map_err(status::from_store)?;
            for unit in units {
                let later = standing.split_off(standing.partition_point(|found| found.seq <= unit.last_seq));
                let standing = std::mem::replace(&mut standing, later);
                let sent = if request.as_blocks {
                    send_blocks(answers, unit, standing).await?
                } else {
                    let pick = pick.clone();
                    let views = compute(move || pick.views(unit, after, &standing)).await?;
                    let views = views.map_err(status::from_store)?;
                    send_views(answers, views).await
                };
                if !sent || self.stopping.is_cancelled() {
                    return stopped(sent);
                }
            }
            after = last;
        }
    }
}

fn stopped(caller_is_there: bool) -> Result<(), Status> {
    if !caller_is_there {
        return Ok(());
    }
    Err(status::with_reason(
        tonic::Code::Unavailable,
        "STOPPING",
        "the scheduler is stopping; go on with `after_seq`",
    ))
}

async fn send_blocks(answers: &Answers, unit: UnitBlocks, standing: Vec<Standing>) -> Result<bool, Status> {
    for block in std::iter::once(&unit.records).chain(&unit.results) {
        let damaged = |error: emend_proto::BlockError| StoreError::Damaged(unit.unit_id, error.to_string());
        block.verify().map_err(damaged).map_err(status::from_store)?;
    }
    let blocks = v1::UnitBlocks {
        decisions: standing.into_iter().map(views::standing).collect(),
        first_seq: unit.first_seq.unsigned_abs(),
        records: Some(unit.records),
        results: unit.results,
    };
    Ok(answers.send(Ok(v1::ExportRecordsResponse { unit: Some(blocks), records: Vec::new() })).await.is_ok())
}

async fn send_views(answers: &Answers, views: Vec<v1::RecordView>) -> bool {
    let mut records = Vec::new();
    let mut bytes = 0;
    for view in views {
        bytes += view.encoded_len();
        records.push(view);
        if bytes >= MESSAGE_BYTES {
            let part = v1::ExportRecordsResponse { unit: None, records: std::mem::take(&mut records) };
            if answers.send(Ok(part)).await.is_err() {
                return false;
            }
            bytes = 0;
        }
    }
    records.is_empty() || answers.send(Ok(v1::ExportRecordsResponse { unit: None, records })).await.is_ok()
}
