//! The scaler, asked as KEDA asks it, and the same number as an HPA reads it from Prometheus; real processes are
//! started and stopped as they say.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use emend_proto::externalscaler::external_scaler_client::ExternalScalerClient;
use emend_proto::externalscaler::{GetMetricsRequest, ScaledObjectRef};
use emend_proto::v1::{JobState, PauseJobRequest};
use emend_tests::probes::Probes;
use emend_tests::process::{Deployment, Process, Signal, eventually};
use emend_tests::slow::import;
use tonic::Code;
use tonic::transport::Channel;

const LIMIT: Duration = Duration::from_secs(90);
/// What one worker takes for a record; with one slot it settles nearly a hundred a second.
const MILLISECONDS: &str = "10";
const RATE: f64 = 100.0;
/// In how many seconds a job shall be done.
const DRAIN: f64 = 10.0;
/// What four workers settle in that time.
const RECORDS: u64 = 4_000;
const WANTED: usize = 4;
/// What KEDA and the HPA are allowed to start.
const MOST: usize = 6;

fn deployment(probes: Probes) -> Result<Deployment> {
    Ok(Deployment::on_sqlite()?
        .set("EMEND__SCHEDULER__PROBES", probes.address)
        .set("EMEND__SCHEDULER__SCALER__RECORDS_PER_SECOND", RATE)
        .set("EMEND__SCHEDULER__SCALER__DRAIN", DRAIN))
}

fn scaled(entries: &[(&str, &str)]) -> ScaledObjectRef {
    let metadata = entries.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    ScaledObjectRef {
        name: "emend-worker".into(),
        namespace: "emend".into(),
        scaler_metadata: metadata.collect(),
    }
}

/// What KEDA, and the HPA that it makes, want: nobody while it is not active, else the metric over its target.
async fn keda(scaler: &mut ExternalScalerClient<Channel>, entries: &[(&str, &str)]) -> Result<usize> {
    let spec = scaler.get_metric_spec(scaled(entries)).await?.into_inner().metric_specs;
    let spec = spec.into_iter().next().context("a metric")?;
    if !scaler.is_active(scaled(entries)).await?.into_inner().result {
        return Ok(0);
    }
    let request =
        GetMetricsRequest { scaled_object_ref: Some(scaled(entries)), metric_name: spec.metric_name.clone() };
    let values = scaler.get_metrics(request).await?.into_inner().metric_values;
    let value =
        values.into_iter().find(|value| value.metric_name == spec.metric_name).context("its value")?;
    ensure!(value.metric_value as f64 == value.metric_value_float.ceil(), "{value:?}");
    Ok(replicas(value.metric_value_float, spec.target_size_float).clamp(1, MOST))
}

/// The HPA's formula for a target of type AverageValue.
fn replicas(value: f64, target: f64) -> usize {
    (value / target).ceil() as usize
}

/// Workers as a Deployment keeps them.
#[derive(Default)]
struct Fleet {
    running: Vec<Process>,
    leaving: Vec<Process>,
    started: usize,
    most: usize,
}

impl Fleet {
    fn scale(&mut self, deployment: &Deployment, count: usize) -> Result<()> {
        while self.running.len() > count {
            let mut worker = self.running.pop().context("there is one")?;
            worker.signal(Signal::Terminate)?;
            self.leaving.push(worker);
        }
        while self.running.len() < count {
            self.started += 1;
            let name = format!("slow-{}", self.started);
            let mut command = Command::new(env!("CARGO_BIN_EXE_slow-worker"));
            command.arg(MILLISECONDS).env("EMEND_SCHEDULER", deployment.url(0));
            self.running.push(Process::start(&name, &mut command, &deployment.path(&format!("{name}.log")))?);
        }
        self.most = self.most.max(count);
        Ok(())
    }

    /// All that were told to leave have left well.
    async fn left(&mut self) -> Result<()> {
        for worker in &mut self.leaving {
            worker.done(LIMIT).await?;
        }
        Ok(())
    }
}

/// Scales as `ask` says until the job is done and `ask` says `floor` again; checks when it asked for how many.
async fn drive(
    deployment: &Deployment,
    probes: Probes,
    floor: usize,
    mut ask: impl AsyncFnMut() -> Result<usize>,
) -> Result<()> {
    let mut fleet = Fleet::default();
    let idle = ask().await?;
    ensure!(idle == floor, "{idle} workers are wanted although there is nothing to do");
    fleet.scale(deployment, idle)?;
    import(deployment, "night", RECORDS, 20).await?;
    let imported = Instant::now();
    let mut reached = None;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let wanted = ask().await?;
        fleet.scale(deployment, wanted)?;
        if wanted >= WANTED {
            reached.get_or_insert(imported.elapsed());
        }
        let state = deployment.job("night").await?.state();
        if state == JobState::Completed && wanted == floor {
            break;
        }
        ensure!(imported.elapsed() < LIMIT, "{state:?} after {LIMIT:?}, {wanted} workers are wanted");
    }
    let reached = reached.context("never as many workers as the job needs")?;
    ensure!(reached <= Duration::from_secs(15), "as many workers as needed only after {reached:?}");
    // The rate seen is a little below the configured one: a sleep takes longer than it says.
    ensure!((WANTED..=WANTED + 2).contains(&fleet.most), "{} workers were wanted", fleet.most);
    fleet.scale(deployment, 0)?;
    fleet.left().await?;
    // The sums that are told are a second old at most.
    let nobody = async || {
        let scrape = probes.scrape().await.ok()?;
        (scrape.sum("emend_workers_wanted", &[]) == Some(0.0)).then_some(scrape)
    };
    let scrape = eventually("nobody is wanted any more", Duration::from_secs(15), nobody).await?;
    ensure!(scrape.sum("emend_records_total", &[]) == Some(RECORDS as f64));
    // Scaling in costs no attempt.
    ensure!(scrape.sum("emend_leases_expired_total", &[]) == Some(0.0));
    ensure!(scrape.sum("emend_hand_backs_total", &[("how", "failed")]) == Some(0.0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keda_scales_from_zero_to_what_the_job_needs_and_back() -> Result<()> {
    let probes = Probes::free();
    let deployment = deployment(probes)?;
    let _scheduler = deployment.scheduler(0).await?;
    let mut scaler = ExternalScalerClient::connect(deployment.url(0)).await?;
    drive(&deployment, probes, 0, async || keda(&mut scaler, &[("scalerAddress", "emend:7070")]).await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hpa_scales_by_the_metric_and_keeps_one() -> Result<()> {
    let probes = Probes::free();
    let deployment = deployment(probes)?;
    let _scheduler = deployment.scheduler(0).await?;
    let ask = async || {
        let wanted = probes.scrape().await?.sum("emend_workers_wanted", &[]).context("the metric")?;
        Ok(replicas(wanted, 1.0).clamp(1, MOST))
    };
    drive(&deployment, probes, 1, ask).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_choose_what_is_asked_for() -> Result<()> {
    let deployment = deployment(Probes::free())?;
    let _scheduler = deployment.scheduler(0).await?;
    let mut scaler = ExternalScalerClient::connect(deployment.url(0)).await?;
    // Whoever listens hears of work at once.
    let mut active = scaler.stream_is_active(scaled(&[])).await?.into_inner();
    ensure!(!active.message().await?.context("at once")?.result);
    import(&deployment, "large", 3_000, 20).await?;
    let heard = tokio::time::timeout(Duration::from_secs(5), active.message()).await.context("in time")??;
    ensure!(heard.context("a message")?.result);
    import(&deployment, "small", 500, 20).await?;

    let all = async |scaler: &mut ExternalScalerClient<Channel>| keda(scaler, &[]).await.ok();
    eventually("both jobs count", LIMIT, async || (all(&mut scaler).await == Some(4)).then_some(())).await?;
    for (entries, expected) in [
        (&[("metric", "workers")][..], 4),
        (&[("metric", "seconds")], 4),
        (&[("job", "large")], 3),
        (&[("job", "small")], 1),
        (&[("job", "none")], 0),
        (&[("maxWorkers", "2")], 2),
        (&[("maxWorkers", "2"), ("metric", "seconds")], 2),
    ] {
        let wanted = keda(&mut scaler, entries).await?;
        ensure!(wanted == expected, "{entries:?}: {wanted} workers, not {expected}");
    }
    for entry in [("metric", "bytes"), ("maxWorkers", "none")] {
        let refused = scaler.is_active(scaled(&[entry])).await.err().context("an error")?;
        ensure!(
            refused.code() == Code::InvalidArgument && refused.message().contains(entry.0),
            "{refused:?}"
        );
    }
    // Nobody works on what is paused.
    let mut jobs = deployment.jobs(0).await?;
    jobs.pause_job(PauseJobRequest { job: "large".into() }).await?;
    eventually("a paused job counts no more", LIMIT, async || {
        (all(&mut scaler).await == Some(1)).then_some(())
    })
    .await
}
