//! The agent itself, with a web configuration.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;

use gdoi_lab::Network;

use super::place::{Folder, Got, curl, text};
use crate::{kernel, program};

/// An agent that is gone when this is.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn it_renews_its_certificate_by_itself() {
    let name = "it_renews_its_certificate_by_itself";
    let Some(program) = program::path(name).filter(|_| kernel::is_usable(name)) else {
        return;
    };
    let test = thread::spawn(move || {
        let _network = Network::enter().unwrap();
        let folder = Folder::new();
        folder.certify("server", "monitor.example");
        folder.certify("next", "monitor.example");
        let hash = bcrypt::hash("sesame", 4).unwrap();
        let config = folder.write(
            "web.yml",
            &format!(
                "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n\
                 basic_auth_users:\n  alice: {hash}\n"
            ),
        );
        let agent = Command::new(program)
            .args(["run", "--interface", Network::WATCH, "--log.level", "error"])
            .args(["--web.listen-address", "127.0.0.1:11848"])
            .args(["--web.listen-address", "127.0.0.2:11849"])
            .args(["--web.config.file", text(&config)])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let _agent = Agent(agent);
        let ask = |authority: &str, url: &str| -> Option<Got> {
            let authority = folder.path(authority);
            // Until it listens, and until it has seen the new file.
            let patience = ["--retry", "20", "--retry-all-errors", "--retry-delay", "1"];
            let mut arguments = vec!["--cacert", text(&authority), "--user", "alice:sesame", url];
            arguments.extend(patience);
            curl(name, &arguments)
        };
        let metrics = "https://127.0.0.1:11848/metrics";
        let Some(got) = ask("server.ca", metrics) else {
            return;
        };
        let good = "gdoi_web_config_last_reload_successful 1";
        assert!(got.body.contains(good), "{}", got.body);
        for kind in ["crt", "key"] {
            let next = folder.path(&format!("next.{kind}"));
            fs::rename(next, folder.path(&format!("server.{kind}"))).unwrap();
        }
        assert!(ask("next.ca", metrics).unwrap().body.contains(good));
        // The second address shows another certificate, which is not for it: names are checked by clients.
        assert_eq!(ask("next.ca", "http://127.0.0.2:11849/").unwrap().status, 400);
    });
    test.join().unwrap();
}

#[test]
fn a_web_configuration_that_cannot_be_used_is_refused() {
    let name = "a_web_configuration_that_cannot_be_used_is_refused";
    let Some(program) = program::path(name) else {
        return;
    };
    let folder = Folder::new();
    let config = folder.write("web.yml", "basic_auth_user: {}\n");
    let arguments = ["run", "--interface", "lo", "--web.listen-address", "127.0.0.1:0"];
    let output = Command::new(program)
        .args(arguments)
        .args(["--web.config.file", text(&config)])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("web.yml:1: unknown key \"basic_auth_user\"; known here: "),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}
