//! `WatchJob`: a job as it changes.

use std::time::{Duration, Instant};

use emend_proto::v1;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{App, job_ref, status};
use crate::domain::schedule::Schedule;
use crate::store::Job;

/// How often a watcher hears of a job's progress, at most. Of a change of its state it hears sooner.
const INTERVAL: Duration = Duration::from_secs(1);
/// How often the state is looked at.
const LOOK: Duration = Duration::from_millis(100);

impl App {
    pub(super) async fn watch(
        &self,
        request: v1::WatchJobRequest,
    ) -> Result<ReceiverStream<Result<v1::WatchJobResponse, Status>>, Status> {
        let job = self.find(&request.job).await?;
        let (sender, receiver) = mpsc::channel(1);
        let app = self.clone();
        self.streams.spawn(async move {
            if let Err(status) = app.watch_into(&sender, job, request.resume_token).await {
                let _gone = sender.send(Err(status)).await;
            }
        });
        Ok(ReceiverStream::new(receiver))
    }

    async fn watch_into(
        &self,
        sender: &mpsc::Sender<Result<v1::WatchJobResponse, Status>>,
        mut job: Job,
        mut token: String,
    ) -> Result<(), Status> {
        let id = job.id.to_string();
        loop {
            let ended = job.state.has_ended();
            let before = (job.state, job.paused, job.schedule);
            let view = self.view(job).await?;
            let now = resume_token(&view, before.2);
            if now != token {
                token.clone_from(&now);
                let heard =
                    sender.send(Ok(v1::WatchJobResponse { job: Some(view), resume_token: now })).await;
                if heard.is_err() {
                    return Ok(());
                }
            }
            if ended {
                return Ok(());
            }
            let begin = Instant::now();
            loop {
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = sender.closed() => return Ok(()),
                    () = self.stopping.cancelled() => return Err(stopping()),
                }
                job = self.store.job(job_ref(&id)?).await.map_err(status::from_store)?;
                if begin.elapsed() >= INTERVAL || (job.state, job.paused, job.schedule) != before {
                    break;
                }
            }
        }
    }
}

fn stopping() -> Status {
    status::with_reason(tonic::Code::Unavailable, "STOPPING", "the scheduler is stopping")
}

/// Names what a watcher has heard: everything of a job but the passing of time.
fn resume_token(job: &v1::Job, schedule: Schedule) -> String {
    let mut still = v1::Job { age: None, blocks_go_in: None, schedule: None, ..job.clone() };
    if let Some(progress) = &mut still.progress {
        progress.elapsed = None;
        progress.records_per_second = 0.0;
        (progress.left, progress.workers, progress.workers_wanted) = (None, 0, 0);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&still.encode_to_vec()).update(format!("{schedule:?}").as_bytes());
    hasher.finalize().to_hex()[..16].to_owned()
}
