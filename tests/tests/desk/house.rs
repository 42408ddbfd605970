//! A scheduler with a desk, and people who have accounts.

use std::net::SocketAddr;
use std::sync::Arc;

use emend_proto::v1::account_service_client::AccountServiceClient;
use emend_proto::v1::{AddAccountRequest, DisableAccountRequest};
use emend_scheduler::Config;
use emend_tests::database::Backend;
use emend_tests::process::free_port;
use emend_tests::scheduler::Scheduler;
use rustls::ClientConfig;
use tonic::transport::Channel;

use crate::browser::Browser;

/// A scheduler with a desk.
pub(crate) struct House {
    pub(crate) scheduler: Scheduler,
    pub(crate) desk: SocketAddr,
    /// What browsers trust, where the desk has TLS.
    pub(crate) trust: Option<Arc<ClientConfig>>,
}

/// Runs each of these functions, which take a `&House`, on both stores.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::house::on(emend_tests::database::Backend::Sqlite, super::$name).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::house::on(emend_tests::database::Backend::Postgres, super::$name).await;
            })*
        }
    };
}
pub(crate) use on_both;

/// Runs a test in a house of its own.
pub(crate) async fn on(backend: Backend, test: impl AsyncFnOnce(&House)) {
    let house = House::new(backend, |_| {}).await;
    Box::pin(test(&house)).await;
    house.scheduler.stop().await;
}

impl House {
    pub(crate) async fn new(backend: Backend, change: impl FnOnce(&mut Config)) -> Self {
        let desk = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let scheduler = Scheduler::start_with(backend, |config| {
            config.desk.listen = Some(desk);
            change(config);
        });
        Self { scheduler: scheduler.await, desk, trust: None }
    }

    /// A browser with nothing in it.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.desk, self.trust.clone())
    }

    pub(crate) fn accounts(&self) -> AccountServiceClient<Channel> {
        AccountServiceClient::new(self.scheduler.channel())
    }

    /// Makes an account; its password.
    pub(crate) async fn add(&self, name: &str, roles: &[&str]) -> String {
        let roles = roles.iter().map(|&role| role.to_owned()).collect();
        let request = AddAccountRequest { name: name.into(), roles, skills: vec![] };
        self.accounts().add_account(request).await.unwrap().into_inner().password
    }

    pub(crate) async fn disable(&self, name: &str) {
        self.accounts().disable_account(DisableAccountRequest { name: name.into() }).await.unwrap();
    }

    /// A browser in which a new account of these roles has signed in.
    pub(crate) async fn signed_in(&self, name: &str, roles: &[&str]) -> Browser {
        let password = self.add(name, roles).await;
        let mut browser = self.browser();
        let answer = browser.sign_in(name, &password).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/"), "{answer:?}");
        browser
    }
}
