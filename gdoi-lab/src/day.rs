//! A simulated day as Prometheus would have scraped it: the agent's own metrics page, in virtual time.

mod gateway;

use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context as _, Result};
use gdoi_core::Timestamp;
use gdoi_sim::{Emission, Scenario, Simulation};

use gateway::Gateway;

/// How a day is scraped.
#[derive(Clone, Debug)]
pub struct Day<'a> {
    /// Time between scrapes.
    pub interval: Duration,
    /// The label `instance` of every sample.
    pub instance: &'a str,
}

/// What was written of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scrapes {
    /// When it began and ended.
    pub span: (Timestamp, Timestamp),
    /// How often it was scraped.
    pub count: u64,
}

impl Day<'_> {
    /// Lets the scenario happen before the tracker and the metrics sink of the agent, and writes what each scrape
    /// would have got: `OpenMetrics` samples with times, for `promtool tsdb create-blocks-from openmetrics`.
    pub fn write(&self, scenario: &Scenario, seed: Option<u64>, out: &mut impl Write) -> Result<Scrapes> {
        let mut simulation = Simulation::new(scenario, seed)?;
        let mut scraper = Scraper {
            day: self,
            gateway: Gateway::new(scenario),
            due: scenario.start,
            count: 0,
            out,
        };
        for emission in simulation.by_ref() {
            if let Emission::Loss(_, loss) = &emission {
                // What is not watched is told as of its beginning, and nobody answers a scrape until its end.
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

/// Ends what [`Day::write`] has written, once.
pub fn finish(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"# EOF\n")
}

struct Scraper<'a, W> {
    day: &'a Day<'a>,
    gateway: Gateway,
    due: Timestamp,
    count: u64,
    out: &'a mut W,
}

impl<W: Write> Scraper<'_, W> {
    /// Scrapes as often as is due before `until`.
    fn until(&mut self, until: Timestamp) -> Result<()> {
        while self.due < until {
            let page = self.gateway.page(self.due)?;
            self.sample("up 1")?;
            for line in page.lines().filter(|line| is_simulated(line)) {
                self.sample(line)?;
            }
            self.scraped();
        }
        Ok(())
    }

    /// Scrapes without an answer.
    fn unanswered_until(&mut self, until: Timestamp) -> Result<()> {
        while self.due < until {
            self.sample("up 0")?;
            self.scraped();
        }
        Ok(())
    }

    fn scraped(&mut self) {
        self.due = self.due.after(self.day.interval);
        self.count += 1;
    }

    /// A line of a metrics page, with the labels that Prometheus adds and the time of the scrape.
    fn sample(&mut self, line: &str) -> Result<()> {
        let (series, value) = line.rsplit_once(' ').context("a sample without a value")?;
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let comma = if labels == "}" { "" } else { "," };
        let instance = self.day.instance;
        let seconds = self.due.since(Timestamp::ZERO).as_secs_f64();
        writeln!(
            self.out,
            "{name}{{job=\"{JOB}\",instance=\"{instance}\"{comma}{labels} {value} {seconds:.3}"
        )
        .context("write a sample")
    }
}

/// Whether a line is a sample of the simulation: the process that simulates is no agent.
fn is_simulated(line: &str) -> bool {
    !line.starts_with('#') && !line.starts_with("process_")
}

/// The job of the scrape configuration that ships.
pub const JOB: &str = "gdoi-monitor";
