//! `externalscaler.ExternalScaler`: what KEDA asks before it scales workers.

use std::collections::HashMap;
use std::time::Duration;

use emend_proto::externalscaler::external_scaler_server::ExternalScaler;
use emend_proto::externalscaler::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec, MetricValue,
    ScaledObjectRef,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{App, status};
use crate::domain::job::JobRef;
use crate::store::Unfinished;

/// How often a stream looks whether workers are wanted, when no bell rings.
const LOOK: Duration = Duration::from_secs(1);

#[tonic::async_trait]
impl ExternalScaler for App {
    type StreamIsActiveStream = ReceiverStream<Result<IsActiveResponse, Status>>;

    async fn is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<IsActiveResponse>, Status> {
        let asked = Asked::read(&request.into_inner().scaler_metadata)?;
        Ok(Response::new(IsActiveResponse { result: self.wanted(&asked).await? > 0 }))
    }

    async fn stream_is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamIsActiveStream>, Status> {
        let asked = Asked::read(&request.into_inner().scaler_metadata)?;
        let (sender, receiver) = mpsc::channel(1);
        let app = self.clone();
        self.streams.spawn(async move {
            if let Err(status) = app.tell(&asked, &sender).await {
                let _gone = sender.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn get_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        let asked = Asked::read(&request.into_inner().scaler_metadata)?;
        let target = match asked.metric {
            Metric::Workers => 1.0,
            Metric::Seconds => self.config.scaler.drain,
        };
        let spec = MetricSpec {
            metric_name: asked.metric.name().into(),
            target_size: whole(target),
            target_size_float: target,
        };
        Ok(Response::new(GetMetricSpecResponse { metric_specs: vec![spec] }))
    }

    async fn get_metrics(
        &self,
        request: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        let request = request.into_inner();
        let asked = Asked::read(&request.scaled_object_ref.unwrap_or_default().scaler_metadata)?;
        let value = match asked.metric {
            Metric::Workers => real(self.wanted(&asked).await?),
            Metric::Seconds => {
                let outlook = self.outlook().await.map_err(status::from_store)?;
                let most = asked.max_workers.map_or(f64::INFINITY, real) * self.config.scaler.drain;
                outlook.backlog_seconds(|job| asked.concerns(job)).min(most)
            }
        };
        let name = Some(request.metric_name).filter(|name| !name.is_empty());
        let value = MetricValue {
            metric_name: name.unwrap_or_else(|| asked.metric.name().into()),
            metric_value: whole(value),
            metric_value_float: value,
        };
        Ok(Response::new(GetMetricsResponse { metric_values: vec![value] }))
    }
}

impl App {
    async fn wanted(&self, asked: &Asked) -> Result<i64, Status> {
        let outlook = self.outlook().await.map_err(status::from_store)?;
        let wanted = outlook.workers_wanted(|job| asked.concerns(job));
        Ok(asked.max_workers.map_or(wanted, |most| wanted.min(most)))
    }

    /// Says whether workers are wanted, and says it again when that changes. A store that is away changes nothing.
    async fn tell(
        &self,
        asked: &Asked,
        sender: &mpsc::Sender<Result<IsActiveResponse, Status>>,
    ) -> Result<(), Status> {
        let mut listener = self.ready.listen();
        let mut told = None;
        loop {
            let active = match self.wanted(asked).await {
                Ok(wanted) => Some(wanted > 0),
                Err(status) if told.is_none() => return Err(status),
                Err(_) => told,
            };
            if active != told {
                told = active;
                let heard = sender.send(Ok(IsActiveResponse { result: active == Some(true) })).await;
                if heard.is_err() {
                    return Ok(());
                }
            }
            tokio::select! {
                () = sender.closed() => return Ok(()),
                () = self.stopping.cancelled() => return Ok(()),
                () = listener.heard(), if told == Some(false) => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}

/// What a ScaledObject's metadata ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    metric: Metric,
    job: Option<JobRef>,
    max_workers: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Metric {
    Workers,
    Seconds,
}

impl Metric {
    fn name(self) -> &'static str {
        match self {
            Self::Workers => "emend-workers-wanted",
            Self::Seconds => "emend-backlog-seconds",
        }
    }
}

impl Asked {
    fn read(metadata: &HashMap<String, String>) -> Result<Self, Status> {
        let entry = |name: &str| metadata.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let metric = match entry("metric") {
            None | Some("workers") => Metric::Workers,
            Some("seconds") => Metric::Seconds,
            Some(_) => {
                return Err(status::invalid("scalerMetadata.metric", "must be `workers` or `seconds`"));
            }
        };
        let job = match entry("job").map(JobRef::parse) {
            Some(None) => {
                return Err(status::invalid("scalerMetadata.job", "must be a job's id or its name"));
            }
            job => job.flatten(),
        };
        let max_workers = match entry("maxWorkers").map(str::parse) {
            None => None,
            Some(Ok(most @ 1..)) => Some(most),
            Some(_) => {
                return Err(status::invalid("scalerMetadata.maxWorkers", "must be a number from 1 up"));
            }
        };
        Ok(Self { metric, job, max_workers })
    }

    fn concerns(&self, job: &Unfinished) -> bool {
        match &self.job {
            None => true,
            Some(JobRef::Id(id)) => job.id == *id,
            Some(JobRef::Name(name)) => job.name == *name,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number of workers")]
fn real(count: i64) -> f64 {
    count as f64
}

/// Rounded up: a little work still wants a worker.
#[expect(clippy::cast_possible_truncation, reason = "what is out of range saturates")]
fn whole(value: f64) -> i64 {
    value.ceil() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&str, &str)]) -> Result<Asked, String> {
        let metadata = entries.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Asked::read(&metadata).map_err(|status| status.message().to_owned())
    }

    #[test]
    fn metadata_choose_the_metric_and_the_job() {
        let all = Asked { metric: Metric::Workers, job: None, max_workers: None };
        assert_eq!(read(&[("scalerAddress", "emend:7070")]), Ok(all));
        let one = read(&[("metric", "seconds"), ("job", "night"), ("maxWorkers", "8")]).unwrap();
        let job = Some(JobRef::Name("night".into()));
        assert_eq!(one, Asked { metric: Metric::Seconds, job, max_workers: Some(8) });
    }

    #[test]
    fn a_wrong_entry_is_named() {
        let number = "99999999999999999999";
        for (name, value) in [("metric", "bytes"), ("job", number), ("maxWorkers", "0"), ("maxWorkers", "x")]
        {
            let refused = read(&[(name, value)]).unwrap_err();
            assert!(refused.contains(&format!("scalerMetadata.{name}")), "{refused}");
        }
    }
}
