//! The metrics page, made from the current state at each scrape.
//!
//! No value is kept between scrapes, so none can be stale. A metric is one row: it declares name, labels and help,
//! and fills them (`agent`, `capture`, `groups`, `keys`).

mod agent;
mod capture;
mod family;
mod groups;
mod keys;
mod open_metrics;
mod shown_groups;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use prometheus::core::Collector as _;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Encoder as _, TextEncoder};

use crate::engine::State;
use crate::status::Status;
use capture::InterfaceSamples;
use shown_groups::{Choice, ShownGroups};

pub use family::{Family, FamilyKind};

/// Enough for a thousand groups with as many series each as a family has for one; Prometheus ingests it in seconds.
pub const MOST: usize = 50_000;

/// How the page is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// The text format of Prometheus, which every version accepts.
    #[default]
    Text,
}

impl Format {
    /// The content type of a page in this format.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Every family, in the order of the page; those of the process itself follow them. Names are a contract: add, do not
/// rename.
pub fn families() -> impl Iterator<Item = &'static Family> {
    let rows = [
        agent::FAMILIES,
        capture::FAMILIES,
        groups::FAMILIES,
        keys::FAMILIES,
    ];
    rows.into_iter().flatten().chain([&agent::OVERFLOW])
}

/// Makes the metrics page.
#[derive(Debug)]
pub struct Exposition {
    process: ProcessCollector,
    /// Maximum number of samples of one family.
    most: usize,
    kept: Mutex<ScrapeMemory>,
}

/// What is kept from one scrape to the next.
#[derive(Debug, Default)]
struct ScrapeMemory {
    choice: Choice,
    /// Samples that were left out.
    left_out: u64,
}

/// The input of the page.
struct Facts<'a> {
    state: &'a State,
    server: &'a Status,
    groups: ShownGroups<'a>,
    interfaces: InterfaceSamples<'a>,
    /// Learned groups without series because there were too many.
    hidden_groups: u64,
    /// Samples that were left out, of this page and earlier ones.
    left_out: Cell<u64>,
}

impl Exposition {
    /// Pages whose families have at most `most` samples each.
    pub fn new(most: usize) -> Self {
        Self {
            process: ProcessCollector::for_self(),
            most,
            kept: Mutex::new(ScrapeMemory::default()),
        }
    }

    /// The page for `state` and for the `server` that serves it.
    pub fn page(&self, state: &State, server: &Status, format: Format) -> Result<Vec<u8>, prometheus::Error> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let groups = kept.choice.of(state);
        let facts = Facts {
            state,
            server,
            groups,
            interfaces: capture::interfaces(state),
            hidden_groups: kept.choice.hidden(),
            left_out: Cell::new(kept.left_out),
        };
        let mut page: Vec<_> = families()
            .filter_map(|family| family.filled(&facts, self.most))
            .collect();
        kept.left_out = facts.left_out.get();
        drop(kept);
        page.extend(self.process.collect().into_iter().map(with_cpu_time));
        let mut text = Vec::new();
        match format {
            Format::OpenMetrics => open_metrics::encode(&page, &mut text)?,
            Format::Text => TextEncoder::new().encode(&page, &mut text)?,
        }
        Ok(text)
    }
}

impl Default for Exposition {
    fn default() -> Self {
        Self::new(MOST)
    }
}

/// The library counts CPU time in whole seconds; an idle agent uses one in minutes.
fn with_cpu_time(mut family: MetricFamily) -> MetricFamily {
    if family.name() == "process_cpu_seconds_total"
        && let Ok(used) = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
    {
        for metric in family.mut_metric() {
            let mut counter = metric.get_counter().clone();
            counter.set_value(Duration::from(used).as_secs_f64());
            metric.set_counter(counter);
        }
    }
    family
}
