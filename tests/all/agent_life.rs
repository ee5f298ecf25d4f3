//! The agent's life: startup, shutdown, kills, and interfaces that disappear and return.

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use gdoi_lab::{Agent, Injector, Metrics, Network};
use gdoi_wire::craft::Generator;

use crate::kernel::{in_network, traffic_control};
use crate::program;

const QUIET: [&str; 4] = ["--interface", Network::WATCH, "--log.level", "warn"];
const WATCH: [&str; 2] = ["--interface", Network::WATCH];

#[test]
fn killed_it_leaves_no_program() {
    in_network("killed_it_leaves_no_program", |network| {
        let agent = Agent::start(&QUIET).unwrap();
        assert!(network.has_program().unwrap());
        agent.kill().unwrap();
        assert!(!network.has_program().unwrap());
    });
}

#[test]
fn asked_to_stop_in_a_flood_it_ends_with_whole_counts() {
    in_network("asked_to_stop_in_a_flood_it_ends_with_whole_counts", |network| {
        let mut log = tempfile::tempfile().unwrap();
        let mut arguments = WATCH.to_vec();
        arguments.extend(["--log.format", "json"]);
        let agent = Agent::start_logging_to(&arguments, log.try_clone().unwrap()).unwrap();
        let flooding = AtomicBool::new(true);
        thread::scope(|scope| {
            scope.spawn(|| {
                let injector = Injector::open(Network::INJECT).unwrap();
                let frames: Vec<_> = Generator::new(0xf100d).take(5_000).collect();
                while flooding.load(Ordering::Relaxed) {
                    for frame in &frames {
                        injector.send_frame(frame).unwrap();
                    }
                }
            });
            agent.until_counted(20_000).unwrap();
            let (ended, end) = mpsc::channel();
            let stopping = scope.spawn(move || ended.send(agent.stop().unwrap()).unwrap());
            let status = end.recv_timeout(Duration::from_secs(2));
            flooding.store(false, Ordering::Relaxed);
            stopping.join().unwrap();
            assert!(status.expect("an end within two seconds").success());
        });
        assert!(!network.has_program().unwrap());
        let last = last_line(&mut log);
        let number = |name: &str| last["fields"][name].as_u64().unwrap();
        assert!(number("esp_counted") > 1_000, "{last}");
        assert_eq!(number("esp_counted"), number("esp_tracked"), "{last}");
        assert_eq!(
            number("messages_counted"),
            number("messages_tracked") + number("messages_lost"),
            "{last}"
        );
    });
}

#[test]
fn an_interface_that_goes_and_comes_is_watched_again() {
    in_network("an_interface_that_goes_and_comes_is_watched_again", |network| {
        let agent = Agent::start(&["--interface", "wat*", "--log.level", "error"]).unwrap();
        let frames: Vec<_> = Generator::new(7).take(1_000).collect();
        let send = || {
            let injector = Injector::open(Network::INJECT).unwrap();
            for frame in &frames {
                injector.send_frame(frame).unwrap();
            }
        };
        send();
        agent.until_counted(1_000).unwrap();
        network.remove_pair().unwrap();
        agent
            .until(|metrics| metrics.sum("gdoi_capture_up", &[]) < 1.0)
            .unwrap();
        // The counts of an interface survive it.
        agent.until_counted(1_000).unwrap();
        network.add_pair().unwrap();
        agent
            .until(|metrics| metrics.sum("gdoi_capture_up", &[]) >= 1.0)
            .unwrap();
        send();
        agent.until_counted(2_000).unwrap();
        assert!(agent.stop().unwrap().success());
    });
}

#[test]
fn started_again_it_knows_what_it_knew() {
    in_network("started_again_it_knows_what_it_knew", |_| {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let mut arguments = QUIET.to_vec();
        arguments.extend(["--state-file", state.to_str().unwrap()]);
        let frames: Vec<_> = Generator::new(9).take(2_000).collect();
        let first = Agent::start(&arguments).unwrap();
        let injector = Injector::open(Network::INJECT).unwrap();
        for frame in &frames {
            injector.send_frame(frame).unwrap();
        }
        first.until_counted(2_000).unwrap();
        let before = first.metrics().unwrap().by("gdoi_messages_total", "exchange");
        assert!(first.stop().unwrap().success());
        let second = Agent::start(&arguments).unwrap();
        assert_eq!(
            second.metrics().unwrap().by("gdoi_messages_total", "exchange"),
            before
        );
        // It reports the gap in between.
        assert!(second.page("/api/v1/events").unwrap().contains("capture_loss"));
    });
}

#[test]
fn runs_of_its_program_are_counted_where_that_is_wanted() {
    in_network("runs_of_its_program_are_counted_where_that_is_wanted", |_| {
        let runs = |more: &[&str]| {
            let agent = Agent::start(&[&QUIET, more].concat()).unwrap();
            let injector = Injector::open(Network::INJECT).unwrap();
            for frame in Generator::new(3).take(500) {
                injector.send_frame(&frame).unwrap();
            }
            let page = agent.until_counted(500).unwrap();
            let metrics = Metrics::parse(&page);
            let sum = |name| metrics.sum(name, &[("interface", Network::WATCH)]);
            (
                sum("gdoi_program_runs_total"),
                sum("gdoi_program_run_seconds_total"),
            )
        };
        assert_eq!(runs(&[]), (0.0, 0.0));
        let (count, seconds) = runs(&["--program-stats"]);
        assert!(count >= 500.0 && seconds > 0.0, "{count} runs in {seconds} s");
    });
}

#[test]
fn a_busy_interface_is_refused_with_the_way_out() {
    in_network("a_busy_interface_is_refused_with_the_way_out", |_| {
        let _first = Agent::start(&QUIET).unwrap();
        let mut arguments = WATCH.to_vec();
        arguments.extend(["--mode", "xdp", "--web.listen-address", "127.0.0.1:0"]);
        let said = refused(&arguments, 1, "watch is busy: another program, gdoi_xdp (id ");
        assert!(
            said.contains("see `bpftool net show dev watch`, or use --mode auto or tc"),
            "{said}"
        );
    });
}

#[test]
fn an_unknown_interface_is_refused_with_what_there_is() {
    in_network("an_unknown_interface_is_refused_with_what_there_is", |_| {
        refused(
            &["--interface", "wan7"],
            2,
            "no interface matches \"wan7\"; this host has: ",
        );
        refused(&[], 2, "nothing to monitor: name an interface");
    });
}

#[test]
fn a_port_in_use_is_refused_before_an_interface_is_touched() {
    in_network(
        "a_port_in_use_is_refused_before_an_interface_is_touched",
        |network| {
            let _taken = std::net::TcpListener::bind("127.0.0.1:11848").unwrap();
            refused(
                &WATCH,
                1,
                "cannot listen on 127.0.0.1:11848; choose another address",
            );
            assert!(!network.has_program().unwrap());
        },
    );
}

#[test]
fn native_mode_is_refused_where_there_is_none() {
    in_network("native_mode_is_refused_where_there_is_none", |_| {
        let arguments = ["--interface", "lo", "--mode", "xdp"];
        refused(
            &arguments,
            1,
            "lo: the driver has no native XDP; use --mode auto, tc or xdp-generic",
        );
        let reached = |arguments: &[&str], mode| {
            let mut all = vec!["--interface", "lo", "--log.level", "error"];
            all.extend(arguments);
            let agent = Agent::start(&all).unwrap();
            let labels = [("interface", "lo"), ("direction", "ingress"), ("mode", mode)];
            let metrics = agent.metrics().unwrap();
            assert!(metrics.sum("gdoi_capture_info", &labels) > 0.0, "{mode}");
        };
        reached(&[], traffic_control());
        reached(&["--mode", "xdp-generic"], "xdp-generic");
    });
}

#[test]
fn a_missing_capability_is_named() {
    in_network("a_missing_capability_is_named", |_| {
        for lacking in ["-bpf,-sys_admin", "-net_admin,-sys_admin", "-perfmon,-sys_admin"] {
            let program = program::path("a_missing_capability_is_named").unwrap();
            let output = Command::new("setpriv")
                .args(["--bounding-set", lacking, "--inh-caps", lacking])
                .arg(program)
                .arg("run")
                .args(WATCH)
                .output()
                .unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{lacking}: {said}");
            assert!(
                said.contains("CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"),
                "{lacking}: {said}"
            );
            assert_eq!(said.lines().count(), 1, "{lacking}: {said}");
        }
    });
}

/// The agent prints one line and exits.
fn refused(arguments: &[&str], code: i32, line: &str) -> String {
    let program = program::path("refused").unwrap();
    let output = Command::new(program)
        .arg("run")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(line), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

fn last_line(log: &mut File) -> serde_json::Value {
    use std::io::Seek as _;
    log.rewind().unwrap();
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}
