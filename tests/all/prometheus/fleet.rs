//! Two real agents that see the same traffic, and one real Prometheus that scrapes both with the example
//! configuration.

use std::fs;
use std::path::Path;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use gdoi_lab::prometheus::Prometheus;
use gdoi_lab::{Agent, Frames, Injector, Network, Pace};

use super::{dashboards, deploy, is_installed, root, rules};
use crate::{kernel, program};

const OTHER_PORT: u16 = 11_849;

#[test]
fn two_agents_see_one_group_and_the_fleet_counts_it_once() {
    let name = "two_agents_see_one_group_and_the_fleet_counts_it_once";
    if !kernel::is_usable(name) || !is_installed(name) || program::path(name).is_none() {
        return;
    }
    // A thread of its own: it cannot leave the namespace.
    let run = thread::spawn(two_agents);
    if let Err(panic) = run.join() {
        std::panic::resume_unwind(panic);
    }
}

fn two_agents() {
    let folder = tempfile::tempdir().unwrap();
    let _network = Network::enter().unwrap();
    let config = folder.path().join("gdoi.toml");
    fs::write(&config, GROUP).unwrap();
    let config = config.to_str().unwrap();
    let watch = [
        "--interface",
        Network::WATCH,
        "--log.level",
        "error",
        "--config",
        config,
    ];
    let one = Agent::start(&[&watch[..], &["--mode", "xdp"]].concat()).unwrap();
    let other = Agent::start_on(OTHER_PORT, &[&watch[..], &["--mode", "tc"]].concat()).unwrap();
    let server = serve(folder.path());
    let frames = Frames::read(&root().join("tests/data/demo.pcap")).unwrap();
    let sent = Injector::open(Network::INJECT)
        .unwrap()
        .send(&frames.frames, Pace::Max, 1)
        .unwrap();
    one.until_counted(sent).unwrap();
    other.until_counted(sent).unwrap();
    let messages = one.metrics().unwrap().sum("gdoi_messages_total", &[]);
    assert!(messages > 100.0);
    let is = |expression: &str, wanted: f64| until(&server, expression, wanted);
    is("sum(up)", 2.0);
    is("sum(gdoi_packets_total)", 2.0 * number(sent));
    is("job:gdoi_capture_up:count", 2.0);
    // Two agents give the same counts as one: the truth.
    is(
        "max by (job) (sum by (job, instance) (gdoi_messages_total))",
        messages,
    );
    is("sum(gdoi_messages_total)", 2.0 * messages);
    is("job:gdoi_members:sum", 6.0);
    is("job:gdoi_groups:count", 1.0);
    every_rule_is_well(&server);
    for expression in dashboards::of_the_process() {
        until_there(&server, &expression);
    }
    assert!(one.stop().unwrap().success() && other.stop().unwrap().success());
}

/// The example configuration, with other addresses and shorter times.
fn serve(folder: &Path) -> Prometheus {
    let shipped = fs::read_to_string(deploy().join("prometheus/prometheus.yml")).unwrap();
    let judged = folder.join("rules");
    rules::copy(&judged);
    let ours = shipped
        .replace("_interval: 30s", "_interval: 1s")
        .replace("- rules/", &format!("- {}/", judged.display()))
        .replace("gateway-1.example.net:11848", "127.0.0.1:11848")
        .replace("gateway-2.example.net:11848", &format!("127.0.0.1:{OTHER_PORT}"));
    let config = folder.join("prometheus.yml");
    fs::write(&config, ours).unwrap();
    let data = folder.join("data");
    fs::create_dir(&data).unwrap();
    Prometheus::start(&data, &config).unwrap()
}

/// Prometheus evaluates every rule without an error.
fn every_rule_is_well(server: &Prometheus) {
    let answer = server.api("/api/v1/rules").unwrap();
    let mut count = 0;
    for group in answer["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            assert_eq!(rule["health"], "ok", "{rule}");
            count += 1;
        }
    }
    assert_eq!(count, rules::all().len());
}

fn until(server: &Prometheus, expression: &str, wanted: f64) {
    let mut last = None;
    let reached = within_patience(|| {
        let answer = server.now(expression).unwrap();
        last = answer
            .first()
            .and_then(|one| one.points.first())
            .map(|point| point.1);
        last.is_some_and(|is| (is - wanted).abs() < f64::EPSILON)
    });
    assert!(reached, "{expression} is {last:?} and should be {wanted}");
}

fn until_there(server: &Prometheus, expression: &str) {
    let is_there = || !server.now(expression).unwrap().is_empty();
    assert!(within_patience(is_there), "{expression} has no answer");
}

/// Prometheus scrapes and evaluates every second.
fn within_patience(mut is_so: impl FnMut() -> bool) -> bool {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(20) {
        if is_so() {
            return true;
        }
        sleep(Duration::from_millis(100));
    }
    false
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

/// The group of the capture.
const GROUP: &str = r#"
[[group]]
name = "G1"
key_servers = ["10.1.11.2"]
members = ["10.1.13.0/24"]
kek_lifetime = "30m"
tek_lifetime = "10m"
"#;
