//! A real RabbitMQ for tests: Debian's package, a node of its own, a fresh folder. It can be killed, wiped, frozen and
//! alarmed, and comes back on the same port.
//!
//! As with PostgreSQL, a small shell holds the other end of a pipe and ends the node when that closes, also when the
//! test process dies.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use lapin::{Connection, ConnectionProperties};

use crate::process::{eventually, free_port};

/// Where Debian puts the programs that do not insist on a user.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";
/// How long a node may take to start on a busy machine.
const START: Duration = Duration::from_secs(240);
/// `$1` is the node's folder, the rest its command line. The daemon that maps the node's name to a port goes last: it
/// refuses while a node is known to it. Who says `keep` wants the folder again.
const SUPERVISE: &str = r#"folder=$1; shift
"$@" </dev/null &
read -r word
pid=$(cat "$folder/pid" 2>/dev/null) && kill -KILL "$pid"
for try in 1 2 3 4 5 6 7 8 9 10; do epmd -kill >/dev/null 2>&1 && break; sleep 0.2; done
[ "$word" = keep ] || rm -rf "$folder"
kill -KILL 0"#;

/// A node, running or not. Dropped, it ends, and its folder goes.
#[derive(Debug)]
pub struct RabbitMq {
    folder: PathBuf,
    port: u16,
    names_port: u16,
    nodes_port: u16,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    supervisor: Child,
    /// The node lives as long as this is open.
    lifeline: Option<ChildStdin>,
}

impl RabbitMq {
    /// A node that does not run yet.
    ///
    /// # Errors
    /// When RabbitMQ is not installed.
    pub fn prepare() -> Result<Self> {
        ensure!(
            Path::new(PROGRAMS).join("rabbitmq-server").exists(),
            "RabbitMQ is not installed, and these tests need it: apt-get install rabbitmq-server"
        );
        let folder = tempfile::Builder::new().prefix("emend-mq-").tempdir()?.keep();
        let node = Self {
            folder,
            port: free_port(),
            names_port: free_port(),
            nodes_port: free_port(),
            running: None,
        };
        let settings = format!(
            "listeners.tcp.local = 127.0.0.1:{}\ndisk_free_limit.absolute = 1MB\nlog.file.level = warning\n",
            node.port
        );
        fs::write(node.path("rabbitmq.conf"), settings)?;
        fs::write(node.path("plugins"), "[].\n")?;
        Ok(node)
    }

    /// Where it takes clients.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}", self.port)
    }

    /// The port it listens on, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    ///
    /// # Errors
    /// When it was never started.
    pub fn id(&self) -> Result<u32> {
        let id = fs::read_to_string(self.path("pid")).context("RabbitMQ's process id")?;
        id.trim().parse().context("RabbitMQ's process id")
    }

    /// Starts it with what it has on disk, unless it runs, and waits until it takes clients.
    ///
    /// # Errors
    /// When it does not start; with its log.
    pub async fn run(&mut self) -> Result<()> {
        if self.running.is_none() {
            self.spawn()?;
        }
        let url = self.url();
        let up = eventually("RabbitMQ's start", START, async || connect(&url).await.ok());
        if let Err(error) = up.await {
            let log = fs::read_to_string(self.path("out")).unwrap_or_default();
            return Err(error.context(log));
        }
        Ok(())
    }

    /// Kills it with -9. It keeps what it has on disk.
    ///
    /// # Errors
    /// When the shell that holds it cannot be told.
    pub fn kill(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        if let Some(mut lifeline) = running.lifeline.take() {
            lifeline.write_all(b"keep\n")?;
        }
        running.supervisor.wait()?;
        Ok(())
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn stop(&mut self) -> Result<()> {
        // Before: at its end it takes the file with its id away.
        let process = Path::new("/proc").join(self.id()?.to_string());
        self.signal("-TERM")?;
        eventually("RabbitMQ's end", START, async || (!process.exists()).then_some(())).await?;
        self.kill()
    }

    /// Removes all it had on disk. It must not run.
    ///
    /// # Errors
    /// When it runs, or the files cannot be removed.
    pub fn wipe(&self) -> Result<()> {
        ensure!(self.running.is_none(), "RabbitMQ runs: kill it first");
        fs::remove_dir_all(self.path("data")).context("RabbitMQ's data")
    }

    /// Freezes it: connections stay, and nothing answers.
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&self) -> Result<()> {
        self.signal("-STOP")
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn thaw(&self) -> Result<()> {
        self.signal("-CONT")
    }

    /// Raises the memory alarm, or takes it back: under it the broker reads nothing from publishers.
    ///
    /// # Errors
    /// With what `rabbitmqctl` said.
    pub async fn alarm(&self, raised: bool) -> Result<()> {
        let watermark = if raised { "0" } else { "0.6" };
        let mut control = tokio::process::Command::new(Path::new(PROGRAMS).join("rabbitmqctl"));
        control.args(["-n", "emend@localhost", "set_vm_memory_high_watermark", watermark]);
        let output = control.envs(self.environment()).stdin(Stdio::null()).output().await?;
        ensure!(output.status.success(), "rabbitmqctl: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn spawn(&mut self) -> Result<()> {
        ensure!(self.running.is_none(), "RabbitMQ runs already");
        // What the last one left there is nobody's id any more.
        let _old = fs::remove_file(self.path("pid"));
        let log = fs::File::options().create(true).append(true).open(self.path("out"))?;
        let mut supervisor = Command::new("sh")
            .args(["-c", SUPERVISE, "emend-rabbitmq"])
            .arg(&self.folder)
            .arg(Path::new(PROGRAMS).join("rabbitmq-server"))
            .envs(self.environment())
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("sh")?;
        let lifeline = supervisor.stdin.take();
        self.running = Some(Running { supervisor, lifeline });
        Ok(())
    }

    /// All it touches lies in its folder, and its daemon has a port of its own.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let path = |name| self.path(name).display().to_string();
        vec![
            ("HOME", self.folder.display().to_string()),
            ("ERL_EPMD_PORT", self.names_port.to_string()),
            ("RABBITMQ_NODENAME", "emend@localhost".into()),
            ("RABBITMQ_DIST_PORT", self.nodes_port.to_string()),
            ("RABBITMQ_MNESIA_BASE", path("data")),
            ("RABBITMQ_LOG_BASE", path("log")),
            ("RABBITMQ_PID_FILE", path("pid")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", path("plugins")),
            ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
            ("RABBITMQ_GENERATED_CONFIG_DIR", path("generated")),
        ]
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn signal(&self, signal: &str) -> Result<()> {
        ensure!(self.running.is_some(), "RabbitMQ does not run");
        let id = self.id()?.to_string();
        let status = Command::new("kill").args([signal, &id]).status().context("kill (Debian: procps)")?;
        if !status.success() {
            bail!("kill {signal} {id} failed");
        }
        Ok(())
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        let _killed = self.kill();
        let _removed = fs::remove_dir_all(&self.folder);
    }
}

/// A connection of the test's own.
///
/// # Errors
/// When nobody answers within five seconds.
pub async fn connect(url: &str) -> Result<Connection> {
    let connect = Connection::connect(url, ConnectionProperties::default());
    Ok(tokio::time::timeout(Duration::from_secs(5), connect).await.context("RabbitMQ is silent")??)
}
