//! A real PostgreSQL for tests: Debian's packages, a fresh data folder, durable settings.
//!
//! A small shell stands between the test and the server. It holds the other end of a pipe, and stops the server and
//! removes its folder when that pipe closes: when the [`Postgres`] is dropped, and also when the test process dies. A
//! line in the pipe starts a server again that was killed.

mod crash;

pub use crash::Frozen;

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, mpsc};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// The server's owner; connections need no password.
const USER: &str = "emend";
/// How long a server may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);
/// The supervising shell: `$1` is the folder to remove or empty, the rest the server's command line.
const SUPERVISE: &str = r#"folder=$1; shift
"$@" &
server=$!
exec >/dev/null 2>&1
while read -r _; do
    wait "$server"
    "$@" &
    server=$!
done
kill -QUIT "$server"
wait "$server"
[ -z "$folder" ] || rm -rf "$folder""#;

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    supervisor: Child,
    /// The server lives as long as this is open.
    lifeline: Option<ChildStdin>,
    folder: PathBuf,
    port: u16,
    databases: AtomicU32,
}

impl Postgres {
    /// The server that all tests of this process share. Each takes a database of its own.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Result<Postgres, String>> = LazyLock::new(|| Postgres::try_start(&[]));
        SHARED.as_ref().unwrap_or_else(|reason| panic!("{reason}"))
    }

    /// Starts a server with these settings (`fsync=off`) on top of the durable defaults.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub fn start(settings: &[&str]) -> Self {
        Self::try_start(settings).unwrap_or_else(|reason| panic!("{reason}"))
    }

    /// Starts a server whose data are in this folder, or will be, and stay there.
    ///
    /// # Errors
    /// What the server said when it did not start.
    pub fn start_in(folder: &Path, settings: &[&str]) -> Result<Self, String> {
        Self::launch(folder, false, settings)
    }

    /// Where a database of this server is, over TCP.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port it listens on, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder with its data, its socket and nothing else.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes an empty database; answers its name.
    pub async fn create_database(&self) -> String {
        let name = format!("emend_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.admin(&format!("CREATE DATABASE {name}")).await;
        name
    }

    /// Makes an empty database whose data lie in `folder`: a tablespace of the same name.
    ///
    /// # Panics
    /// When the folder is not to be had.
    pub async fn create_database_in(&self, folder: &Path) -> String {
        let space = folder.join("space");
        std::fs::create_dir(&space).expect("a folder for the tablespace");
        if let Some(owner) = owner().expect("the server runs as somebody") {
            chown(&space, Some(owner.uid), Some(owner.gid)).expect("the folder is the server's");
        }
        let name = format!("emend_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.admin(&format!("CREATE TABLESPACE {name} LOCATION '{}'", space.display())).await;
        self.admin(&format!("CREATE DATABASE {name} TABLESPACE {name}")).await;
        name
    }

    /// Drops a database, whoever is connected to it.
    pub async fn drop_database(&self, name: &str) {
        self.admin(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }

    /// Runs a statement in the `postgres` database.
    ///
    /// # Panics
    /// When it fails.
    pub async fn admin(&self, statement: &str) {
        let url = self.url("postgres");
        let mut connection = PgConnection::connect(&url).await.expect("the server answers");
        let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
        connection.close().await.expect("a connection closes");
    }

    fn try_start(settings: &[&str]) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("emend-pg-").tempdir();
        let folder = folder.map_err(|error| format!("PostgreSQL: a temporary folder: {error}"))?;
        let server = Self::launch(folder.path(), true, settings)?;
        // The shell removes it.
        let _kept = folder.keep();
        Ok(server)
    }

    fn launch(folder: &Path, remove: bool, settings: &[&str]) -> Result<Self, String> {
        let programs = programs()?;
        let said = |what: &str, error: std::io::Error| format!("PostgreSQL: {what}: {error}");
        let owner = owner()?;
        if let Some(owner) = &owner {
            chown(folder, Some(owner.uid), Some(owner.gid)).map_err(|error| said("chown", error))?;
        }
        if !folder.join("data").exists() {
            init(&programs, folder, owner.as_ref())?;
        }
        // The port is free now, and somebody else may take it before the server does: then take another.
        let mut last = String::new();
        for _ in 0..5 {
            let port = free_port().map_err(|error| said("a free port", error))?;
            let command = server(&programs, folder, port, settings, owner.as_ref());
            match supervise(remove.then_some(folder), command) {
                Ok((supervisor, lifeline)) => {
                    let (folder, lifeline) = (folder.to_owned(), Some(lifeline));
                    return Ok(Self { supervisor, lifeline, folder, port, databases: AtomicU32::new(0) });
                }
                Err(reason) if reason.contains("could not bind") => last = reason,
                Err(reason) => return Err(reason),
            }
        }
        Err(last)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _stopped = self.supervisor.wait();
    }
}

/// The newest of Debian's installations, or the one in PATH.
fn programs() -> Result<PathBuf, String> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |folder: &Path| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = installed
        .filter_map(|entry| Some((version(&entry.path())?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("postgres").exists() && bin.join("initdb").exists())
        .max();
    if let Some((_, bin)) = newest {
        return Ok(bin);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).find(|folder| folder.join("initdb").exists());
    found.ok_or_else(|| {
        "PostgreSQL's server is not installed, and these tests need it: apt-get install postgresql".into()
    })
}

/// A user other than root, for a server that refuses root.
struct Owner {
    uid: u32,
    gid: u32,
}

/// Whom to run the server as; `None`: as ourselves.
fn owner() -> Result<Option<Owner>, String> {
    let own = std::fs::metadata("/proc/self").map_err(|error| format!("/proc/self: {error}"))?;
    if std::os::unix::fs::MetadataExt::uid(&own) != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let user = fields.into_iter().find(|fields| fields.first() == Some(&"postgres"));
    let ids = user.and_then(|fields| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)));
    let (uid, gid) = ids.ok_or("PostgreSQL refuses root, and there is no user `postgres` to run it as")?;
    Ok(Some(Owner { uid, gid }))
}

/// A command line for the server's user.
fn as_owner(program: PathBuf, owner: Option<&Owner>) -> Vec<String> {
    let mut line = Vec::new();
    if owner.is_some() {
        line.extend(["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"].map(String::from));
    }
    line.push(program.display().to_string());
    line
}

fn init(programs: &Path, folder: &Path, owner: Option<&Owner>) -> Result<(), String> {
    let line = as_owner(programs.join("initdb"), owner);
    let data = folder.join("data");
    let done = Command::new(&line[0])
        .args(&line[1..])
        .arg("-D")
        .arg(&data)
        .args(["-U", USER, "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"])
        .current_dir(folder)
        .output()
        .map_err(|error| format!("initdb: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("initdb failed: {}", String::from_utf8_lossy(&done.stderr)))
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn server(
    programs: &Path,
    folder: &Path,
    port: u16,
    settings: &[&str],
    owner: Option<&Owner>,
) -> Vec<String> {
    let mut line = as_owner(programs.join("postgres"), owner);
    line.extend(["-D".into(), folder.join("data").display().to_string()]);
    let base = [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".into(),
        format!("unix_socket_directories={}", folder.display()),
        "max_connections=300".into(),
        "lc_messages=C".into(),
        "logging_collector=off".into(),
        "log_destination=stderr".into(),
    ];
    for setting in base.into_iter().chain(settings.iter().copied().map(String::from)) {
        line.extend(["-c".into(), setting]);
    }
    line
}

/// Starts the server under its shell, and waits until it takes connections.
fn supervise(remove: Option<&Path>, server: Vec<String>) -> Result<(Child, ChildStdin), String> {
    let mut supervisor = Command::new("sh")
        .args(["-c", SUPERVISE, "emend-postgres"])
        .arg(remove.unwrap_or(Path::new("")))
        .args(server)
        .current_dir("/")
        // An interrupt from the terminal is for the test; the pipe then tells the shell.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("sh: {error}"))?;
    let (lifeline, stderr) = (supervisor.stdin.take(), supervisor.stderr.take());
    let (Some(lifeline), Some(stderr)) = (lifeline, stderr) else { return Err("sh gave no pipes".into()) };
    let log = Arc::new(Mutex::new(String::new()));
    let (ready, started) = mpsc::channel();
    let written = log.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if line.contains("ready to accept connections") {
                let _heard = ready.send(());
            }
            let mut log = written.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&line);
            log.push('\n');
        }
    });
    match started.recv_timeout(START) {
        Ok(()) => return Ok((supervisor, lifeline)),
        // The server has ended, its folder may serve another try.
        Err(mpsc::RecvTimeoutError::Disconnected) => drop(supervisor.kill()),
        Err(mpsc::RecvTimeoutError::Timeout) => drop(lifeline),
    }
    let _reaped = supervisor.wait();
    let log = log.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Err(format!("PostgreSQL did not start:\n{log}"))
}
