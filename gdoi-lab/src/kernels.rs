//! `cargo xtask kernels`: the project's own tests on kernels of distributions, each in an emulated machine.

pub(crate) mod archive;
mod guest;
pub(crate) mod kernel;
pub(crate) mod machine;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use self::kernel::{Kernel, Source};
use self::machine::{Boot, Machine};
use self::report::{KernelOutcome, KernelRow};
use xtask::workspace::Workspace;

/// Options of `kernels`.
#[derive(clap::Args)]
pub(crate) struct Kernels {
    /// Only the kernel of this suite of Debian, such as bookworm
    #[arg(long, value_name = "SUITE")]
    only: Option<String>,
    /// Only this area of tests, such as gateway
    #[arg(long, value_name = "AREA")]
    area: Option<String>,
    /// Write the results to docs/kernels.md
    #[arg(long)]
    write: bool,
    /// Keep the output of each guest, as SUITE.log in this folder
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
}

/// Boots each kernel, runs the tests there, and reports the results.
pub(crate) fn run(workspace: &Workspace, arguments: &Kernels) -> Result<()> {
    let sources: Vec<&Source> = SOURCES
        .iter()
        .filter(|source| is_wanted(source, arguments))
        .collect();
    if sources.is_empty() {
        bail!("there is no such suite; there are {}", names().join(", "));
    }
    let areas: Vec<&Area> = AREAS
        .iter()
        .filter(|area| {
            arguments
                .area
                .as_deref()
                .is_none_or(|wanted| wanted == area.title)
        })
        .collect();
    if areas.is_empty() {
        bail!("there is no such area; there are {}", report::titles().join(", "));
    }
    let line = |area: &&Area| format!("{} {}\n", area.title, area.filters);
    let list = areas.iter().map(line).collect::<Vec<_>>().concat();
    let machine = Machine::prepare(workspace)?;
    let guest = guest::build(workspace, &machine, &list)?;
    let titles: Vec<&str> = areas.iter().map(|area| area.title).collect();
    let mut rows = Vec::new();
    for source in sources {
        let row = one(workspace, arguments, (&machine, &guest), &titles, source);
        println!("{row}");
        rows.push(row);
        // As soon as it is known: all kernels together take long.
        if arguments.write {
            let path = workspace.root.join("docs/kernels.md");
            let before = fs::read_to_string(&path).unwrap_or_default();
            fs::write(&path, report::document(&rows, &before))
                .with_context(|| format!("write {}", path.display()))?;
        }
    }
    let lines: Vec<String> = rows.iter().map(KernelRow::line).collect();
    println!("\n{}", report::table(&lines));
    let failed = rows.iter().filter(|row| !row.is_well()).count();
    let skipped = rows.iter().filter(|row| row.is_skipped()).count();
    println!("{} kernels, {failed} failed, {skipped} skipped", rows.len());
    if failed > 0 {
        bail!("{failed} kernels failed");
    }
    if skipped == rows.len() {
        bail!("no kernel was booted");
    }
    Ok(())
}

fn is_wanted(source: &Source, arguments: &Kernels) -> bool {
    let Some(only) = &arguments.only else {
        return true;
    };
    source.suites.first().is_some_and(|suite| suite == only)
}

fn names() -> Vec<&'static str> {
    SOURCES
        .iter()
        .filter_map(|source| source.suites.first().copied())
        .collect()
}

fn one(
    workspace: &Workspace,
    arguments: &Kernels,
    (machine, guest): (&Machine, &Path),
    areas: &[&str],
    source: &Source,
) -> KernelRow {
    let row = |release: &str, seconds, outcome| KernelRow {
        name: source.name,
        release: release.to_owned(),
        seconds,
        outcome,
    };
    let kernel = match Kernel::fetch(workspace, machine, source) {
        Ok(kernel) => kernel,
        Err(error) => return row("", 0.0, KernelOutcome::Skipped(format!("{error:#}"))),
    };
    let start = Instant::now();
    let said = machine.boot(&Boot {
        name: "tests",
        kernel: &kernel.image,
        archives: &[guest.to_owned(), kernel.modules.clone()],
        words: if source.is_too_old { "gdoi.refusal" } else { "" },
        memory_mib: "1024",
        seconds: 2400,
    });
    let seconds = start.elapsed().as_secs_f32();
    let outcome = said.and_then(|said| {
        if let (Some(folder), Some(suite)) = (&arguments.logs, source.suites.first()) {
            fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
            fs::write(folder.join(format!("{suite}.log")), &said).context("keep what the guest said")?;
        }
        let expected = if source.is_too_old { &[] } else { areas };
        KernelOutcome::read(&said, expected, &kernel.release)
    });
    row(
        &kernel.release,
        seconds,
        outcome.unwrap_or_else(|error| KernelOutcome::Broken(format!("{error:#}"))),
    )
}

/// Tests that run together.
struct Area {
    title: &'static str,
    /// Substrings of the names of its tests.
    filters: &'static str,
    /// What they show.
    meaning: &'static str,
}

const AREAS: [Area; 7] = [
    Area {
        title: "parity",
        filters: "parity::generated",
        meaning: "both programs load, and give the same result as user space for 440,000 generated frames by \
                  `BPF_PROG_TEST_RUN`: records, counters, SPI table",
    },
    Area {
        title: "attach",
        filters: "agent_life::native_mode agent_life::a_busy agent_life::a_missing agent_life::killed",
        meaning: "native XDP on veth, generic XDP, traffic control (TCX, or clsact before Linux 6.6); refusals name \
                  the fix; a killed agent leaves no program",
    },
    Area {
        title: "replay",
        filters: "live::the_demonstration",
        meaning: "`tests/data/demo.pcap` over veth to the agent: messages and ESP packets equal what was sent, \
                  nothing lost",
    },
    Area {
        title: "gateway",
        filters: "gateway::",
        meaning: "next to another XDP program it counts the same; a forwarding gateway in both directions with what \
                  it sends itself, a VLAN, a bridge port: each packet counted once",
    },
    Area {
        title: "pins",
        filters: "pins::",
        meaning: "programs and counters stay in the kernel while agents end, are killed or get other settings: \
                  each packet is counted once",
    },
    Area {
        title: "service",
        filters: "service::as_nobody",
        meaning: "without root, with the capabilities of the unit; systemd is notified of start, reload and stop",
    },
    Area {
        title: "memory",
        filters: "faults::memory::in_a_control_group",
        meaning: "in a control group (v2, as systemd creates it for `MemoryMax=`) that is too small: the agent is \
                  killed, and the next one takes its state up",
    },
];

const SOURCES: [Source; 4] = [
    Source {
        name: "Debian 11",
        suites: &["bullseye", "bullseye-security"],
        is_too_old: true,
    },
    Source {
        name: "Debian 12",
        suites: &["bookworm", "bookworm-security"],
        is_too_old: false,
    },
    Source {
        name: "Debian 13",
        suites: &["trixie", "trixie-security"],
        is_too_old: false,
    },
    Source {
        name: "Debian 13, backports",
        suites: &["trixie-backports"],
        is_too_old: false,
    },
];
