//! Names, passwords, rates and headers.

use std::sync::Arc;

use gdoi_monitor::http::web::Web;
use gdoi_monitor::http::{Limits, Refusal};

use super::server::{Folder, TestServer, curl, nothing};

#[test]
fn who_knows_the_password_is_served() {
    let folder = Folder::new();
    let hash = bcrypt::hash("open sesame", 4).unwrap();
    let path = folder.write("web.yml", &format!("basic_auth_users:\n  alice: {hash}\n"));
    let web = Arc::new(Web::load(&path).unwrap());
    let server = TestServer::serve(Arc::clone(&web), Limits::default(), nothing());
    let url = format!("http://{}/metrics", server.address);
    let check = |user: Option<&str>, expect: u16| {
        let mut arguments = vec![url.as_str()];
        arguments.extend(user.iter().flat_map(|user| ["--user", *user]));
        let got = curl("who_knows_the_password_is_served", &arguments);
        if let Some(got) = got {
            assert_eq!(got.status, expect, "{user:?}: {}", got.body);
            assert_eq!(got.body.contains("gdoi_build_info"), expect == 200, "{user:?}");
        }
    };
    for _ in 0..2 {
        check(Some("alice:open sesame"), 200);
        check(Some("alice:sesame"), 401);
        check(Some("bob:open sesame"), 401);
        check(None, 401);
    }
    // The new password is valid from now on, and the old one no longer.
    let hash = bcrypt::hash("other", 4).unwrap();
    folder.write("web.yml", &format!("basic_auth_users:\n  alice: {hash}\n"));
    web.follow();
    check(Some("alice:open sesame"), 401);
    check(Some("alice:other"), 200);
    // An invalid file changes nothing.
    folder.write("web.yml", "basic_auth_users:\n  alice: secret\n");
    web.follow();
    check(Some("alice:other"), 200);
    check(None, 401);
}

#[test]
fn more_than_the_rate_is_put_off() {
    let folder = Folder::new();
    let path = folder.write("web.yml", "rate_limit: {interval: 1h, burst: 2}\n");
    let server = TestServer::serve(Arc::new(Web::load(&path).unwrap()), Limits::default(), nothing());
    let url = format!("http://{}/-/healthy", server.address);
    for expect in [200, 200, 429, 429] {
        let Some(got) = curl("more_than_the_rate_is_put_off", &[&url]) else {
            return;
        };
        assert_eq!(got.status, expect);
    }
    assert_eq!(server.refused(Refusal::Rate), 2);
}

#[test]
fn answers_carry_the_headers_of_the_file() {
    let folder = Folder::new();
    let headers = "http_server_config: {headers: {X-Frame-Options: deny, X-Content-Type-Options: nosniff}}\n";
    let path = folder.write("web.yml", headers);
    let server = TestServer::serve(Arc::new(Web::load(&path).unwrap()), Limits::default(), nothing());
    let url = format!("http://{}/nowhere", server.address);
    let Some(got) = curl("answers_carry_the_headers_of_the_file", &["--include", &url]) else {
        return;
    };
    assert_eq!(got.status, 404);
    for line in ["x-frame-options: deny", "x-content-type-options: nosniff"] {
        assert!(got.body.contains(line), "{}", got.body);
    }
}
