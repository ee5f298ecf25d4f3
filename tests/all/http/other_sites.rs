//! Requests that pages of other sites can make a browser send, by curl.

use std::fs;

use gdoi_lab::{Agent, Network};
use gdoi_monitor::http::Refusal;

use super::limits::SHORT;
use super::server::{TestServer, curl};
use crate::kernel::in_network;

const TEST: &str = "other_sites";

#[test]
fn a_name_that_was_made_to_lead_here_reads_nothing() {
    let server = TestServer::plain(SHORT);
    let check = |path: &str, headers: &[&str], expect: u16| {
        let url = format!("http://{}{path}", server.address);
        let mut arguments: Vec<_> = headers.iter().flat_map(|header| ["--header", *header]).collect();
        arguments.push(&url);
        if let Some(got) = curl(TEST, &arguments) {
            assert_eq!(got.status, expect, "{path} {headers:?}: {}", got.body);
        }
    };
    let rebound = "Host: attacker.example:11848";
    for path in [
        "/",
        "/api/v1/groups",
        "/api/v1/members",
        "/api/v1/events",
        "/ui/page.js",
    ] {
        check(path, &[rebound], 403);
        check(path, &[], 200);
    }
    let browser = "Accept-Language: en";
    check("/metrics", &[rebound, browser], 403);
    check("/-/ready", &[rebound, browser], 403);
    // Prometheus uses the name in its configuration.
    check("/metrics", &["Host: gw1.corp.example:11848"], 200);
    check(
        "/api/v1/groups",
        &["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"],
        403,
    );
    check(
        "/",
        &["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"],
        200,
    );
    assert_eq!(server.refused(Refusal::Host), 7);
    assert_eq!(server.refused(Refusal::CrossSite), 1);
}

#[test]
fn other_sites_reload_nothing_and_nobody_reloads_all_the_time() {
    in_network("other_sites_reload_nothing", |_| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gdoi.toml");
        fs::write(
            &file,
            format!("[capture]\ninterfaces = [\"{}\"]\n", Network::WATCH),
        )
        .unwrap();
        let config = file.to_str().unwrap();
        let post = |headers: &[&str]| {
            let mut arguments = vec!["--request", "POST"];
            arguments.extend(headers.iter().flat_map(|header| ["--header", *header]));
            arguments.push("http://127.0.0.1:11848/-/reload");
            curl(TEST, &arguments).map(|got| (got.status, got.body))
        };
        let agent = Agent::start(&["--config", config, "--log.level", "off"]).unwrap();
        let Some((status, said)) = post(&[]) else { return };
        assert!(
            status == 403 && said.contains("--web.enable-lifecycle"),
            "{status} {said}"
        );
        assert!(agent.reload().unwrap(), "SIGHUP always works");
        assert!(agent.stop().unwrap().success());

        let agent =
            Agent::start(&["--config", config, "--web.enable-lifecycle", "--log.level", "off"]).unwrap();
        for headers in [
            ["Origin: http://attacker.example", "X: y"],
            ["Origin: null", "X: y"],
            ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"],
            [
                "Host: attacker.example:11848",
                "Origin: http://attacker.example:11848",
            ],
        ] {
            assert_eq!(post(&headers).unwrap().0, 403, "{headers:?}");
        }
        let statuses: Vec<_> = (0..6).map(|_| post(&[]).unwrap().0).collect();
        assert_eq!(statuses, [200, 200, 200, 429, 429, 429]);
        let refused = |reason| {
            agent
                .metrics()
                .unwrap()
                .sum("gdoi_http_refused_total", &[("reason", reason)])
        };
        let counted = ["cross_site", "host", "rate"].map(refused);
        assert_eq!(format!("{counted:?}"), "[3.0, 1.0, 3.0]");
        assert!(agent.stop().unwrap().success());
    });
}
