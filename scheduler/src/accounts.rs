//! Accounts, as an operator steers them: over a scheduler, or on the store itself while there is none.

use crate::domain::account::{Grant, check_name};
use crate::domain::time::Timestamp;
use crate::store::{Account, OpenError, Store, StoreError};
use crate::{ids, password};

/// Who stands in the audit log when somebody works on the store itself.
const ON_THE_STORE: &str = "(store)";

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store said no, or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An account's password, known nowhere else. It does not show by chance.
#[derive(Clone)]
pub struct NewPassword(String);

impl NewPassword {
    /// The password itself, for its owner alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewPassword(***)")
    }
}

/// The accounts of a store, and who steers them.
#[derive(Debug, Clone)]
pub struct Accounts {
    store: Store,
    who: String,
}

impl Accounts {
    /// The accounts of the store that `url` names, steered by whoever can reach it. On SQLite no scheduler may run.
    ///
    /// # Errors
    /// [`AccountsError::Open`].
    pub async fn on_store(url: &str) -> Result<Self, AccountsError> {
        Ok(Self { store: Store::open(url, 2).await?, who: ON_THE_STORE.into() })
    }

    pub(crate) fn new(store: Store, who: String) -> Self {
        Self { store, who }
    }

    /// What time it is by the store's clock.
    ///
    /// # Errors
    /// [`AccountsError::Store`].
    pub async fn now(&self) -> Result<Timestamp, AccountsError> {
        Ok(self.store.now().await?)
    }

    /// Makes an account, and its password.
    ///
    /// # Errors
    /// [`StoreError::Invalid`], [`StoreError::AccountExists`]; the store fails.
    pub async fn add(
        &self,
        name: &str,
        grant: Grant,
        now: Timestamp,
    ) -> Result<(Account, NewPassword), AccountsError> {
        let mut wrong = grant.violations();
        wrong.extend(check_name(name).err());
        if !wrong.is_empty() {
            return Err(StoreError::Invalid(wrong).into());
        }
        let (password, hash) = new_password().await?;
        let account = self.store.add_account(self.who.clone(), name.to_owned(), hash, grant, now).await?;
        Ok((account, password))
    }

    /// Up to `limit` accounts by name, of those after `after`.
    ///
    /// # Errors
    /// [`AccountsError::Store`].
    pub async fn list(&self, after: &str, limit: u32) -> Result<Vec<Account>, AccountsError> {
        Ok(self.store.accounts(after.to_owned(), limit).await?)
    }

    /// The account of that name.
    ///
    /// # Errors
    /// [`StoreError::AccountNotFound`]; the store fails.
    pub async fn get(&self, name: &str) -> Result<Account, AccountsError> {
        Ok(self.store.account(name.to_owned()).await?)
    }

    /// Gives an account other roles and skills.
    ///
    /// # Errors
    /// [`StoreError::Invalid`], [`StoreError::AccountNotFound`]; the store fails.
    pub async fn grant(&self, name: &str, grant: Grant, now: Timestamp) -> Result<Account, AccountsError> {
        let wrong = grant.violations();
        if !wrong.is_empty() {
            return Err(StoreError::Invalid(wrong).into());
        }
        Ok(self.store.grant(self.who.clone(), name.to_owned(), grant, now).await?)
    }

    /// Gives an account a new password; its sessions end.
    ///
    /// # Errors
    /// [`StoreError::AccountNotFound`]; the store fails.
    pub async fn reset_password(&self, name: &str, now: Timestamp) -> Result<NewPassword, AccountsError> {
        let (password, hash) = new_password().await?;
        self.store.set_password(self.who.clone(), name.to_owned(), hash, now).await?;
        Ok(password)
    }

    /// Disables an account, or lets it sign in again.
    ///
    /// # Errors
    /// [`StoreError::AccountNotFound`]; the store fails.
    pub async fn set_disabled(
        &self,
        name: &str,
        disabled: bool,
        now: Timestamp,
    ) -> Result<Account, AccountsError> {
        let (who, name) = (self.who.clone(), name.to_owned());
        Ok(if disabled {
            self.store.disable_account(who, name, now).await?
        } else {
            self.store.enable_account(who, name, now).await?
        })
    }

    /// Lets go of the store. For one that was opened here.
    pub async fn close(self) {
        self.store.close().await;
    }
}

async fn new_password() -> Result<(NewPassword, String), StoreError> {
    let made = tokio::task::spawn_blocking(|| {
        let password = ids::password();
        let hash = password::hash(&password);
        (NewPassword(password), hash)
    });
    made.await.map_err(|_| StoreError::Internal("hashing a password panicked".into()))
}
