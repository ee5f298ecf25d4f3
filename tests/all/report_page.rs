//! The page of `analyze --format html` in a browser: it draws what the JSON contains.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::{env, fs, thread};

use gdoi_sim::scenario::{self, Scenario};
use gdoi_sim::{PcapWriter, Simulation};
use serde_json::Value;

use crate::analyze_command::{analyzed, document};
use crate::captures;

/// Captures of real peers: members with a fast KEK, two groups, and repeats.
const CAPTURES: [&str; 3] = [
    "gdoid_kekfast.pcap",
    "gdoid_twogroups.pcap",
    "gdoid_retx_pull.pcap",
];
/// Maximum number of members in scenarios, except for the one about many.
const MEMBERS: u32 = 30;
const MANY: &str = "power_cut";
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const WORKERS: usize = 3;

/// A page, and the JSON of the same capture.
struct Page {
    name: String,
    html: PathBuf,
    document: Value,
}

#[test]
fn every_page_shows_what_the_json_says() {
    let name = "every_page_shows_what_the_json_says";
    let Some(browser) = browser(name) else {
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let mut inputs: Vec<(String, PathBuf)> = scenario::names()
        .map(|name| (name.to_owned(), simulated(name, work.path())))
        .collect();
    inputs.extend(CAPTURES.map(|name| (name.to_owned(), captures::recording(name).path)));
    let inputs = Mutex::new(inputs);
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (inputs, browser, work) = (&inputs, &browser, work.path());
            scope.spawn(move || {
                let profile = work.join(format!("profile{worker}"));
                loop {
                    let Some((name, capture)) = inputs.lock().unwrap().pop() else {
                        return;
                    };
                    page(name, &capture, work).check(&opened(browser, &profile, work));
                }
            });
        }
    });
}

/// Groups that are large, or rekeyed often: merging marks loses nothing, and nothing of a key server is merged.
#[test]
fn pages_of_many_marks_show_what_the_json_says() {
    let name = "pages_of_many_marks_show_what_the_json_says";
    let Some(browser) = browser(name) else {
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let profile = work.path().join("profile");
    for (members, minutes, rekeys) in [(5_000, 125, 12), (1_000, 830, 70)] {
        let text = format!(
            r#"
            title = "Many members, many rekeys"
            seed = 24
            start = "2026-03-02T08:00:00Z"
            duration = "{minutes}m"
            [[group]]
            name = "G1"
            key_servers = ["10.1.11.2"]
            members = {members}
            first_member = "10.2.0.1"
            kek_lifetime = "24h"
            tek_lifetime = "15m"
            policy_entries = 1
            "#
        );
        let scenario = Scenario::parse(&text).unwrap();
        let capture = written(&scenario, &work.path().join(format!("{members}.pcap")));
        let page = page(format!("{members} members"), &capture, work.path());
        let servers = page.document["groups"][0]["key_servers"].as_array().unwrap();
        let told = sum(&servers[0]["rekeys"]);
        assert!(told >= rekeys, "{members}: {told} rekeys");
        page.check(&opened(&browser, &profile, work.path()));
        // One mark for each rekey, in the lane of the key server.
        let html = fs::read_to_string(&page.html).unwrap();
        let (_, model) = html
            .split_once("<script type=application/json id=model>")
            .unwrap();
        let model: Value = serde_json::from_str(model.split("</script>").next().unwrap()).unwrap();
        let lanes = model["groups"][0]["lanes"].as_array().unwrap();
        let lane = lanes.iter().find(|lane| lane["role"] == "key_server").unwrap();
        let marks = lane["marks"].as_array().unwrap();
        let drawn = marks.iter().filter(|mark| mark[2] == 2).count();
        assert_eq!(drawn as u64, told, "{members}");
        // Acknowledgements are merged first; what findings count (failures, warnings, criticals) never is.
        let merged = model["merged"].as_array().unwrap();
        let merged: Vec<_> = merged.iter().map(|kind| kind[0].as_u64().unwrap()).collect();
        assert!(
            merged.contains(&4) && !merged.iter().any(|kind| [1, 8, 9].contains(kind)),
            "{merged:?}"
        );
        // And the text report agrees.
        let (text, _) = analyzed(&[capture.to_str().unwrap()]);
        assert!(
            text.contains(&format!("{told} ")) && text.contains(&members.to_string()),
            "{members}"
        );
    }
}

#[test]
fn hostile_names_do_nothing_in_a_page() {
    let name = "hostile_names_do_nothing_in_a_page";
    let Some(browser) = browser(name) else {
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let capture = work
        .path()
        .join("<script>console.error(1)<script><!--\u{202e}.pcap");
    fs::rename(simulated("demo", work.path()), &capture).unwrap();
    let config = work.path().join("config");
    let group = r#"
        [[group]]
        name = "</script><img src=x onerror=console.error(2)>"
        key_servers = ["10.1.11.2"]
        kek_lifetime = "30m"
        "#;
    fs::write(&config, group).unwrap();
    let arguments = [capture.to_str().unwrap(), "--config", config.to_str().unwrap()];
    let page = Page {
        name: name.to_owned(),
        document: document(&arguments),
        html: write_page(&arguments, name, work.path()),
    };
    let profile = work.path().join("profile");
    let opened = opened(&browser, &profile, work.path());
    let (dom, _) = opened(&page.html);
    for element in ["<img", "<script>console", "\u{202e}"] {
        assert!(!dom.contains(element), "{element}: {dom}");
    }
    page.check(&opened);
}

impl Page {
    fn check(&self, opened: &dyn Fn(&Path) -> (String, String)) {
        let (dom, said) = opened(&self.html);
        let name = &self.name;
        assert!(!said.contains(":CONSOLE"), "{name}: {said}");
        assert!(
            dom.contains("data-ready=\"1\""),
            "{name}: the script did not end: {said}"
        );
        self.check_incidents(&dom);
        self.check_findings(&dom);
        self.check_lanes(&dom);
    }

    fn check_incidents(&self, dom: &str) {
        let shown: Vec<_> = elements(dom, "<section class=\"incident")
            .map(|tag| ["data-severity", "data-cause", "data-certainty"].map(|name| attribute(tag, name)))
            .collect();
        let incidents = self.document["incidents"].as_array().unwrap().iter();
        let told: Vec<_> = incidents
            .map(|one| ["severity", "cause", "certainty"].map(|name| one[name].as_str().unwrap().to_owned()))
            .collect();
        assert_eq!(shown, told, "{}", self.name);
    }

    fn check_findings(&self, dom: &str) {
        let shown: Vec<_> = elements(dom, "<section class=\"finding")
            .map(|tag| ["data-severity", "data-type", "data-count"].map(|name| attribute(tag, name)))
            .collect();
        let findings = self.document["findings"].as_array().unwrap().iter();
        let told: Vec<_> = findings
            .map(|finding| {
                [
                    finding["severity"].as_str().unwrap().to_owned(),
                    finding["type"].as_str().unwrap().to_owned(),
                    finding["count"].to_string(),
                ]
            })
            .collect();
        assert_eq!(shown, told, "{}", self.name);
    }

    fn check_lanes(&self, dom: &str) {
        let (name, document) = (&self.name, &self.document);
        let lanes = Lanes::of(dom);
        let groups = || document["groups"].as_array().unwrap().iter();
        let servers = || {
            let all = groups().flat_map(|group| group["key_servers"].as_array().unwrap());
            all.filter(|server| server["address"] != "0.0.0.0")
        };
        let members = document["members"].as_array().unwrap();
        assert_eq!(lanes.addresses(), self.addresses(), "{name}: members");
        assert_eq!(lanes.key_servers.len(), servers().count(), "{name}: key servers");
        let shown = dom
            .split_once("data-lanes=\"")
            .unwrap()
            .1
            .split('"')
            .next()
            .unwrap();
        assert_eq!(
            shown,
            (lanes.members.len() + servers().count()).to_string(),
            "{name}"
        );
        for lane in &lanes.members {
            let member = members.iter().find(|member| endpoint(member) == lane.address);
            let registrations = member.map_or(Some(0), |member| member["registrations"].as_u64());
            assert_eq!(Some(lane.counts[0]), registrations, "{name}: {}", lane.address);
        }
        let of_all = |field: &str| servers().map(|server| sum(&server[field])).sum::<u64>();
        assert_eq!(Lanes::sum(&lanes.members, 1), of_all("failed"), "{name}: failed");
        assert_eq!(
            Lanes::sum(&lanes.key_servers, 2),
            of_all("rekeys"),
            "{name}: rekeys"
        );
        let unicast = |group: &&Value| group["transport"] != "multicast";
        let acknowledgements = |group: &Value| group["rekey"]["acknowledgements"].as_u64().unwrap();
        let acknowledged: u64 = groups().map(acknowledgements).sum();
        assert_eq!(
            Lanes::sum(&lanes.members, 4),
            acknowledged,
            "{name}: acknowledgements"
        );
        let of_servers = groups()
            .filter(unicast)
            .flat_map(|group| group["key_servers"].as_array().unwrap());
        let messages: u64 = of_servers
            .map(|server| server["rekey_messages"].as_u64().unwrap())
            .sum();
        let sent = Lanes::sum(&lanes.members, 2) + Lanes::sum(&lanes.members, 3);
        assert_eq!(sent, messages, "{name}: rekey messages");
    }
}

impl Page {
    /// Expected lanes: every known member, and everybody who failed to become one.
    fn addresses(&self) -> BTreeSet<String> {
        let members = self.document["members"].as_array().unwrap();
        let events = self.document["events"].as_array().unwrap().iter();
        let failed = events.filter(|event| event["type"] == "registration_failed");
        let failed = failed.map(|event| event["member"].as_str().unwrap().to_owned());
        members.iter().map(endpoint).chain(failed).collect()
    }
}

/// A row of the table that the script makes from its drawing.
struct Lane {
    address: String,
    /// Registrations, failed, rekeys, repeats, acknowledgements, warnings, critical.
    counts: Vec<u64>,
}

struct Lanes {
    members: Vec<Lane>,
    key_servers: Vec<Lane>,
}

impl Lanes {
    fn of(dom: &str) -> Self {
        let rows = |role: &str| {
            let begin = format!("<tr data-lane=\"{role}\">");
            let rows = dom.split(begin.as_str()).skip(1);
            rows.map(|row| Lane::of(row.split("</tr>").next().unwrap()))
                .collect()
        };
        Self {
            members: rows("member"),
            key_servers: rows("key_server"),
        }
    }

    fn addresses(&self) -> BTreeSet<String> {
        self.members.iter().map(|lane| lane.address.clone()).collect()
    }

    fn sum(lanes: &[Lane], column: usize) -> u64 {
        lanes.iter().map(|lane| lane.counts[column]).sum()
    }
}

impl Lane {
    fn of(row: &str) -> Self {
        let cells: Vec<&str> = row
            .split("<td>")
            .skip(1)
            .map(|cell| cell.trim_end_matches("</td>"))
            .collect();
        Self {
            address: cells[2].to_owned(),
            counts: cells[3..].iter().map(|cell| cell.parse().unwrap()).collect(),
        }
    }
}

/// A member's address for people: with the port only if it is unusual.
fn endpoint(member: &Value) -> String {
    let address: std::net::SocketAddr = member["address"].as_str().unwrap().parse().unwrap();
    match address.port() {
        0 => address.ip().to_string(),
        _ => address.to_string(),
    }
}

fn sum(values: &Value) -> u64 {
    let values = values.as_object().unwrap().values();
    values.map(|value| value.as_u64().unwrap()).sum()
}

/// The texts that follow tags with this beginning.
fn elements<'a>(dom: &'a str, begin: &'a str) -> impl Iterator<Item = &'a str> {
    dom.split(begin)
        .skip(1)
        .map(|rest| rest.split('>').next().unwrap())
}

fn attribute(tag: &str, name: &str) -> String {
    let (_, rest) = tag.split_once(&format!("{name}=\"")).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

fn page(name: String, capture: &Path, work: &Path) -> Page {
    let arguments = [capture.to_str().unwrap()];
    Page {
        document: document(&arguments),
        html: write_page(&arguments, &name, work),
        name,
    }
}

fn write_page(arguments: &[&str], name: &str, work: &Path) -> PathBuf {
    let (html, _) = analyzed(&[&["--format", "html"], arguments].concat());
    let path = work.join(format!("{name}.html"));
    fs::write(&path, html).unwrap();
    path
}

/// The capture of a scenario, with few members and no longer than necessary.
fn simulated(name: &str, work: &Path) -> PathBuf {
    let mut scenario: Scenario = scenario::named(name).unwrap();
    if name != MANY {
        for group in &mut scenario.groups {
            group.members = group.members.min(MEMBERS);
        }
    }
    written(&scenario, &work.join(format!("{name}.pcap")))
}

/// Writes the capture of a scenario.
fn written(scenario: &Scenario, path: &Path) -> PathBuf {
    let mut writer = PcapWriter::new(BufWriter::new(File::create(path).unwrap())).unwrap();
    for emission in Simulation::new(scenario, None).unwrap() {
        for frame in emission.frames(&scenario.vlan) {
            writer.frame(emission.at(), &frame).unwrap();
        }
    }
    writer.finish().unwrap();
    path.to_owned()
}

/// Opens pages: the document after its scripts have run, and the browser's messages.
fn opened<'a>(browser: &'a Path, profile: &'a Path, work: &'a Path) -> impl Fn(&Path) -> (String, String) {
    move |page| {
        let output = Command::new(browser)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args(["--enable-logging=stderr", "--dump-dom"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("file://{}", page.display()))
            .env("HOME", work)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |octets| String::from_utf8(octets).unwrap();
        (text(output.stdout), text(output.stderr))
    }
}

/// A browser, or `None` after a SKIP line for `what`.
pub(crate) fn browser(what: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).flat_map(|folder| BROWSERS.map(|name| folder.join(name)));
    let found = places.into_iter().find(|place| place.is_file());
    if found.is_none() {
        eprintln!("SKIP {what}: there is no chromium (apt-get install chromium)");
    }
    found
}
