//! Health and reflection.

use std::collections::BTreeSet;

use emend_tests::database::Backend;
use emend_tests::scheduler::Scheduler;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

const SERVICES: [&str; 2] = ["emend.v1.JobService", "emend.v1.WorkService"];

super::on_both_backends!(health_answers_for_the_server_and_each_service);

async fn health_answers_for_the_server_and_each_service(backend: Backend) {
    let scheduler = Scheduler::start(backend).await;
    let mut health = HealthClient::new(scheduler.channel());
    for service in SERVICES.into_iter().chain([""]) {
        let answer = health.check(HealthCheckRequest { service: service.into() }).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let unknown = health.check(HealthCheckRequest { service: "none".into() }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    scheduler.stop().await;
}

#[tokio::test]
async fn reflection_lists_the_services_and_describes_them() {
    let scheduler = Scheduler::start(Backend::Sqlite).await;
    let MessageResponse::ListServicesResponse(list) =
        ask(&scheduler, MessageRequest::ListServices(String::new())).await
    else {
        panic!("no list")
    };
    let names: BTreeSet<_> = list.service.into_iter().map(|service| service.name).collect();
    for service in SERVICES.into_iter().chain(["grpc.health.v1.Health"]) {
        assert!(names.contains(service), "{service} is missing in {names:?}");
    }
    for service in SERVICES {
        let described = ask(&scheduler, MessageRequest::FileContainingSymbol(service.into())).await;
        assert!(matches!(described, MessageResponse::FileDescriptorResponse(_)), "{described:?}");
    }
    scheduler.stop().await;
}

async fn ask(scheduler: &Scheduler, question: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let mut client = ServerReflectionClient::new(scheduler.channel());
    let answers = client.server_reflection_info(tokio_stream::iter(vec![request])).await;
    let answer: Option<ServerReflectionResponse> = answers.unwrap().into_inner().message().await.unwrap();
    answer.unwrap().message_response.unwrap()
}
