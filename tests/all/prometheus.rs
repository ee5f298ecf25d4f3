//! Rules, alerts and dashboards: they name existing metrics, each alert has its runbook, and a real Prometheus gives
//! answers.

mod centre;
mod dashboards;
mod days;
mod documents;
mod expression;
mod fleet;
mod incidents;
mod promtool;
mod rules;

use std::path::{Path, PathBuf};

use gdoi_lab::prometheus::program;

/// Whether there is a Prometheus; otherwise prints a SKIP line, which is counted.
fn is_installed(test: &str) -> bool {
    let has = program("prometheus").is_some() && program("promtool").is_some();
    if !has {
        eprintln!("SKIP {test}: prometheus is not installed");
    }
    has
}

/// The folder `deploy`.
fn deploy() -> PathBuf {
    root().join("deploy")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
