//! TLS: accepted clients, and the server's certificate.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use gdoi_monitor::http::web::Web;
use gdoi_monitor::http::{Limits, Refusal};

use super::metrics::promtool;
use super::server::{Folder, Got, TestServer, curl, nothing, text};

/// A server with the certificate of `server.crt`, and `more` in its configuration.
fn server(folder: &Folder, more: &str) -> (TestServer, Arc<Web>) {
    folder.certify("server", "monitor.example");
    let config = format!("tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n{more}");
    let web = Arc::new(Web::load(&folder.write("web.yml", &config)).unwrap());
    let server = TestServer::serve(Arc::clone(&web), Limits::default(), nothing());
    (server, web)
}

/// Sends a request over TLS, trusting the authority in a file.
fn ask(folder: &Folder, server: &TestServer, authority: &str, more: &[&str]) -> Option<Got> {
    let url = format!("https://{}/-/healthy", server.address);
    let authority = folder.path(authority);
    let mut arguments = vec!["--cacert", text(&authority), &url];
    arguments.extend(more);
    curl("tls", &arguments)
}

#[test]
fn plain_http_is_told_to_speak_tls() {
    let folder = Folder::new();
    let (server, _) = server(&folder, "");
    let Some(got) = ask(&folder, &server, "server.ca", &[]) else {
        return;
    };
    assert_eq!((got.status, got.body.as_str()), (200, "healthy\n"));
    let plain = curl("tls", &[&format!("http://{}/-/healthy", server.address)]).unwrap();
    assert_eq!(plain.status, 400);
    assert!(plain.body.contains("https://"), "{}", plain.body);
    server.until_empty();
    assert_eq!(server.refused(Refusal::Handshake), 1);
}

#[test]
fn promtool_takes_the_file_that_the_agent_takes() {
    let folder = Folder::new();
    folder.certify("server", "monitor.example");
    let hash = bcrypt::hash("sesame", 4).unwrap();
    let config = format!(
        "tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: server.ca
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]
  curve_preferences: [X25519, CurveP256]
  prefer_server_cipher_suites: true
http_server_config:
  http2: false
  headers:
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
    Strict-Transport-Security: max-age=60
basic_auth_users:
  alice: {hash}
"
    );
    let path = folder.write("web.yml", &config);
    assert!(Web::load(&path).is_ok());
    let checked = Command::new(promtool())
        .args(["check", "web-config", text(&path)])
        .output();
    let Ok(output) = checked else {
        eprintln!("SKIP promtool_takes_the_file_that_the_agent_takes: promtool is not installed");
        return;
    };
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn versions_below_the_least_are_refused() {
    let folder = Folder::new();
    let (server, _) = server(&folder, "  min_version: TLS13\n");
    for (most, expect) in [("1.2", 0), ("1.3", 200)] {
        let Some(got) = ask(&folder, &server, "server.ca", &["--tls-max", most]) else {
            return;
        };
        assert_eq!(got.status, expect, "at most {most}");
    }
    server.until_empty();
    assert_eq!(server.refused(Refusal::Handshake), 1);
}

#[test]
fn a_certificate_is_rotated_under_way() {
    let folder = Folder::new();
    let (server, web) = server(&folder, "");
    folder.certify("next", "monitor.example");
    let check = |authority: &str, expect: u16| {
        if let Some(got) = ask(&folder, &server, authority, &[]) {
            assert_eq!(got.status, expect, "trusting {authority}");
        }
    };
    check("server.ca", 200);
    check("next.ca", 0);
    for kind in ["crt", "key"] {
        let next = folder.path(&format!("next.{kind}"));
        fs::copy(next, folder.path(&format!("server.{kind}"))).unwrap();
        // Between the two files certificate and key do not match, and the old one is used.
        web.follow();
        if kind == "crt" {
            check("server.ca", 200);
            assert!(!web.reload().unwrap().is_good);
        }
    }
    check("server.ca", 0);
    check("next.ca", 200);
    assert!(web.reload().unwrap().is_good);
}

#[test]
fn a_client_certificate_is_asked_for_and_checked() {
    let folder = Folder::new();
    for (name, san) in [("scraper", "scraper.example"), ("else", "else.example")] {
        folder.certify(name, san);
    }
    // Both authorities are trusted; only one name is accepted.
    let both: String = ["scraper.ca", "else.ca"]
        .map(|name| fs::read_to_string(folder.path(name)).unwrap())
        .concat();
    folder.write("clients.ca", &both);
    folder.certify("stranger", "scraper.example");
    let (server, _) = server(
        &folder,
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.ca\n  \
         client_allowed_sans: [scraper.example]\n",
    );
    let check = |name: Option<&str>, expect: u16| {
        let files = name.map(|name| ["crt", "key"].map(|kind| folder.path(&format!("{name}.{kind}"))));
        let mut arguments = Vec::new();
        if let Some([certificate, key]) = &files {
            arguments.extend(["--cert", text(certificate), "--key", text(key)]);
        }
        if let Some(got) = ask(&folder, &server, "server.ca", &arguments) {
            assert_eq!(got.status, expect, "{name:?}");
        }
    };
    check(Some("scraper"), 200);
    check(Some("else"), 0);
    check(Some("stranger"), 0);
    check(None, 0);
}
