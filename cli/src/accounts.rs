//! Accounts, wherever they are steered: over a scheduler, or on the store itself.

use anyhow::{Error, Result, anyhow};
use emend_proto::v1::account_service_client::AccountServiceClient;
use emend_proto::v1::{
    Account, AddAccountRequest, DisableAccountRequest, EnableAccountRequest, GrantAccountRequest,
    ListAccountsRequest, ResetPasswordRequest,
};
use emend_scheduler::domain::account::Grant;
use emend_scheduler::domain::caller::{Role, Roles};
use emend_scheduler::store::{self, StoreError};
use emend_scheduler::{Accounts, AccountsError};
use serde::Serialize;
use tonic::Status;

use crate::client::{Client, explain, is_reason};
use crate::exit::Usage;

/// Accounts fetched at once.
const PAGE: u32 = 1000;

/// An account as it is shown.
#[derive(Debug, Serialize)]
pub struct AccountView {
    /// Its name.
    pub name: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// What it is bound to; empty: nothing.
    pub skills: Vec<String>,
    /// It may not sign in.
    pub disabled: bool,
}

impl From<Option<Account>> for AccountView {
    fn from(account: Option<Account>) -> Self {
        let Account { name, roles, skills, disabled, .. } = account.unwrap_or_default();
        Self { name, roles, skills, disabled }
    }
}

impl From<store::Account> for AccountView {
    fn from(account: store::Account) -> Self {
        Self {
            name: account.name,
            roles: account.grant.roles.iter().map(|role| role.to_string()).collect(),
            skills: account.grant.skills,
            disabled: account.disabled_at.is_some(),
        }
    }
}

/// Accounts over a scheduler, or on a store.
#[derive(Debug)]
pub enum AnyAccounts {
    /// Over a scheduler.
    Remote(Client),
    /// On the store itself.
    Store(Accounts),
}

/// Makes one call of `AccountService`.
macro_rules! rpc {
    ($client:expr, $name:expr, $rpc:ident($request:expr)) => {
        $client
            .call_over($request, |line, request| async move {
                AccountServiceClient::new(line).$rpc(request).await
            })
            .await
            .map_err(|status| of_status(&status, $name))
    };
}

impl AnyAccounts {
    /// Over the schedulers of a client.
    pub fn over(client: Client) -> Self {
        Self::Remote(client)
    }

    /// On the store that `url` names.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn on_store(url: &str) -> Result<Self> {
        let opened = Accounts::on_store(url).await.map_err(|error| anyhow!("--store: {error}"))?;
        Ok(Self::Store(opened))
    }

    /// Makes an account; it and its password.
    ///
    /// # Errors
    /// There is one of that name, or it cannot be.
    pub async fn add(
        &self,
        name: &str,
        roles: Vec<String>,
        skills: Vec<String>,
    ) -> Result<(AccountView, String)> {
        match self {
            Self::Remote(client) => {
                let request = AddAccountRequest { name: name.to_owned(), roles, skills };
                let made = rpc!(client, name, add_account(request))?;
                Ok((made.account.into(), made.password))
            }
            Self::Store(accounts) => {
                let now = accounts.now().await?;
                let made = accounts.add(name, grant(&roles, skills), now).await;
                let (account, password) = made.map_err(|error| of_store(error, name))?;
                Ok((account.into(), password.reveal().to_owned()))
            }
        }
    }

    /// All accounts.
    ///
    /// # Errors
    /// They cannot be had.
    pub async fn list(&self) -> Result<Vec<AccountView>> {
        let (mut all, mut after) = (Vec::<AccountView>::new(), String::new());
        loop {
            let page: Vec<AccountView> = match self {
                Self::Remote(client) => {
                    let request = ListAccountsRequest { page_size: PAGE, page_token: after };
                    let page = rpc!(client, "", list_accounts(request))?.accounts;
                    page.into_iter().map(|account| Some(account).into()).collect()
                }
                Self::Store(accounts) => {
                    accounts.list(&after, PAGE).await?.into_iter().map(Into::into).collect()
                }
            };
            let whole = page.len() == PAGE as usize;
            all.extend(page);
            after = match all.last() {
                Some(last) if whole => last.name.clone(),
                _ => return Ok(all),
            };
        }
    }

    /// One account.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn get(&self, name: &str) -> Result<AccountView> {
        match self {
            Self::Remote(_) => {
                let found = self.list().await?.into_iter().find(|account| account.name == name);
                found.ok_or_else(|| unknown(name))
            }
            Self::Store(accounts) => {
                Ok(accounts.get(name).await.map_err(|error| of_store(error, name))?.into())
            }
        }
    }

    /// Gives an account other roles and skills.
    ///
    /// # Errors
    /// There is none of that name, or it cannot be.
    pub async fn grant(&self, name: &str, roles: Vec<String>, skills: Vec<String>) -> Result<AccountView> {
        match self {
            Self::Remote(client) => {
                let request = GrantAccountRequest { name: name.to_owned(), roles, skills };
                Ok(rpc!(client, name, grant_account(request))?.account.into())
            }
            Self::Store(accounts) => {
                let granted = accounts.grant(name, grant(&roles, skills), accounts.now().await?).await;
                Ok(granted.map_err(|error| of_store(error, name))?.into())
            }
        }
    }

    /// Disables an account, or lets it sign in again.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn set_disabled(&self, name: &str, disabled: bool) -> Result<AccountView> {
        match self {
            Self::Remote(client) if disabled => {
                let request = DisableAccountRequest { name: name.to_owned() };
                Ok(rpc!(client, name, disable_account(request))?.account.into())
            }
            Self::Remote(client) => {
                let request = EnableAccountRequest { name: name.to_owned() };
                Ok(rpc!(client, name, enable_account(request))?.account.into())
            }
            Self::Store(accounts) => {
                let done = accounts.set_disabled(name, disabled, accounts.now().await?).await;
                Ok(done.map_err(|error| of_store(error, name))?.into())
            }
        }
    }

    /// Gives an account a new password.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn reset_password(&self, name: &str) -> Result<String> {
        match self {
            Self::Remote(client) => {
                let request = ResetPasswordRequest { name: name.to_owned() };
                Ok(rpc!(client, name, reset_password(request))?.password)
            }
            Self::Store(accounts) => {
                let made = accounts.reset_password(name, accounts.now().await?).await;
                Ok(made.map_err(|error| of_store(error, name))?.reveal().to_owned())
            }
        }
    }

    /// Lets go of a store.
    pub async fn close(self) {
        if let Self::Store(accounts) = self {
            accounts.close().await;
        }
    }
}

/// The words come from the command line, which knows roles alone.
fn grant(words: &[String], skills: Vec<String>) -> Grant {
    let roles: Vec<Role> = words.iter().filter_map(|word| Role::parse(word)).collect();
    Grant { roles: Roles::of(&roles), skills }
}

fn unknown(name: &str) -> Error {
    anyhow!("there is no account `{name}`; `emend user list` lists them")
}

fn taken(name: &str) -> Error {
    anyhow!("there is an account `{name}` already; `emend user password {name}` gives it a new password")
}

fn of_status(status: &Status, name: &str) -> Error {
    if is_reason(status, "ACCOUNT_NOT_FOUND") {
        unknown(name)
    } else if is_reason(status, "ACCOUNT_EXISTS") {
        taken(name)
    } else {
        explain(status, "")
    }
}

fn of_store(error: AccountsError, name: &str) -> Error {
    match error {
        AccountsError::Store(StoreError::AccountNotFound) => unknown(name),
        AccountsError::Store(StoreError::AccountExists) => taken(name),
        AccountsError::Store(StoreError::Invalid(wrong)) => {
            let wrong: Vec<_> =
                wrong.iter().map(|one| format!("{} {}", one.field, one.description)).collect();
            Usage::new(wrong.join("; "))
        }
        other => other.into(),
    }
}
