//! Starts Prometheus, and queries its HTTP API.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::program;

/// A running server; it is killed when this is dropped.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
}

/// One series of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its labels, the name among them.
    pub labels: BTreeMap<String, String>,
    /// Seconds since the epoch, and the value at that time.
    pub points: Vec<(u64, f64)>,
}

impl Series {
    /// The value of a label; empty if there is none.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

impl Prometheus {
    /// Serves the blocks in `folder` with `config`, on loopback of the calling thread's namespace. Its log is next to
    /// the data. A series ends one and a half scrapes after its last sample.
    pub fn start(folder: &Path, config: &Path) -> Result<Self> {
        let keep_old_days = [
            "--storage.tsdb.retention.time=100y",
            "--storage.tsdb.max-block-duration=2h",
            "--storage.tsdb.min-block-duration=2h",
            "--query.lookback-delta=90s",
        ];
        Self::launch(folder, config, &keep_old_days)
    }

    /// Like [`Self::start`], with Prometheus' defaults and `arguments`.
    pub fn launch(folder: &Path, config: &Path, arguments: &[&str]) -> Result<Self> {
        let program =
            program("prometheus").context("prometheus is not installed: run `cargo xtask setup`")?;
        let address = free_address()?;
        let log = File::create(folder.with_extension("log")).context("make the log of Prometheus")?;
        // If this process ends for any reason, so does Prometheus.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--storage.tsdb.path={}", folder.display()))
            .arg(format!("--config.file={}", config.display()))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("start Prometheus (through setpriv of util-linux)")?;
        let mut server = Self { child, address };
        server.until_ready()?;
        Ok(server)
    }

    /// The values of an expression in a span of time, in seconds since the epoch.
    pub fn range(&self, expression: &str, (from, until): (u64, u64), step: u64) -> Result<Vec<Series>> {
        let path = format!(
            "/api/v1/query_range?query={}&start={from}&end={until}&step={step}",
            encoded(expression)
        );
        let data = self.api(&path)?;
        let all = data.pointer("/result").and_then(Value::as_array);
        all.context("an answer without a result")?
            .iter()
            .map(|one| series(one, "values"))
            .collect()
    }

    /// The values of an expression now.
    pub fn now(&self, expression: &str) -> Result<Vec<Series>> {
        let data = self.api(&format!("/api/v1/query?query={}", encoded(expression)))?;
        let all = data.pointer("/result").and_then(Value::as_array);
        all.context("an answer without a result")?
            .iter()
            .map(|one| series(one, "value"))
            .collect()
    }

    /// An answer of the API.
    pub fn api(&self, path: &str) -> Result<Value> {
        let (status, body) = self.get(path)?;
        let answer: Value =
            serde_json::from_str(&body).with_context(|| format!("Prometheus answered {status}: {body}"))?;
        if status != 200 {
            bail!("{path}: {answer}");
        }
        Ok(answer.get("data").cloned().unwrap_or_default())
    }

    /// One of its pages, such as `/metrics`.
    pub fn page(&self, path: &str) -> Result<String> {
        let (status, body) = self.get(path)?;
        if status != 200 {
            bail!("{path}: Prometheus answered {status}");
        }
        Ok(body)
    }

    /// Its address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    fn get(&self, path: &str) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.address).context("connect to Prometheus")?;
        stream
            .set_read_timeout(Some(PATIENCE))
            .context("set a time limit")?;
        // HTTP 1.0: the answer comes in one piece, and ends with the connection.
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").context("ask Prometheus")?;
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .context("read the answer of Prometheus")?;
        let status = answer.get(9..12).and_then(|status| status.parse().ok());
        let (_, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        Ok((status.context("no status in the answer")?, body.to_owned()))
    }

    fn until_ready(&mut self) -> Result<()> {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().context("check on Prometheus")? {
                bail!("Prometheus ended with {status}");
            }
            if self.get("/-/ready").is_ok_and(|(status, _)| status == 200) {
                return Ok(());
            }
            if since.elapsed() > PATIENCE {
                bail!("Prometheus was not ready after {PATIENCE:?}");
            }
            sleep(POLL);
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended already, which is fine.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// A loopback port that is free.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("look for a free port")?;
    listener.local_addr().context("look for a free port")
}

fn series(answer: &Value, points: &str) -> Result<Series> {
    let labels = serde_json::from_value(answer.get("metric").cloned().unwrap_or_default())
        .context("an answer without labels")?;
    let values = answer.get(points).and_then(Value::as_array);
    let values = values.context("an answer without values")?;
    // A single value is a pair, several are a list of pairs.
    let pairs = if points == "value" {
        point(values).into_iter().collect()
    } else {
        values.iter().filter_map(|pair| point(pair.as_array()?)).collect()
    };
    Ok(Series {
        labels,
        points: pairs,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds since the epoch"
)]
fn point(pair: &[Value]) -> Option<(u64, f64)> {
    let at = pair.first()?.as_f64()?;
    let value = pair.get(1)?.as_str()?.parse().ok()?;
    Some((at as u64, value))
}

/// Percent-encoded for a URL.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|octet| match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => char::from(octet).to_string(),
            _ => format!("%{octet:02X}"),
        })
        .collect()
}

/// Maximum time without progress.
const PATIENCE: Duration = Duration::from_mins(3);
const POLL: Duration = Duration::from_millis(50);
