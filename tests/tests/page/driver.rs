//! Chromium's driver, and as much of WebDriver as is needed to speak to it: JSON over HTTP.
//!
//! The usual client for it brings another URL parser, a second set of Unicode tables and a licence that we do not take.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream as Blocking};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use emend_tests::process::{Process, eventually, free_port};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long the driver may take to start, and to answer.
const START: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(120);

/// The driver. Dropped, it ends all its browsers and itself.
pub(crate) struct Driver {
    process: Process,
    address: SocketAddr,
    folder: TempDir,
}

impl Driver {
    /// Starts it on a free port.
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut command = Command::new("chromedriver");
        // A group of its own: whatever it starts can be ended with it.
        command.arg(format!("--port={}", address.port())).env("TMPDIR", folder.path()).process_group(0);
        let log = folder.path().join("chromedriver.log");
        let process = Process::start("chromedriver", &mut command, &log)
            .context("headless Chromium is needed: apt-get install chromium chromium-driver")?;
        let mut driver = Self { process, address, folder };
        let ready = eventually("the driver's status", START, async || {
            if driver.process.has_ended() {
                return Some(false);
            }
            let status = driver.call(Method::GET, "/status", &Value::Null).await.ok()?;
            status["ready"].as_bool().filter(|ready| *ready)
        });
        if !ready.await? {
            bail!("the driver ended at once: {}", driver.process.log());
        }
        Ok(driver)
    }

    /// A folder for a browser.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Sends one command; what it answers.
    pub(crate) async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let what = format!("{method} {path}");
        let answer = tokio::time::timeout(ANSWER, self.exchange(method, path, body));
        let (status, body) =
            answer.await.with_context(|| format!("{what}: no answer"))?.context(what.clone())?;
        let mut body: Value = serde_json::from_slice(&body).with_context(|| what.clone())?;
        let value = body["value"].take();
        if status != 200 {
            let word = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
            return Err(anyhow!("{what}: {}: {}", word("error"), word("message")));
        }
        Ok(value)
    }

    async fn exchange(&self, method: Method, path: &str, body: &Value) -> Result<(u16, Bytes)> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        let body = if method == Method::POST { body_of(body) } else { String::new() };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(Full::<Bytes>::from(body))?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok((head.status.as_u16(), body.collect().await?.to_bytes()))
    }

    fn shut_down(&self) -> std::io::Result<()> {
        let mut stream = Blocking::connect_timeout(&self.address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        write!(stream, "GET /shutdown HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address)?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Asked, it ends its browsers; killed, it would leave them behind.
        let _ = self.shut_down();
        let group = format!("-{}", self.process.id());
        let _ =
            Command::new("kill").args(["-KILL", "--", &group]).stderr(std::process::Stdio::null()).status();
    }
}

fn body_of(body: &Value) -> String {
    if body.is_null() { json!({}).to_string() } else { body.to_string() }
}
