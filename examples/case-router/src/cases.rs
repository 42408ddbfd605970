//! The system that people work in. Here a folder with a file for each case stands in for it.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a person needs to decide on a record. It holds personal data, so it goes nowhere but into the case system.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Case {
    /// The record's own key.
    pub(crate) key: String,
    /// Why a person is needed.
    pub(crate) findings: Vec<String>,
    /// The record's fields as they are now.
    pub(crate) fields: Value,
}

/// What its people say of a case: `{"values": {"phone": "0912345678"}}`, `{"rejected": "no such person"}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// A value for each field that a finding is about, and for others only to change them.
    Values(BTreeMap<String, String>),
    /// Why the record is not to be used.
    Rejected(String),
    /// Why somebody else should decide.
    CannotDecide(String),
}

/// Where cases go, and answers come from.
pub(crate) trait CaseSystem {
    /// Opens the case `id`, or finds it open: the same again changes nothing. Once this answers, the case is safe.
    fn put(&self, id: &str, case: &Case) -> impl Future<Output = io::Result<()>> + Send;

    /// What was answered, if anything was.
    fn answer(&self, id: &str) -> impl Future<Output = io::Result<Option<Answer>>> + Send;

    /// Says that the answer cannot be taken: another one is needed.
    fn refuse(&self, id: &str) -> impl Future<Output = io::Result<()>> + Send;
}

/// A folder with a file for each case, for its owner's eyes only. `CASE.answer.json` is the answer to `CASE.json`; one
/// that cannot be taken becomes `CASE.refused.json`.
#[derive(Debug, Clone)]
pub(crate) struct FolderCases(PathBuf);

impl FolderCases {
    /// Opens the folder, or makes it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Ok(Self(path.to_owned()))
    }

    fn read(&self, id: &str) -> io::Result<Option<Answer>> {
        let text = match fs::read(self.0.join(format!("{id}.answer.json"))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        // Half written, perhaps: it is looked at again. The parser's message would hold a piece of it.
        let answer = serde_json::from_slice(&text).ok();
        if answer.is_none() {
            tracing::warn!(case = id, "an answer cannot be read");
        }
        Ok(answer)
    }

    fn write(&self, id: &str, case: &[u8]) -> io::Result<()> {
        let part = self.0.join(format!("{id}.part"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(case)?;
        file.sync_all()?;
        fs::rename(part, self.0.join(format!("{id}.json")))?;
        // The name is on disk when the folder is.
        File::open(&self.0)?.sync_all()
    }
}

impl CaseSystem for FolderCases {
    async fn put(&self, id: &str, case: &Case) -> io::Result<()> {
        let (folder, id) = (self.clone(), id.to_owned());
        let case = serde_json::to_vec_pretty(case)?;
        tokio::task::spawn_blocking(move || folder.write(&id, &case)).await?
    }

    async fn answer(&self, id: &str) -> io::Result<Option<Answer>> {
        let (folder, id) = (self.clone(), id.to_owned());
        tokio::task::spawn_blocking(move || folder.read(&id)).await?
    }

    async fn refuse(&self, id: &str) -> io::Result<()> {
        let [answer, refused] = ["answer", "refused"].map(|what| self.0.join(format!("{id}.{what}.json")));
        tokio::fs::rename(answer, refused).await
    }
}
