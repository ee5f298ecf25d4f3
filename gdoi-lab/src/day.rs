//! A simulated day as Prometheus would have scraped it: the agent's own metrics page, in virtual time.

mod blocks;
mod gateway;

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use gdoi_core::Timestamp;
use gdoi_sim::{Emission, Scenario, Simulation};

pub use blocks::Blocks;
pub(crate) use gateway::Gateway;

/// The end of a file of samples.
pub const END: &str = "# EOF\n";
/// The job in the example scrape configuration.
pub const JOB: &str = "gdoi-monitor";

/// How a day is scraped.
#[derive(Clone, Copy, Debug)]
pub struct Day<'a> {
    /// Time between scrapes.
    pub interval: Duration,
    /// The label `job` of every sample.
    pub job: &'a str,
    /// The label `instance` of every sample.
    pub instance: &'a str,
}

/// The scrapes of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scrapes {
    /// When it began and ended.
    pub span: (Timestamp, Timestamp),
    /// Number of scrapes.
    pub count: u64,
}

impl Day<'_> {
    /// Runs the scenario through the tracker and the metrics sink of the agent, and passes the result of each scrape
    /// to `take`: lines with a time each, in the format of `promtool tsdb create-blocks-from openmetrics`.
    pub fn scrape(
        &self,
        scenario: &Scenario,
        seed: Option<u64>,
        take: &mut impl FnMut(Timestamp, &str) -> Result<()>,
    ) -> Result<Scrapes> {
        let mut simulation = Simulation::new(scenario, seed)?;
        let mut scraper = Scraper {
            day: *self,
            gateway: Gateway::new(scenario),
            due: scenario.start,
            count: 0,
            lines: String::new(),
            take,
        };
        for emission in simulation.by_ref() {
            if let Emission::Loss(_, loss) = &emission {
                // A gap is reported as of its beginning, and no scrape is answered until its end.
                scraper.until(loss.from)?;
                scraper.gateway.see(&emission);
                scraper.unanswered_until(loss.until)?;
            } else {
                scraper.until(emission.at())?;
                scraper.gateway.see(&emission);
            }
        }
        let end = simulation.end();
        scraper.until(end)?;
        Ok(Scrapes {
            span: (scenario.start, end),
            count: scraper.count,
        })
    }
}

struct Scraper<'a, T> {
    day: Day<'a>,
    gateway: Gateway,
    due: Timestamp,
    count: u64,
    lines: String,
    take: &'a mut T,
}

impl<T: FnMut(Timestamp, &str) -> Result<()>> Scraper<'_, T> {
    /// Makes all scrapes that are due before `until`.
    fn until(&mut self, until: Timestamp) -> Result<()> {
        while self.due < until {
            let page = self.gateway.page(self.due)?;
            self.sample("up 1")?;
            for line in page.lines().filter(|line| is_simulated(line)) {
                self.sample(line)?;
            }
            self.scraped()?;
        }
        Ok(())
    }

    /// Makes scrapes without an answer.
    fn unanswered_until(&mut self, until: Timestamp) -> Result<()> {
        while self.due < until {
            self.sample("up 0")?;
            self.scraped()?;
        }
        Ok(())
    }

    fn scraped(&mut self) -> Result<()> {
        (self.take)(self.due, &self.lines)?;
        self.lines.clear();
        self.due = self.due.after(self.day.interval);
        self.count += 1;
        Ok(())
    }

    /// A line of a metrics page, with the labels that Prometheus adds and the time of the scrape.
    fn sample(&mut self, line: &str) -> Result<()> {
        let (series, value) = line.rsplit_once(' ').context("a sample without a value")?;
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let comma = if labels == "}" { "" } else { "," };
        let Day { job, instance, .. } = self.day;
        let seconds = self.due.since(Timestamp::ZERO).as_secs_f64();
        writeln!(
            self.lines,
            "{name}{{job=\"{job}\",instance=\"{instance}\"{comma}{labels} {value} {seconds:.3}"
        )
        .context("write a sample")
    }
}

/// Whether a line is a sample of the simulation: the simulating process is no agent.
fn is_simulated(line: &str) -> bool {
    !line.starts_with('#') && !line.starts_with("process_")
}
