//! Accounts, their sessions, and what slows down who guesses passwords.

mod logins;
mod sessions;

pub use logins::Attempt;
pub use sessions::{Known, Session};

use serde_json::json;

use super::audit::{Note, note};
use super::db::{Row, Sql, Tx, params};
use super::lanes::Lane;
use super::{Store, StoreError, reviews};
use crate::domain::account::Grant;
use crate::domain::caller::{Role, Roles};
use crate::domain::time::Timestamp;

/// Somebody who may sign in at the desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub grant: Grant,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was disabled; none while it may sign in.
    pub disabled_at: Option<Timestamp>,
}

const INSERT: Sql = Sql::same(
    "INSERT INTO accounts (name, password, roles, skills, created_at, disabled_at) VALUES ($1, $2, $3, $4, $5, NULL)
     ON CONFLICT (name) DO NOTHING",
);
const GET: Sql =
    Sql::same("SELECT name, roles, skills, created_at, disabled_at FROM accounts WHERE name = $1");
const LIST: Sql = Sql::same(
    "SELECT name, roles, skills, created_at, disabled_at FROM accounts WHERE name > $1 ORDER BY name LIMIT $2",
);
const SET_GRANT: Sql = Sql::same("UPDATE accounts SET roles = $2, skills = $3 WHERE name = $1");
const SET_PASSWORD: Sql = Sql::same("UPDATE accounts SET password = $2 WHERE name = $1");
/// A second time, the first one's moment stays.
const DISABLE: Sql = Sql::same("UPDATE accounts SET disabled_at = COALESCE(disabled_at, $2) WHERE name = $1");
const ENABLE: Sql = Sql::same("UPDATE accounts SET disabled_at = NULL WHERE name = $1");

impl Store {
    /// Makes an account; `password` is its hash. `who` does it.
    ///
    /// # Errors
    /// [`StoreError::AccountExists`]; the database fails.
    pub async fn add_account(
        &self,
        who: String,
        name: String,
        password: String,
        grant: Grant,
        now: Timestamp,
    ) -> Result<Account, StoreError> {
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let row = params![name.as_str(), password, words(grant.roles), skills(&grant), now];
                if tx.execute(INSERT, row).await? == 0 {
                    return Err(StoreError::AccountExists);
                }
                note(tx, &Note::new(who, "account_added", granted(&name, &grant)), now).await?;
                Ok(Account { name, grant, created_at: now, disabled_at: None })
            })
        })
        .await
    }

    /// The account of that name.
    ///
    /// # Errors
    /// [`StoreError::AccountNotFound`]; the database fails.
    pub async fn account(&self, name: String) -> Result<Account, StoreError> {
        self.read(|tx| Box::pin(async move { get(tx, &name).await })).await
    }

    /// Up to `limit` accounts by name, of those after `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn accounts(&self, after: String, limit: u32) -> Result<Vec<Account>, StoreError> {
        self.read(move |tx| {
            Box::pin(
                async move { tx.rows(LIST, params![after, limit]).await?.iter().map(read_account).collect() },
            )
        })
        .await
    }

    /// Gives an account other roles and skills. What it holds already it may finish.
    ///
    /// # Errors
    /// As [`Store::account`].
    pub async fn grant(
        &self,
        who: String,
        name: String,
        grant: Grant,
        now: Timestamp,
    ) -> Result<Account, StoreError> {
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                found(
                    tx.execute(SET_GRANT, params![name.as_str(), words(grant.roles), skills(&grant)]).await?,
                )?;
                note(tx, &Note::new(who, "account_granted", granted(&name, &grant)), now).await?;
                get(tx, &name).await
            })
        })
        .await
    }

    /// Gives an account another password, by its hash. Its sessions end, and who guessed at it in vain is forgotten.
    ///
    /// # Errors
    /// As [`Store::account`].
    pub async fn set_password(
        &self,
        who: String,
        name: String,
        password: String,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                found(tx.execute(SET_PASSWORD, params![name.as_str(), password]).await?)?;
                sessions::end_all(tx, &name).await?;
                logins::forget_account(tx, &name).await?;
                note(tx, &Note::new(who, "password_set", json!({ "account": name })), now).await
            })
        })
        .await
    }

    /// Disables an account: its sessions end, and what it holds is free for others. Again, it is no different.
    ///
    /// # Errors
    /// As [`Store::account`].
    pub async fn disable_account(
        &self,
        who: String,
        name: String,
        now: Timestamp,
    ) -> Result<Account, StoreError> {
        self.write(Lane::Urgent, move |tx| {
            Box::pin(async move {
                // The row first: a sign-in at the same time waits for it, and then finds the account disabled.
                found(tx.execute(DISABLE, params![name.as_str(), now]).await?)?;
                sessions::end_all(tx, &name).await?;
                let released = tx.execute(reviews::RELEASE, params![name.as_str()]).await?;
                let detail = json!({ "account": name, "released": released });
                note(tx, &Note::new(who, "account_disabled", detail), now).await?;
                get(tx, &name).await
            })
        })
        .await
    }

    /// Lets a disabled account sign in again.
    ///
    /// # Errors
    /// As [`Store::account`].
    pub async fn enable_account(
        &self,
        who: String,
        name: String,
        now: Timestamp,
    ) -> Result<Account, StoreError> {
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                found(tx.execute(ENABLE, params![name.as_str()]).await?)?;
                note(tx, &Note::new(who, "account_enabled", json!({ "account": name })), now).await?;
                get(tx, &name).await
            })
        })
        .await
    }
}

async fn get(tx: &mut Tx, name: &str) -> Result<Account, StoreError> {
    let row = tx.row(GET, params![name]).await?;
    read_account(row.as_ref().ok_or(StoreError::AccountNotFound)?)
}

fn found(rows: u64) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(StoreError::AccountNotFound) }
}

fn granted(name: &str, grant: &Grant) -> serde_json::Value {
    let roles: Vec<_> = grant.roles.iter().map(Role::as_str).collect();
    json!({ "account": name, "roles": roles, "skills": grant.skills })
}

/// Roles as they are stored.
fn words(roles: Roles) -> String {
    roles.iter().map(Role::as_str).collect::<Vec<_>>().join(",")
}

fn skills(grant: &Grant) -> String {
    serde_json::to_string(&grant.skills).expect("strings are always JSON")
}

fn read_account(row: &Row) -> Result<Account, StoreError> {
    Ok(Account {
        name: row.text("name")?,
        grant: read_grant(row)?,
        created_at: Timestamp(row.int("created_at")?),
        disabled_at: row.maybe_int("disabled_at")?.map(Timestamp),
    })
}

/// Roles that this version does not know are none.
fn read_grant(row: &Row) -> Result<Grant, StoreError> {
    let known: Vec<Role> = row.text("roles")?.split(',').filter_map(Role::parse).collect();
    let skills = serde_json::from_str(&row.text("skills")?);
    let skills = skills.map_err(|_| StoreError::Internal("an account's skills are no list".into()))?;
    Ok(Grant { roles: Roles::of(&known), skills })
}
