//! gRPC health: SERVING while calls can be answered, for every service alike.

use std::time::Duration;

use emend_proto::externalscaler::external_scaler_server::ExternalScalerServer;
use emend_proto::v1::job_service_server::JobServiceServer;
use emend_proto::v1::work_service_server::WorkServiceServer;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::service::App;
use crate::vitals::Vitals;

/// How often the store is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// The services, and the server as a whole: the empty name, which most probes ask for.
const SERVICES: [&str; 4] =
    ["", JobServiceServer::<App>::NAME, WorkServiceServer::<App>::NAME, ExternalScalerServer::<App>::NAME];

/// Says `status` for every service.
pub(super) async fn say(health: &HealthReporter, status: ServingStatus) {
    for service in SERVICES {
        health.set_service_status(service, status).await;
    }
}

/// Says whether the store is there, until the scheduler is asked to stop. From then on says NOT_SERVING, goes on as
/// before for `delay`, and cancels `stopping`.
pub(super) async fn until_stopped(
    health: HealthReporter,
    vitals: Vitals,
    shutdown: CancellationToken,
    delay: Duration,
    stopping: CancellationToken,
) {
    let mut serving = true;
    let watch = async {
        loop {
            tokio::time::sleep(LOOK).await;
            let ready = vitals.ready().await;
            if ready.is_ok() != serving {
                serving = ready.is_ok();
                let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
                say(&health, status).await;
                match ready {
                    Ok(()) => tracing::info!("the store answers again"),
                    Err(reason) => tracing::warn!(%reason, "not serving"),
                }
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = watch => {}
    }
    vitals.drain();
    say(&health, ServingStatus::NotServing).await;
    if !delay.is_zero() {
        tracing::info!(?delay, "stopping: work goes on until others have heard of it");
        tokio::time::sleep(delay).await;
    }
    tracing::info!("stopping: no new work, calls under way finish");
    stopping.cancel();
}
