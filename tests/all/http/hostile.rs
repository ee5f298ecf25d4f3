//! Malformed and ambiguous requests.

use std::io::{Read as _, Write as _};
use std::thread::sleep;
use std::time::Duration;

use gdoi_monitor::http::Refusal;

use super::limits::{SHORT, ask, connect, until_end};
use super::server::TestServer;

/// Sends octets, and nothing more; returns everything that the server answers before its timeout.
fn say(server: &TestServer, octets: &[u8]) -> String {
    let mut stream = connect(server);
    // It may be refused before everything is sent.
    match stream.write_all(octets) {
        Ok(()) | Err(_) => {}
    }
    until_end(stream)
}

fn statuses(answer: &str) -> Vec<&str> {
    let lines = answer.split("HTTP/1.1 ").skip(1);
    lines.filter_map(|line| line.get(..3)).collect()
}

#[test]
fn a_path_is_that_of_a_page_or_of_none() {
    let server = TestServer::plain(SHORT);
    let check = |path: &str, expect: &str| {
        let said = ask(&server, path);
        assert_eq!(statuses(&said), [expect], "{path:.40}: {said:.200}");
    };
    check("/-/healthy", "200");
    check("/-/healthy?a=b", "200");
    // A request for a proxy is for one of our pages, or for none.
    check("http://elsewhere/-/healthy", "200");
    let no_pages = [
        "//",
        "//metrics",
        "/metrics/",
        "/./metrics",
        "/a/../metrics",
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/ui/../../../etc/passwd",
        "/ui/%2e%2e%2fpage.css",
        "/metrics%00",
        "/%6detrics",
        "/METRICS",
        "/metrics;a=b",
        "/api/v1/",
        "/api/v1/../v1/groups",
        "/api/v1/groups/",
        "/api/v1/groups%2f",
        "/-/",
        "/.git/config",
    ];
    for path in no_pages {
        check(path, "404");
    }
    for path in ["metrics", "*", "\\metrics", "/a\u{7f}", "/a\0", "/\u{1b}[2J"] {
        let said = ask(&server, path);
        assert_ne!(statuses(&said), ["200"], "{path:?}: {said}");
    }
    check(&format!("/{}", "a".repeat(8_000)), "404");
    let long = ask(&server, &format!("/{}", "a".repeat(15_000)));
    assert!(["404", "414", "431"].contains(&statuses(&long)[0]), "{long:.200}");
    // It is not echoed to terminals and browsers.
    let said = ask(&server, "/<script>alert(1)</script>");
    assert!(!said.contains("script>"), "{said}");
}

#[test]
fn what_only_looks_like_a_page_of_one_method_is_none() {
    let server = TestServer::plain(SHORT);
    for method in [
        "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get",
    ] {
        let request = format!("{method} /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let said = say(&server, request.as_bytes());
        assert_eq!(statuses(&said), ["405"], "{method}: {said}");
    }
    let said = say(
        &server,
        b"CONNECT elsewhere:80 HTTP/1.1\r\nHost: elsewhere\r\n\r\n",
    );
    assert_ne!(statuses(&said), ["200"], "{said}");
    let said = say(
        &server,
        b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && body.is_empty(), "{said}");
}

#[test]
fn requests_in_one_piece_are_answered_in_turn() {
    let server = TestServer::plain(SHORT);
    let healthy = "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let nowhere = "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let said = say(&server, [healthy, nowhere].concat().repeat(50).as_bytes());
    assert_eq!(statuses(&said), ["200", "404"].repeat(50));
}

/// The next request begins exactly where the length of the previous one says.
#[test]
fn a_body_is_no_request() {
    let server = TestServer::plain(SHORT);
    let hidden = "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let check = |head: &str, body: &str, expect: &[&str]| {
        let said = say(
            &server,
            format!("{head}\r\nHost: localhost\r\n\r\n{body}").as_bytes(),
        );
        let got = statuses(&said);
        // It may be the last one that is answered.
        assert!(!got.is_empty() && expect.starts_with(&got), "{head}: {said}");
    };
    let length = hidden.len();
    check(
        &format!("GET /nowhere HTTP/1.1\r\nContent-Length: {length}"),
        hidden,
        &["404"],
    );
    let chunk = format!("{length:x}\r\n{hidden}\r\n0\r\n\r\n");
    check(
        "GET /nowhere HTTP/1.1\r\nTransfer-Encoding: chunked",
        &chunk,
        &["404"],
    );
    check(
        "GET /nowhere HTTP/1.1\r\nContent-Length: 0",
        hidden,
        &["404", "200"],
    );
    // Two lengths, or an invalid one: the beginning of the next request is undefined.
    let unclear = [
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: -1",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: gzip",
    ];
    for lengths in unclear {
        check(&format!("GET /nowhere HTTP/1.1\r\n{lengths}"), hidden, &["400"]);
    }
    // With both, the length is ignored (RFC 9112 §6.1): the answer is the last of its connection, or the request is
    // refused.
    let both = format!(
        "GET /nowhere HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nHost: localhost\r\n\r\n0\r\n\r\n{hidden}"
    );
    let said = say(&server, both.as_bytes());
    let got = statuses(&said);
    assert!(
        got == ["400"] || got == ["404"] || got == ["404", "200"],
        "{said}"
    );
    // The server does not wait for a body that does not come.
    let said = say(
        &server,
        b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1099511627776\r\n\r\n",
    );
    assert_eq!(statuses(&said), ["200"], "{said}");
    server.until_empty();
}

#[test]
fn an_octet_now_and_then_does_not_buy_time() {
    let server = TestServer::plain(SHORT);
    let mut stream = connect(&server);
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nX: ").unwrap();
    // Each of them well within the time limit of a request.
    let mut sent = 0;
    let mut answer = [0; 256];
    loop {
        let is_over = stream.write_all(b"x").is_err()
            || match stream.read(&mut answer) {
                Ok(length) => length == 0,
                Err(error) => !matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ),
            };
        if is_over {
            break;
        }
        sent += 1;
        assert!(sent < 1_000, "it is still listened to");
        sleep(Duration::from_millis(20));
    }
    server.until_empty();
    assert_eq!(server.refused(Refusal::Request), 1);
}

#[test]
fn who_only_asks_and_never_reads_is_left() {
    let server = TestServer::plain(SHORT);
    let mut stream = connect(&server);
    let asked = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1_000);
    let (mut rounds, mut failed) = (0, false);
    while !failed && rounds < 1_000 {
        // Blocks while nobody reads it; ends with the connection.
        failed = stream.write_all(asked.as_bytes()).is_err();
        rounds += 1;
        if rounds % 4 == 0 {
            assert_eq!(statuses(&ask(&server, "/-/healthy")), ["200"]);
        }
    }
    assert!(failed, "a million questions were taken");
    server.until_empty();
    assert_eq!(server.refused(Refusal::Unread), 1);
}
