//! The metrics page as Prometheus reads it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use gdoi_core::config::GroupConfig;
use gdoi_core::{Config, Limits as Bounds, Tracker};
use gdoi_monitor::engine::State;
use gdoi_monitor::exposition::families;
use gdoi_monitor::http::Limits;
use gdoi_monitor::http::web::Web;

use super::server::{Folder, TestServer, curl, nothing};

/// The page of an agent with one group, with a web configuration.
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

/// A page without a family does not test it; this one has all families.
#[test]
fn who_asks_for_open_metrics_gets_the_same_samples() {
    let name = "who_asks_for_open_metrics_gets_the_same_samples";
    let group = GroupConfig {
        name: "a \"quoted\" \\ name".to_owned(),
        key_servers: vec!["10.0.0.1".parse().unwrap()],
        ..GroupConfig::default()
    };
    let tracker = Tracker::new(Config { groups: vec![group] }, Bounds::default());
    let state = State {
        snapshot: tracker.snapshot(),
        ..nothing()
    };
    let server = TestServer::serve(Arc::new(Web::plain()), Limits::default(), state);
    let url = format!("http://{}/metrics", server.address);
    let accept = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
    let Some(open) = curl(name, &["--include", "--compressed", "--header", accept, &url]) else {
        return;
    };
    let text = curl(name, &["--include", &url]).unwrap();
    let (head, open) = open.body.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{head}"
    );
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let (head, text) = text.body.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains("content-type: text/plain; version=0.0.4") && !head.contains("gzip"),
        "{head}"
    );
    assert!(open.ends_with("\n# EOF\n") && open.matches("# EOF").count() == 1);
    // The names and labels of samples, and those of families, which are shorter for counters.
    let series = |page: &str| -> Vec<String> {
        let lines = page
            .lines()
            .filter(|line| !line.starts_with('#') && !line.starts_with("process_"));
        let names = lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned());
        names.filter(|name| !name.contains("le=")).collect()
    };
    assert_eq!(series(open), series(text));
    for line in [
        "# TYPE gdoi_events counter",
        "gdoi_events_total 0.0",
        "# TYPE gdoi_registration_duration_seconds histogram",
        "gdoi_registration_duration_seconds_bucket{group=\"a \\\"quoted\\\" \\\\ name\",le=\"1.0\"} 0.0",
        "gdoi_registration_duration_seconds_bucket{group=\"a \\\"quoted\\\" \\\\ name\",le=\"+Inf\"} 0.0",
    ] {
        assert!(open.lines().any(|have| have == line), "{line}");
    }
    let families: Vec<_> = open
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    let names: BTreeSet<_> = families
        .iter()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names.len(), families.len(), "a name is there twice");
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

/// The one that setup unpacked for this checkout, or that of the machine.
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
    let have: BTreeSet<_> = families().map(|family| family.name).collect();
    let missing: Vec<_> = promised.lines().filter(|name| !have.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_page_has_no_family_that_is_not_in_the_catalogue() {
    let Some(page) = page("the_page_has_no_family_that_is_not_in_the_catalogue") else {
        return;
    };
    let have: BTreeSet<_> = families().map(|family| family.name).collect();
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
