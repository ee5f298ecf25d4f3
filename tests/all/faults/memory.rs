//! Limited memory. `floods.rs` checks that a flood does not exceed the shipped limit.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gdoi_lab::flood::{Flood, Kind};
use gdoi_lab::{Agent, Injector, Network};

use crate::kernel::in_network;

const QUIET: [&str; 4] = ["--interface", Network::WATCH, "--log.level", "warn"];

#[test]
fn with_too_little_memory_it_ends_with_a_word_and_its_state_is_whole() {
    in_network("with_too_little_memory", |_| {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let log = folder.path().join("log");
        let arguments = [&QUIET[..], &["--state-file", state.to_str().unwrap()]].concat();
        assert!(Agent::start(&arguments).unwrap().stop().unwrap().success());
        let before = fs::read(&state).unwrap();
        // Enough to start, too little for full tables.
        let limit = ["prlimit", "--data=50331648", "--"];
        let agent = Agent::start_behind(&limit, &arguments, File::create(&log).unwrap()).unwrap();
        flood_to_its_end(agent);
        let said = fs::read_to_string(&log).unwrap();
        assert!(said.contains("memory allocation of "), "{said}");
        let after = fs::read(&state).unwrap();
        assert!(after.len() >= before.len());
        next_one_takes_it_up(&arguments, &log);
    });
}

/// Equivalent to `MemoryMax=` of systemd.
#[test]
fn in_a_control_group_with_too_little_memory_it_is_killed_and_its_state_is_whole() {
    let name = "in_a_control_group_with_too_little_memory";
    in_network(name, move |_| {
        let Some(group) = ControlGroup::with_memory(48 << 20) else {
            eprintln!("SKIP {name}: this kernel has no control groups of memory");
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let (state, log) = (folder.path().join("state"), folder.path().join("log"));
        let arguments = [&QUIET[..], &["--state-file", state.to_str().unwrap()]].concat();
        let enter = group.enter();
        let words = ["sh", "-c", &enter, "sh"];
        let agent = Agent::start_behind(&words, &arguments, File::create(&log).unwrap()).unwrap();
        assert_eq!(group.kills(), 0);
        flood_to_its_end(agent);
        assert_eq!(group.kills(), 1);
        assert_eq!(said(&log), "");
        next_one_takes_it_up(&arguments, &log);
    });
}

fn flood_to_its_end(agent: Agent) {
    let id = agent.id();
    let is_there = || fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    // Seconds; an emulated machine takes longer.
    flood(Duration::from_mins(3), is_there);
    assert!(!is_there(), "it did with the memory it had");
    drop(agent);
}

fn next_one_takes_it_up(arguments: &[&str], log: &Path) {
    let agent = Agent::start_logging_to(arguments, File::create(log).unwrap()).unwrap();
    assert!(agent.stop().unwrap().success());
    assert_eq!(said(log), "");
}

/// The log, except for Landlock features that an old kernel lacks, and for slow writes: near its limit a control group
/// makes its writers wait.
fn said(log: &Path) -> String {
    let all = fs::read_to_string(log).unwrap();
    let is_expected =
        |line: &str| line.contains("cannot drop ") || line.contains("the disk of the state file");
    all.lines().filter(|line| !is_expected(line)).collect()
}

/// A control group with limited memory; it is removed on drop.
struct ControlGroup {
    folder: PathBuf,
    /// The file in which the kernel counts killed processes.
    counts: &'static str,
}

impl ControlGroup {
    /// Of version 2 if that has the memory controller, else of version 1; `None` if there is neither.
    fn with_memory(octets: u64) -> Option<Self> {
        let name = format!("gdoi-test-{}", std::process::id());
        let has = |root: &&&str| {
            let controllers = fs::read_to_string(Path::new(root).join("cgroup.controllers"));
            controllers.is_ok_and(|controllers| controllers.contains("memory"))
        };
        if let Some(root) = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].iter().find(has) {
            fs::write(Path::new(root).join("cgroup.subtree_control"), "+memory").unwrap();
            let group = Self {
                folder: Path::new(root).join(name),
                counts: "memory.events",
            };
            group.begin(&[("memory.max", octets), ("memory.swap.max", 0)]);
            return Some(group);
        }
        let root = Path::new("/sys/fs/cgroup/memory");
        let has_first = root.join("memory.limit_in_bytes").exists();
        has_first.then(|| {
            let group = Self {
                folder: root.join(name),
                counts: "memory.oom_control",
            };
            group.begin(&[("memory.limit_in_bytes", octets)]);
            group
        })
    }

    fn begin(&self, limits: &[(&str, u64)]) {
        fs::create_dir(&self.folder).unwrap();
        for (file, limit) in limits {
            fs::write(self.folder.join(file), limit.to_string()).unwrap();
        }
    }

    /// A shell script that runs its arguments in the group.
    fn enter(&self) -> String {
        format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.folder.display())
    }

    /// How often the kernel has killed a process for lack of memory.
    fn kills(&self) -> u64 {
        let counts = fs::read_to_string(self.folder.join(self.counts)).unwrap();
        let line = counts.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.unwrap().parse().unwrap()
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        fs::remove_dir(&self.folder).unwrap();
    }
}

/// Floods for this time, unless stopped.
fn flood(time: Duration, is_wanted: impl Fn() -> bool) {
    let injector = Injector::open(Network::INJECT).unwrap();
    let mut floods = Kind::ALL.map(|kind| Flood::new(kind, 5, [10, 1, 11, 2].into(), [10, 1, 13, 2].into()));
    let begun = Instant::now();
    while begun.elapsed() < time && is_wanted() {
        for flood in &mut floods {
            injector.send_batch(flood.batch()).unwrap();
        }
    }
}
