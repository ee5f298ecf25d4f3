//! Clients that mean no good: they cost little, for a short time, and nobody else.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use gdoi_monitor::engine::State;
use gdoi_monitor::http::web::Web;
use gdoi_monitor::http::{Limits, Refusal};

use super::server::{TestServer, nothing};

/// Little patience, so that tests need little.
pub(super) const SHORT: Limits = Limits {
    connections: 8,
    per_peer: 8,
    request_wait: Duration::from_millis(300),
    read_wait: Duration::from_millis(300),
    age: Duration::from_mins(1),
};

pub(super) fn connect(server: &TestServer) -> TcpStream {
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

pub(super) fn ask(server: &TestServer, path: &str) -> String {
    let mut stream = connect(server);
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Reads until the server ends the connection.
pub(super) fn until_end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // The server may end it with what we sent unread, which resets it.
    match stream.read_to_end(&mut answer) {
        Ok(_) | Err(_) => String::from_utf8_lossy(&answer).into_owned(),
    }
}

#[test]
fn a_slow_request_is_not_waited_for() {
    let server = TestServer::plain(SHORT);
    let slow: Vec<_> = (0..7)
        .map(|_| {
            let mut stream = connect(&server);
            stream.write_all(b"GET / HTTP/1.1\r\nX: ").unwrap();
            stream
        })
        .collect();
    // Meanwhile others are served.
    assert!(ask(&server, "/-/healthy").starts_with("HTTP/1.1 200"));
    for stream in slow {
        let said = until_end(stream);
        assert!(!said.starts_with("HTTP/1.1 200"), "{said}");
    }
    server.until_empty();
    assert_eq!(server.refused(Refusal::Request), 7);
}

#[test]
fn a_full_house_empties_by_itself() {
    let server = TestServer::plain(SHORT);
    let silent: Vec<_> = (0..8).map(|_| connect(&server)).collect();
    // This one waits in the backlog.
    assert!(ask(&server, "/-/healthy").starts_with("HTTP/1.1 200"));
    drop(silent);
    server.until_empty();
}

#[test]
fn one_address_has_no_more_than_its_share() {
    let server = TestServer::plain(Limits { per_peer: 2, ..SHORT });
    let silent: Vec<_> = (0..2).map(|_| connect(&server)).collect();
    assert_eq!(until_end(connect(&server)), "");
    assert_eq!(server.refused(Refusal::Peer), 1);
    drop(silent);
    server.until_empty();
    assert!(ask(&server, "/-/healthy").starts_with("HTTP/1.1 200"));
}

#[test]
fn long_headers_and_nonsense_are_refused() {
    let server = TestServer::plain(SHORT);
    let check = |request: &[u8], expect: &str| {
        let mut stream = connect(&server);
        // It may be refused before it is all sent.
        match stream.write_all(request) {
            Ok(()) | Err(_) => {}
        }
        let said = until_end(stream);
        assert!(said.starts_with(expect), "{said}");
    };
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    // The answer may be lost with the reset that follows it.
    check(long.as_bytes(), "");
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(200));
    check(many.as_bytes(), "HTTP/1.1 431");
    check(b"\x16\x03\x01nonsense\r\n\r\n", "HTTP/1.1 400");
    check(
        b"POST /metrics HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n",
        "HTTP/1.1 405",
    );
    server.until_empty();
    assert_eq!(server.refused(Refusal::Request), 3);
}

#[test]
fn who_does_not_read_loses_the_rest_and_keeps_nobody_away() {
    let state = State {
        // More than any socket takes at once.
        recent: vec![Arc::from(format!("\"{}\"", "x".repeat(32 << 20)))],
        ..nothing()
    };
    let server = TestServer::serve(Arc::new(Web::plain()), SHORT, state);
    let deaf: Vec<_> = (0..6)
        .map(|_| {
            let mut stream = connect(&server);
            stream
                .write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: a\r\n\r\n")
                .unwrap();
            stream
        })
        .collect();
    for _ in 0..3 {
        assert!(ask(&server, "/metrics").contains("gdoi_build_info"));
    }
    server.until_empty();
    assert!(server.refused(Refusal::Unread) >= 4);
    drop(deaf);
    assert!(ask(&server, "/api/v1/events").len() > 32 << 20);
}
