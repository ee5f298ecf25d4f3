//! The real agent, fed with a capture.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::thread;

use gdoi_lab::{Agent, Frames, Injector, Network, Pace};
use serde_json::Value;

use super::{refused, said, show};
use crate::{captures, kernel, program};

/// A group of the capture, under a name that would do harm if unescaped.
const CONFIG: &str = "\
[[group]]
name = \"<img src=x onerror=alert(1)>\"
key_servers = [\"10.0.224.44\"]
rekey_address = \"239.10.1.1\"
tek_lifetime = \"1h\"
kek_lifetime = \"24h\"
";

#[test]
fn show_tells_what_a_real_agent_knows() {
    let name = "show_tells_what_a_real_agent_knows";
    let Some(program) = program::path(name) else {
        return;
    };
    if !kernel::is_usable(name) {
        return;
    }
    let frames = Frames::read(&captures::recording("gdoid_live_cbc.pcap").path).unwrap();
    let test = thread::spawn(move || {
        let _network = Network::enter().unwrap();
        let server = tempfile::tempdir().unwrap();
        let config = server.path().join("gdoi.toml");
        fs::write(&config, CONFIG).unwrap();
        let config = config.to_str().unwrap();
        let watch = [
            "--interface",
            Network::WATCH,
            "--config",
            config,
            "--log.level",
            "error",
        ];
        let agent = Agent::start(&watch).unwrap();
        let injector = Injector::open(Network::INJECT).unwrap();
        let sent = injector.send(&frames.frames, Pace::Max, 1).unwrap();
        agent.until_counted(sent).unwrap();
        one_by_one(&agent);

        let mut following = Command::new(&program)
            .args(["show", "events", "--follow", "--json", "-n", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut complaints = BufReader::new(following.stderr.take().unwrap()).lines();
        let mut events = BufReader::new(following.stdout.take().unwrap()).lines();
        events.next().unwrap().unwrap();
        agent.kill().unwrap();
        let complaint = complaints.next().unwrap().unwrap();
        assert!(complaint.ends_with("trying again"), "{complaint}");
        let agent = Agent::start(&watch).unwrap();
        injector.send(&frames.frames, Pace::Max, 1).unwrap();
        let event: Value = serde_json::from_str(&events.next().unwrap().unwrap()).unwrap();
        let first: Value = serde_json::from_str(&agent.page("/api/v1/events").unwrap()).unwrap();
        assert_eq!(event, first[0]);
        following.kill().unwrap();
        following.wait().unwrap();
    });
    if let Err(panic) = test.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Each list has the rows of the API, and each object is the API's.
fn one_by_one(agent: &Agent) {
    let api = |what: &str| -> Vec<Value> {
        serde_json::from_str(&agent.page(&format!("/api/v1/{what}")).unwrap()).unwrap()
    };
    for what in ["groups", "members"] {
        let objects = api(what);
        assert!(!objects.is_empty(), "{what}");
        let json = show(&[what, "--json"]).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Value>>(said(&json)).unwrap(), objects);
        let table = show(&[what]).unwrap();
        assert_eq!(said(&table).lines().count(), objects.len() + 1, "{what}");
    }
    let lines = show(&["events", "--json"]).unwrap();
    let events: Vec<Value> = said(&lines)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events, api("events"));
    let last = show(&["events", "-n", "3"]).unwrap();
    assert_eq!(said(&last).lines().count(), 3);

    let name = "<img src=x onerror=alert(1)>";
    let group = api("groups")
        .into_iter()
        .find(|group| group["name"] == name)
        .unwrap();
    let json = show(&["group", name, "--json"]).unwrap();
    let whole: Value = serde_json::from_str(said(&json)).unwrap();
    assert_eq!(whole["group"], group);
    for what in ["members", "spis"] {
        let all = api(what).into_iter().filter(|one| one["group"] == name);
        assert_eq!(whole[what], Value::Array(all.collect()), "{what}");
    }
    let text = show(&["group", name]).unwrap();
    let text = said(&text);
    let cookies = group["kek"]["cookies"].as_str().unwrap().to_uppercase();
    for words in [
        format!("Group Name               : {name} (configured)"),
        format!("SPI                      : 0x{cookies}"),
        "Lifetime                 : 86400 sec (1d00h) (configured)".to_owned(),
        "Reregisters in".to_owned(),
        "Rekeys received".to_owned(),
        "Lifetime                 : 3600 sec (1h00m) (configured)".to_owned(),
    ] {
        assert!(text.contains(&words), "{words} in\n{text}");
    }
    refused(&show(&["group", "G9"]).unwrap(), 1, &["no group \"G9\"", name]);
}
