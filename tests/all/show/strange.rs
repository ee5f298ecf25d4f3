//! Servers that are no agents.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use super::{refused, show};

/// `answer` writes the response to any request. Ends with the test program.
fn strange(answer: fn(&mut TcpStream) -> bool) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut asked = [0; 4_096];
                if stream.read(&mut asked).is_ok() {
                    answer(&mut stream);
                }
            });
        }
    });
    address
}

/// The client may have gone.
fn write(stream: &mut TcpStream, text: &[u8]) -> bool {
    stream.write_all(text).is_ok()
}

fn json(stream: &mut TcpStream, body: &str) -> bool {
    let length = body.len();
    write(
        stream,
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").as_bytes(),
    )
}

/// `show groups` exits with one line that contains these words, which say what to do.
fn check(answer: fn(&mut TcpStream) -> bool, words: &[&str]) {
    let url = format!("http://{}", strange(answer));
    for what in ["groups", "members", "events"] {
        let Some(output) = show(&[what, "--url", &url, "--timeout", "700ms"]) else {
            return;
        };
        refused(&output, 1, words);
    }
}

#[test]
fn no_http() {
    check(
        |stream| write(stream, b"\0\xff SSH-2.0\r\n\r\n"),
        &["does not speak HTTP", "--url"],
    );
    check(|_| true, &["closed the connection", "--url"]);
}

#[test]
fn refusals() {
    for (answer, words) in [
        (
            (|stream| write(stream, b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"))
                as fn(&mut TcpStream) -> bool,
            ["answered 404", "--url"],
        ),
        (
            |stream| {
                write(
                    stream,
                    b"HTTP/1.1 302 Away\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
                )
            },
            ["answered 302", "--url"],
        ),
        (
            |stream| write(stream, b"HTTP/1.1 503 Later\r\ncontent-length: 0\r\n\r\n"),
            ["overloaded", "retry later"],
        ),
        (
            |stream| write(stream, b"HTTP/1.1 401 Who\r\ncontent-length: 0\r\n\r\n"),
            ["password", "--auth-file"],
        ),
    ] {
        check(answer, &words);
    }
}

#[test]
fn no_sense() {
    const WORDS: &[&str] = &["answered /api/v1/", "with something unexpected", "check --url"];
    check(|stream| json(stream, "<!doctype html>"), WORDS);
    check(|stream| json(stream, "{\"groups\":[]}"), WORDS);
    check(|stream| json(stream, "\u{fffd}"), WORDS);
    check(|stream| json(stream, &"[".repeat(100_000)), WORDS);
    check(|stream| json(stream, "[{\"name\": }]"), WORDS);
}

#[test]
fn an_answer_that_does_not_end() {
    check(
        |stream| write(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n["),
        &["closed the connection", "--url"],
    );
    check(
        |stream| {
            write(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[");
            stream.read(&mut [0; 1]).is_ok()
        },
        &["no complete response", "within 700ms", "--timeout"],
    );
    check(
        |stream| stream.read(&mut [0; 1]).is_ok(),
        &["no complete response", "within 700ms", "--timeout"],
    );
}

#[test]
fn an_answer_of_any_length() {
    let url = format!(
        "http://{}",
        strange(|stream| {
            write(stream, b"HTTP/1.1 200 OK\r\n\r\n[");
            while write(stream, &[b' '; 1 << 12]) {}
            true
        })
    );
    let Some(output) = show(&["groups", "--url", &url, "--timeout", "1m"]) else {
        return;
    };
    refused(&output, 1, &["more than 67108864 bytes", "--url"]);
    let url = format!(
        "http://{}",
        strange(|stream| {
            write(stream, b"HTTP/1.1 200 OK\r\n");
            while write(stream, b"a: b\r\n") {}
            true
        })
    );
    let output = show(&["groups", "--url", &url]).unwrap();
    refused(&output, 1, &["does not speak HTTP", "--url"]);
}

#[test]
fn nobody_there() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let Some(output) = show(&["groups", "--url", &url]) else {
        return;
    };
    refused(
        &output,
        1,
        &[
            "no agent answers",
            "Connection refused",
            "gdoi-monitor run",
            "--url",
        ],
    );
}
