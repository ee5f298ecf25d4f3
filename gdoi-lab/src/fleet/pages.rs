//! The pages of all gateways, from one simulated gateway.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use gdoi_core::Timestamp;
use gdoi_sim::{Emission, Scenario, Simulation};

use super::Sharing;
use crate::day::Gateway;

/// Groups of a gateway, and members of a group.
pub(super) const GROUPS: usize = 20;
pub(super) const MEMBERS: usize = 50;
/// Long enough for registrations and two rekeys.
const WARM_UP: Duration = Duration::from_hours(3);
const GROUP: &str = "G-";
/// The name of a scenario's group on a page; unattributed traffic keeps its name.
const NAME: &str = "group=\"G-";

/// A simulated gateway in real time.
pub(super) struct World {
    simulation: Peekable<Simulation>,
    gateway: Gateway,
    template: Template,
    at: Timestamp,
}

/// A page, split at the names of groups.
#[derive(Default)]
struct Template(Vec<String>);

impl World {
    /// A gateway after three hours of monitoring.
    pub(super) fn now() -> Result<Self> {
        let now = wall_clock()?;
        let mut scenario = scenario(GROUPS)?;
        scenario.start = now.before(WARM_UP);
        Self::of(&scenario)
    }

    /// A gateway at the beginning of a scenario.
    pub(super) fn of(scenario: &Scenario) -> Result<Self> {
        Ok(Self {
            simulation: Simulation::new(scenario, None)?.peekable(),
            gateway: Gateway::new(scenario),
            template: Template::default(),
            at: Timestamp::ZERO,
        })
    }

    /// Its page at one time.
    pub(super) fn page(&mut self, now: Timestamp) -> Result<String> {
        while let Some(emission) = self.simulation.next_if(|next: &Emission| next.at() <= now) {
            self.gateway.see(&emission);
        }
        self.gateway.page(now)
    }

    /// The current page of one gateway of the fleet, at most a second old.
    pub(super) fn page_of(&mut self, gateway: usize, sharing: Sharing) -> Result<String> {
        let now = wall_clock()?;
        if now.since(self.at) >= Duration::from_secs(1) {
            self.template = Template::cut(&self.page(now)?);
            self.at = now;
        }
        Ok(self.template.page(match sharing {
            Sharing::Pairs => gateway / 2,
            Sharing::All => 0,
        }))
    }
}

impl Template {
    fn cut(page: &str) -> Self {
        Self(page.split(NAME).map(ToOwned::to_owned).collect())
    }

    /// The page with the groups of a site.
    fn page(&self, site: usize) -> String {
        self.0.join(&format!("group=\"site-{site:03}-"))
    }
}

/// A scenario of `groups` healthy groups.
pub(super) fn scenario(groups: usize) -> Result<Scenario> {
    let mut text = String::from("title = \"A healthy fleet\"\nduration = \"200h\"\n");
    for group in 0..groups {
        writeln!(
            text,
            "\n[[group]]\nname = \"{GROUP}{group:02}\"\nkey_servers = [\"10.{group}.11.2\", \"10.{group}.12.2\"]\n\
             members = {MEMBERS}\ntraffic_every = \"5m\"\ntraffic_packets = 20"
        )?;
    }
    Scenario::parse(&text).context("the scenario of a fleet")
}

pub(super) fn wall_clock() -> Result<Timestamp> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(Timestamp::ZERO.after(now.context("the clock is before 1970")?))
}
