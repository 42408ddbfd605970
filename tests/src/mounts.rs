//! Small file systems of a test's own: one that fills up, and one that lies in a file, to be copied as a disk is that
//! loses its power.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::process::eventually;

/// Unmounts when its input closes: also when the test process dies.
const UNMOUNT: &str = r#"read -r _; umount -l "$1""#;

/// A mounted file system; unmounted and removed when it is dropped.
#[derive(Debug)]
pub struct Mount {
    folder: TempDir,
    unmounting: Child,
    lifeline: Option<ChildStdin>,
}

impl Mount {
    /// A tmpfs with room for so many bytes.
    ///
    /// # Errors
    /// When we may not mount.
    pub fn tmpfs(bytes: u64) -> Result<Self> {
        Self::new(&["-t", "tmpfs", "-o", &format!("size={bytes},mode=755"), "emend-tests"])
    }

    /// The ext4 file system in an image.
    ///
    /// # Errors
    /// When we may not mount, or have no loop devices.
    pub fn image(image: &Path) -> Result<Self> {
        Self::new(&["-t", "ext4", "-o", "loop", &image.display().to_string()])
    }

    fn new(arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("emend-mount-").tempdir()?;
        run(Command::new("mount").args(arguments).arg(folder.path()))?;
        let mut unmounting = Command::new("sh")
            .args(["-c", UNMOUNT, "emend-unmount"])
            .arg(folder.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .spawn()
            .context("sh")?;
        let lifeline = unmounting.stdin.take();
        Ok(Self { folder, unmounting, lifeline })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Gives a tmpfs more room.
    ///
    /// # Errors
    /// When we may not.
    pub fn grow(&self, bytes: u64) -> Result<()> {
        run(Command::new("mount").args(["-o", &format!("remount,size={bytes}")]).arg(self.path()))
    }

    /// Writes all that the file system has not yet written to its disk.
    ///
    /// # Errors
    /// When it cannot.
    pub fn sync(&self) -> Result<()> {
        run(Command::new("sync").arg("-f").arg(self.path()))
    }

    /// How many writes its device has seen.
    fn writes(&self) -> Result<String> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let here = self.path().display().to_string();
        let line = mounts.lines().find(|line| line.split(' ').nth(1) == Some(&here));
        let device = line.and_then(|line| line.split(' ').next()).context("it is mounted")?;
        let stat = format!("/sys/block/{}/stat", device.trim_start_matches("/dev/"));
        let stat = fs::read_to_string(&stat).context(stat)?;
        Ok(stat.split_whitespace().skip(4).take(3).collect::<Vec<_>>().join(" "))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _unmounted = self.unmounting.wait();
    }
}

/// A disk in a file. What a file system on it has not written yet is not in the file: copied, the file is what a
/// power loss leaves.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
    /// The file system on it.
    pub mount: Mount,
}

impl Disk {
    /// A disk of so many bytes with an empty ext4.
    ///
    /// # Errors
    /// When we may not mount, or have no loop devices.
    pub fn new(bytes: u64) -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let mut folder = tempfile::Builder::new();
        folder.prefix("emend-disk-");
        let folder = if memory.is_dir() { folder.tempdir_in(memory) } else { folder.tempdir() }?;
        let image = folder.path().join("disk");
        File::create(&image)?.set_len(bytes)?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
        Ok(Self { mount: Mount::image(&image)?, folder })
    }

    /// Copies the disk as it is at one moment, while whoever writes to it stands still; mounts the copy, which is
    /// removed with what this answers.
    ///
    /// # Errors
    /// When the kernel does not stop writing, or the copy cannot be mounted.
    pub async fn copy(&self) -> Result<(Mount, PathBuf)> {
        let (disk, copy) = (self.folder.path().join("disk"), self.folder.path().join("copy"));
        eventually("a moment without writes", Duration::from_secs(30), async || {
            let before = self.mount.writes().ok()?;
            fs::copy(&disk, &copy).ok()?;
            (self.mount.writes().ok()? == before).then_some(())
        })
        .await?;
        Ok((Mount::image(&copy)?, copy))
    }
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let packages = "Debian: mount, e2fsprogs, coreutils";
    let output = command.output().with_context(|| format!("{program} ({packages})"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?}: {said}this test mounts file systems: run it as root, with loop devices");
    }
    Ok(())
}
