//! What keeps the audit log from being changed in silence: the key of its MACs, and the newest entry's number and MAC in
//! a file, both outside the store.

mod file;

use std::path::Path;

use crate::config::Config;
use crate::domain::audit::{AuditKey, Checker, Fault, Head};
use crate::store::{OpenError, Store, StoreError};

pub(crate) use file::HeadFile;

/// Entries read at once while the log is checked.
const PAGE: u32 = 1000;

/// Why the log cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key or the kept head cannot be read.
    #[error("{0}")]
    File(String),
}

/// What was found in the log.
#[derive(Debug, Clone)]
pub struct AuditReport {
    /// The newest entry that is there.
    pub head: Head,
    /// The head that was kept outside the store.
    pub kept: Option<Head>,
    /// Entries that are not chained yet: nothing keeps them from being changed.
    pub unsealed: i64,
    /// What is wrong, the first hundred.
    pub faults: Vec<Fault>,
}

/// Checks the log of the store that `config` names from its first entry to its last, against the head that is kept in
/// `head`, or where the scheduler keeps it. On SQLite no scheduler may run.
///
/// # Errors
/// [`AuditError`]. What was done to the log is no error but a fault in the report.
pub async fn verify(config: &Config, head: Option<&Path>) -> Result<AuditReport, AuditError> {
    let key = read_key(config).map_err(AuditError::File)?;
    let key = key.ok_or_else(|| {
        AuditError::File(
            "there is no key: give scheduler.audit.key, the same that the schedulers have, by \
             EMEND__SCHEDULER__AUDIT__KEY"
                .into(),
        )
    })?;
    let kept = match (head, config.audit_head()) {
        (Some(path), _) => {
            let kept = HeadFile::at(path).read().map_err(AuditError::File)?;
            Some(kept.ok_or_else(|| {
                AuditError::File(format!("--head {}: there is no such file", path.display()))
            })?)
        }
        (None, Some(path)) => HeadFile::at(&path).read().map_err(AuditError::File)?,
        (None, None) => None,
    };
    let store = Store::open(&config.store, 2).await?;
    let report = check(&store, &key, kept).await;
    store.close().await;
    Ok(report?)
}

async fn check(store: &Store, key: &AuditKey, kept: Option<Head>) -> Result<AuditReport, StoreError> {
    // The head first: entries that are chained meanwhile are then no more than it names.
    let state = store.audit_state().await?;
    let last = state.head.map_or(i64::MAX, |head| head.number);
    let mut checker = Checker::new(key, kept);
    let mut after = i64::MIN;
    loop {
        let page = store.audit_page(after, PAGE).await?;
        for (entry, mac) in &page {
            after = entry.number;
            checker.entry(entry, *mac);
        }
        if page.len() < PAGE as usize {
            break;
        }
    }
    // What was chained while we read stands behind the head that we know.
    let state_now = if checker.last() > last { store.audit_state().await? } else { state };
    let (faults, head) = checker.end(state_now.head);
    Ok(AuditReport { head, kept, unsealed: state_now.unsealed, faults })
}

/// The key, from the settings or from the file beside a SQLite database; none when there is neither.
fn read_key(config: &Config) -> Result<Option<AuditKey>, String> {
    if let Some(key) = &config.audit.key {
        let fault = |what| format!("scheduler.audit.key cannot be used: {what}");
        return AuditKey::parse(key.reveal()).map(Some).map_err(fault);
    }
    match config.beside_sqlite("audit-key") {
        Some(path) => file::read_key(&path),
        None => Ok(None),
    }
}

/// The key and the kept head of a scheduler.
#[derive(Debug)]
pub(crate) struct Auditor {
    /// None: entries wait.
    pub(crate) key: Option<AuditKey>,
    /// None: the head is told to the log alone.
    pub(crate) head: Option<HeadFile>,
}

impl Auditor {
    /// Reads the key, or makes one for a SQLite database whose log is empty; and sees whether the store still holds what
    /// the kept head names.
    ///
    /// # Errors
    /// What cannot be read or written, in words.
    pub(crate) async fn open(config: &Config, store: &Store) -> Result<Self, String> {
        let failed = |error: StoreError| format!("the audit log cannot be read: {error}");
        let mut key = read_key(config)?;
        if key.is_none()
            && let Some(path) = config.beside_sqlite("audit-key")
        {
            let state = store.audit_state().await.map_err(failed)?;
            if state.head == Some(Head::EMPTY) {
                key = Some(file::make_key(&path)?);
            } else {
                tracing::error!(
                    path = %path.display(),
                    "the audit log's key is gone: entries wait until it is back, or scheduler.audit.key is set"
                );
            }
        }
        let head = match config.audit_head() {
            Some(path) => {
                let mut file = HeadFile::at(&path);
                if let Some(kept) = file.read()? {
                    let page = store.audit_page(kept.number - 1, 1).await.map_err(failed)?;
                    let there = page
                        .first()
                        .is_some_and(|(entry, mac)| (entry.number, *mac) == (kept.number, Some(kept.mac)));
                    if !there && kept != Head::EMPTY {
                        tracing::error!(
                            kept = %kept,
                            "the audit log was cut or changed: the entry that was the newest is not in it. \
                             scheduler.audit.head is left as it is; `emend audit verify` says more"
                        );
                        file.leave();
                    }
                }
                Some(file)
            }
            None => None,
        };
        Ok(Self { key, head })
    }
}
