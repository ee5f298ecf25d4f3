//! Months of a large group in virtual time, through the tracker and the metrics of the agent: members come, go and
//! change their addresses, key servers fail over.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use gdoi_core::Timestamp;
use gdoi_sim::{Emission, Kind, Scenario, Simulation};

use super::growth::{Growth, Sample};
use crate::day::Gateway;
use crate::{Metrics, Resources};

const DAY: Duration = Duration::from_hours(24);
const LAST: Duration = Duration::from_mins(2);
/// The simulator is in the same process, and holds members too.
const MORE_OCTETS: u64 = 32 << 20;

/// Length and size of the test.
#[derive(Clone, Copy, Debug)]
pub struct Days {
    /// Number of days.
    pub days: u32,
    /// Members present at any time.
    pub members: u32,
}

/// The result.
#[derive(Clone, Debug)]
pub struct DaysReport {
    of: Days,
    growth: Growth,
    happened: Counts,
    counted: Counts,
    took: Duration,
}

/// Counts by type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    messages: u64,
    esp_packets: u64,
    rekeys: u64,
    registrations: u64,
}

impl Days {
    /// Runs the test. It is an error if something grows, or if counters differ from the truth.
    pub fn run(&self) -> Result<DaysReport> {
        let begun = Instant::now();
        let scenario = self.scenario()?;
        let mut simulation = Simulation::new(&scenario, None)?;
        let mut gateway = Gateway::new(&scenario);
        let mut growth = Growth::in_units("day", DAY);
        let mut happened = Counts::default();
        let mut due = scenario.start.after(DAY);
        while let Some(emission) = simulation.next() {
            if emission.at() >= due {
                growth.add(sample(&mut gateway, due, scenario.start)?);
                happened.add(&mut simulation);
                due = due.after(DAY);
            }
            happened.see(&emission);
            gateway.see(&emission);
        }
        happened.add(&mut simulation);
        // Reports that were deferred until certain are out by then.
        let page = gateway.page(simulation.end().after(LAST))?;
        let report = DaysReport {
            of: *self,
            growth,
            happened,
            counted: Counts::of(&Metrics::parse(&page)),
            took: begun.elapsed(),
        };
        report.growth.check(MORE_OCTETS)?;
        ensure!(report.happened == report.counted, "{report}");
        Ok(report)
    }

    /// Every day some members lose power for good, as many are turned on at other addresses, and as many restart.
    /// Every tenth day the primary key server is down for an hour.
    fn scenario(self) -> Result<Scenario> {
        let Self { days, members } = self;
        let churn = (members / 100).max(1);
        let (hours, all) = (24 * days, members + churn * days);
        let mut text = format!(
            "title = \"Months\"\nseed = 90\nduration = \"{hours}h\"\n[[group]]\nname = \"G1\"\n\
             key_servers = [\"10.1.11.2\", \"10.1.12.2\"]\nrekey_address = \"239.0.1.2\"\nmembers = {all}\n\
             boot_within = \"30m\"\ntraffic_every = \"1h\"\n"
        );
        let mut event = |hour: u32, action: &str, rest: String| {
            let lines = [
                "[[event]]",
                &format!("at = \"{hour}h 17m\""),
                &format!("action = \"{action}\""),
                &rest,
                "",
            ];
            text.push_str(&lines.join("\n"));
        };
        for day in 0..days {
            let some = |first: u32| {
                (first..first + churn)
                    .map(|member| member.to_string())
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let (gone, new) = (1 + day * churn % members, 1 + members + day * churn);
            event(24 * day + 9, "power_off", format!("members = [{}]", some(gone)));
            event(
                24 * day + 9,
                "join",
                format!("members = [{}]\nfor = \"10m\"", some(new)),
            );
            event(
                24 * day + 15,
                "reboot",
                format!("members = [{}]\nfor = \"10m\"", some(new)),
            );
            if day % 10 == 5 {
                event(24 * day + 20, "server_down", "key_server = 1".to_owned());
                event(24 * day + 21, "server_up", "key_server = 1".to_owned());
            }
        }
        Ok(Scenario::parse(&text)?)
    }
}

fn sample(gateway: &mut Gateway, now: Timestamp, start: Timestamp) -> Result<Sample> {
    let page = gateway.page(now)?;
    Ok(Sample {
        at: now.since(start),
        held: Resources::of(std::process::id())?,
        series: page.lines().filter(|line| !line.starts_with('#')).count(),
        packets: Metrics::parse(&page).sum("gdoi_packets_total", &[]),
    })
}

impl Counts {
    fn see(&mut self, emission: &Emission) {
        match emission {
            Emission::Sent(_) => self.messages += 1,
            Emission::Esp(esp) => self.esp_packets += u64::from(esp.packets),
            Emission::Loss(..) => {}
        }
    }

    /// Takes the truth out of the simulation, where it would grow.
    fn add(&mut self, simulation: &mut Simulation) {
        for happened in simulation.take_truth().happened() {
            match happened.kind {
                Kind::Rekey { .. } => self.rekeys += 1,
                Kind::RegistrationCompleted { .. } => self.registrations += 1,
                _ => {}
            }
        }
    }

    fn of(metrics: &Metrics) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
        let sum = |name: &str, labels: &[(&str, &str)]| metrics.sum(name, labels) as u64;
        Self {
            messages: sum("gdoi_messages_tracked_total", &[]),
            esp_packets: sum("gdoi_esp_packets_total", &[]),
            rekeys: sum("gdoi_rekeys_total", &[]),
            registrations: sum("gdoi_registrations_total", &[("result", "completed")]),
        }
    }
}

impl fmt::Display for DaysReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            of: Days { days, members },
            growth,
            happened,
            counted,
            took,
        } = self;
        writeln!(
            f,
            "{days} days of {members} members, simulated in {:.0} s.\n",
            took.as_secs_f64()
        )?;
        writeln!(f, "| | happened | counted |\n|---|---:|---:|")?;
        for (name, happened, counted) in [
            ("messages", happened.messages, counted.messages),
            ("ESP packets", happened.esp_packets, counted.esp_packets),
            ("rekeys", happened.rekeys, counted.rekeys),
            ("registrations", happened.registrations, counted.registrations),
        ] {
            writeln!(f, "| {name} | {happened} | {counted} |")?;
        }
        write!(f, "\n{growth}")
    }
}
