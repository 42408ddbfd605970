//! The services on the gRPC port, health and reflection among them.

use std::convert::Infallible;

use emend_proto::externalscaler::external_scaler_server::ExternalScalerServer;
use emend_proto::v1::account_service_server::AccountServiceServer;
use emend_proto::v1::job_service_server::JobServiceServer;
use emend_proto::v1::review_service_server::ReviewServiceServer;
use emend_proto::v1::work_service_server::WorkServiceServer;
use emend_proto::{DESCRIPTORS, MAX_MESSAGE_BYTES};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response};
use tonic::service::Routes;
use tonic_health::pb::health_server::{Health, HealthServer};
use tower::Layer as _;

use super::ServeError;
use super::deadlines::Deadlines;
use super::gate::Gate;
use super::meter::Meter;
use super::shed::Shed;
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

/// All services behind what every call passes: it is metered, let in or refused, taken on or turned away, held to its
/// deadline, and traced.
pub(super) fn service(
    app: &App,
    gate: Gate,
    health: HealthServer<impl Health>,
) -> Result<
    impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static,
    ServeError,
> {
    let meter = Meter::new(DESCRIPTOR_SETS, app.pulse.clone());
    let shed = Shed::new(app.store.clone());
    let deadlines = Deadlines {
        #[cfg(feature = "test-hooks")]
        mutant: app.store.mutant(),
    };
    let routes = routes(app, health)?;
    Ok(meter.layer(gate.layer(shed.layer(deadlines.layer(Traced.layer(routes))))))
}

fn routes(app: &App, health: HealthServer<impl Health>) -> Result<Routes, ServeError> {
    let reflection = || {
        let builder = tonic_reflection::server::Builder::configure();
        DESCRIPTOR_SETS
            .iter()
            .fold(builder, |builder, set| builder.register_encoded_file_descriptor_set(set))
            // It would describe itself once more.
            .include_reflection_service(false)
    };
    let unfit = |error: tonic_reflection::server::Error| ServeError::Transport(error.to_string());
    let mut routes = Routes::new(health);
    if app.config.reflection {
        routes = routes
            .add_service(reflection().build_v1().map_err(unfit)?)
            .add_service(reflection().build_v1alpha().map_err(unfit)?);
    }
    let routes = routes
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
        .add_service(AccountServiceServer::new(app.clone()))
        .add_service(
            ReviewServiceServer::new(app.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
        )
        .add_service(ExternalScalerServer::new(app.clone()));
    Ok(routes.prepare())
}
