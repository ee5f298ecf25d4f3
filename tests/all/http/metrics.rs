//! The metrics page as Prometheus reads it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use gdoi_core::config::GroupConfig;
use gdoi_core::{Config, Limits as Bounds, Tracker};
use gdoi_monitor::engine::State;
use gdoi_monitor::http::Limits;
use gdoi_monitor::http::web::Web;
use gdoi_monitor::sink::prometheus::catalogue;

use super::server::{Folder, TestServer, curl, nothing};

/// The page of an agent that knows one group, with a web configuration.
fn page(test: &str) -> Option<String> {
    let group = GroupConfig {
        name: "a \"quoted\" \\ name".to_owned(),
        key_servers: vec!["10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        ..GroupConfig::default()
    };
    let tracker = Tracker::new(Config { groups: vec![group] }, Bounds::default());
    let state = State {
        snapshot: tracker.snapshot(),
        ..nothing()
    };
    let web = Web::load(&Folder::new().write("web.yml", "")).unwrap();
    let server = TestServer::serve(Arc::new(web), Limits::default(), state);
    let got = curl(test, &[&format!("http://{}/metrics", server.address)])?;
    assert_eq!(got.status, 200);
    Some(got.body)
}

#[test]
fn promtool_finds_nothing_to_say() {
    let name = "promtool_finds_nothing_to_say";
    let Some(page) = page(name) else { return };
    let started = Command::new(promtool())
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = started else {
        eprintln!("SKIP {name}: promtool is not installed; `cargo xtask setup` does it");
        return;
    };
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    assert_eq!(String::from_utf8_lossy(&said), "");
}

/// The one that set-up unpacked for this checkout, or that of the machine.
pub(super) fn promtool() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    // target/PROFILE/deps/all-HASH
    let unpacked = this.ancestors().nth(3).unwrap();
    let unpacked = unpacked.join("tools/prometheus/usr/bin/promtool");
    if unpacked.is_file() {
        unpacked
    } else {
        PathBuf::from("promtool")
    }
}

#[test]
fn what_was_promised_is_in_the_catalogue() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/promised_metrics.txt");
    let promised = std::fs::read_to_string(list).unwrap();
    let have: BTreeSet<_> = catalogue::ALL.iter().map(|family| family.name).collect();
    let missing: Vec<_> = promised.lines().filter(|name| !have.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_page_has_no_family_that_is_not_in_the_catalogue() {
    let Some(page) = page("the_page_has_no_family_that_is_not_in_the_catalogue") else {
        return;
    };
    let have: BTreeSet<_> = catalogue::ALL.iter().map(|family| family.name).collect();
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for family in types
        .filter_map(|line| line.split_once(' '))
        .map(|(name, _)| name)
    {
        assert!(
            family.starts_with("process_") || have.contains(family),
            "{family}"
        );
    }
}
