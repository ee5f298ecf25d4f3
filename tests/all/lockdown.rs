//! The lock-down after startup: what the agent drops, and that it works without it.

mod agent;
mod refused;
mod strace;

use std::fs;
use std::path::Path;

/// The mask of `CAP_NET_ADMIN`, `CAP_PERFMON` and `CAP_BPF` (`include/uapi/linux/capability.h`).
const TO_ATTACH: u64 = 1 << 12 | 1 << 38 | 1 << 39;

/// Whether each thread of a process is locked down, and has exactly these capabilities and no way to others.
#[track_caller]
fn check_threads(process: u32, capabilities: u64) {
    let tasks: Vec<_> = fs::read_dir(format!("/proc/{process}/task"))
        .unwrap()
        .map(|task| task.unwrap().path())
        .collect();
    assert!(tasks.len() > 2, "{tasks:?}");
    for task in tasks {
        let said = status(&task);
        let field = |name: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim().to_owned()
        };
        let mask = |name: &str| u64::from_str_radix(&field(name), 16).unwrap();
        let masks = ["CapPrm:", "CapEff:", "CapBnd:"].map(mask);
        assert_eq!(masks, [capabilities; 3], "{said}");
        assert_eq!(["CapInh:", "CapAmb:"].map(mask), [0; 2], "{said}");
        assert_eq!(field("NoNewPrivs:"), "1", "{said}");
        // A filter.
        assert_eq!(field("Seccomp:"), "2", "{said}");
    }
}

fn status(task: &Path) -> String {
    fs::read_to_string(task.join("status")).unwrap()
}

/// The list between two markers of a page about the lock-down.
fn listed(page: &str, of: &str) -> Vec<String> {
    let (_, rest) = page.split_once(&format!("<!-- {of} -->\n")).unwrap();
    let (list, _) = rest.split_once("<!-- end -->").unwrap();
    let mut names: Vec<_> = list.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn the_page_lists_the_system_calls_that_there_are() {
    use gdoi_monitor::lockdown::{ALLOWED, BPF_TO_ATTACH, BPF_TO_READ, DEADLY, GUARDED};
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/lockdown.md");
    let page = fs::read_to_string(page).unwrap();
    let check = |of: &str, mut have: Vec<&str>| {
        have.sort_unstable();
        assert_eq!(listed(&page, of), have, "{of}");
    };
    check("allowed", ALLOWED.iter().map(|(name, ..)| *name).collect());
    check("guarded", GUARDED.iter().map(|(name, ..)| *name).collect());
    check("bpf to read", BPF_TO_READ.iter().map(|(name, _)| *name).collect());
    check(
        "bpf to attach",
        BPF_TO_ATTACH.iter().map(|(name, _)| *name).collect(),
    );
    check("deadly", DEADLY.iter().map(|(name, ..)| *name).collect());
}
