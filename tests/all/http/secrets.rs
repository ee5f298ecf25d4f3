//! Secrets that must not appear in the log or on a page.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use gdoi_lab::Network;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::server::{Folder, curl, text};
use crate::{kernel, program};

/// User and password in the base64 of an `Authorization` header (RFC 7617 §2): `alice:open sesame`, and `alice:wrong
/// horse`.
const HEADERS: [&str; 2] = ["YWxpY2U6b3BlbiBzZXNhbWU=", "YWxpY2U6d3JvbmcgaG9yc2U="];
const PASSWORDS: [&str; 2] = ["open sesame", "wrong horse"];

/// An agent that is killed on drop.
struct SecretAgent(Child);

impl Drop for SecretAgent {
    fn drop(&mut self) {
        // It may have ended already, which is fine.
        drop(self.0.kill());
    }
}

#[test]
fn at_the_finest_level_the_log_has_no_secret() {
    let name = "at_the_finest_level_the_log_has_no_secret";
    let Some(program) = program::path(name).filter(|_| kernel::is_usable(name)) else {
        return;
    };
    let test = thread::spawn(move || {
        let _network = Network::enter().unwrap();
        let folder = Folder::new();
        folder.certify("server", "monitor.example");
        let hash = bcrypt::hash(PASSWORDS[0], 4).unwrap();
        let tls = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";
        let users = |hash: &str| format!("{tls}basic_auth_users:\n  alice: {hash}\n");
        let config = folder.write("web.yml", &users(&hash));
        let mut log = tempfile::tempfile().unwrap();
        let agent = Command::new(program)
            .args(["run", "--interface", Network::WATCH, "--log.level", "trace"])
            .args(["--web.config.file", text(&config)])
            .stderr(log.try_clone().unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut agent = SecretAgent(agent);
        let authority = folder.path("server.ca");
        let ask = |password: &str, page: &str| {
            let user = format!("alice:{password}");
            let url = format!("https://127.0.0.1:11848{page}");
            let mut arguments = vec!["--cacert", text(&authority), "--user", &user, &url];
            arguments.extend(["--retry", "20", "--retry-connrefused", "--retry-delay", "1"]);
            curl(name, &arguments)
        };
        let mut told = String::new();
        for page in ["/", "/metrics", "/-/ready", "/api/v1/events"] {
            let Some(got) = ask(PASSWORDS[0], page) else {
                return;
            };
            assert_eq!(got.status, 200, "{page}");
            told += &got.body;
            assert_eq!(ask(PASSWORDS[1], page).unwrap().status, 401);
        }
        // Invalid values are named, and not shown: an invalid hash, a key that does not match.
        folder.write("web.yml", &users(&format!("{hash}x")));
        until_refused(&mut log, 1);
        folder.certify("other", "monitor.example");
        fs::rename(folder.path("other.key"), folder.path("server.key")).unwrap();
        folder.write("web.yml", &users(&hash));
        until_refused(&mut log, 2);
        let id = Pid::from_raw(i32::try_from(agent.0.id()).unwrap());
        kill(id, Signal::SIGTERM).unwrap();
        agent.0.wait().unwrap();

        told += &read(&mut log);
        assert!(told.contains("TRACE"), "{told}");
        let key = fs::read_to_string(folder.path("server.key")).unwrap();
        let key = key.lines().nth(1).unwrap();
        let salt_and_digest = hash.rsplit('$').next().unwrap();
        for secret in [key, salt_and_digest, "PRIVATE KEY"]
            .iter()
            .chain(&HEADERS)
            .chain(&PASSWORDS)
        {
            let line = told.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret}");
        }
    });
    test.join().unwrap();
}

fn read(log: &mut File) -> String {
    let mut text = String::new();
    log.rewind().unwrap();
    log.read_to_string(&mut text).unwrap();
    text
}

/// Waits until the log has this many errors of the web configuration.
fn until_refused(log: &mut File, times: usize) {
    for _ in 0..500 {
        if read(log).matches("web configuration was rejected").count() >= times {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{}", read(log));
}
