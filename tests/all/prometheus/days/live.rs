//! Simulated days in a real Prometheus: scraped, recorded, and with the alerts that fired.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_lab::day::{Blocks, Day};
use gdoi_lab::prometheus::{Prometheus, Series};
use gdoi_sim::scenario::{self, Scenario};
use tempfile::TempDir;

use super::super::expression::Names;
use super::super::rules::{self, Rule};

/// Seconds between scrapes and between evaluations.
pub(super) const STEP: u64 = 60;
/// A day that two gateways see as well.
pub(super) const ONCE: &str = "demo";
pub(super) const TWICE: &str = "demo_before_two_gateways";

/// Days, and a Prometheus that has their data.
pub(super) struct Days {
    server: Option<Prometheus>,
    span: (u64, u64),
    /// Time of the last scrape of each job.
    ends: BTreeMap<String, u64>,
    folder: TempDir,
}

/// An alert that fired.
pub(super) struct Fired {
    pub(super) alert: String,
    /// Its labels, `job` among them.
    labels: BTreeMap<String, String>,
    /// The times.
    moments: Vec<u64>,
}

impl Fired {
    /// The day it fired on.
    pub(super) fn day(&self) -> &str {
        self.labels["job"].strip_prefix("gdoi-").unwrap()
    }
}

impl Days {
    /// Simulates every day, then evaluates the recording rules.
    pub(super) fn live() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::write(
            folder.path().join("prometheus.yml"),
            "global: {scrape_interval: 1m}\n",
        )
        .unwrap();
        let mut days = Self {
            server: None,
            span: (0, 0),
            ends: BTreeMap::new(),
            folder,
        };
        days.span = days.scrape();
        days.serve();
        days.record();
        days
    }

    /// The values of an expression over all days, every `step` seconds.
    pub(super) fn ask(&self, expression: &str, step: u64) -> Vec<Series> {
        let server = self.server.as_ref().unwrap();
        let answer = server.range(expression, self.span, step);
        answer.unwrap_or_else(|error| panic!("{expression}: {error:#}"))
    }

    /// The alerts that fire.
    pub(super) fn fired(&self) -> Vec<Fired> {
        let mut fired = Vec::new();
        for (name, alert) in rules::alerts() {
            for series in self.ask(&alert.expr, STEP) {
                let mut moments = firing(&series, &alert);
                // After the end of a day its gateways look missing.
                moments.retain(|at| *at <= self.ends[series.label("job")]);
                if moments.is_empty() {
                    continue;
                }
                let mut labels = series.labels;
                labels.remove("__name__");
                labels.extend(alert.labels.clone());
                fired.push(Fired {
                    alert: name.clone(),
                    labels,
                    moments,
                });
            }
        }
        fired
    }

    /// Stores the alerts as Prometheus does, in the series `ALERTS`.
    pub(super) fn keep(&mut self, fired: &[Fired]) {
        let mut blocks = self.blocks();
        for Fired {
            alert,
            labels,
            moments,
        } in fired
        {
            let labels = format!("alertname=\"{alert}\",alertstate=\"firing\",{}", written(labels));
            for &at in moments {
                add(&mut blocks, "ALERTS", &labels, at, 1.0);
            }
        }
        blocks.import(&self.data()).unwrap();
        self.serve();
    }

    /// Each day is a job, so that they can be queried together.
    fn scrape(&mut self) -> (u64, u64) {
        let mut blocks = self.blocks();
        let (mut from, mut until) = (u64::MAX, 0);
        for (name, scenario) in all() {
            let gateways: &[&str] = match name.as_str() {
                TWICE => &["gateway-1", "gateway-2"],
                _ => &["gateway-1"],
            };
            for instance in gateways {
                let day = Day {
                    interval: Duration::from_secs(STEP),
                    job: &format!("gdoi-{name}"),
                    instance,
                };
                let scrapes = day
                    .scrape(&scenario, None, &mut |at, lines| blocks.add(at, lines))
                    .unwrap();
                let seconds = |at: Timestamp| at.since(Timestamp::ZERO).as_secs();
                self.ends.insert(format!("gdoi-{name}"), seconds(scrapes.span.1));
                from = from.min(seconds(scrapes.span.0));
                until = until.max(seconds(scrapes.span.1));
            }
        }
        blocks.import(&self.data()).unwrap();
        (from, until)
    }

    /// Writes the recorded series as Prometheus would: first rules that use no recorded series, then rules that use
    /// those.
    fn record(&mut self) {
        let mut waiting: Vec<Rule> = rules::all();
        waiting.retain(|rule| rule.record.is_some());
        while !waiting.is_empty() {
            let names: BTreeSet<String> = waiting.iter().filter_map(|rule| rule.record.clone()).collect();
            let waits = |rule: &Rule| {
                let series = Names::of(&rule.expr).series;
                series.iter().any(|(name, _)| names.contains(name))
            };
            let (later, now): (Vec<Rule>, Vec<Rule>) = waiting.into_iter().partition(waits);
            assert!(!now.is_empty(), "rules wait for each other: {names:?}");
            let mut blocks = self.blocks();
            for rule in now {
                let name = rule.record.unwrap();
                for one in self.ask(&rule.expr, STEP) {
                    let labels = written(&one.labels);
                    for (at, value) in one.points {
                        add(&mut blocks, &name, &labels, at, value);
                    }
                }
            }
            blocks.import(&self.data()).unwrap();
            self.serve();
            waiting = later;
        }
    }

    /// Restarts Prometheus: it finds the new blocks.
    fn serve(&mut self) {
        self.server = None;
        let config = self.folder.path().join("prometheus.yml");
        self.server = Some(Prometheus::start(&self.data(), &config).unwrap());
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn blocks(&self) -> Blocks {
        Blocks::new(self.folder.path())
    }
}

/// The scenarios of the library, all on the same day; one of them once more, for two gateways.
pub(super) fn all() -> BTreeMap<String, Scenario> {
    let mut all: BTreeMap<String, Scenario> = scenario::names()
        .map(|name| (name.to_owned(), scenario::named(name).unwrap()))
        .collect();
    all.insert(TWICE.to_owned(), all[ONCE].clone());
    let start = all[ONCE].start;
    for scenario in all.values_mut() {
        scenario.start = start;
    }
    all
}

fn written(labels: &BTreeMap<String, String>) -> String {
    let labels = labels.iter().filter(|(label, _)| *label != "__name__");
    let labels: Vec<String> = labels
        .map(|(label, value)| format!("{label}=\"{value}\""))
        .collect();
    labels.join(",")
}

fn add(blocks: &mut Blocks, name: &str, labels: &str, at: u64, value: f64) {
    let mut line = String::new();
    writeln!(line, "{name}{{{labels}}} {value} {at}").unwrap();
    let at = Timestamp::ZERO.after(Duration::from_secs(at));
    blocks.add(at, &line).unwrap();
}

/// When the expression has held for the alert's duration, without a gap.
fn firing(series: &Series, alert: &Rule) -> Vec<u64> {
    let (mut begun, mut before) = (0, 0);
    let mut moments = Vec::new();
    for &(at, _) in &series.points {
        if at != before + STEP {
            begun = at;
        }
        before = at;
        if at - begun >= alert.lasting() {
            moments.push(at);
        }
    }
    moments
}
