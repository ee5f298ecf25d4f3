//! The agent itself, with a web configuration.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use gdoi_lab::{self as lab, Injector, Metrics, Network};
use gdoi_wire::Exchange;
use gdoi_wire::craft::{self, Ethernet, Generator, Message};

use super::server::{Folder, Got, curl, text};
use crate::{kernel, program};

const GROUPS: u32 = 1_000;
/// In each group.
const MEMBERS: u32 = 100;
const ROUNDS: u32 = 30;

/// An agent that is killed on drop.
struct AgentProcess(Child);

impl Drop for AgentProcess {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn it_renews_its_certificate_by_itself() {
    let name = "it_renews_its_certificate_by_itself";
    let Some(program) = program::path(name).filter(|_| kernel::is_usable(name)) else {
        return;
    };
    let test = thread::spawn(move || {
        let _network = Network::enter().unwrap();
        let folder = Folder::new();
        folder.certify("server", "monitor.example");
        folder.certify("next", "monitor.example");
        let hash = bcrypt::hash("sesame", 4).unwrap();
        let config = folder.write(
            "web.yml",
            &format!(
                "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n\
                 basic_auth_users:\n  alice: {hash}\n"
            ),
        );
        let agent = Command::new(program)
            .args(["run", "--interface", Network::WATCH, "--log.level", "error"])
            .args(["--web.listen-address", "127.0.0.1:11848"])
            .args(["--web.listen-address", "127.0.0.2:11849"])
            .args(["--web.config.file", text(&config)])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let _agent = AgentProcess(agent);
        let ask = |authority: &str, url: &str| -> Option<Got> {
            let authority = folder.path(authority);
            // Until it listens, and until it has loaded the new file.
            let patience = ["--retry", "20", "--retry-all-errors", "--retry-delay", "1"];
            let mut arguments = vec!["--cacert", text(&authority), "--user", "alice:sesame", url];
            arguments.extend(patience);
            curl(name, &arguments)
        };
        let metrics = "https://127.0.0.1:11848/metrics";
        let Some(got) = ask("server.ca", metrics) else {
            return;
        };
        let good = "gdoi_web_config_last_reload_successful 1";
        assert!(got.body.contains(good), "{}", got.body);
        for kind in ["crt", "key"] {
            let next = folder.path(&format!("next.{kind}"));
            fs::rename(next, folder.path(&format!("server.{kind}"))).unwrap();
        }
        assert!(ask("next.ca", metrics).unwrap().body.contains(good));
        // The second address shows another certificate, which does not match: clients check names.
        assert_eq!(ask("next.ca", "http://127.0.0.2:11849/").unwrap().status, 400);
    });
    test.join().unwrap();
}

/// A release build answers ten times a second; a development build as often as it can, about six times.
#[test]
fn nothing_is_lost_while_it_is_scraped_ten_times_a_second() {
    let name = "nothing_is_lost_while_it_is_scraped_ten_times_a_second";
    if program::path(name).is_none() || !kernel::is_usable(name) {
        return;
    }
    let test = thread::spawn(|| {
        let _network = Network::enter().unwrap();
        let folder = Folder::new();
        let groups: Vec<_> = (0..GROUPS)
            .map(|group| {
                let server = key_server(group);
                format!("[[group]]\nname = \"G{group}\"\nkey_servers = [\"{server}\"]\n")
            })
            .collect();
        let limits = "[limits]\nmembers = 200_000\n";
        let config = folder.write("gdoi.toml", &(limits.to_owned() + &groups.concat()));
        let agent = lab::Agent::start(&[
            "--interface",
            Network::WATCH,
            "--log.level",
            "error",
            "--config",
            text(&config),
        ])
        .unwrap();
        let frames: Vec<_> = Generator::new(0x5c4a).take(2_000).collect();
        let injector = Injector::open(Network::INJECT).unwrap();
        let start = Instant::now();
        for (round, group) in (0..GROUPS).enumerate() {
            for member in 0..MEMBERS {
                injector.send_frame(&rekey(group, member)).unwrap();
            }
            let begin = start + Duration::from_millis(2) * u32::try_from(round).unwrap();
            thread::sleep(begin.saturating_duration_since(Instant::now()));
        }
        let start = Instant::now();
        thread::scope(|scope| {
            let scrapes = scope.spawn(|| {
                (0..ROUNDS)
                    .map(|round| {
                        until(start, round);
                        agent.page("/metrics").unwrap().len()
                    })
                    .filter(|octets| *octets > 1_000_000)
                    .count()
            });
            for round in 0..ROUNDS {
                until(start, round);
                for frame in &frames {
                    injector.send_frame(frame).unwrap();
                }
            }
            assert_eq!(scrapes.join().unwrap(), ROUNDS as usize);
        });
        let sent = frames.len() as u64 * u64::from(ROUNDS) + u64::from(GROUPS * MEMBERS);
        let metrics = Metrics::parse(&agent.until_counted(sent).unwrap());
        let sum = |name: &str, labels: &[(&str, &str)]| metrics.sum(name, labels);
        assert!(sum("gdoi_members", &[]) >= f64::from(GROUPS * MEMBERS));
        let lost = sum("gdoi_events_lost_total", &[("kind", "message")]);
        assert!(lost.abs() < f64::EPSILON, "{lost} messages lost");
        let counted = sum("gdoi_packets_total", &[("class", "isakmp")]);
        let tracked = sum("gdoi_messages_tracked_total", &[]);
        assert!(
            counted > 0.0 && (counted - tracked).abs() < f64::EPSILON,
            "{counted} {tracked}"
        );
    });
    test.join().unwrap();
}

/// Waits for the beginning of a round: there are ten a second.
fn until(start: Instant, round: u32) {
    let begin = start + Duration::from_millis(100) * round;
    thread::sleep(begin.saturating_duration_since(Instant::now()));
}

fn key_server(group: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a09_0000 + group)
}

/// The rekey of a group to one of its members.
fn rekey(group: u32, member: u32) -> Vec<u8> {
    let [a, b, c, d] = group.to_be_bytes();
    let cookie = [1, 2, 3, 4, a, b, c, d];
    let push = Message::new(Exchange::GroupkeyPush, cookie, cookie).octets(18, &[7; 100]);
    let member = Ipv4Addr::from_bits(0x0b00_0000 + group * MEMBERS + member);
    let between = [key_server(group), member].map(|address| SocketAddr::new(address.into(), 848));
    craft::frame(&Ethernet::default(), between[0], between[1], &push)
}

#[test]
fn a_web_configuration_that_cannot_be_used_is_refused() {
    let name = "a_web_configuration_that_cannot_be_used_is_refused";
    let Some(program) = program::path(name) else {
        return;
    };
    let folder = Folder::new();
    let config = folder.write("web.yml", "basic_auth_user: {}\n");
    let arguments = ["run", "--interface", "lo", "--web.listen-address", "127.0.0.1:0"];
    let output = Command::new(program)
        .args(arguments)
        .args(["--web.config.file", text(&config)])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("web.yml:1: unknown key \"basic_auth_user\"; known here: "),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}
