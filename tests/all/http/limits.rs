//! Abusive clients: they cost little, for a short time, and affect nobody else.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use gdoi_monitor::engine::State;
use gdoi_monitor::http::web::Web;
use gdoi_monitor::http::{Limits, Refusal};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, socket};

use super::server::{Folder, TestServer, nothing};

/// Short timeouts, so that tests are fast.
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
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Reads until the server ends the connection.
pub(super) fn until_end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // The server may close with unread input, which resets the connection.
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
fn one_address_has_no_more_than_its_share() {
    let server = TestServer::plain(Limits { per_peer: 2, ..SHORT });
    let mut silent: Vec<_> = (0..2).map(|_| connect(&server)).collect();
    assert!(ask(&server, "/-/healthy").starts_with("HTTP/1.1 200"));
    assert_eq!(server.refused(Refusal::Peer), 1);
    assert_eq!(until_end(silent.remove(0)), "", "the oldest gave way");
    drop(silent);
    server.until_empty();
}

/// More clients than slots begin their headers and never end them.
#[test]
fn slow_headers_from_64_addresses_keep_no_scrape_out() {
    let server = TestServer::plain(Limits {
        connections: 64,
        per_peer: 32,
        ..Limits::default()
    });
    let mut slow = Vec::new();
    for round in 0..20 {
        for last in 1..=64 {
            let source = Ipv4Addr::new(127, 0, 1, last);
            let mut stream = connect_from(source, server.address);
            stream.write_all(b"GET /metrics HTTP/1.1\r\nX: ").unwrap();
            slow.push(stream);
        }
        let said = ask(&server, "/metrics");
        assert!(said.contains("gdoi_build_info"), "scrape {round}: {said:.200}");
    }
    assert!(server.server.status().connections <= 64 + 4);
    let refused = server.refused(Refusal::Full);
    assert!(refused >= 19 * 64, "{refused}");
}

/// From the scraper's own address, with more connections than one address may have. The scraper was admitted before:
/// its password need not be checked again.
#[test]
fn who_guesses_passwords_does_not_lock_the_scraper_out() {
    let folder = Folder::new();
    // Tens of milliseconds per guess.
    let hash = bcrypt::hash("sesame", 9).unwrap();
    let config = format!("basic_auth_users:\n  alice: {hash}\nrate_limit: {{interval: 100ms, burst: 20}}\n");
    let web = Arc::new(Web::load(&folder.write("web.yml", &config)).unwrap());
    let server = TestServer::serve(Arc::clone(&web), Limits::default(), nothing());
    assert!(
        try_ask(&server, "alice:sesame")
            .unwrap()
            .contains("gdoi_build_info")
    );
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for guesser in 0..40 {
            let (server, is_over) = (&server, &is_over);
            scope.spawn(move || {
                let mut guess = 0;
                while !is_over.load(Ordering::Relaxed) {
                    guess += 1;
                    // It may be closed at any time.
                    drop(try_ask(server, &format!("alice:{guesser}/{guess}")));
                }
            });
        }
        let mut failed = Vec::new();
        for scrape in 0..20 {
            let said = try_ask(&server, "alice:sesame");
            if !said.as_ref().is_ok_and(|said| said.contains("gdoi_build_info")) {
                failed.push(said);
            }
            // A correct password stays valid even if the file is written again.
            if scrape == 10 {
                folder.write("web.yml", &(config.clone() + "# as before\n"));
                web.follow();
            }
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(failed.is_empty(), "{failed:?}");
    });
    assert!(server.refused(Refusal::Credentials) > 0);
    assert!(server.refused(Refusal::Busy) > 0);
}

/// An idle connection that was kept open counts as no refusal.
#[test]
fn who_keeps_its_connection_and_asks_no_more_is_no_refusal() {
    let server = TestServer::plain(SHORT);
    let mut stream = connect(&server);
    stream
        .write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    assert!(until_end(stream).starts_with("HTTP/1.1 200"));
    let mut stream = connect(&server);
    stream
        .write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = [0; 512];
    assert!(stream.read(&mut answer).unwrap() > 0);
    stream.write_all(b"GET /").unwrap();
    assert_eq!(until_end(stream), "");
    server.until_empty();
    assert_eq!(
        server.refused(Refusal::Request),
        1,
        "the second, which began another request"
    );
}

/// A client that reads the metrics octet by octet keeps its slot, and others can read them too.
#[test]
fn slow_readers_keep_no_scraper_out() {
    let state = State {
        recent: vec![Arc::from(format!("\"{}\"", "x".repeat(32 << 20)))],
        ..nothing()
    };
    let server = TestServer::serve(
        Arc::new(Web::plain()),
        Limits {
            read_wait: Duration::from_mins(1),
            ..SHORT
        },
        state,
    );
    assert!(ask(&server, "/metrics").contains("gdoi_build_info"));
    let slow: Vec<_> = (0..8)
        .map(|last| {
            let mut stream = connect_from(Ipv4Addr::new(127, 0, 2, last + 1), server.address);
            stream
                .write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .unwrap();
            stream
        })
        .collect();
    for scrape in 0..20 {
        let said = ask(&server, "/metrics");
        assert!(said.contains("gdoi_build_info"), "scrape {scrape}: {said:.200}");
    }
    drop(slow);
}

/// Requests metrics with credentials; the error if the connection was closed.
fn try_ask(server: &TestServer, credentials: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(server.address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let coded = BASE64_STANDARD.encode(credentials);
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Basic {coded}\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Connects from another loopback address.
fn connect_from(source: Ipv4Addr, server: SocketAddr) -> TcpStream {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    bind(
        socket.as_raw_fd(),
        &SockaddrIn::from(SocketAddrV4::new(source, 0)),
    )
    .unwrap();
    let SocketAddr::V4(server) = server else {
        panic!("{server} is no IPv4 address");
    };
    nix::sys::socket::connect(socket.as_raw_fd(), &SockaddrIn::from(server)).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

#[test]
fn long_headers_and_nonsense_are_refused() {
    let server = TestServer::plain(SHORT);
    let check = |request: &[u8], expect: &str| {
        let mut stream = connect(&server);
        // It may be refused before everything is sent.
        match stream.write_all(request) {
            Ok(()) | Err(_) => {}
        }
        let said = until_end(stream);
        assert!(said.starts_with(expect), "{said}");
    };
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    // The reset that follows may destroy the answer.
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
        // More than any socket buffers.
        recent: vec![Arc::from(format!("\"{}\"", "x".repeat(32 << 20)))],
        ..nothing()
    };
    let server = TestServer::serve(Arc::new(Web::plain()), SHORT, state);
    let deaf: Vec<_> = (0..6)
        .map(|_| {
            let mut stream = connect(&server);
            stream
                .write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
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
