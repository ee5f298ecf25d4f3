//! Cost of monitoring on a gateway: packets through it, from one wire to another, with and without the program.
//!
//! The kernel receives packets of the first wire in a thread (threaded NAPI) on a CPU of its own. The time of that
//! thread is the cost of a packet: receiving, the program, forwarding, sending. Without a program a veth pair does
//! all of it in the sending thread, whose time is then compared too.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aya::programs::xdp::XdpMode;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::kernel::median;
use super::objects::{Loaded, cpu_time, program};
use super::row::{Row, Unit, Wanted};
use crate::{Injector, Network, cpu};

/// Rounds of all turns.
const ROUNDS: usize = 15;
/// All frames this many times in a round.
const REPEAT: usize = 100;
const BATCH: usize = 64;
const AGAIN: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(5);
/// After 14 octets of Ethernet and 20 of IPv4.
const SPI: usize = 14 + 20;

/// Forwards packets, in rounds. No rows if a requirement is missing.
pub(super) fn run(object: &[u8]) -> Result<Vec<Row>> {
    if Command::new("ethtool").arg("--version").output().is_err() {
        return Ok(vec![absent("`ethtool`, for a thread that receives")]);
    }
    if cpu::cpus()?.len() < 2 {
        return Ok(vec![absent("a second CPU")]);
    }
    let mut rows = Vec::new();
    for (name, goals, frames) in [
        ("ESP, 1,024 SPIs", true, esp_in_turn()),
        ("TCP", false, vec![Network::tcp_to_wan(); 1024]),
    ] {
        // In a thread: a namespace cannot be left.
        let measured = thread::scope(|scope| scope.spawn(|| measure(object, &frames)).join());
        let costs = measured.ok().context("the thread of the gateway ended")??;
        rows.extend(costs.rows(name, goals));
    }
    Ok(rows)
}

fn absent(what: &str) -> Row {
    Row::new("forwarding, not measured", f64::NAN, Unit::Ratio).aside(format!("there is no {what}"))
}

/// What observes the first wire in a round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watcher {
    Nobody,
    /// A program that does nothing.
    Pass,
    /// The program.
    Ours,
    /// A program that does nothing, and tcpdump with a filter for the same packets.
    Tcpdump,
}

/// Nanoseconds per packet, each next to the others of its round.
#[derive(Default)]
struct Costs {
    /// Of the receiving thread.
    pass: Vec<f64>,
    ours: Vec<f64>,
    tcpdump: Vec<f64>,
    /// Of both threads.
    both: Vec<f64>,
    nobody: Vec<f64>,
}

/// Nanoseconds per packet in one round.
#[derive(Clone, Copy)]
struct Turn {
    sending: f64,
    receiving: f64,
}

impl Costs {
    fn rows(self, name: &str, goals: bool) -> Vec<Row> {
        let ratio = |costs: &[f64]| {
            let mut ratios: Vec<f64> = costs
                .iter()
                .zip(&self.pass)
                .map(|(one, pass)| one / pass)
                .collect();
            median(&mut ratios)
        };
        let added = |costs: &[f64]| {
            let mut more: Vec<f64> = costs
                .iter()
                .zip(&self.pass)
                .map(|(one, pass)| one - pass)
                .collect();
            median(&mut more)
        };
        let middle = |costs: &[f64]| median(&mut costs.to_vec());
        let (ours, tcpdump) = (added(&self.ours), added(&self.tcpdump));
        let to_pass = Row::new(
            format!("{name}: ours, relative to an empty program"),
            ratio(&self.ours),
            Unit::Ratio,
        )
        .aside(format!(
            "{:.0} -> {:.0} ns a packet",
            middle(&self.pass),
            middle(&self.ours)
        ));
        let to_tcpdump = Row::new(
            format!("{name}: added by ours, relative to tcpdump"),
            ours / tcpdump,
            Unit::Ratio,
        )
        .aside(format!(
            "{ours:.0} and {tcpdump:.0} ns, without tcpdump's own process"
        ));
        let why = "differences of a few nanoseconds in several hundred: see the variation between runs";
        let (to_pass, to_tcpdump) = if goals {
            (
                to_pass.goal("P6", Wanted::AtMost(1.02)).why(why),
                to_tcpdump.goal("P6", Wanted::AtMost(0.1)).why(why),
            )
        } else {
            (to_pass, to_tcpdump)
        };
        let of_tcpdump = Row::new(
            format!("{name}: tcpdump, relative to an empty program"),
            ratio(&self.tcpdump),
            Unit::Ratio,
        );
        let mut to_nobody: Vec<f64> = self
            .both
            .iter()
            .zip(&self.nobody)
            .map(|(pass, none)| pass / none)
            .collect();
        let of_nobody = Row::new(
            format!("{name}: an empty program, relative to none, including sending"),
            median(&mut to_nobody),
            Unit::Ratio,
        )
        .aside(format!(
            "{:.0} -> {:.0} ns a packet",
            middle(&self.nobody),
            middle(&self.both)
        ));
        vec![to_pass, to_tcpdump, of_tcpdump, of_nobody]
    }
}

fn measure(object: &[u8], frames: &[Vec<u8>]) -> Result<Costs> {
    let mut gateway = ForwardingGateway::new(object)?;
    let mut costs = Costs::default();
    for round in 0..=ROUNDS {
        let nobody = gateway.turn(Watcher::Nobody, frames)?;
        let pass = gateway.turn(Watcher::Pass, frames)?;
        let ours = gateway.turn(Watcher::Ours, frames)?;
        let tcpdump = gateway.turn(Watcher::Tcpdump, frames)?;
        // The first round warms caches and table.
        if round > 0 {
            costs.nobody.push(nobody.sending + nobody.receiving);
            costs.both.push(pass.sending + pass.receiving);
            costs.pass.push(pass.receiving);
            costs.ours.push(ours.receiving);
            costs.tcpdump.push(tcpdump.receiving);
        }
    }
    Ok(costs)
}

struct ForwardingGateway {
    network: Network,
    loaded: Loaded,
    injector: Injector,
    receiving: usize,
    folder: TempDir,
}

impl ForwardingGateway {
    fn new(object: &[u8]) -> Result<Self> {
        let network = Network::enter()?;
        network.add_gateway()?;
        let [sending, receiving] = *cpu::cpus()?.get(..2).context("no second CPU")? else {
            anyhow::bail!("no second CPU");
        };
        let ethtool = Command::new("ethtool")
            .args(["-K", Network::LAN, "gro", "on"])
            .output();
        ensure!(
            ethtool.context("start ethtool")?.status.success(),
            "ethtool did not turn GRO on"
        );
        let folder = tempfile::tempdir().context("make a folder")?;
        let devices = devices(folder.path())?;
        let threaded = devices.join(Network::LAN).join("threaded");
        fs::write(&threaded, "1").with_context(|| format!("write {}", threaded.display()))?;
        cpu::stay_on(cpu::THIS_THREAD, &[sending])?;
        Ok(Self {
            network,
            loaded: Loaded::new(object, 1, false)?,
            injector: Injector::open(Network::LAN_FAR)?,
            receiving,
            folder,
        })
    }

    /// The time of both threads per packet.
    fn turn(&mut self, watcher: Watcher, frames: &[Vec<u8>]) -> Result<Turn> {
        let name = match watcher {
            Watcher::Nobody => None,
            Watcher::Pass | Watcher::Tcpdump => Some("bench_pass"),
            Watcher::Ours => Some("bench_xdp"),
        };
        let attached = name.map(|name| {
            let link = program(self.loaded.programs(), name)?.attach(Network::LAN, XdpMode::Driver);
            Ok::<_, anyhow::Error>((name, link.with_context(|| format!("attach {name}"))?))
        });
        let attached = attached.transpose()?;
        let tcpdump = (watcher == Watcher::Tcpdump)
            .then(|| Tcpdump::start(self.folder.path()))
            .transpose()?;
        let receiver = receiver()?;
        cpu::stay_on(receiver, &[self.receiving])?;
        let before = (self.network.received_by(Network::LAN)?, on_cpu(receiver)?);
        let begun = cpu_time()?;
        for _ in 0..REPEAT {
            for batch in frames.chunks(BATCH) {
                self.injector.send_batch(batch)?;
            }
        }
        let sending = cpu_time()?.saturating_sub(begun);
        self.network.until_quiet(Network::LAN)?;
        let after = (self.network.received_by(Network::LAN)?, on_cpu(receiver)?);
        drop(tcpdump);
        if let Some((name, link)) = attached {
            program(self.loaded.programs(), name)?
                .detach(link)
                .context("detach")?;
        }
        let packets = after.0 - before.0;
        ensure!(packets > 0, "no packet arrived");
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let each = |nanoseconds: u64| nanoseconds as f64 / packets as f64;
        Ok(Turn {
            sending: each(u64::try_from(sending.as_nanos())?),
            receiving: each(after.1 - before.1),
        })
    }
}

/// tcpdump, writing to a file what our program looks for.
struct Tcpdump(Child);

impl Tcpdump {
    fn start(folder: &Path) -> Result<Self> {
        let mut child = Command::new("tcpdump")
            .args(["-n", "-i", Network::LAN, "-w"])
            .arg(folder.join("seen.pcap"))
            .arg("udp port 848 or proto 50")
            .stderr(Stdio::piped())
            .spawn()
            .context("start tcpdump; install it with `cargo xtask setup`")?;
        let said = child.stderr.take().context("no output of tcpdump")?;
        let tcpdump = Self(child);
        // It prints a line once it listens.
        let listens = BufReader::new(said)
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("listening on"));
        ensure!(listens, "tcpdump does not listen");
        Ok(tcpdump)
    }
}

impl Drop for Tcpdump {
    fn drop(&mut self) {
        if self.0.kill().is_ok() {
            drop(self.0.wait());
        }
    }
}

/// The kernel's thread that receives at the first wire. There is only one at a time.
fn receiver() -> Result<Pid> {
    let begun = Instant::now();
    let wanted = format!("napi/{}-", Network::LAN);
    while begun.elapsed() < PATIENCE {
        for entry in fs::read_dir("/proc").context("list the processes")?.flatten() {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            if name.starts_with(&wanted) {
                let number = entry.file_name().to_string_lossy().parse();
                return Ok(Pid::from_raw(number.context("a process has a number")?));
            }
        }
        thread::sleep(AGAIN);
    }
    anyhow::bail!("no thread of the kernel receives at {}", Network::LAN)
}

/// Nanoseconds of CPU time of a thread.
fn on_cpu(thread: Pid) -> Result<u64> {
    let path = format!("/proc/{thread}/schedstat");
    let said = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let first = said.split(' ').next().unwrap_or_default();
    first.parse().with_context(|| format!("no time in {path}"))
}

/// The folder in which the kernel shows the interfaces of this thread's namespace.
fn devices(folder: &Path) -> Result<PathBuf> {
    unshare(CloneFlags::CLONE_NEWNS).context("make a namespace of mounts")?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).context("make mounts private")?;
    let sys = folder.join("sys");
    fs::create_dir(&sys).context("make a folder")?;
    mount(Some("sysfs"), &sys, Some("sysfs"), MsFlags::empty(), none).context("mount sysfs")?;
    Ok(sys.join("class/net"))
}

fn esp_in_turn() -> Vec<Vec<u8>> {
    let frame = |spi: u32| {
        let mut frame = Network::packet_to_wan();
        if let Some(place) = frame.get_mut(SPI..SPI + 4) {
            place.copy_from_slice(&(0x5a00_0000 + spi).to_be_bytes());
        }
        frame
    };
    (0..1024).map(frame).collect()
}
