//! `show`: queries a real agent, one with TLS and a password, and servers that are no agents.

mod real;
mod strange;

use std::process::{Command, Output, Stdio};

use gdoi_core::Snapshot;
use gdoi_core::snapshot::GroupState;
use gdoi_monitor::engine::State;
use gdoi_monitor::http::Limits;
use gdoi_monitor::http::web::Web;
use std::sync::Arc;

use crate::http::server::{Folder, TestServer, nothing, text};
use crate::program;

/// The output of `show`; `None`, with a SKIP line, if it is not built.
fn show(arguments: &[&str]) -> Option<Output> {
    let program = program::path("show")?;
    let output = Command::new(program)
        .arg("show")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Some(output)
}

/// The output of a command that succeeded.
fn said(output: &Output) -> &str {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{complaint}");
    std::str::from_utf8(&output.stdout).unwrap()
}

/// It exited with `code` after one line that contains all the words.
fn refused(output: &Output, code: i32, words: &[&str]) {
    let line = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert_eq!(output.stdout, b"", "{line}");
    for word in words {
        assert!(line.contains(word), "{word} in {line}");
    }
}

/// An agent with one group.
fn knowing(group: &str) -> State {
    let mut snapshot = Snapshot::default();
    snapshot.groups.insert(group.to_owned(), GroupState::default());
    State {
        snapshot,
        ..nothing()
    }
}

#[test]
fn behind_tls_and_a_password() {
    let folder = Folder::new();
    folder.certify("server", "monitor.example");
    folder.certify("other", "monitor.example");
    let hash = bcrypt::hash("ses:ame", 4).unwrap();
    let config = format!(
        "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\nbasic_auth_users:\n  op: {hash}\n"
    );
    let web = Arc::new(Web::load(&folder.write("web.yml", &config)).unwrap());
    let server = TestServer::serve(web, Limits::default(), knowing("G1"));
    let (secure, plain) = (
        format!("https://{}", server.address),
        format!("http://{}", server.address),
    );
    let with_user = format!("https://op:ses%3Aame@{}", server.address);
    let authority = folder.path("server.ca");
    let authority = text(&authority);
    let other = folder.path("other.ca");
    let auth = folder.write("auth", "op:ses:ame\n");
    let wrong = folder.write("wrong", "op:other\n");
    let no_user = folder.write("no_user", "op\n");
    let ask = |more: &[&str]| show(&[&["groups"], more].concat());

    let Some(good) = ask(&[
        "--url",
        &secure,
        "--ca-file",
        authority,
        "--auth-file",
        text(&auth),
    ]) else {
        return;
    };
    assert!(said(&good).contains("\nG1  "), "{good:?}");
    let good = ask(&["--url", &with_user, "--ca-file", authority]).unwrap();
    assert!(said(&good).contains("\nG1  "), "{good:?}");
    let refusals: [(&[&str], &[&str]); 7] = [
        (&["--url", &secure, "--ca-file", authority], &["--auth-file"]),
        (
            &[
                "--url",
                &secure,
                "--ca-file",
                authority,
                "--auth-file",
                text(&wrong),
            ],
            &["user and password", "--auth-file"],
        ),
        (
            &[
                "--url",
                &secure,
                "--ca-file",
                authority,
                "--auth-file",
                text(&no_user),
            ],
            &["USER:PASSWORD"],
        ),
        (
            &["--url", &with_user, "--ca-file", text(&other)],
            &["no TLS", "--ca-file"],
        ),
        (
            &["--url", &with_user, "--ca-file", text(&auth)],
            &["no certificate in PEM"],
        ),
        (
            &["--url", &with_user, "--ca-file", "/nonexistent"],
            &["/nonexistent"],
        ),
        (&["--url", &plain], &["400", "--url"]),
    ];
    for (arguments, words) in refusals {
        let output = ask(arguments).unwrap();
        refused(&output, 1, words);
        let line = String::from_utf8_lossy(&output.stderr);
        assert!(!line.contains("ame@"), "a password in {line}");
    }
}

#[test]
fn hostile_names_are_inert_on_a_terminal_and_whole_for_programs() {
    let hostile = "<script>\u{1b}[2J\u{9b}31m\u{202e}";
    let server = TestServer::serve(Arc::new(Web::plain()), Limits::default(), knowing(hostile));
    let url = format!("http://{}", server.address);
    let Some(output) = show(&["groups", "--url", &url]) else {
        return;
    };
    assert!(
        said(&output).contains("<script>␛[2J\u{fffd}31m\u{fffd}"),
        "{output:?}"
    );
    let json = show(&["groups", "--json", "--url", &url]).unwrap();
    let json = said(&json);
    assert!(
        !json
            .trim_end()
            .contains(|one: char| one.is_control() || one == '\u{202e}')
    );
    let groups: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(groups[0]["name"], hostile);
    let one = show(&["group", hostile, "--url", &url]).unwrap();
    assert!(
        said(&one).contains("Group Name               : <script>␛[2J"),
        "{one:?}"
    );
    let unknown = show(&["group", "\u{1b}c", "--url", &url]).unwrap();
    refused(&unknown, 1, &["no group \"␛c\"", "known groups: \"<script>␛[2J"]);
}

#[test]
fn a_url_that_cannot_be_is_wrong_usage() {
    for url in ["ftp://gw1", "http://gw1:99999", "http://"] {
        let Some(output) = show(&["groups", "--url", url]) else {
            return;
        };
        assert_eq!(output.status.code(), Some(2), "{url}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("http://127.0.0.1:11848"),
            "{url}"
        );
    }
}
