//! Attempts to sign in. Each counts as a failure before its password is looked at, and is taken back when it was right: so
//! a thousand guesses at once are a thousand failures. In the store, so that all schedulers agree.

use std::time::Duration;

use serde_json::json;

use crate::domain::account::{BY_ACCOUNT, BY_ADDRESS, FORGOTTEN, Failures};
use crate::domain::time::Timestamp;
use crate::store::audit::{Note, note};
use crate::store::db::{Row, Sql, Tx, params};
use crate::store::lanes::Lane;
use crate::store::{Store, StoreError};

/// Whether somebody may try to sign in now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// Not before this is over. Nothing was counted.
    Wait(Duration),
    /// Here is the hash of the account's password, if there is one that is not disabled. It counts as a failure until
    /// a session begins.
    Go(Option<String>),
}

/// What is known of an account or address, whose next attempt waits until this one is through.
const LOCK: Sql = Sql::same(
    "INSERT INTO login_failures (who, failures, last_at, locked_until) VALUES ($1, 0, $2, 0)
     ON CONFLICT (who) DO UPDATE SET last_at = login_failures.last_at
     RETURNING failures, last_at, locked_until",
);
const SET: Sql =
    Sql::same("UPDATE login_failures SET failures = $2, last_at = $3, locked_until = $4 WHERE who = $1");
const PASSWORD: Sql = Sql::same("SELECT password FROM accounts WHERE name = $1 AND disabled_at IS NULL");
const EXISTS: Sql = Sql::same("SELECT name FROM accounts WHERE name = $1");
const FORGET: Sql = Sql::same("DELETE FROM login_failures WHERE who = $1");
/// The attempt's own failure and the wait that came of it; those of others stay.
const TAKE_BACK: Sql = Sql::same(
    "UPDATE login_failures SET failures = failures - 1, locked_until = 0 WHERE who = $1 AND failures > 0",
);
const PRUNE: Sql = Sql::same("DELETE FROM login_failures WHERE last_at <= $1 AND locked_until <= $2");

impl Store {
    /// Somebody at `address` wants to sign in as `account`, which may be any name. The same is done and answered
    /// whether there is such an account or not.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn attempt_login(
        &self,
        account: String,
        address: String,
        now: Timestamp,
    ) -> Result<Attempt, StoreError> {
        self.write(Lane::Urgent, move |tx| {
            Box::pin(async move {
                let who = [(by_account(&account), BY_ACCOUNT), (by_address(&address), BY_ADDRESS)];
                let mut known = Vec::with_capacity(who.len());
                for (who, _) in &who {
                    known.push(lock(tx, who, now).await?);
                }
                let wait = known.iter().map(|failures| failures.wait(now)).max().unwrap_or_default();
                if !wait.is_zero() {
                    return Ok(Attempt::Wait(wait));
                }
                for ((who, throttle), failures) in who.into_iter().zip(known) {
                    let Failures { count, last_at, locked_until } = failures.and_one(throttle, now);
                    tx.execute_exactly(1, SET, params![who, count, last_at, locked_until]).await?;
                }
                let row = tx.row(PASSWORD, params![account]).await?;
                Ok(Attempt::Go(row.map(|row| row.text("password")).transpose()?))
            })
        })
        .await
    }

    /// Notes an attempt whose password was wrong. What is no account's name is not written down: it may be a password
    /// that was typed in the wrong field.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn login_failed(
        &self,
        account: String,
        address: String,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let known = tx.row(EXISTS, params![account.as_str()]).await?.is_some();
                let who = if known { account } else { "(unknown)".to_owned() };
                note(tx, &Note::new(who, "sign_in_failed", json!({ "address": address })), now).await
            })
        })
        .await
    }
}

async fn lock(tx: &mut Tx, who: &str, now: Timestamp) -> Result<Failures, StoreError> {
    let row = tx.row(LOCK, params![who, now]).await?;
    row.as_ref().map(read_failures).transpose()?.ok_or_else(|| StoreError::Internal("a row is gone".into()))
}

fn read_failures(row: &Row) -> Result<Failures, StoreError> {
    Ok(Failures {
        count: row.int("failures")?,
        last_at: Timestamp(row.int("last_at")?),
        locked_until: Timestamp(row.int("locked_until")?),
    })
}

/// The account's failures are forgotten, and this attempt is none of its address.
pub(super) async fn succeeded(tx: &mut Tx, account: &str, address: &str) -> Result<(), StoreError> {
    forget_account(tx, account).await?;
    tx.execute(TAKE_BACK, params![by_address(address)]).await.map(|_| ())
}

/// Failures of an account are forgotten.
pub(super) async fn forget_account(tx: &mut Tx, account: &str) -> Result<(), StoreError> {
    tx.execute(FORGET, params![by_account(account)]).await.map(|_| ())
}

pub(super) async fn prune(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(PRUNE, params![now - FORGOTTEN, now]).await.map(|_| ())
}

fn by_account(account: &str) -> String {
    format!("account {account}")
}

fn by_address(address: &str) -> String {
    format!("address {address}")
}
