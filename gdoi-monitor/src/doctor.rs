//! `doctor`: checks whether this host meets the requirements, and says how to fix what is missing.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result};

use crate::cli::Doctor;
use crate::exit::Exit;
use crate::lockdown::{Needs, Rights, lock_down};
use crate::source::xdp::netlink::{self, NetworkLink};
use crate::source::xdp::{self, Direction, Holder, Hook, Probe, ProbeSettings, features, interface};

/// It introduced the multi-buffer flag of XDP programs.
const OLDEST: (u32, u32) = (5, 18);
const TCX: (u32, u32) = (6, 6);
/// Bits of `include/uapi/linux/capability.h`.
const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
const CAPABILITIES: [(&str, u32); 3] = [
    ("CAP_BPF", 39),
    ("CAP_NET_ADMIN", CAP_NET_ADMIN),
    ("CAP_PERFMON", 38),
];
/// The shortest frame that both hooks accept in a test run.
const FRAME: [u8; 60] = [0; 60];

/// Checks the kernel, our capabilities, and interfaces. Attaches nothing.
pub fn command(arguments: &Doctor) -> Result<Exit> {
    let mut report = DoctorReport::default();
    kernel(&mut report);
    capabilities(&mut report);
    programs(&mut report);
    locks(&mut report);
    let links = netlink::links().context("list the interfaces")?;
    for link in chosen(&arguments.interface, &links, &mut report) {
        look_at(link, &links, &mut report);
    }
    io::stdout()
        .lock()
        .write_all(report.lines.concat().as_bytes())
        .context("write the report")?;
    Ok(if report.missing == 0 {
        Exit::Fine
    } else {
        Exit::Failed
    })
}

#[derive(Default)]
struct DoctorReport {
    lines: Vec<String>,
    missing: usize,
}

impl DoctorReport {
    fn say(&mut self, what: &str, said: &str) {
        self.lines.push(format!("{what:<16} {said}\n"));
    }

    /// Reports a missing requirement of the agent.
    fn lacks(&mut self, what: &str, fix: &str) {
        self.missing += 1;
        self.say(what, &format!("MISSING: {fix}"));
    }
}

fn kernel(report: &mut DoctorReport) {
    let release = xdp::kernel::release();
    let version = xdp::kernel::version(&release);
    if version < OLDEST {
        let (major, minor) = OLDEST;
        report.lacks(
            "kernel",
            &format!("Linux {major}.{minor} or newer; this is {release}"),
        );
    } else if version < TCX {
        report.say(
            "kernel",
            &format!("{release}; only clsact at traffic control: a killed agent leaves its filter attached"),
        );
    } else {
        report.say("kernel", &release);
    }
}

fn capabilities(report: &mut DoctorReport) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    for (name, bit) in CAPABILITIES {
        if effective >> bit & 1 == 1 || effective >> CAP_SYS_ADMIN & 1 == 1 && bit != CAP_NET_ADMIN {
            report.say(name, "there");
        } else {
            let fix = format!(
                "run as root, or AmbientCapabilities={name} in the unit, or `setcap {}+ep` on the program",
                name.to_lowercase()
            );
            report.lacks(name, &fix);
        }
    }
}

fn programs(report: &mut DoctorReport) {
    let loaded = Probe::load(&ProbeSettings::default(), Direction::Ingress).and_then(|mut probe| {
        probe.test_run(Hook::Xdp, &FRAME, 1)?;
        probe.test_run(Hook::Tc, &FRAME, 1)
    });
    match loaded {
        Ok(_) => report.say("programs", "load and run"),
        Err(error) => report.lacks("programs", &format!("{:#}", anyhow::Error::new(error))),
    }
}

/// Checks the lock-down of the agent: a thread tries it, and keeps it until it ends.
fn locks(report: &mut DoctorReport) {
    let tried = thread::spawn(|| lock_down(&Needs::kernel(), &Rights::to_attach()).measures).join();
    for measure in tried.unwrap_or_default() {
        let said = measure.lacks.map_or_else(
            || "can be dropped".to_owned(),
            |lacks| format!("cannot be dropped: {lacks}"),
        );
        report.say(measure.kind.name(), &said);
    }
}

/// The named interfaces; without names, every one with Ethernet frames.
fn chosen<'a>(
    patterns: &[String],
    links: &'a [NetworkLink],
    report: &mut DoctorReport,
) -> Vec<&'a NetworkLink> {
    if patterns.is_empty() {
        let is_real = |link: &&NetworkLink| link.is_ethernet && link.name != "lo";
        return links.iter().filter(is_real).collect();
    }
    for pattern in patterns {
        if !links.iter().any(|link| interface::matches(pattern, &link.name)) {
            let have: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
            report.lacks(
                pattern,
                &format!("no such interface; this host has: {}", have.join(", ")),
            );
        }
    }
    let is_named = |link: &&NetworkLink| {
        patterns
            .iter()
            .any(|pattern| interface::matches(pattern, &link.name))
    };
    links.iter().filter(is_named).collect()
}

fn look_at(link: &NetworkLink, links: &[NetworkLink], report: &mut DoctorReport) {
    let name = &link.name;
    if !link.is_ethernet {
        return report.lacks(
            name,
            "its packets have no Ethernet header: monitor the interface that carries them",
        );
    }
    let driver = fs::read_link(format!("/sys/class/net/{name}/device/driver")).ok();
    let driver = driver.as_deref().and_then(Path::file_name);
    let what = match (driver, &link.kind) {
        (Some(driver), _) => format!("driver {}", driver.to_string_lossy()),
        (None, Some(kind)) => kind.clone(),
        (None, None) => "of unknown kind".to_owned(),
    };
    let native = match features::has_native_xdp(link.index) {
        Ok(true) => "has native XDP",
        Ok(false) => "no native XDP: --mode auto attaches at traffic control",
        Err(_) => "this kernel does not report whether the driver has native XDP",
    };
    report.say(name, &format!("{what}; {native}"));
    if let Some(id) = link.xdp_program {
        let holder = Holder::new(id);
        report.say(
            name,
            &format!("{holder} is attached at XDP: --mode auto attaches at traffic control"),
        );
    }
    let on = features::active(link.index).unwrap_or_default();
    for (feature, meaning) in HIDING {
        if on.contains(feature) {
            report.say(name, &meaning.replace("IF", name));
        }
    }
    if let Some(master) = links.iter().find(|other| Some(other.index) == link.master) {
        report.say(
            name,
            &format!("is a member of {}: monitor all of its members", master.name),
        );
    }
}

/// Features that hide something, and the command that turns each off.
const HIDING: [(&str, &str); 3] = [
    (
        "rx-vlan-hw-parse",
        "strips the outer VLAN tag before XDP: `ethtool -K IF rxvlan off`",
    ),
    ("rx-lro", "merges received packets: `ethtool -K IF lro off`"),
    (
        "rx-gro-hw",
        "merges received packets: `ethtool -K IF rx-gro-hw off`",
    ),
];
