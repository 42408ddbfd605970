//! The services on the gRPC port, health and reflection among them.

use emend_proto::externalscaler::external_scaler_server::ExternalScalerServer;
use emend_proto::v1::job_service_server::JobServiceServer;
use emend_proto::v1::work_service_server::WorkServiceServer;
use emend_proto::{DESCRIPTORS, MAX_MESSAGE_BYTES};
use tonic::transport::Server;
use tonic::transport::server::Router;
use tonic_health::pb::health_server::{Health, HealthServer};
use tower::layer::util::{Identity, Stack};

use super::ServeError;
use super::gate::Gate;
use super::meter::Meter;
use super::trace::Traced;
use crate::service::App;

/// What describes every service on the port. The policy's table is checked against it, so a service that is added
/// below has its descriptors here.
pub(super) const DESCRIPTOR_SETS: &[&[u8]] = &[
    DESCRIPTORS,
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

/// What every call passes, the outermost last.
type Layers = Stack<Traced, Stack<Gate, Stack<Meter, Identity>>>;

/// All services, on `server`: metered, and behind the gate.
pub(super) fn router(
    app: &App,
    server: Server,
    gate: Gate,
    health: HealthServer<impl Health>,
) -> Result<Router<Layers>, ServeError> {
    let reflection = || {
        let builder = tonic_reflection::server::Builder::configure();
        DESCRIPTOR_SETS
            .iter()
            .fold(builder, |builder, set| builder.register_encoded_file_descriptor_set(set))
            // It would describe itself once more.
            .include_reflection_service(false)
    };
    let unfit = |error: tonic_reflection::server::Error| ServeError::Transport(error.to_string());
    let meter = Meter::new(DESCRIPTOR_SETS, app.pulse.clone());
    let mut router = server.layer(meter).layer(gate).layer(Traced).add_service(health);
    if app.config.reflection {
        router = router
            .add_service(reflection().build_v1().map_err(unfit)?)
            .add_service(reflection().build_v1alpha().map_err(unfit)?);
    }
    let router = router
        .add_service(
            JobServiceServer::new(app.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
        )
        .add_service(
            WorkServiceServer::new(app.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
        )
        .add_service(ExternalScalerServer::new(app.clone()));
    Ok(router)
}
