//! Sessions of browsers: from a login to its end.

use serde_json::json;

use super::{logins, read_grant};
use crate::domain::account::{ABSOLUTE, Grant, IDLE};
use crate::domain::time::Timestamp;
use crate::store::audit::{Note, note};
use crate::store::db::{Row, Sql, Tx, params};
use crate::store::lanes::Lane;
use crate::store::{Store, StoreError};

/// A session that is not over, and whose it is.
#[derive(Clone)]
pub struct Session {
    /// The account.
    pub account: String,
    /// What it may do now.
    pub grant: Grant,
    /// What its forms and calls carry.
    pub csrf: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was used last, to about a minute.
    pub seen_at: Timestamp,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("account", &self.account).finish_non_exhaustive()
    }
}

/// What a session's id stands for.
#[derive(Debug, Clone)]
pub enum Known {
    /// A session that is not over.
    Live(Session),
    /// One that was signed out: whoever comes with it sends again what was sent before.
    SignedOut,
    /// None, or one that is over, or one whose account was disabled.
    Nothing,
}

/// Only for an account that is not disabled; the row is locked, so that one which is just being disabled gets none.
const MAY: Sql = Sql::pair(
    "SELECT name FROM accounts WHERE name = $1 AND disabled_at IS NULL FOR UPDATE",
    "SELECT name FROM accounts WHERE name = $1 AND disabled_at IS NULL",
);
const INSERT: Sql = Sql::same(
    "INSERT INTO sessions (id_hash, account, csrf, created_at, seen_at) VALUES ($1, $2, $3, $4, $4)",
);
const GET: Sql = Sql::same(
    "SELECT s.account, s.csrf, s.created_at, s.seen_at, s.signed_out_at, a.roles, a.skills
     FROM sessions s JOIN accounts a ON a.name = s.account
     WHERE s.id_hash = $1 AND s.created_at > $3 AND a.disabled_at IS NULL
         AND (s.seen_at > $2 OR s.signed_out_at IS NOT NULL)",
);
const SEEN: Sql = Sql::same("UPDATE sessions SET seen_at = $2 WHERE id_hash = $1 AND seen_at < $2");
const SIGN_OUT: Sql =
    Sql::same("UPDATE sessions SET signed_out_at = $2 WHERE id_hash = $1 AND signed_out_at IS NULL");
const END_ALL: Sql = Sql::same("DELETE FROM sessions WHERE account = $1");
const PRUNE: Sql =
    Sql::same("DELETE FROM sessions WHERE created_at <= $2 OR (seen_at <= $1 AND signed_out_at IS NULL)");

impl Store {
    /// Begins a session: the password was right. The session that the browser had before ends; whether there is a new
    /// one: not when the account was disabled meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn begin_session(
        &self,
        account: String,
        address: String,
        id_hash: Vec<u8>,
        csrf: String,
        before: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(Lane::Urgent, move |tx| {
            Box::pin(async move {
                // The account's row first, as whoever disables it.
                let may = tx.row(MAY, params![account.as_str()]).await?.is_some();
                if let Some(before) = before {
                    tx.execute(SIGN_OUT, params![before, now]).await?;
                }
                if !may {
                    return Ok(false);
                }
                logins::succeeded(tx, &account, &address).await?;
                tx.execute_exactly(1, INSERT, params![id_hash, account.as_str(), csrf, now]).await?;
                note(tx, &Note::new(account, "signed_in", json!({ "address": address })), now).await?;
                Ok(true)
            })
        })
        .await
    }

    /// What a session's id stands for.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn session(&self, id_hash: Vec<u8>, now: Timestamp) -> Result<Known, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let row = tx.row(GET, params![id_hash, now - IDLE, now - ABSOLUTE]).await?;
                let Some(row) = row else { return Ok(Known::Nothing) };
                if row.maybe_int("signed_out_at")?.is_some() {
                    return Ok(Known::SignedOut);
                }
                read_session(&row).map(Known::Live)
            })
        })
        .await
    }

    /// Notes that a session is used.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn session_seen(&self, id_hash: Vec<u8>, now: Timestamp) -> Result<(), StoreError> {
        self.write(Lane::Urgent, move |tx| {
            Box::pin(async move { tx.execute(SEEN, params![id_hash, now]).await.map(|_| ()) })
        })
        .await
    }

    /// Ends a session: its account signs out. Again, it is no different.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn end_session(
        &self,
        account: String,
        id_hash: Vec<u8>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Lane::Urgent, move |tx| {
            Box::pin(async move {
                if tx.execute(SIGN_OUT, params![id_hash, now]).await? > 0 {
                    note(tx, &Note::new(account, "signed_out", json!({})), now).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Deletes sessions that are over, and failures to sign in that are forgotten.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn prune_sessions(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(Lane::Idle, move |tx| {
            Box::pin(async move {
                tx.execute(PRUNE, params![now - IDLE, now - ABSOLUTE]).await?;
                logins::prune(tx, now).await
            })
        })
        .await
    }
}

/// Ends all sessions of an account.
pub(super) async fn end_all(tx: &mut Tx, account: &str) -> Result<(), StoreError> {
    tx.execute(END_ALL, params![account]).await.map(|_| ())
}

fn read_session(row: &Row) -> Result<Session, StoreError> {
    Ok(Session {
        account: row.text("account")?,
        grant: read_grant(row)?,
        csrf: row.text("csrf")?,
        created_at: Timestamp(row.int("created_at")?),
        seen_at: Timestamp(row.int("seen_at")?),
    })
}
