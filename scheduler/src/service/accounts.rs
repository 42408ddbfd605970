//! `AccountService`: who may sign in at the desk.

use emend_proto::v1::account_service_server::AccountService;
use emend_proto::v1::{self, *};
use tonic::{Request, Response, Status};

use super::work::proto_duration;
use super::{App, page_size, status};
use crate::accounts::{Accounts, AccountsError};
use crate::domain::account::Grant;
use crate::domain::caller::{Caller, Role, Roles};
use crate::domain::time::Timestamp;
use crate::store::{self, StoreError};

/// Who asks: its name in the audit log.
pub(super) fn who<T>(request: &Request<T>) -> String {
    let name = request.extensions().get::<Caller>().and_then(|caller| caller.name.clone());
    // Where nobody is asked for a name.
    name.map_or_else(|| "(anybody)".to_owned(), |name| name.to_string())
}

impl App {
    fn accounts<T>(&self, request: &Request<T>) -> Accounts {
        Accounts::new(self.store.clone(), who(request))
    }
}

#[tonic::async_trait]
impl AccountService for App {
    async fn add_account(
        &self,
        request: Request<AddAccountRequest>,
    ) -> Result<Response<AddAccountResponse>, Status> {
        let (accounts, now) = (self.accounts(&request), self.clock.now());
        let AddAccountRequest { name, roles, skills } = request.into_inner();
        let (account, password) = accounts.add(&name, grant(&roles, skills)?, now).await.map_err(refused)?;
        let password = password.reveal().to_owned();
        Ok(Response::new(AddAccountResponse { account: Some(view(account, now)), password }))
    }

    async fn list_accounts(
        &self,
        request: Request<ListAccountsRequest>,
    ) -> Result<Response<ListAccountsResponse>, Status> {
        let (accounts, now) = (self.accounts(&request), self.clock.now());
        let ListAccountsRequest { page_size: asked, page_token } = request.into_inner();
        let size = page_size(asked, 100, 1000);
        let page = accounts.list(&page_token, size).await.map_err(refused)?;
        let whole = u32::try_from(page.len()) == Ok(size);
        let next = page.last().filter(|_| whole).map(|account| account.name.clone());
        let accounts = page.into_iter().map(|account| view(account, now)).collect();
        Ok(Response::new(ListAccountsResponse { accounts, next_page_token: next.unwrap_or_default() }))
    }

    async fn grant_account(
        &self,
        request: Request<GrantAccountRequest>,
    ) -> Result<Response<GrantAccountResponse>, Status> {
        let (accounts, now) = (self.accounts(&request), self.clock.now());
        let GrantAccountRequest { name, roles, skills } = request.into_inner();
        let account = accounts.grant(&name, grant(&roles, skills)?, now).await.map_err(refused)?;
        Ok(Response::new(GrantAccountResponse { account: Some(view(account, now)) }))
    }

    async fn reset_password(
        &self,
        request: Request<ResetPasswordRequest>,
    ) -> Result<Response<ResetPasswordResponse>, Status> {
        let accounts = self.accounts(&request);
        let name = request.into_inner().name;
        let password = accounts.reset_password(&name, self.clock.now()).await.map_err(refused)?;
        Ok(Response::new(ResetPasswordResponse { password: password.reveal().to_owned() }))
    }

    async fn disable_account(
        &self,
        request: Request<DisableAccountRequest>,
    ) -> Result<Response<DisableAccountResponse>, Status> {
        let (accounts, now) = (self.accounts(&request), self.clock.now());
        let account = accounts.set_disabled(&request.into_inner().name, true, now).await.map_err(refused)?;
        Ok(Response::new(DisableAccountResponse { account: Some(view(account, now)) }))
    }

    async fn enable_account(
        &self,
        request: Request<EnableAccountRequest>,
    ) -> Result<Response<EnableAccountResponse>, Status> {
        let (accounts, now) = (self.accounts(&request), self.clock.now());
        let account = accounts.set_disabled(&request.into_inner().name, false, now).await.map_err(refused)?;
        Ok(Response::new(EnableAccountResponse { account: Some(view(account, now)) }))
    }
}

/// What is sound about it, `Grant` says; here words become roles.
fn grant(words: &[String], skills: Vec<String>) -> Result<Grant, Status> {
    let roles: Option<Vec<Role>> = words.iter().map(|word| Role::parse(word)).collect();
    let roles =
        roles.ok_or_else(|| status::invalid("roles", "must be operator, lead, reviewer or worker"))?;
    Ok(Grant { roles: Roles::of(&roles), skills })
}

fn view(account: store::Account, now: Timestamp) -> v1::Account {
    v1::Account {
        name: account.name,
        roles: account.grant.roles.iter().map(|role| role.as_str().to_owned()).collect(),
        skills: account.grant.skills,
        disabled: account.disabled_at.is_some(),
        age: Some(proto_duration(now.since(account.created_at))),
    }
}

fn refused(error: AccountsError) -> Status {
    let error = match error {
        AccountsError::Store(error) => error,
        AccountsError::Open(error) => StoreError::Unavailable(error.to_string()),
    };
    status::from_store(error)
}
