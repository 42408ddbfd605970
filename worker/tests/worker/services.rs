//! Validators that are called: when units are leased for them.

use std::time::Duration;

use emend_proto::v1::validator_service_server::{ValidatorService, ValidatorServiceServer};
use emend_proto::v1::{DescribeRequest, DescribeResponse, PackRef, ValidateRequest, ValidateResponse};
use emend_worker::WorkerConfig;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::support::{LIMIT, Scheduler, Worker, lease};
use crate::validator::obedient;

struct Register;

#[tonic::async_trait]
impl ValidatorService for Register {
    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let (name, version) = ("register".into(), "1".into());
        Ok(Response::new(DescribeResponse { name, version, ..DescribeResponse::default() }))
    }

    async fn validate(&self, _: Request<ValidateRequest>) -> Result<Response<ValidateResponse>, Status> {
        Err(Status::unimplemented("no unit needs it"))
    }
}

#[tokio::test]
async fn a_call_that_waits_is_sent_anew_when_a_validator_comes() {
    let mut scheduler = Scheduler::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = WorkerConfig {
        validators: vec![format!("http://{}", listener.local_addr().unwrap())],
        lease_wait: LIMIT * 2,
        ..scheduler.config(1)
    };
    let worker = Worker::start(config, obedient().0);
    let register = PackRef { name: "register".into(), version: "1".into() };
    let before = scheduler.hears_lease().await;
    assert!(!before.capabilities.contains(&register));
    let mut serving = JoinSet::new();
    let server = tonic::transport::Server::builder().add_service(ValidatorServiceServer::new(Register));
    serving.spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let after = scheduler.hears_lease().await;
    assert!(after.capabilities.contains(&register));
    assert_eq!(after.request_id, before.request_id, "units that the first call got are not lost");
    scheduler.fake.add([lease(1, &["ok"])]);
    scheduler.hears_commit().await;
    let begin = tokio::time::Instant::now();
    assert_eq!(worker.stop().await.units, 1);
    assert!(begin.elapsed() < Duration::from_secs(5));
}
