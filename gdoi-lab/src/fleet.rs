//! A fleet before one real Prometheus: many simulated gateways, with the rules and dashboards of the repository.
//!
//! One process serves the pages of all gateways. Their values are those of one simulated gateway in real time, so
//! counters change as on a healthy day; each pair of gateways has groups of its own.

mod dashboards;
mod day;
mod pages;
mod prometheus;
mod report;
mod server;

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use dashboards::Dashboards;
use day::HealthyDay;
use prometheus::FleetPrometheus;
pub use report::{Heaviest, Outcome, RuleGroup};
pub use server::PageServer;

/// How often the durations of rules are read; they are evaluated every 30 seconds.
const POLL: Duration = Duration::from_secs(10);

/// What is measured.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// Number of gateways in each run.
    pub sizes: Vec<usize>,
    /// Number of gateways in a run in which all see the same groups, if any.
    pub shared: Option<usize>,
    /// Duration of each run before the dashboards are queried.
    pub lasting: Duration,
    /// The folder with `prometheus` and `grafana`, as in the repository.
    pub deploy: PathBuf,
}

/// How many gateways see one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Two: a pair at each site.
    Pairs,
    /// All of them.
    All,
}

impl Fleet {
    /// Measures a healthy day's series, then one run for each size; `each` receives intermediate results.
    pub fn run(&self, mut each: impl FnMut(&str) -> Result<()>) -> Result<()> {
        let day = HealthyDay::simulate()?;
        each(&day.to_string())?;
        each(report::HEADER)?;
        let pairs = self.sizes.iter().map(|&size| (size, Sharing::Pairs));
        let all = self.shared.iter().map(|&size| (size, Sharing::All));
        for (gateways, sharing) in pairs.chain(all) {
            each(&self.measure(gateways, sharing)?.to_string())?;
        }
        Ok(())
    }

    fn measure(&self, gateways: usize, sharing: Sharing) -> Result<Outcome> {
        let folder = tempfile::tempdir().context("make a folder for Prometheus")?;
        let server = PageServer::start(sharing)?;
        let scraper = FleetPrometheus::start(folder.path(), &self.deploy, server.address(), gateways)?;
        sleep(self.lasting / 2);
        let before = scraper.taken()?;
        let since = Instant::now();
        let mut groups = Vec::new();
        while since.elapsed() < self.lasting / 2 {
            sleep(POLL);
            report::keep_slowest(&mut groups, scraper.rule_groups()?);
        }
        let after = scraper.taken()?;
        let cores = (after.cpu_seconds - before.cpu_seconds) / since.elapsed().as_secs_f64();
        let up = scraper.value("sum(up)")?;
        if up < count(gateways) {
            bail!("{up} of {gateways} gateways answer Prometheus");
        }
        Ok(Outcome {
            gateways,
            sharing,
            series: scraper.series()?,
            memory: after.memory,
            cores,
            missed_evaluations: after.missed_evaluations,
            groups,
            heaviest: Dashboards::read(&self.deploy)?.heaviest(&scraper, self.lasting)?,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
const fn count(number: usize) -> f64 {
    number as f64
}
