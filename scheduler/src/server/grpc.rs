//! The services on the gRPC port, health and reflection among them.

use emend_proto::v1::job_service_server::JobServiceServer;
use emend_proto::v1::work_service_server::WorkServiceServer;
use emend_proto::{DESCRIPTORS, MAX_MESSAGE_BYTES};
use tonic::transport::Server;
use tonic::transport::server::Router;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthReporter;

use super::ServeError;
use crate::service::App;

/// Health that says SERVING for every service, and the handle to say otherwise.
pub(super) async fn health() -> (HealthReporter, HealthServer<impl Health>) {
    let (health, service) = tonic_health::server::health_reporter();
    health.set_serving::<JobServiceServer<App>>().await;
    health.set_serving::<WorkServiceServer<App>>().await;
    (health, service)
}

/// Says that this scheduler takes no new calls.
pub(super) async fn say_not_serving(health: &HealthReporter) {
    // The empty name is the server as a whole, and what most probes ask for.
    health.set_service_status("", ServingStatus::NotServing).await;
    health.set_not_serving::<JobServiceServer<App>>().await;
    health.set_not_serving::<WorkServiceServer<App>>().await;
}

/// All services, on `server`.
pub(super) fn router<L: Clone>(
    app: &App,
    mut server: Server<L>,
    health: HealthServer<impl Health>,
) -> Result<Router<L>, ServeError> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let unfit = |error: tonic_reflection::server::Error| ServeError::Transport(error.to_string());
    let router = server
        .add_service(health)
        .add_service(reflection().build_v1().map_err(unfit)?)
        .add_service(reflection().build_v1alpha().map_err(unfit)?)
        .add_service(
            JobServiceServer::new(app.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
        )
        .add_service(
            WorkServiceServer::new(app.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
        );
    Ok(router)
}
