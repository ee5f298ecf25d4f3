//! Unexpected objects instead of the agent's files, and missing folders.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use gdoi_lab::{Agent, Injector, Network};
use gdoi_wire::craft::Generator;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use crate::kernel::in_network;
use crate::program;

/// A folder for an agent, and the agent's arguments for files in it.
struct AgentFolder(TempDir);

impl AgentFolder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn arguments(&self) -> Vec<String> {
        let file = |option: &str, name: &str| [option.to_owned(), self.path(name).display().to_string()];
        let mut arguments = ["--interface", Network::WATCH, "--log.level", "info"]
            .map(str::to_owned)
            .to_vec();
        arguments.extend(file("--state-file", "state"));
        arguments.extend(file("--event-file", "events"));
        arguments.extend(file("--flight-folder", "flight"));
        arguments
    }

    fn start(&self) -> Agent {
        let log = File::create(self.path("log")).unwrap();
        let arguments = self.arguments();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        Agent::start_logging_to(&arguments, log).unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// Starts an agent that must refuse to start, and returns its message.
    fn refused(&self, more: &[&str]) -> String {
        let Some(program) = program::path("files") else {
            return String::new();
        };
        let mut command = Command::new(program);
        command.arg("run").args(self.arguments()).args(more);
        let output = within(Duration::from_secs(20), command);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }
}

/// The output of a program that ends within this time.
fn within(patience: Duration, mut command: Command) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let since = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if since.elapsed() > patience {
            child.kill().unwrap();
            panic!("it hangs: {:?}", child.wait_with_output().unwrap());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

fn send(agent: &Agent, frames: usize) {
    let injector = Injector::open(Network::INJECT).unwrap();
    for frame in Generator::new(77).take(frames) {
        injector.send_frame(&frame).unwrap();
    }
    agent.until_counted(frames as u64).unwrap();
}

#[test]
fn what_is_no_plain_file_is_refused_at_the_start_and_hangs_nothing() {
    in_network("what_is_no_plain_file_is_refused", |_| {
        let check = |prepare: &dyn Fn(&AgentFolder), expect: &[&str]| {
            let place = AgentFolder::new();
            fs::create_dir(place.path("flight")).unwrap();
            prepare(&place);
            let said = place.refused(&[]);
            for part in expect {
                assert!(said.contains(part), "{part}: {said}");
            }
        };
        let pipe =
            |name: &'static str| move |place: &AgentFolder| mkfifo(&place.path(name), Mode::S_IRWXU).unwrap();
        check(
            &pipe("events"),
            &["cannot open the event file", "it is a named pipe"],
        );
        check(
            &pipe("state.lock"),
            &["cannot keep a state in", "it is a named pipe"],
        );
        let link = |place: &AgentFolder| {
            fs::write(place.path("elsewhere"), "").unwrap();
            symlink(place.path("elsewhere"), place.path("events")).unwrap();
        };
        check(&link, &["cannot open the event file", "it is a symbolic link"]);
        let for_all = |place: &AgentFolder| {
            fs::write(place.path("events"), "").unwrap();
            fs::set_permissions(place.path("events"), fs::Permissions::from_mode(0o666)).unwrap();
        };
        check(&for_all, &["others may write to it (mode 666)"]);
        let no_folder = |place: &AgentFolder| {
            fs::remove_dir(place.path("flight")).unwrap();
            fs::write(place.path("flight"), "").unwrap();
        };
        check(&no_folder, &["cannot write captures into", "Not a directory"]);
    });
}

/// Startup does not wait for the files that it reads, and replaces those that it writes.
#[test]
fn a_pipe_in_the_place_of_the_state_is_not_waited_for() {
    in_network("a_pipe_in_the_place_of_the_state", |_| {
        let place = AgentFolder::new();
        fs::create_dir(place.path("flight")).unwrap();
        mkfifo(&place.path("state"), Mode::S_IRWXU).unwrap();
        let agent = place.start();
        send(&agent, 100);
        assert!(agent.stop().unwrap().success());
        let said = place.log();
        assert!(
            said.contains("the saved state was rejected") && said.contains("it is a named pipe"),
            "{said}"
        );
        assert!(fs::symlink_metadata(place.path("state")).unwrap().is_file());
    });
}

#[test]
fn a_state_with_a_flipped_bit_is_not_believed_and_said_to_be_damaged() {
    in_network("a_state_with_a_flipped_bit", |_| {
        let place = AgentFolder::new();
        fs::create_dir(place.path("flight")).unwrap();
        let agent = place.start();
        send(&agent, 100);
        assert!(agent.stop().unwrap().success());
        let mut state = fs::read(place.path("state")).unwrap();
        let middle = state.len() / 2;
        state[middle] ^= 4;
        fs::write(place.path("state"), state).unwrap();
        let agent = place.start();
        let tracked = agent.metrics().unwrap().sum("gdoi_messages_tracked_total", &[]);
        assert!(tracked.abs() < f64::EPSILON, "{tracked}");
        assert!(agent.stop().unwrap().success());
        let said = place.log();
        assert!(
            said.contains("it is damaged: its checksum does not match"),
            "{said}"
        );
    });
}

#[test]
fn two_agents_share_no_file() {
    in_network("two_agents_share_no_file", |_| {
        let place = AgentFolder::new();
        fs::create_dir(place.path("flight")).unwrap();
        let agent = place.start();
        let elsewhere = place.path("other-state").display().to_string();
        let more = ["--web.listen-address", "127.0.0.1:11849"];
        let said = place.refused(&more);
        assert!(
            said.contains("cannot open the event file") && said.contains("another agent uses it"),
            "{said}"
        );
        let events = place.path("other-events").display().to_string();
        let said = place.refused(&[&more[..], &["--event-file", &events]].concat());
        let holder = format!("another agent uses it (process {})", agent.id());
        assert!(
            said.contains("cannot keep a state in") && said.contains(&holder),
            "{said}"
        );
        let files = ["--event-file", &events, "--state-file", &elsewhere];
        let said = place.refused(&[&more[..], &files].concat());
        assert!(
            said.contains("cannot write captures into") && said.contains("another agent"),
            "{said}"
        );
        assert!(agent.stop().unwrap().success());
        // The next agent can lock them.
        assert!(place.start().stop().unwrap().success());
    });
}

/// The error is logged once, shown, and retried; nothing else suffers.
#[test]
fn a_state_folder_that_is_missing_is_said_once() {
    in_network("a_state_folder_that_is_missing", |_| {
        let place = AgentFolder::new();
        fs::create_dir(place.path("flight")).unwrap();
        let state = place.path("gone/state").display().to_string();
        let log = File::create(place.path("log")).unwrap();
        let mut arguments = place.arguments();
        // With the lock-down, a folder that is created later is not accessible before a restart.
        arguments.extend([
            "--state-file".to_owned(),
            state,
            "--lock-down".to_owned(),
            "off".to_owned(),
        ]);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let agent = Agent::start_logging_to(&arguments, log).unwrap();
        let failing = |agent: &Agent| {
            agent
                .metrics()
                .unwrap()
                .sum("gdoi_write_failing", &[("kind", "state_file")])
        };
        assert!(failing(&agent) > 0.0);
        let ready = agent.page("/-/ready").unwrap();
        assert!(
            ready.contains("{\"name\":\"state_file\",\"ok\":false,\"reason\":\"No such file"),
            "{ready}"
        );
        send(&agent, 100);
        // Three seconds, in each of which it would be saved.
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(
            place.log().matches("cannot save the state").count(),
            1,
            "{}",
            place.log()
        );
        fs::create_dir(place.path("gone")).unwrap();
        let since = Instant::now();
        while !place.path("gone/state").exists() {
            assert!(since.elapsed() < Duration::from_secs(20), "{}", place.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!(agent.stop().unwrap().success());
        assert!(
            place.log().contains("the state is saved again"),
            "{}",
            place.log()
        );
    });
}

/// The evidence is written once possible, though it could not be written when requested.
#[test]
fn a_flight_folder_that_goes_is_said_and_written_to_when_it_is_back() {
    in_network("a_flight_folder_that_goes", |_| {
        let place = AgentFolder::new();
        let flight = place.path("flight");
        fs::create_dir(&flight).unwrap();
        // With the lock-down, a folder that is created later is another one.
        let mut arguments = place.arguments();
        arguments.extend(["--lock-down".to_owned(), "off".to_owned()]);
        let log = File::create(place.path("log")).unwrap();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let agent = Agent::start_logging_to(&arguments, log).unwrap();
        send(&agent, 100);
        let aside = place.path("aside");
        fs::rename(&flight, &aside).unwrap();
        agent.signal(Signal::SIGUSR1).unwrap();
        let until = |what: &dyn Fn() -> bool| {
            let since = Instant::now();
            while !what() {
                assert!(since.elapsed() < Duration::from_secs(20), "{}", place.log());
                std::thread::sleep(Duration::from_millis(50));
            }
        };
        until(&|| place.log().contains("cannot write the flight recorder"));
        // The page's state may be slightly old.
        let failing = "\"flight_folder\",\"ok\":false";
        until(&|| agent.page("/-/ready").unwrap().contains(failing));
        fs::rename(&aside, &flight).unwrap();
        until(&|| captures(&flight) == 1);
        until(&|| agent.page("/-/ready").unwrap().find("flight_folder").is_none());
        assert!(agent.stop().unwrap().success());
    });
}

fn captures(folder: &Path) -> usize {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    names
        .filter(|path| path.extension().is_some_and(|kind| kind == "pcapng"))
        .count()
}
