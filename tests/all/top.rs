//! `top` in a real terminal, with the real agent.

pub(crate) mod terminal;

use std::thread;

use gdoi_lab::{Agent, Frames, Injector, Network, Pace};
use serde_json::Value;

use crate::{captures, kernel, program};
use terminal::Terminal;

const WATCH: [&str; 4] = ["--interface", Network::WATCH, "--log.level", "error"];
/// What the shell shows after `top` has restored the terminal: the earlier content, the exit code, and that the
/// terminal echoes and reads lines again.
const RESTORED: [&str; 4] = ["before", "ended 0", "icanon on", "echo on"];

/// Runs `test` next to an agent that has seen a capture, in a namespace of its own.
fn beside_an_agent(name: &str, test: impl FnOnce(&str, Agent, &dyn Fn()) + Send + 'static) {
    let Some(program) = program::path(name) else {
        return;
    };
    if !kernel::is_usable(name) || !terminal::is_usable(name) {
        return;
    }
    let frames = Frames::read(&captures::recording("gdoid_live_cbc.pcap").path).unwrap();
    let test = thread::spawn(move || {
        let _network = Network::enter().unwrap();
        let agent = Agent::start(&WATCH).unwrap();
        let injector = Injector::open(Network::INJECT).unwrap();
        let send = || {
            injector.send(&frames.frames, Pace::Max, 1).unwrap();
        };
        send();
        agent.until_counted(frames.frames.len() as u64).unwrap();
        test(program.to_str().unwrap(), agent, &send);
    });
    if let Err(panic) = test.join() {
        std::panic::resume_unwind(panic);
    }
}

/// The values of a field in a list of the API.
fn values(agent: &Agent, list: &str, field: &str) -> Vec<String> {
    let objects: Vec<Value> = serde_json::from_str(&agent.page(&format!("/api/v1/{list}")).unwrap()).unwrap();
    let texts = objects.iter().filter_map(|object| object[field].as_str());
    texts.map(str::to_owned).collect()
}

#[test]
fn every_view_at_every_size() {
    beside_an_agent("every_view_at_every_size", |program, agent, send| {
        let groups = values(&agent, "groups", "name");
        let members = values(&agent, "members", "address");
        assert!(groups.len() > 1 && !members.is_empty());
        let events = values(&agent, "events", "type");
        for size in [(80, 24), (200, 50)] {
            let mut terminal = Terminal::start(size, &format!("{program} top"), &[]);
            // Names may be cut off if there is no room.
            for group in &groups {
                terminal.until(&[group.get(..8).unwrap_or(group)]);
            }
            terminal.until(&["ESP packets a second", "q quit", "1 groups"]);
            send();
            terminal.keys(&["2"]);
            for member in members.iter().take(4) {
                terminal.until(&[member.trim_end_matches(":0")]);
            }
            terminal.keys(&["3"]);
            terminal.until(&["SEVERITY", events.last().unwrap()]);
            terminal.keys(&["4", "+", "+"]);
            terminal.until(&["the last 2 min", "rekey ", "now ", "T tek K kek"]);
            terminal.keys(&["?"]);
            terminal.until(&["timeline of the selected group", "times are the agent's"]);
            terminal.keys(&["Escape", "Escape", "q"]);
            terminal.until(&RESTORED);
        }
        drop(agent);
    });
}

#[test]
fn it_follows_the_size_of_its_terminal() {
    beside_an_agent("it_follows_the_size_of_its_terminal", |program, agent, _| {
        let mut terminal = Terminal::start((80, 24), &format!("{program} top"), &[]);
        terminal.until(&["KEK LEFT", "q quit"]);
        terminal.resize((30, 8));
        terminal.until(&["too small"]);
        terminal.resize((200, 50));
        let lines = terminal.until(&["KEK LEFT", "q quit"]);
        assert_eq!(
            lines.lines().position(|line| line.contains("q quit")),
            Some(49),
            "{lines}"
        );
        drop(agent);
    });
}

#[test]
fn it_survives_a_restart_of_the_agent() {
    beside_an_agent("it_survives_a_restart_of_the_agent", |program, agent, send| {
        let mut terminal = Terminal::start((80, 24), &format!("{program} top"), &[]);
        terminal.until(&["KEK LEFT"]);
        agent.kill().unwrap();
        terminal.until(&["no response since ", "KEK LEFT"]);
        let agent = Agent::start(&WATCH).unwrap();
        send();
        terminal.until_gone("no response since ");
        drop(agent);
    });
}

#[test]
fn signals_give_the_terminal_back() {
    beside_an_agent("signals_give_the_terminal_back", |program, agent, _| {
        for signal in [
            nix::sys::signal::SIGTERM,
            nix::sys::signal::SIGINT,
            nix::sys::signal::SIGHUP,
        ] {
            let mut terminal = Terminal::start((80, 24), &format!("{program} top"), &[]);
            terminal.until(&["KEK LEFT"]);
            nix::sys::signal::kill(terminal.program(), signal).unwrap();
            terminal.until(&RESTORED);
        }
        drop(agent);
    });
}

#[test]
fn sixteen_colours_or_none() {
    beside_an_agent("sixteen_colours_or_none", |program, agent, _| {
        let colours = |environment: &[(&str, &str)]| {
            let mut terminal = Terminal::start((80, 24), &format!("{program} top"), environment);
            terminal.until(&["KEK LEFT"]);
            terminal.colours()
        };
        let with = colours(&[]);
        assert!(
            !with.is_empty() && with.iter().all(|colour| *colour < 16),
            "{with:?}"
        );
        assert_eq!(colours(&[("NO_COLOR", "1")]), [0; 0]);
        drop(agent);
    });
}

#[test]
fn without_a_terminal_or_an_agent_it_says_so() {
    let Some(program) = program::path("without_a_terminal_or_an_agent_it_says_so") else {
        return;
    };
    let output = program::run(&program, &["top"], b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("top needs a terminal") && said.contains("show"),
        "{said}"
    );
    if !terminal::is_usable("without_a_terminal_or_an_agent_it_says_so") {
        return;
    }
    let program = program.to_str().unwrap();
    let mut terminal = Terminal::start((200, 50), &format!("{program} top --url http://127.0.0.1:1"), &[]);
    terminal.until(&["no agent answers at http://127.0.0.1:1", "ended 1"]);
}
