//! The Prometheus that scrapes the fleet, and its own metrics.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::report::RuleGroup;
use crate::Metrics;
use crate::prometheus::{Prometheus, Series};

/// A Prometheus with the rules of the repository.
pub(super) struct FleetPrometheus(Prometheus);

/// Its resource usage so far.
pub(super) struct ServerUsage {
    /// Bytes of resident memory.
    pub(super) memory: f64,
    pub(super) cpu_seconds: f64,
    /// Rule evaluations skipped because the previous one was still running.
    pub(super) missed_evaluations: f64,
}

impl FleetPrometheus {
    /// Starts it: scrapes `gateways` pages at `address` every minute, and evaluates the rules in `deploy`.
    pub(super) fn start(folder: &Path, deploy: &Path, address: SocketAddr, gateways: usize) -> Result<Self> {
        let rules = deploy.join("prometheus/rules");
        let rules = rules
            .canonicalize()
            .with_context(|| format!("find {}", rules.display()))?;
        let mut config = format!(
            "global: {{scrape_interval: 60s, scrape_timeout: 30s, evaluation_interval: 30s}}\n\
             rule_files: [\"{}/*.yml\"]\nscrape_configs:\n  - job_name: gdoi-monitor\n    static_configs:\n",
            rules.display()
        );
        for gateway in 0..gateways {
            writeln!(
                config,
                "      - {{targets: [\"{address}\"], labels: {{instance: \"gateway-{gateway:04}:11848\", __metrics_path__: \
                 \"/gateway/{gateway}/metrics\"}}}}"
            )?;
        }
        let path = folder.join("prometheus.yml");
        fs::write(&path, config).context("write the configuration of Prometheus")?;
        let data = folder.join("data");
        fs::create_dir(&data).context("make a folder for the data of Prometheus")?;
        Ok(Self(Prometheus::launch(&data, &path, &[])?))
    }

    /// Its resource usage, and what it skipped, by its own metrics.
    pub(super) fn taken(&self) -> Result<ServerUsage> {
        let metrics = Metrics::parse(&self.0.page("/metrics")?);
        Ok(ServerUsage {
            memory: metrics.sum("process_resident_memory_bytes", &[]),
            cpu_seconds: metrics.sum("process_cpu_seconds_total", &[]),
            missed_evaluations: metrics.sum("prometheus_rule_group_iterations_missed_total", &[]),
        })
    }

    /// Series in its head block.
    pub(super) fn series(&self) -> Result<u64> {
        let status = self.0.api("/api/v1/status/tsdb")?;
        let count = status.pointer("/headStats/numSeries").and_then(Value::as_u64);
        count.context("Prometheus does not say how many series it has")
    }

    /// The rule groups with the duration of their last evaluation.
    pub(super) fn rule_groups(&self) -> Result<Vec<RuleGroup>> {
        let answer = self.0.api("/api/v1/rules")?;
        let groups = answer.get("groups").and_then(Value::as_array);
        let groups = groups.context("Prometheus has no rules")?;
        let read = |group: &Value| {
            Some(RuleGroup {
                name: group.get("name")?.as_str()?.to_owned(),
                interval: Duration::try_from_secs_f64(group.get("interval")?.as_f64()?).ok()?,
                took: Duration::try_from_secs_f64(group.get("evaluationTime")?.as_f64()?).ok()?,
            })
        };
        Ok(groups.iter().filter_map(read).collect())
    }

    /// The value of an expression with a single result.
    pub(super) fn value(&self, expression: &str) -> Result<f64> {
        let answer = self.0.now(expression)?;
        let point = answer.first().and_then(|series| series.points.first());
        point
            .map(|point| point.1)
            .with_context(|| format!("{expression} has no value"))
    }

    /// The current value of an expression.
    pub(super) fn now(&self, expression: &str) -> Result<Vec<Series>> {
        self.0.now(expression)
    }

    /// The values of an expression over a span.
    pub(super) fn range(&self, expression: &str, span: (u64, u64), step: u64) -> Result<Vec<Series>> {
        self.0.range(expression, span, step)
    }
}
