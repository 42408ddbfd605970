//! Probes and metrics of a process, read over HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::process::free_port;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Where a process serves its probes.
#[derive(Debug, Clone, Copy)]
pub struct Probes {
    /// On the loopback.
    pub address: SocketAddr,
}

/// One line of Prometheus' text format.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The metric; a histogram's without `_bucket`, `_sum` and `_count`.
    pub name: String,
    /// Its labels, a histogram's `le` left out.
    pub labels: BTreeMap<String, String>,
    /// What it says.
    pub value: f64,
}

/// What `/metrics` said.
#[derive(Debug, Clone, Default)]
pub struct Scrape {
    /// The kind of each metric: `counter`, `gauge`, `histogram`.
    pub kinds: BTreeMap<String, String>,
    /// All series.
    pub series: Vec<Series>,
}

impl Probes {
    /// On a free port.
    #[must_use]
    pub fn free() -> Self {
        Self { address: (Ipv4Addr::LOCALHOST, free_port()).into() }
    }

    /// Asks for `path`; the status and the body.
    ///
    /// # Errors
    /// When nobody answers in time.
    pub async fn get(self, path: &str) -> Result<(u16, String)> {
        let ask = async {
            let mut stream = TcpStream::connect(self.address).await?;
            let request = format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            anyhow::Ok(answer)
        };
        let answer = tokio::time::timeout(LIMIT, ask).await.context("no answer in time")??;
        let (head, body) = answer.split_once("\r\n\r\n").context("no end of the headers")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.with_context(|| format!("no status in {head}"))?, body.to_owned()))
    }

    /// The status of `path`; `None` when nobody answers.
    pub async fn status(self, path: &str) -> Option<u16> {
        self.get(path).await.ok().map(|(status, _)| status)
    }

    /// Reads `/metrics`.
    ///
    /// # Errors
    /// When it cannot be had, or is not Prometheus' text format.
    pub async fn scrape(self) -> Result<Scrape> {
        match self.get("/metrics").await? {
            (200, text) => Scrape::read(&text),
            (status, text) => bail!("/metrics answered {status}: {text}"),
        }
    }
}

impl Scrape {
    /// Reads Prometheus' text format.
    ///
    /// # Errors
    /// When a line is none of it, or a metric comes twice.
    pub fn read(text: &str) -> Result<Self> {
        let mut scrape = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').with_context(|| line.to_owned())?;
                if scrape.kinds.insert(name.to_owned(), kind.to_owned()).is_some() {
                    bail!("{name} comes twice");
                }
            } else if !line.starts_with('#') {
                scrape.series.push(scrape.line(line)?);
            }
        }
        Ok(scrape)
    }

    fn line(&self, line: &str) -> Result<Series> {
        let (key, value) = line.rsplit_once(' ').with_context(|| line.to_owned())?;
        let value = match value {
            "+Inf" => f64::INFINITY,
            "NaN" => f64::NAN,
            number => number.parse().with_context(|| line.to_owned())?,
        };
        let (name, labels) = key.split_once('{').unwrap_or((key, "}"));
        let labels = labels.strip_suffix('}').with_context(|| line.to_owned())?;
        let labels = labels.split("\",").filter(|label| !label.is_empty()).map(|label| {
            let (name, value) = label.split_once("=\"").with_context(|| line.to_owned())?;
            Ok((name.to_owned(), value.trim_end_matches('"').to_owned()))
        });
        let mut labels: BTreeMap<_, _> = labels.collect::<Result<_>>()?;
        let bare = ["_bucket", "_sum", "_count"].iter().filter_map(|end| name.strip_suffix(end));
        let histogram =
            bare.into_iter().find(|bare| self.kinds.get(*bare).is_some_and(|kind| kind == "histogram"));
        labels.retain(|name, _| histogram.is_none() || name != "le");
        Ok(Series { name: histogram.unwrap_or(name).to_owned(), labels, value })
    }

    /// The labels that a metric has in any of its series.
    #[must_use]
    pub fn labels(&self, name: &str) -> BTreeSet<String> {
        let series = self.series.iter().filter(|series| series.name == name);
        series.flat_map(|series| series.labels.keys().cloned()).collect()
    }

    /// The sum of a metric's series that have these labels; `None` when there is none.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |series: &&Series| {
            labels.iter().all(|(name, value)| series.labels.get(*name).is_some_and(|found| found == value))
        };
        let series = self.series.iter().filter(|series| series.name == name).filter(has);
        series.map(|series| series.value).reduce(|one, other| one + other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_format_is_read() {
        let text = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\",y=\"b c\"} 2\na_total{x=\"2\",y=\"b c\"} 3\n\n\
                    # TYPE b_seconds histogram\nb_seconds_bucket{le=\"+Inf\"} 4\nb_seconds_sum 1.5\n\
                    # TYPE c gauge\nc +Inf\n";
        let scrape = Scrape::read(text).unwrap();
        assert_eq!(scrape.kinds.len(), 3);
        assert_eq!(scrape.sum("a_total", &[("y", "b c")]), Some(5.0));
        assert_eq!(scrape.sum("a_total", &[("x", "2")]), Some(3.0));
        assert_eq!(scrape.sum("a_total", &[("x", "3")]), None);
        assert_eq!(scrape.labels("b_seconds"), BTreeSet::new());
        assert_eq!(scrape.sum("c", &[]), Some(f64::INFINITY));
        assert!(Scrape::read("# TYPE a counter\n# TYPE a counter\n").is_err());
    }
}
