//! A simulated group in real time on an interface.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use gdoi_core::config::GroupConfig;
use gdoi_sim::{Emission, Scenario, Simulation};

use crate::Injector;

/// A scenario at real speed.
#[derive(Debug)]
pub struct LiveScenario {
    simulation: Simulation,
    next: Option<Emission>,
    scenario: Scenario,
    begun: Instant,
    late: Duration,
}

/// What a live group sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentCounts {
    /// ISAKMP messages.
    pub messages: u64,
    /// ESP packets.
    pub esp: u64,
    /// Frames of both; a message may have several.
    pub frames: u64,
}

impl SentCounts {
    /// Adds the counts of another.
    pub const fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.esp += other.esp;
        self.frames += other.frames;
    }
}

impl LiveScenario {
    /// Starts a scenario now.
    pub fn begin(scenario: Scenario) -> Result<Self> {
        let mut simulation = Simulation::new(&scenario, None)?;
        Ok(Self {
            next: simulation.next(),
            simulation,
            scenario,
            begun: Instant::now(),
            late: Duration::ZERO,
        })
    }

    /// Runs until `end` after its beginning, and sends what a gateway next to the key servers sees.
    pub fn until(&mut self, end: Duration, injector: &Injector) -> Result<SentCounts> {
        let mut said = SentCounts::default();
        while let Some(emission) = &self.next {
            let due = emission.at().since(self.scenario.start);
            if due > end {
                break;
            }
            sleep(due.saturating_sub(self.begun.elapsed()));
            self.late = self.late.max(self.begun.elapsed().saturating_sub(due));
            said.add(send(emission, &self.scenario.vlan, injector)?);
            self.next = self.simulation.next();
        }
        sleep(end.saturating_sub(self.begun.elapsed()));
        Ok(said)
    }

    /// Maximum delay of a frame so far: other processes use the CPUs as well.
    pub const fn late(&self) -> Duration {
        self.late
    }

    /// The simulation, with what really happened so far.
    pub const fn simulation(&self) -> &Simulation {
        &self.simulation
    }
}

fn send(emission: &Emission, vlan: &[u16], injector: &Injector) -> Result<SentCounts> {
    let frames = emission.frames(vlan);
    let (times, messages, esp) = match emission {
        Emission::Esp(esp) => (esp.packets, 0, u64::from(esp.packets)),
        Emission::Sent(_) => (1, 1, 0),
        Emission::Loss(..) => (0, 0, 0),
    };
    for _ in 0..times {
        injector.send_batch(&frames)?;
    }
    Ok(SentCounts {
        messages,
        esp,
        frames: frames.len() as u64 * u64::from(times),
    })
}

/// The configuration file that an operator of a scenario's groups would write, without sites.
pub fn configuration(scenario: &Scenario) -> String {
    scenario.config().groups.iter().map(group).collect()
}

fn group(group: &GroupConfig) -> String {
    let quoted = |value: &dyn std::fmt::Display| format!("{:?}", value.to_string());
    let list = |values: Vec<String>| format!("[{}]", values.join(", "));
    let servers = list(group.key_servers.iter().map(|address| quoted(address)).collect());
    let members = group.sites.iter().filter_map(|site| site.member);
    let members = list(members.map(|address| quoted(&address)).collect());
    let mut lines = vec![format!(
        "[[group]]\nname = {}\nkey_servers = {servers}\nmembers = {members}",
        quoted(&group.name)
    )];
    if let Some(address) = &group.rekey_address {
        lines.push(format!("rekey_address = {}", quoted(address)));
    }
    let seconds = |time: Duration| format!("\"{}s\"", time.as_secs());
    for (name, lifetime) in [
        ("kek_lifetime", group.kek_lifetime),
        ("tek_lifetime", group.tek_lifetime),
    ] {
        if let Some(lifetime) = lifetime {
            lines.push(format!("{name} = {}", seconds(lifetime)));
        }
    }
    if let Some(repeat) = group.retransmit {
        lines.push(format!(
            "retransmit = {{ interval = {}, count = {} }}",
            seconds(repeat.interval),
            repeat.count
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use gdoi_monitor::config::Config;
    use gdoi_sim::scenario;

    #[test]
    fn a_configuration_is_one_that_the_agent_takes() {
        for name in scenario::names() {
            let scenario = scenario::named(name).unwrap();
            let text = super::configuration(&scenario);
            let config = Config::parse(Path::new("living"), &text).unwrap();
            let expect = scenario.config();
            for (got, expect) in config.groups.groups.iter().zip(&expect.groups) {
                assert_eq!(got.name, expect.name, "{name}");
                assert_eq!(got.key_servers, expect.key_servers, "{name}");
                assert_eq!(got.rekey_address, expect.rekey_address, "{name}");
                assert_eq!(got.tek_lifetime, expect.tek_lifetime, "{name}");
                assert_eq!(got.retransmit, expect.retransmit, "{name}");
            }
        }
    }
}
