//! A scheduler process with a desk, a worker, and a job that waits for people.

use std::time::Duration;

use anyhow::{Context as _, Result};
use emend_tests::process::{Deployment, Process, free_port};
use serde_json::Value;

use crate::browser::{Browser, LAPTOP};
use crate::desk::Desk;
use crate::driver::Driver;

/// Of these about a fifth wait for people.
const RECORDS: u64 = 2000;
/// The first rows of the file: the same fault at the same site, so that they are decided as one.
pub(crate) const CLUSTER: u64 = 12;

/// The processes, and the driver of the browsers.
pub(crate) struct House {
    pub(crate) deployment: Deployment,
    pub(crate) driver: Driver,
    desk: String,
    servers: Vec<Process>,
}

impl House {
    /// Without a job.
    pub(crate) async fn empty(deployment: Deployment) -> Result<Self> {
        let driver = Driver::start().await?;
        let desk = format!("127.0.0.1:{}", free_port());
        let deployment = deployment.set("EMEND__SCHEDULER__DESK__LISTEN", &desk);
        let servers = vec![deployment.scheduler(0).await?];
        Ok(Self { deployment, driver, desk: format!("http://{desk}"), servers })
    }

    /// With `job`, of generated records, whose units are all done.
    pub(crate) async fn new(deployment: Deployment) -> Result<Self> {
        let mut house = Self::empty(deployment).await?;
        house.servers.push(house.deployment.worker(0)?);
        let csv = records(&house.deployment).await?;
        let line = ["import", &csv, "--job", "job", "--pack", "vaccination", "--as-of", "2021-09-20"];
        house.deployment.run(line).await?.ok()?;
        house.deployment.run(["wait", "job", "--until", "reviewing"]).await?.ok()?;
        Ok(house)
    }

    pub(crate) async fn on_sqlite() -> Result<Self> {
        Self::new(Deployment::on_sqlite()?).await
    }

    /// The URL of a page.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.desk)
    }

    /// Makes an account; its password.
    pub(crate) async fn add(&self, name: &str, role: &str) -> Result<String> {
        let made =
            self.deployment.run(["user", "add", name, "--role", role, "--json"]).await?.ok()?.json()?;
        Ok(made["password"].as_str().context("a password is printed once")?.to_owned())
    }

    pub(crate) async fn browser(&self) -> Result<Browser<'_>> {
        Browser::open(&self.driver, LAPTOP).await
    }

    /// A new account at the desk in a browser of its own, in English.
    pub(crate) async fn at_desk(&self, name: &str) -> Result<Desk<'_>> {
        let password = self.add(name, "reviewer").await?;
        let desk = Desk::new(self, self.browser().await?);
        desk.sign_in(name, &password).await?;
        desk.card().await?;
        Ok(desk)
    }

    /// A new operator, on the list of jobs, in English.
    pub(crate) async fn at_ops(&self, name: &str) -> Result<Desk<'_>> {
        let password = self.add(name, "operator").await?;
        let desk = Desk::new(self, self.browser().await?);
        desk.try_password(name, &password).await?;
        desk.browser.wait_for("body.ops table.figures").await?;
        Ok(desk)
    }

    /// A record with all that was decided on it, as the command line shows it. Rows are numbered like keys.
    pub(crate) async fn record(&self, seq: u64) -> Result<Value> {
        let key = format!("HCM-{seq:09}");
        let shown = self.deployment.run(["record", "job", &key, "--json"]).await?.ok()?.json()?;
        anyhow::ensure!(shown["seq"] == seq, "{shown}");
        Ok(shown)
    }

    /// How many reviews are decided and how many open.
    pub(crate) async fn decided(&self) -> Result<(u64, u64)> {
        let progress = self.deployment.job("job").await?.progress.context("a job has progress")?;
        Ok((progress.reviews_decided, progress.reviews_open))
    }

    /// Ends the processes as they should end.
    pub(crate) async fn close(mut self) -> Result<()> {
        for server in self.servers.iter_mut().rev() {
            server.signal(emend_tests::process::Signal::Terminate)?;
            server.end(Duration::from_secs(60)).await?;
        }
        Ok(())
    }
}

/// Generated records, with a cluster in front; the path of the file.
async fn records(deployment: &Deployment) -> Result<String> {
    let generated = deployment.generate(RECORDS).await?.join("records.csv");
    let mut reader = csv::Reader::from_path(generated)?;
    let header = reader.headers()?.clone();
    let path = deployment.path("records.csv");
    let mut writer = csv::Writer::from_path(&path)?;
    writer.write_record(&header)?;
    for (seq, row) in (1..).zip(reader.records()) {
        let row = row?;
        if seq > CLUSTER {
            writer.write_record(&row)?;
            continue;
        }
        let name = format!("Bà NGUYỄN THỊ {}", ["AN", "HOA", "LAN", "MAI"][(seq % 4) as usize]);
        let value = |(field, value): (&str, &str)| match field {
            "record_id" => value.to_owned(),
            "full_name" => name.clone(),
            _ => CLEAN.iter().find(|(name, _)| *name == field).map_or("", |(_, value)| value).to_owned(),
        };
        writer.write_record(header.iter().zip(&row).map(value))?;
    }
    writer.flush()?;
    Ok(path.display().to_string())
}

/// The other fields of the cluster: nothing is wrong with them.
const CLEAN: [(&str, &str); 12] = [
    ("date_of_birth", "1968-02-12"),
    ("gender", "female"),
    ("phone", "0857708526"),
    ("national_id", "039321896"),
    ("insurance_id", "8795211762"),
    ("district", "778"),
    ("ward", "27484"),
    ("vaccine", "Moderna"),
    ("dose_number", "1"),
    ("injected_on", "2021-08-24"),
    ("lot_number", "944139A"),
    ("site", "Điểm tiêm lưu động số 99, Quận 7"),
];
