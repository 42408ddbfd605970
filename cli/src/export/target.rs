//! The file that an export becomes: whole, or not there.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::exit::Usage;

const BUFFER: usize = 256 * 1024;

/// Writes beside the file, and takes its place at the end.
pub(super) struct Target {
    out: Option<BufWriter<Box<dyn Write + Send>>>,
    /// Where it is written, and what it becomes; stdout has neither.
    paths: Option<(PathBuf, PathBuf)>,
}

impl Target {
    /// `-` is stdout.
    pub(super) fn create(path: &Path) -> Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self { out: Some(buffered(Box::new(io::stdout()))), paths: None });
        }
        let Some(name) = path.file_name().filter(|_| !path.is_dir()) else {
            return Err(Usage::new(format!(
                "--out {} is not a file; name one, or `-` for stdout",
                path.display()
            )));
        };
        // Always the same name, so that the next export clears up after one that was killed.
        let mut part = name.to_owned();
        part.push(".part");
        let part = path.with_file_name(part);
        let at = || format!("writing {}", part.display());
        let file = File::options().write(true).create(true).truncate(false).open(&part).with_context(at)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another export is writing {}; wait for it", path.display())
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(at),
        }
        file.set_len(0).with_context(at)?;
        Ok(Self { out: Some(buffered(Box::new(file))), paths: Some((part, path.to_owned())) })
    }

    /// Everything was written: the file takes its place.
    pub(super) fn finish(mut self) -> Result<()> {
        if let Some(mut out) = self.out.take() {
            out.flush().context("writing --out")?;
        }
        if let Some((part, path)) = self.paths.take() {
            fs::rename(&part, &path).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.as_mut().map_or(Ok(0), |out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It was not finished, so nobody wants it; what cannot be removed is overwritten next time.
        if let Some((part, _)) = self.paths.take() {
            let _ = fs::remove_file(part);
        }
    }
}

fn buffered(out: Box<dyn Write + Send>) -> BufWriter<Box<dyn Write + Send>> {
    BufWriter::with_capacity(BUFFER, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_seen_before_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        fs::write(&path, "old").unwrap();
        let mut target = Target::create(&path).unwrap();
        target.write_all(b"half").unwrap();
        drop(target);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        // One that was killed left this behind.
        fs::write(dir.path().join("a.csv.part"), "left behind").unwrap();
        let mut target = Target::create(&path).unwrap();
        target.write_all(b"new").unwrap();
        target.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn two_exports_do_not_write_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        let _first = Target::create(&path).unwrap();
        let error = Target::create(&path).map(drop).unwrap_err();
        assert!(error.to_string().contains("another export"), "{error}");
    }

    #[test]
    fn a_folder_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let error = Target::create(dir.path()).map(drop).unwrap_err();
        assert!(error.to_string().contains("--out"), "{error}");
    }
}
