//! A server with an engine that has a state, certificates, and a client.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use gdoi_core::{Snapshot, Timestamp};
use gdoi_monitor::engine::{DiagnosisView, Request, State};
use gdoi_monitor::http::web::Web;
use gdoi_monitor::http::{self, Limits, Refusal, Server};
use gdoi_monitor::sink::{EventCounts, Tally};
use gdoi_monitor::time::Calendar;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

/// A server that is stopped on drop.
pub(crate) struct TestServer {
    runtime: Runtime,
    _stop: watch::Sender<bool>,
    pub(crate) address: SocketAddr,
    pub(crate) server: Arc<Server>,
}

impl TestServer {
    /// Serves `state` with `web`.
    pub(crate) fn serve(web: Arc<Web>, limits: Limits, state: State) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (requests, mut asked) = mpsc::channel::<Request>(16);
        let (stop, stopping) = watch::channel(false);
        let server = Arc::new(Server::new(requests, web, limits));
        let listener = http::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener).unwrap()
        };
        let state = Arc::new(state);
        runtime.spawn(async move {
            while let Some(request) = asked.recv().await {
                drop(request.reply.send(Arc::clone(&state)));
            }
        });
        runtime.spawn(http::serve(listener, Arc::clone(&server), stopping));
        Self {
            runtime,
            _stop: stop,
            address,
            server,
        }
    }

    /// Serves an empty engine to everybody.
    pub(crate) fn plain(limits: Limits) -> Self {
        Self::serve(Arc::new(Web::plain()), limits, nothing())
    }

    /// Number of refusals for this reason.
    pub(crate) fn refused(&self, why: Refusal) -> u64 {
        let refused = self.server.status().refused;
        refused.iter().find(|(have, _)| *have == why).unwrap().1
    }

    /// Waits until no client is connected.
    pub(crate) fn until_empty(&self) {
        self.runtime.block_on(async {
            while self.server.status().connections > 0 {
                tokio::task::yield_now().await;
            }
        });
    }
}

/// The state of an empty engine.
pub(crate) fn nothing() -> State {
    State {
        now: Timestamp::ZERO,
        calendar: Calendar::EPOCH,
        captures: Vec::new(),
        unread_records: 0,
        tally: Tally::default(),
        events: EventCounts::default(),
        recent: Vec::new(),
        snapshot: Snapshot::default(),
        diagnosis: DiagnosisView::default(),
    }
}

/// A folder with the files of a web configuration.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes `NAME.crt` and `NAME.key` for 127.0.0.1 and `san`, issued by a new authority, whose certificate is in
    /// `NAME.ca`.
    pub(crate) fn certify(&self, name: &str, san: &str) {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        let called = format!("authority of {name}");
        authority.distinguished_name.push(DnType::CommonName, called);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(vec![san.to_owned()]).unwrap();
        leaf.distinguished_name.push(DnType::CommonName, name);
        leaf.subject_alt_names
            .push(SanType::IpAddress(Ipv4Addr::LOCALHOST.into()));
        let leaf = leaf.signed_by(&key, &authority).unwrap();
        self.write(&format!("{name}.ca"), &authority.pem());
        self.write(&format!("{name}.crt"), &leaf.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }
}

/// The result of curl: the status, 0 without an answer, and the body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Sends a request as a scraper does. `None`, with a SKIP line, without curl.
pub(crate) fn curl(test: &str, arguments: &[&str]) -> Option<Got> {
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--write-out",
            "\n%{http_code}",
        ])
        .args(arguments)
        .env_remove("http_proxy")
        .env_remove("https_proxy")
        .env("NO_PROXY", "*")
        .output();
    let Ok(output) = output else {
        eprintln!("SKIP {test}: curl is not installed; `cargo xtask setup` does it");
        return None;
    };
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    let (body, status) = said.rsplit_once('\n').unwrap();
    Some(Got {
        status: status.parse().unwrap(),
        body: body.to_owned(),
    })
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
