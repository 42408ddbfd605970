//! The answer is lost on every call about accounts that changes something.

use emend_proto::v1::account_service_client::AccountServiceClient;
use emend_proto::v1::{
    AddAccountRequest, DisableAccountRequest, EnableAccountRequest, GrantAccountRequest, ResetPasswordRequest,
};
use emend_tests::database::Backend;
use tonic::Code;
use tonic::transport::Channel;

use super::lost_answers::Rig;

fn accounts(line: &Channel) -> AccountServiceClient<Channel> {
    AccountServiceClient::new(line.clone())
}

fn add() -> AddAccountRequest {
    AddAccountRequest { name: "lan".into(), roles: vec!["reviewer".into()], skills: Vec::new() }
}

async fn rig(backend: Backend) -> Rig {
    let rig = Rig::start(backend).await;
    accounts(&rig.sound).add_account(add()).await.unwrap();
    rig
}

/// The password went with the answer: who asks again is told so, and resets it.
pub(crate) async fn add_account(backend: Backend) {
    let rig = Rig::start(backend).await;
    let again = rig.lose_then(async |line| accounts(&line).add_account(add()).await).await.unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists, "{again:?}");
    accounts(&rig.sound).reset_password(ResetPasswordRequest { name: "lan".into() }).await.unwrap();
    rig.stop().await;
}

pub(crate) async fn grant_account(backend: Backend) {
    let rig = rig(backend).await;
    let grant = || GrantAccountRequest { name: "lan".into(), roles: vec!["lead".into()], skills: Vec::new() };
    let again = rig.lose_then(async |line| accounts(&line).grant_account(grant()).await).await.unwrap();
    assert_eq!(again.into_inner().account.unwrap().roles, ["lead"]);
    rig.stop().await;
}

/// Each time another one; the last counts.
pub(crate) async fn reset_password(backend: Backend) {
    let rig = rig(backend).await;
    let reset = || ResetPasswordRequest { name: "lan".into() };
    let again = rig.lose_then(async |line| accounts(&line).reset_password(reset()).await).await.unwrap();
    assert!(!again.into_inner().password.is_empty());
    rig.stop().await;
}

pub(crate) async fn disable_account(backend: Backend) {
    let rig = rig(backend).await;
    let disable = || DisableAccountRequest { name: "lan".into() };
    let again = rig.lose_then(async |line| accounts(&line).disable_account(disable()).await).await.unwrap();
    assert!(again.into_inner().account.unwrap().disabled);
    rig.stop().await;
}

pub(crate) async fn enable_account(backend: Backend) {
    let rig = rig(backend).await;
    accounts(&rig.sound).disable_account(DisableAccountRequest { name: "lan".into() }).await.unwrap();
    let enable = || EnableAccountRequest { name: "lan".into() };
    let again = rig.lose_then(async |line| accounts(&line).enable_account(enable()).await).await.unwrap();
    assert!(!again.into_inner().account.unwrap().disabled);
    rig.stop().await;
}
