//! Blocked consumers of events: a pipe that nobody reads, a journal that hangs.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::Duration;

use gdoi_lab::{Agent, Injector, Network};
use gdoi_wire::Exchange;
use gdoi_wire::craft::{self, Ethernet, Message};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::kernel::in_network;

/// More drains than an output's queue holds, with one parcel of events in each.
const DRAINS: u64 = 1_500;
pub(super) const QUIET: [&str; 4] = ["--interface", Network::WATCH, "--log.level", "off"];

#[test]
fn a_pipe_that_nobody_reads_stops_nothing_and_what_is_lost_is_counted() {
    in_network("a_pipe_that_nobody_reads", |_| {
        let (read, write) = std::io::pipe().unwrap();
        let agent = Agent::start_telling_to(&[&QUIET[..], &["--event-file", "-"]].concat(), write).unwrap();
        let lost = registered_until_full(&agent);
        // When the pipe is read at last, its lines are complete, and read plus lost events are all events.
        let told = BufReader::new(read).lines();
        let counted =
            thread::spawn(move || told.map(|line| is_event(&line.unwrap())).filter(|is| *is).count());
        assert!(agent.stop().unwrap().success());
        let told = counted.join().unwrap() as f64 + lost;
        assert!(
            (told - 2.0 * DRAINS as f64).abs() < f64::EPSILON,
            "{told} of {}",
            2 * DRAINS
        );
    });
}

/// A journal of systemd that has stopped reading: its socket takes a few entries and then no more.
#[test]
fn a_journal_that_hangs_stops_nothing_and_what_is_lost_is_counted() {
    in_network("a_journal_that_hangs", |_| {
        let journal = journal();
        let agent = Agent::start(&[&QUIET[..], &["--event-journal"]].concat()).unwrap();
        let lost = registered_until_full(&agent);
        // It resumes reading, up to the last event.
        journal.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
        let read = thread::spawn(move || {
            let mut octets = vec![0; 1 << 16];
            std::iter::from_fn(|| {
                journal
                    .recv(&mut octets)
                    .ok()
                    .map(|length| octets[..length].to_vec())
            })
            .filter(|entry| is_event(&message(&String::from_utf8_lossy(entry))))
            .count()
        });
        assert!(agent.stop().unwrap().success());
        let told = read.join().unwrap() as f64 + lost;
        assert!(
            (told - 2.0 * DRAINS as f64).abs() < f64::EPSILON,
            "{told} of {}",
            2 * DRAINS
        );
    });
}

/// A journal socket for the thread and its children, replacing the real one.
fn journal() -> UnixDatagram {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(Some("run"), "/run", Some("tmpfs"), MsFlags::empty(), none).unwrap();
    fs::create_dir_all("/run/systemd/journal").unwrap();
    UnixDatagram::bind("/run/systemd/journal/socket").unwrap()
}

/// A log reader, such as systemd, that has stopped reading. At its most verbose level each connection logs two lines.
#[test]
fn a_log_that_nobody_reads_stops_nothing_and_what_is_lost_is_counted() {
    in_network("a_log_that_nobody_reads", |_| {
        let (read, write) = std::io::pipe().unwrap();
        let arguments = ["--interface", Network::WATCH, "--log.level", "trace"];
        let agent = Agent::start_logging_to(&arguments, write).unwrap();
        let lost = || {
            let labels = [("kind", "log"), ("reason", "queue_full")];
            agent.metrics().unwrap().sum("gdoi_events_lost_total", &labels)
        };
        let mut asked = 0;
        while lost() < 1_000.0 {
            asked += 1;
            assert!(asked < 20_000, "{} lines were lost", lost());
        }
        let injector = Injector::open(Network::INJECT).unwrap();
        for number in 0..100 {
            injector.send_batch(&registration(number)).unwrap();
        }
        agent.until_counted(400).unwrap();
        let metrics = agent.metrics().unwrap();
        let completed = metrics.sum("gdoi_registrations_total", &[("result", "completed")]);
        assert!((completed - 100.0).abs() < f64::EPSILON, "{completed}");
        // When the log is read at last, its lines are complete, and it says how many are missing.
        let said = thread::spawn(|| {
            let lines = BufReader::new(read).lines();
            lines
                .filter(|line| line.as_ref().unwrap().contains("lines were lost"))
                .count()
        });
        assert!(agent.stop().unwrap().success());
        assert!(said.join().unwrap() > 0);
    });
}

/// Registers members until the output has lost events; returns the final number of lost events.
pub(super) fn registered_until_full(agent: &Agent) -> f64 {
    let injector = Injector::open(Network::INJECT).unwrap();
    for number in 0..DRAINS {
        injector.send_batch(&registration(number)).unwrap();
        // Each in a drain of its own.
        thread::sleep(Duration::from_millis(6));
    }
    agent.until_counted(4 * DRAINS).unwrap();
    let metrics = agent.metrics().unwrap();
    let completed = metrics.sum("gdoi_registrations_total", &[("result", "completed")]);
    assert!(
        (completed - DRAINS as f64).abs() < f64::EPSILON,
        "{completed} of {DRAINS}"
    );
    let lost = |reason| metrics.sum("gdoi_events_lost_total", &[("kind", "event"), ("reason", reason)]);
    assert!(lost("queue_full") > 0.0);
    let others = metrics.sum("gdoi_events_lost_total", &[]);
    assert!((others - lost("queue_full")).abs() < f64::EPSILON, "{others}");
    lost("queue_full")
}

/// GROUPKEY-PULL of one member, whole.
fn registration(number: u64) -> Vec<Vec<u8>> {
    let octets = u32::try_from(number).unwrap().to_be_bytes();
    let member = ([10, 9, octets[2], octets[3]], 848).into();
    let server = ([10, 0, 0, 1], 848).into();
    let cookie = (1 + number).to_be_bytes();
    (0..4_u8)
        .map(|place| {
            let message = Message {
                message_id: 7,
                ..Message::new(Exchange::GroupkeyPull, cookie, cookie)
            };
            let (from, to) = if place % 2 == 0 {
                (member, server)
            } else {
                (server, member)
            };
            let body = vec![place; 60 + 4 * usize::from(place)];
            craft::frame(&Ethernet::default(), from, to, &message.octets(8, &body))
        })
        .collect()
}

fn is_event(line: &str) -> bool {
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    event["type"].as_str().unwrap().starts_with("registration_") && event["member"].is_string()
}

/// The event in an entry of the journal: the first field, with its length before it.
fn message(entry: &str) -> String {
    let (_, event) = entry.split_once('{').unwrap();
    format!("{{{}", event.lines().next().unwrap())
}
