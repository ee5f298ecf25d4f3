//! Pages for people and programs: their content, and that it matches the documentation.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gdoi_core::snapshot::GroupState;
use gdoi_core::{Diagnosis, Limits as Bounds, Tracker};
use gdoi_monitor::engine::{CaptureState, DiagnosisView, State};
use gdoi_monitor::http::Limits;
use gdoi_monitor::http::web::Web;
use gdoi_monitor::sink::EventSink;
use gdoi_monitor::source::xdp::{Attached, Attachment, BlindSpot, Direction};
use gdoi_monitor::time::Calendar;
use gdoi_sim::{Observer, Simulation, scenario};
use gdoi_wire::record::Counters;
use serde_json::Value;

use super::server::{Got, TestServer, curl, nothing};

const TEST: &str = "pages";
const COUNTS: [&str; 7] = [
    "effects",
    "messages",
    "retransmissions",
    "completed",
    "failed",
    "failed_at",
    "rekeys",
];

fn serve(state: State) -> TestServer {
    TestServer::serve(Arc::new(Web::plain()), Limits::default(), state)
}

fn ask(server: &TestServer, path: &str) -> Option<Got> {
    curl(TEST, &[&format!("http://{}{path}", server.address)])
}

/// The state of an agent after a scenario.
pub(crate) fn after(name: &str) -> State {
    let scenario = scenario::named(name).unwrap();
    let mut tracker = Tracker::new(scenario.config(), Bounds::default());
    let mut simulation = Simulation::new(&scenario, Some(4)).unwrap();
    let mut out = Vec::new();
    let minute = std::time::Duration::from_mins(1);
    Observer::new(minute, true).watch(&mut simulation, &mut tracker, &mut out);
    let mut diagnosis = Diagnosis::new();
    let mut changes = Vec::new();
    for transition in &out {
        diagnosis.handle_transition(transition, &[], &mut changes);
    }
    out.append(&mut changes);
    let mut events = EventSink::nowhere(Calendar::EPOCH);
    events.write(&mut out);
    State {
        recent: events.recent(),
        diagnosis: DiagnosisView::new(&diagnosis, Calendar::EPOCH),
        snapshot: tracker.snapshot(),
        ..nothing()
    }
}

#[test]
fn the_first_page_shows_the_groups_and_runs_no_script_of_theirs() {
    let mut state = nothing();
    let hostile = "<script>alert(\"&'\")</script>";
    state
        .snapshot
        .groups
        .insert(hostile.to_owned(), GroupState::default());
    for number in 0..300 {
        let name = format!("group-{number:03}");
        state.snapshot.groups.insert(name, GroupState::default());
    }
    state.recent = vec![Arc::from(
        r#"{"time":"2026-01-02T03:04:05.678Z","type":"kek_split","severity":"critical","group":"<b>"}"#,
    )];
    let Some(got) = ask(&serve(state), "/") else {
        return;
    };
    assert_eq!(got.status, 200);
    assert!(!got.body.contains("<script>"), "{}", got.body);
    for text in [
        "&lt;script&gt;alert(&quot;&amp;'&quot;)&lt;/script&gt;",
        "group-000",
        "And 101 more",
        "kek_split",
        "&lt;b&gt;",
        "2026-01-02T03:04:05<",
    ] {
        assert!(got.body.contains(text), "{text}");
    }
}

#[test]
fn without_an_interface_the_agent_is_not_ready() {
    let server = serve(nothing());
    let Some(got) = ask(&server, "/-/ready") else {
        return;
    };
    assert_eq!(got.status, 503);
    let said: Value = serde_json::from_str(&got.body).unwrap();
    assert_eq!(said["ready"], false);
    assert_eq!(said["checks"][0]["name"], "web_config");
}

#[test]
fn an_interface_that_is_not_watched_is_named_with_the_reason() {
    let capture = |interface: &str, attachment: Option<Attachment>, why_not: Option<&str>| CaptureState {
        interface: interface.to_owned(),
        direction: Direction::Ingress,
        attached: attachment.map(|attachment| Attached {
            attachment,
            passed_over: None,
            taken_over: false,
        }),
        why_not: why_not.map(str::to_owned),
        blind_spots: [BlindSpot::Lro].into(),
        counters: Counters::default(),
        runs: None,
        ring_octets: 0,
        slots: (0, 0),
    };
    let check = |captures: Vec<CaptureState>, status: u16, reasons: &[Value]| {
        let server = serve(State {
            captures,
            ..nothing()
        });
        let Some(got) = ask(&server, "/-/ready") else {
            return;
        };
        assert_eq!(got.status, status, "{}", got.body);
        let said: Value = serde_json::from_str(&got.body).unwrap();
        let interfaces = said["interfaces"].as_array().unwrap();
        let have: Vec<_> = interfaces.iter().map(|one| one["reason"].clone()).collect();
        assert_eq!(have, reasons);
        assert_eq!(interfaces[0]["blind_spots"][0], "lro");
    };
    let good = capture("eth0", Some(Attachment::Native), None);
    check(vec![good.clone()], 200, &[Value::Null]);
    let busy = capture("eth1", None, Some("eth1 is busy: xdp_other is attached"));
    let gone = capture("eth2", None, None);
    check(
        vec![good, busy, gone],
        503,
        &[
            Value::Null,
            "eth1 is busy: xdp_other is attached".into(),
            "no such interface".into(),
        ],
    );
}

#[test]
fn lists_are_asked_for_in_parts() {
    let server = serve(after("demo"));
    let rows = |query: &str| -> Option<Vec<Value>> {
        let got = ask(&server, &format!("/api/v1/{query}"))?;
        assert_eq!(got.status, 200, "{query}: {}", got.body);
        Some(serde_json::from_str(&got.body).unwrap())
    };
    let Some(members) = rows("members") else { return };
    assert!(members.len() > 2);
    assert_eq!(rows("members?limit=2").unwrap(), members[..2]);
    assert_eq!(rows("members?limit=1&offset=1").unwrap(), members[1..2]);
    let group = members[0]["group"].as_str().unwrap();
    let of_group = rows(&format!("members?group={group}")).unwrap();
    assert!(!of_group.is_empty() && of_group.iter().all(|member| member["group"] == group));
    assert!(rows("members?group=nobody").unwrap().is_empty());
    let events = rows("events").unwrap();
    assert_eq!(
        rows("events?limit=3").unwrap(),
        events[events.len() - 3..],
        "the latest"
    );
    let rekeys = rows("events?type=rekey").unwrap();
    assert!(!rekeys.is_empty() && rekeys.iter().all(|event| event["type"] == "rekey"));
    for (query, status) in [
        ("members?colour=red", 400),
        ("nonsense", 404),
        ("spis?spi=x", 400),
    ] {
        assert_eq!(
            ask(&server, &format!("/api/v1/{query}")).unwrap().status,
            status,
            "{query}"
        );
    }
}

#[test]
fn the_documented_fields_are_those_that_are_there() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api.md");
    let document = std::fs::read_to_string(path).unwrap();
    for (list, scenario) in [
        ("groups", "demo"),
        ("incidents", "dead_server"),
        ("members", "demo"),
        ("spis", "demo"),
    ] {
        let server = serve(after(scenario));
        let Some(got) = ask(&server, &format!("/api/v1/{list}")) else {
            return;
        };
        let rows: Vec<Value> = serde_json::from_str(&got.body).unwrap();
        let mut have = BTreeMap::new();
        for row in &rows {
            fields("", row, &mut have);
        }
        let documented = documented(&document, list);
        let names = |fields: &BTreeMap<String, String>| fields.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&have), names(&documented), "{list}");
        for (name, kind) in have {
            let said = &documented[&name];
            assert!(
                kind.is_empty() || said.contains(&kind),
                "{list} {name}: {kind}, not {said}"
            );
        }
    }
}

/// The documented fields of a list: name and type.
fn documented(document: &str, list: &str) -> BTreeMap<String, String> {
    let heading = format!("`/api/v1/{list}`");
    let section = document
        .split("\n## ")
        .find(|section| section.lines().next() == Some(&heading));
    let rows = section
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| {
        let (name, rest) = row.split_once("` | ")?;
        Some((name.to_owned(), rest.split_once(" |")?.0.to_owned()))
    })
    .collect()
}

/// Names of fields and their types; empty if only `null` was seen.
fn fields(at: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    let kind = match value {
        Value::Null => "",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    };
    if !at.is_empty() {
        let entry = found.entry(at.to_owned()).or_default();
        if entry.is_empty() {
            kind.clone_into(entry);
        }
    }
    match value {
        // Their keys are words of the protocol.
        Value::Object(_) if COUNTS.contains(&at.rsplit('.').next().unwrap()) => {}
        Value::Object(object) => {
            for (name, value) in object {
                let name = if at.is_empty() {
                    name.clone()
                } else {
                    format!("{at}.{name}")
                };
                fields(&name, value, found);
            }
        }
        Value::Array(list) => {
            for value in list.iter().filter(|value| value.is_object()) {
                if let Value::Object(object) = value {
                    for (name, value) in object {
                        fields(&format!("{at}[].{name}"), value, found);
                    }
                }
            }
        }
        _ => {}
    }
}

#[test]
fn the_page_begins_with_what_is_wrong() {
    let quiet = after("healthy_day");
    let mut wrong = after("dead_server");
    let worst = &mut wrong.diagnosis.incidents[0];
    worst.ended = None;
    let summary = worst.summary.to_string();
    let next = format!("<code>{}</code>", worst.next[0].command);
    for (state, said) in [
        (quiet, vec!["No incident is open".to_owned()]),
        (wrong, vec![summary, next]),
    ] {
        let server = serve(state);
        let Some(got) = ask(&server, "/") else {
            return;
        };
        let (_, main) = got.body.split_once("<main>").unwrap();
        let (section, _) = main.split_once("</section>").unwrap();
        assert!(section.starts_with("<section id=incidents>"), "{section}");
        for words in said {
            assert!(section.contains(&words), "{words}: {section}");
        }
    }
}
