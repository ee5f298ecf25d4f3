//! Starts the agent as a user does, in the namespace of the calling thread.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::metrics::Metrics;

/// Default port of the agent; each namespace has its own.
const PORT: u16 = 11848;
/// Maximum time without progress: an emulated machine takes ten seconds to verify the program.
const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);

/// A running agent; it is killed when this is dropped.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    port: u16,
}

impl Agent {
    /// Starts the agent of this build and waits until it is ready. Its log goes to our standard error.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        Self::start_logging_to(arguments, Stdio::inherit())
    }

    /// Starts the agent of this build with its log to `log`, and waits until it is ready.
    pub fn start_logging_to(arguments: &[&str], log: impl Into<Stdio>) -> Result<Self> {
        Self::spawn(command(&[], arguments)?.stderr(log), PORT)
    }

    /// Starts the agent of this build with its events on standard output to `events`, and waits until it is ready.
    pub fn start_telling_to(arguments: &[&str], events: impl Into<Stdio>) -> Result<Self> {
        Self::spawn(command(&[], arguments)?.stdout(events), PORT)
    }

    /// Starts the agent of this build after a prefix command, such as `prlimit(1)` with its limits, with its log to
    /// `log`, and waits until it is ready.
    pub fn start_behind(words: &[&str], arguments: &[&str], log: impl Into<Stdio>) -> Result<Self> {
        Self::spawn(command(words, arguments)?.stderr(log), PORT)
    }

    /// Starts another agent next to the first, with its pages on another loopback port.
    pub fn start_on(port: u16, arguments: &[&str]) -> Result<Self> {
        let address = format!("127.0.0.1:{port}");
        let mut all = vec!["--web.listen-address", &address];
        all.extend(arguments);
        Self::spawn(&mut command(&[], &all)?, port)
    }

    fn spawn(command: &mut Command, port: u16) -> Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .context("start the agent (through setpriv of util-linux)")?;
        let mut agent = Self { child, port };
        agent.until_ready()?;
        Ok(agent)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The body of one of its pages.
    pub fn page(&self, path: &str) -> Result<String> {
        let (status, body) = get(self.port, path)?;
        if status != 200 {
            bail!("{path} answered {status}: {body}");
        }
        Ok(body)
    }

    /// Sends a POST request: the status and the body of the answer.
    pub fn post(&self, path: &str) -> Result<(u16, String)> {
        ask(self.port, "POST", path)
    }

    /// Makes it reload its configuration by SIGHUP; returns whether it succeeded.
    pub fn reload(&self) -> Result<bool> {
        let outcome = |metrics: &Metrics| {
            let sum = |name| metrics.sum(name, &[]);
            (
                sum("gdoi_config_last_reload_successful"),
                sum("gdoi_config_last_reload_success_timestamp_seconds"),
            )
        };
        let (_, before) = outcome(&self.metrics()?);
        self.signal(nix::sys::signal::Signal::SIGHUP)?;
        let page = self.until(|metrics| {
            let (is_good, at) = outcome(metrics);
            is_good < 1.0 || at > before
        })?;
        Ok(outcome(&Metrics::parse(&page)).0 >= 1.0)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) -> Result<()> {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).context("process id")?);
        nix::sys::signal::kill(id, signal).with_context(|| format!("send {signal} to the agent"))
    }

    /// Its metrics.
    pub fn metrics(&self) -> Result<Metrics> {
        Ok(Metrics::parse(&self.page("/metrics")?))
    }

    /// Waits until its metrics satisfy `wanted`; an error if they do not change for [`PATIENCE`].
    pub fn until(&self, wanted: impl Fn(&Metrics) -> bool) -> Result<String> {
        let mut before = 0.0;
        let mut since = Instant::now();
        loop {
            let page = match self.page("/metrics") {
                // On an overloaded host an answer may take too long.
                Err(_) if since.elapsed() <= PATIENCE => {
                    sleep(POLL);
                    continue;
                }
                page => page?,
            };
            let metrics = Metrics::parse(&page);
            if wanted(&metrics) {
                return Ok(page);
            }
            let counted = metrics.sum("gdoi_packets_total", &[]);
            if counted > before {
                before = counted;
                since = Instant::now();
            }
            if since.elapsed() > PATIENCE {
                bail!("nothing changed for {PATIENCE:?}; the agent counted {counted} packets");
            }
            sleep(POLL);
        }
    }

    /// Waits until it has counted `packets` packets.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub fn until_counted(&self, packets: u64) -> Result<String> {
        self.until(|metrics| metrics.sum("gdoi_packets_total", &[]) >= packets as f64)
            .with_context(|| format!("{packets} packets were sent"))?;
        // A packet is counted before its record is written: now the last record is written.
        sleep(POLL);
        self.page("/metrics")
    }

    /// Stops it as systemd does, and waits for its end.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.signal(nix::sys::signal::Signal::SIGTERM)?;
        self.child.wait().context("wait for the agent")
    }

    /// Kills it, without a chance to clean up.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill().context("kill the agent")?;
        self.child.wait().context("wait for the agent")?;
        Ok(())
    }

    fn until_ready(&mut self) -> Result<()> {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().context("check on the agent")? {
                bail!("the agent ended with {status}");
            }
            if get(self.port, "/-/ready").is_ok_and(|(status, _)| status == 200) {
                return Ok(());
            }
            if since.elapsed() > PATIENCE {
                bail!("the agent was not ready after {PATIENCE:?}");
            }
            sleep(POLL);
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already, which is fine.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// The command that starts the agent of this build, after the prefix `before`.
fn command(before: &[&str], arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new("setpriv");
    // If this process ends for any reason, so does the agent.
    command.args(["--pdeathsig", "KILL"]).args(before);
    command.arg(program()?).arg("run").args(arguments);
    Ok(command)
}

/// The agent's program, next to the current one.
fn program() -> Result<PathBuf> {
    let asking = std::env::current_exe().context("find this program")?;
    asking
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder: &Path| folder.join("gdoi-monitor"))
        .find(|program| program.is_file())
        .context("gdoi-monitor is not built: run `cargo build`")
}

fn get(port: u16, path: &str) -> Result<(u16, String)> {
    ask(port, "GET", path)
}

fn ask(port: u16, method: &str, path: &str) -> Result<(u16, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect(address).context("connect to the agent")?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .context("set a time limit")?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .context("ask the agent")?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .context("read the agent's answer")?;
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    Ok((status.context("no status in the answer")?, body.to_owned()))
}
