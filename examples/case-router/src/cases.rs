//! The system that people work in. Here a folder with a file for each case stands in for it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
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

/// Where cases go.
pub(crate) trait CaseSystem {
    /// Opens the case `id`, or finds it open: the same again changes nothing. Once this answers, the case is safe.
    fn put(&self, id: &str, case: &Case) -> impl Future<Output = io::Result<()>> + Send;
}

/// A folder with a file for each case, for its owner's eyes only.
#[derive(Debug, Clone)]
pub(crate) struct FolderCases(PathBuf);

impl FolderCases {
    /// Opens the folder, or makes it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Ok(Self(path.to_owned()))
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
}
