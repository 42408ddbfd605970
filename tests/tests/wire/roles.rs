//! What each role may do, by certificate and by token, and what becomes of a token that was taken back.

use std::fs;

use emend_proto::v1::commit_outcome::Outcome;
use emend_proto::v1::{
    CommitUnitsRequest, ExportRecordsRequest, GetRecordRequest, Lease, ListJobsRequest, ListUnitsRequest,
    PauseJobRequest,
};
use emend_scheduler::domain::caller::Role;
use emend_tests::process::eventually;
use emend_tests::scheduler::{jobs, work};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

use super::support::{LIMIT, Site, bearing, commit, lease_request, make_job, token, told};

/// What comes of steering, reading, watching and working.
async fn tries(channel: &Channel) -> [Result<(), Status>; 4] {
    let (mut jobs, mut work) = (jobs(channel), work(channel));
    let steer = jobs.pause_job(PauseJobRequest { job: "j".into() }).await.map(drop);
    let read =
        jobs.get_record(GetRecordRequest { job: "j".into(), key: "K-000001".into(), seq: 0 }).await.map(drop);
    let watch = jobs.list_jobs(ListJobsRequest::default()).await.map(drop);
    let work = work.lease_units(lease_request("w", "r", 1)).await.map(drop);
    [steer, read, watch, work]
}

#[tokio::test]
async fn a_role_does_its_own_and_no_more() {
    let site = Site::start().await;
    make_job(&site.role("operator"), "j", 3).await;
    for (role, may) in [
        ("operator", [true, true, true, false]),
        ("worker", [false, false, false, true]),
        ("reader", [false, true, true, false]),
        ("monitor", [false, false, true, false]),
        ("scaler", [false, false, false, false]),
    ] {
        let answers = tries(&site.role(role)).await;
        for (answer, may) in answers.into_iter().zip(may) {
            match answer {
                Ok(()) => assert!(may, "{role}"),
                Err(status) => {
                    assert!(!may, "{role}: {status:?}");
                    told(&status, Code::PermissionDenied, "ROLE_NOT_ALLOWED");
                }
            }
        }
    }
    let export = ExportRecordsRequest { job: "j".into(), partial: true, ..ExportRecordsRequest::default() };
    let status = jobs(&site.role("monitor")).export_records(export).await.unwrap_err();
    told(&status, Code::PermissionDenied, "ROLE_NOT_ALLOWED");
    site.stop().await;
}

#[tokio::test]
async fn tokens_open_what_their_role_opens() {
    let (worker, operator) = (token(Role::Worker, "w"), token(Role::Operator, "o"));
    let site = Site::with_tokens(&[&worker, &operator]).await;
    let bare = site.channel(None);
    let list = ListJobsRequest::default;
    jobs(&bare).list_jobs(bearing(&operator, list())).await.unwrap();
    let status = jobs(&bare).list_jobs(bearing(&worker, list())).await.unwrap_err();
    told(&status, Code::PermissionDenied, "ROLE_NOT_ALLOWED");
    let status = jobs(&bare).list_jobs(list()).await.unwrap_err();
    told(&status, Code::Unauthenticated, "NO_CREDENTIALS");
    // A wrong token is no way in, with an operator's certificate either.
    let strange = token(Role::Operator, "o");
    for channel in [&bare, &site.role("operator")] {
        let status = jobs(channel).list_jobs(bearing(&strange, list())).await.unwrap_err();
        told(&status, Code::Unauthenticated, "UNKNOWN_TOKEN");
    }
    let health = HealthCheckRequest::default();
    HealthClient::new(bare).check(health).await.unwrap();
    site.stop().await;
}

#[tokio::test]
async fn a_token_taken_back_is_refused_within_seconds() {
    let (old, new) = (token(Role::Monitor, "m"), token(Role::Monitor, "m"));
    let site = Site::with_tokens(&[&old]).await;
    let bare = site.channel(None);
    let ask = async |token| jobs(&bare).list_jobs(bearing(token, ListJobsRequest::default())).await;
    ask(&old).await.unwrap();
    let file = site.folder.path().join("tokens");
    fs::write(&file, format!("# rotated\n{}\n", new.line)).unwrap();
    let what = "the new token is taken";
    eventually(what, LIMIT, async || ask(&new).await.is_ok().then_some(())).await.unwrap();
    told(&ask(&old).await.unwrap_err(), Code::Unauthenticated, "UNKNOWN_TOKEN");
    site.stop().await;
}

#[tokio::test]
async fn a_worker_cannot_use_what_is_another_ones() {
    let site = Site::start().await;
    make_job(&site.role("operator"), "j", 4).await;
    let worker = |name: &str| {
        let uri = format!("emend:worker/{name}");
        work(&site.channel(Some(&site.authority.caller(&[&uri]))))
    };
    let (mut one, mut two) = (worker("one"), worker("two"));
    let lease = async |client: &mut emend_proto::v1::work_service_client::WorkServiceClient<Channel>| {
        let request = lease_request("same-id", "same-request", 2);
        client.lease_units(request).await.unwrap().into_inner().leases
    };
    let (mine, theirs) = (lease(&mut one).await, lease(&mut two).await);
    let units = |leases: &[Lease]| leases.iter().map(|lease| lease.unit_id).collect::<Vec<_>>();
    assert_eq!((mine.len(), theirs.len()), (2, 2));
    assert!(units(&mine).iter().all(|unit| !units(&theirs).contains(unit)), "the same id is the same worker");
    let send = async |client: &mut emend_proto::v1::work_service_client::WorkServiceClient<Channel>,
                      lease| {
        let request = CommitUnitsRequest { worker_id: "same-id".into(), commits: vec![commit(lease)] };
        client.commit_units(request).await.unwrap().into_inner().outcomes.remove(0)
    };
    // Two knows the unit and the epoch of one's lease, and has a token of its own.
    let forged = Lease { token: theirs[0].token.clone(), ..mine[0].clone() };
    let Some(Outcome::Refusal(refusal)) = send(&mut two, &forged).await.outcome else { panic!("taken") };
    assert_eq!((refusal.code, refusal.reason.as_str()), (Code::PermissionDenied as i32, "WRONG_TOKEN"));
    let outcome = send(&mut one, &mine[0]).await;
    assert!(matches!(outcome.outcome, Some(Outcome::Receipt(_))) && !outcome.replayed, "{outcome:?}");
    // Who held and who committed is known by the certificate, whatever the worker calls itself.
    let request = ListUnitsRequest { job: "j".into(), page_size: 10, ..ListUnitsRequest::default() };
    let listed = jobs(&site.role("monitor")).list_units(request).await.unwrap().into_inner().units;
    let holders = format!("{listed:?}");
    assert!(holders.contains("one/same-id") && holders.contains("two/same-id"), "{holders}");
    site.stop().await;
}

#[tokio::test]
async fn reflection_is_for_callers_with_a_role_and_can_be_off() {
    let ask = async |channel: Channel| {
        let message_request = Some(MessageRequest::ListServices(String::new()));
        let request = ServerReflectionRequest { host: String::new(), message_request };
        let mut client = ServerReflectionClient::new(channel);
        client.server_reflection_info(tokio_stream::iter(vec![request])).await.map(drop)
    };
    let site = Site::with_tokens(&[]).await;
    ask(site.role("scaler")).await.unwrap();
    told(&ask(site.channel(None)).await.unwrap_err(), Code::Unauthenticated, "NO_CREDENTIALS");
    site.stop().await;
    let site = Site::start_with(|config, _| config.reflection = false).await;
    let status = ask(site.role("operator")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    site.stop().await;
}
