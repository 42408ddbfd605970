//! The files: a key that its owner alone may read, and a head that is whole at any moment.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::domain::audit::{AuditKey, Head};
use crate::ids;

/// The file that the newest entry's number and MAC are kept in.
#[derive(Debug, Clone)]
pub(crate) struct HeadFile {
    path: PathBuf,
    /// It speaks against the store: a proof, not to be written over.
    left: bool,
}

impl HeadFile {
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), left: false }
    }

    /// From now on it stays as it is.
    pub(super) fn leave(&mut self) {
        self.left = true;
    }

    /// What it holds; none when there is no such file.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn read(&self) -> Result<Option<Head>, String> {
        let fault = |what: &dyn std::fmt::Display| {
            format!("the audit log's head {} cannot be read: {what}", self.path.display())
        };
        match fs::read_to_string(&self.path) {
            Ok(text) => {
                let head = Head::parse(&text);
                head.map(Some).ok_or_else(|| fault(&"it is not a number and a MAC"))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault(&error)),
        }
    }

    /// Writes a head: after a power loss there is the old one or the new one. Blocks.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub(crate) fn write(&self, head: Head) -> io::Result<()> {
        if self.left {
            return Ok(());
        }
        let new = self.path.with_extension("audit-head.new");
        let mut file = File::create(&new)?;
        writeln!(file, "{head}")?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        sync_folder(&self.path)
    }
}

/// The key in a file; none when there is no such file.
pub(super) fn read_key(path: &Path) -> Result<Option<AuditKey>, String> {
    let fault = |what: &dyn std::fmt::Display| {
        format!("the audit log's key {} cannot be read: {what}", path.display())
    };
    match fs::read_to_string(path) {
        Ok(text) => AuditKey::parse(&text).map(Some).map_err(|what| fault(&what)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fault(&error)),
    }
}

/// Makes a key and puts it into a file that its owner alone may read.
pub(super) fn make_key(path: &Path) -> Result<AuditKey, String> {
    let key = AuditKey::new(ids::secret());
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        writeln!(file, "{}", key.reveal())?;
        file.sync_all()?;
        sync_folder(path)
    };
    write().map_err(|error| format!("the audit log's key {} cannot be written: {error}", path.display()))?;
    tracing::info!(path = %path.display(), "a key for the audit log was made: keep a copy of it elsewhere");
    Ok(key)
}

/// A name is as durable as its folder.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::Mac;

    #[test]
    fn a_head_comes_back_unless_it_is_a_proof() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = HeadFile::at(&folder.path().join("head"));
        assert_eq!(file.read(), Ok(None));
        let head = |number| Head { number, mac: Mac::NONE };
        file.write(head(1)).unwrap();
        file.write(head(2)).unwrap();
        assert_eq!(file.read(), Ok(Some(head(2))));
        file.leave();
        file.write(head(3)).unwrap();
        assert_eq!(file.read(), Ok(Some(head(2))));
        fs::write(folder.path().join("head"), "nonsense").unwrap();
        assert!(file.read().unwrap_err().contains("not a number and a MAC"));
    }

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(read_key(&path).unwrap().is_none());
        let key = make_key(&path).unwrap();
        assert_eq!(read_key(&path).unwrap().unwrap().reveal(), key.reveal());
        assert!(make_key(&path).is_err());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
