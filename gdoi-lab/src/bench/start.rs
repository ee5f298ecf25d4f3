//! Cost of starting: the kernel's verifier and compiler, the agent until it is ready, its memory then, and its file
//! size.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::kernel::median;
use super::memory::resident_mebibytes;
use super::objects::{Loaded, time_to_load};
use super::row::{Row, Unit, Wanted};
use crate::Network;

const TIMES: usize = 7;
const PATIENCE: Duration = Duration::from_secs(20);
/// By then the first poll of all tables is over.
const SETTLED: Duration = Duration::from_millis(300);

/// Starts the agent of this build several times.
pub(super) fn run(object: &[u8]) -> Result<Vec<Row>> {
    let mut loads = Vec::new();
    for _ in 0..TIMES {
        loads.push(milliseconds(time_to_load(object, "bench_xdp")?));
    }
    let loaded = Loaded::new(object, 1, false)?;
    let (size, fast) = (loaded.size("bench_xdp")?, loaded.size("bench_fast")?);
    // In a thread: a namespace cannot be left.
    let started = thread::spawn(starts)
        .join()
        .ok()
        .context("the thread of the agent ended")??;
    let (mut ready, mut resident) = (Vec::new(), Vec::new());
    for (time, mebibytes) in started {
        ready.push(milliseconds(time));
        resident.push(mebibytes);
    }
    Ok(vec![
        Row::new(
            "the kernel's verifier and compiler",
            median(&mut loads),
            Unit::Milliseconds,
        )
        .goal("P14", Wanted::AtMost(2.0))
        .aside(format!(
            "{} instructions followed, {} of the fast path alone",
            size.verified, fast.verified
        ))
        .why("the verifier follows every path of the dissector, which reads all that the fast path leaves"),
        Row::new(
            "machine code, slow path included",
            f64::from(size.jited_octets),
            Unit::Octets,
        ),
        Row::new(
            "from its start until the agent is ready",
            median(&mut ready),
            Unit::Milliseconds,
        )
        .goal("P14", Wanted::AtMost(60.0))
        .why("it includes loading the program, and parsing the kernel's BTF, which the library always does"),
        Row::new("memory of an idle agent", median(&mut resident), Unit::Mebibytes)
            .goal("P10", Wanted::AtMost(24.0)),
        Row::new("the agent's file, stripped", stripped()?, Unit::Mebibytes)
            .goal("P14", Wanted::AtMost(8.0))
            .why(
                "by its symbols more than a quarter of its code is the agent's and a fifth the standard \
                 library's; of some sixty libraries none has a twentieth",
            ),
    ])
}

/// Time until the agent is ready, and its memory then, several times.
fn starts() -> Result<Vec<(Duration, f64)>> {
    let _network = Network::enter()?;
    (0..TIMES).map(|_| start()).collect()
}

fn start() -> Result<(Duration, f64)> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).context("listen for the agent")?;
    socket
        .set_read_timeout(Some(PATIENCE))
        .context("set a time limit")?;
    let begin = Instant::now();
    let child = Command::new(agent()?)
        .args(["run", "--interface", Network::WATCH])
        .env("NOTIFY_SOCKET", &path)
        .stderr(Stdio::null())
        .spawn()
        .context("start the agent")?;
    let running = Running(child);
    let mut said = [0; 256];
    let length = socket.recv(&mut said).context("wait for the agent")?;
    let took = begin.elapsed();
    let said = String::from_utf8_lossy(said.get(..length).unwrap_or_default()).into_owned();
    anyhow::ensure!(said.contains("READY=1"), "the agent said {said:?}");
    thread::sleep(SETTLED);
    let resident = resident_mebibytes(&running.0.id().to_string())?;
    running.stop().context("stop the agent")?;
    Ok((took, resident))
}

struct Running(Child);

impl Running {
    fn stop(mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, which is fine.
        if self.0.kill().is_ok() {
            drop(self.0.wait());
        }
    }
}

/// Size of the stripped agent in mebibytes.
fn stripped() -> Result<f64> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let path = folder.path().join("stripped");
    let status = Command::new("strip")
        .arg("-o")
        .arg(&path)
        .arg(agent()?)
        .status()
        .context("start `strip` of binutils")?;
    anyhow::ensure!(status.success(), "`strip` ended with {status}");
    mebibytes_of(&path)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn mebibytes_of(path: &Path) -> Result<f64> {
    let octets = path.metadata().context("measure the file")?.len();
    Ok(octets as f64 / f64::from(1 << 20))
}

/// The agent of the same build.
fn agent() -> Result<PathBuf> {
    let here = std::env::current_exe().context("find this program")?;
    Ok(here.with_file_name("gdoi-monitor"))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
