//! The status page in a browser: it shows what the API has, and executes none of it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use gdoi_core::Timestamp;
use gdoi_core::snapshot::{GroupState, MemberState};
use gdoi_monitor::engine::State;
use gdoi_monitor::http::Limits;
use gdoi_monitor::http::web::Web;
use serde_json::Value;

use crate::http::pages::after;
use crate::http::server::{TestServer, curl};
use crate::report_page::browser;

/// A page as the browser shows it after some seconds.
struct Opened {
    dom: String,
    said: String,
    server: TestServer,
}

impl Opened {
    /// Serves the state of an engine, and opens the page.
    fn of(name: &str, state: State) -> Option<Self> {
        let browser = browser(name)?;
        let server = TestServer::serve(Arc::new(Web::plain()), Limits::default(), state);
        let (dom, said) = open(&browser, &format!("http://{}/", server.address));
        Some(Self { dom, said, server })
    }

    /// The rows of a kind, each as the text of its cells.
    fn rows(&self, kind: &str) -> Vec<Vec<String>> {
        let begin = format!("<tr data-row=\"{kind}\">");
        let rows = self.dom.split(&*begin).skip(1);
        rows.map(|row| {
            let cells = row.split("</tr>").next().unwrap();
            let cells = cells.split("</t").filter_map(|cell| cell.rsplit_once('>'));
            cells
                .map(|(_, text)| text.to_owned())
                .filter(|text| !text.is_empty())
                .collect()
        })
        .collect()
    }

    fn api(&self, list: &str) -> Vec<Value> {
        let url = format!("http://{}/api/v1/{list}", self.server.address);
        serde_json::from_str(&curl("live_page", &[&url]).unwrap().body).unwrap()
    }

    /// The script ran to its end without an error, and every row of the API is there, in order.
    fn check(&self) {
        assert!(!self.said.contains(":CONSOLE"), "{}", self.said);
        assert!(
            self.dom.contains("data-ready=\"1\""),
            "{}\n{}",
            self.said,
            self.dom
        );
        let firsts = |kind| {
            self.rows(kind)
                .into_iter()
                .map(|row| row[0].clone())
                .collect::<Vec<_>>()
        };
        let field = |list: &str, name: &str| -> Vec<String> {
            let rows = self.api(list).into_iter();
            rows.map(|row| row[name].as_str().unwrap().to_owned()).collect()
        };
        let names: Vec<_> = field("groups", "name").iter().map(|name| escaped(name)).collect();
        assert_eq!(firsts("group"), names);
        let addresses: Vec<_> = field("members", "address")
            .iter()
            .map(|address| address.trim_end_matches(":0").to_owned())
            .collect();
        assert_eq!(firsts("member"), addresses);
        let mut types = field("events", "type");
        types.reverse();
        types.truncate(200);
        let shown: Vec<_> = self.rows("event").into_iter().map(|row| row[2].clone()).collect();
        assert_eq!(shown, types);
        let lanes = self.dom.split_once("data-lanes=\"").unwrap().1;
        let lanes: usize = lanes.split('"').next().unwrap().parse().unwrap();
        assert!(
            lanes >= addresses.len(),
            "{lanes} lanes of {} members",
            addresses.len()
        );
    }
}

fn open(browser: &Path, url: &str) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        .args(["--enable-logging=stderr", "--dump-dom"])
        // In the page's virtual time, which advances when nothing is pending.
        .arg("--virtual-time-budget=5000")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url)
        .env("HOME", profile.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (text(output.stdout), text(output.stderr))
}

/// As the browser escapes text, and the page invisible characters.
fn escaped(text: &str) -> String {
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    text.replace('\u{1b}', "␛").replace('\u{202e}', "\u{fffd}")
}

#[test]
fn what_the_page_shows_is_what_the_api_says() {
    for scenario in ["demo", "coop_failover"] {
        let Some(opened) = Opened::of("what_the_page_shows_is_what_the_api_says", after(scenario)) else {
            return;
        };
        opened.check();
        assert!(!opened.rows("member").is_empty() && !opened.rows("event").is_empty());
    }
}

#[test]
fn hostile_words_do_nothing_in_the_live_page() {
    let mut state = after("demo");
    let hostile = "</script><img src=x onerror=console.error(1)>\u{1b}\u{202e}";
    state
        .snapshot
        .groups
        .insert(hostile.to_owned(), GroupState::default());
    for member in &mut state.snapshot.members {
        member.group = Some(hostile.to_owned());
    }
    let event = serde_json::json!({"time": "1970-01-01T00:10:00Z", "type": "<script>console.error(2)</script>",
        "severity": "critical\" onclick=\"x", "group": hostile, "key_server": "<b>", "__proto__": {"a": "<i>"}});
    state.recent.push(event.to_string().into());
    let Some(opened) = Opened::of("hostile_words_do_nothing_in_the_live_page", state) else {
        return;
    };
    assert!(!opened.said.contains(":CONSOLE"), "{}", opened.said);
    for element in ["<img", "<script>", "<b>", "<i>", "onclick=\"x\""] {
        assert!(!opened.dom.contains(element), "{element} in {}", opened.dom);
    }
    assert!(opened.rows("group").iter().any(|row| row[0] == escaped(hostile)));
    assert!(opened.rows("event")[0][2].starts_with("&lt;script&gt;"));
    let headers = curl(
        "live_page",
        &["--include", &format!("http://{}/", opened.server.address)],
    )
    .unwrap();
    assert!(
        headers
            .body
            .contains("content-security-policy: default-src 'none'"),
        "{}",
        headers.body
    );
    assert!(!headers.body.contains("unsafe-inline"));
}

#[test]
fn two_thousand_members_in_the_live_page() {
    let mut state = after("demo");
    let one: MemberState = state.snapshot.members[0].clone();
    state.snapshot.members = (0..2_000_u16)
        .map(|at| {
            let [high, low] = at.to_be_bytes();
            MemberState {
                address: ([10, 9, high, low], 0).into(),
                last_seen: Timestamp::from_nanos(u64::from(at)),
                ..one.clone()
            }
        })
        .collect();
    let Some(opened) = Opened::of("two_thousand_members_in_the_live_page", state) else {
        return;
    };
    opened.check();
    assert_eq!(opened.rows("member").len(), 2_000);
}

#[test]
fn an_answer_that_makes_no_sense_is_told_in_the_live_page() {
    let mut state = after("demo");
    state.recent.push("nonsense".into());
    let Some(opened) = Opened::of("an_answer_that_makes_no_sense_is_told_in_the_live_page", state) else {
        return;
    };
    assert!(!opened.said.contains(":CONSOLE"), "{}", opened.said);
    let told = opened.dom.split("role=\"alert\">").nth(1).unwrap();
    assert!(told.starts_with("no answer since "), "{told}");
    assert!(
        told.split('<').next().unwrap().ends_with("; trying again"),
        "{told}"
    );
}
