//! Random worlds: a seed gives a scenario, the same on every machine.
//!
//! Everything that a scenario can state is drawn at random, within what a run may cost. The number of rekey messages,
//! ESP packets and announcements of a world is bounded, so large groups are watched for a shorter time than small
//! ones.

mod budget;
mod census;
mod events;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use gdoi_wire::craft::Random;

pub use census::Census;

use crate::scenario::{
    Acknowledgement, Behavior, Foreign, Group, KekClock, Network, Protocol, Scenario, Span, SpiSwitch,
    Timers, Vantage, start,
};

/// Separates the generator's random numbers from those of the world.
const GENERATOR: u64 = 0x776f_726c_6420_6765;
const TEKS: [u64; 9] = [300, 600, 900, 1_800, 3_600, 3_600, 7_200, 14_400, 86_400];
const KEKS: [u64; 9] = [600, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400, 86_400, 604_800];
const LEAST_TEK: Duration = Duration::from_mins(5);
const LEAST_KEK: Duration = Duration::from_mins(10);
const MOST_KEK: Duration = Duration::from_hours(720);
const MOST_DURATION: Duration = Duration::from_hours(24 * 60);
const MOST_MEMBERS: u64 = 300;
const MOST_REKEYS: u32 = 90;
const MOST_MESSAGES: u64 = 4_000;
const MOST_ESP: u64 = 12_000;
const MOST_FOREIGN: u64 = 4_000;
const MOST_ANNOUNCEMENTS: u64 = 3_000;

/// The world of a seed.
pub fn world(seed: u64) -> Scenario {
    let mut draw = Draw(Random::new(seed ^ GENERATOR));
    let servers = draw.between(1, 4);
    let count = draw.weighted(&[(1, 45), (2, 27), (3, 15), (4, 8), (5, 5)]);
    let shared = draw.vendor();
    let mut groups: Vec<Group> = Vec::new();
    for number in 0..count {
        let vendor = if draw.chance(80) { shared } else { draw.vendor() };
        let group = draw.group(number as u32, servers, vendor, &groups);
        groups.push(group);
    }
    let duration = draw.duration(&groups);
    for group in &mut groups {
        draw.fit(group, duration, count);
    }
    let name = vantage_of(seed);
    if name == "own_nat" {
        for (number, group) in groups.iter_mut().enumerate() {
            group.nat = Some(Ipv4Addr::new(203, 0, 113, 1 + number as u8).into());
        }
    }
    let vantage = draw.vantage(name, &groups, duration);
    let network = draw.network();
    let foreign = draw.foreign(duration);
    let mut scenario = Scenario {
        title: format!("Random world {seed}"),
        seed,
        start: start(),
        duration,
        vlan: Vec::new(),
        network,
        vantage,
        foreign,
        groups,
        events: Vec::new(),
    };
    draw.events(&mut scenario);
    draw.patience(&mut scenario);
    budget::keep(&mut scenario);
    scenario
}

/// The vantage from which the world of a seed is watched.
pub fn vantage_of(seed: u64) -> &'static str {
    let names = Vantage::NAMES;
    let place = (seed % names.len() as u64) as usize;
    names.get(place).copied().unwrap_or_default()
}

/// Vendor of a group's devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vendor {
    Cisco,
    GIkev2,
    Hpe,
    Juniper,
    PullOnly,
    Rfc,
}

/// Random draws of worlds and attacks.
pub(crate) struct Draw(pub(crate) Random);

impl Draw {
    fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0.between(low, high)
    }

    /// True in `percent` of 100 cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.0.below(100) < percent
    }

    fn weighted<T: Copy + Default>(&mut self, choices: &[(T, u64)]) -> T {
        let mut at = self.0.below(choices.iter().map(|(_, weight)| weight).sum());
        for (choice, weight) in choices {
            if at < *weight {
                return *choice;
            }
            at -= weight;
        }
        T::default()
    }

    pub(crate) fn pick<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        self.0.pick(choices)
    }

    /// A number of this range; each power of two in it is equally likely.
    pub(crate) fn scaled(&mut self, low: u64, high: u64) -> u64 {
        let doublings = u64::from((high / low.max(1)).max(1).ilog2());
        let from = low << self.0.below(doublings + 1);
        self.between(from, (from * 2).min(high))
    }

    fn seconds(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_secs(self.scaled(low, high))
    }

    /// A lifetime as people configure it, or an odd one.
    fn lifetime(&mut self, round: &[u64], low: u64, high: u64) -> Duration {
        if self.chance(65) {
            Duration::from_secs(self.pick(round))
        } else if self.chance(50) {
            let minutes = self.scaled(low.div_ceil(60), high / 60);
            Duration::from_secs(60 * minutes)
        } else {
            self.seconds(low, high)
        }
    }
}

impl Draw {
    fn vendor(&mut self) -> Vendor {
        match self.0.below(100) {
            0..58 => Vendor::Cisco,
            58..68 => Vendor::GIkev2,
            68..78 => Vendor::Hpe,
            78..86 => Vendor::Juniper,
            86..92 => Vendor::PullOnly,
            _ => Vendor::Rfc,
        }
    }

    fn group(&mut self, number: u32, servers: u64, vendor: Vendor, before: &[Group]) -> Group {
        let mut group = Group::plain(format!("G{}", number + 1));
        group.key_servers = self.key_servers(servers, before);
        self.members(&mut group, number, before);
        self.lifetimes(&mut group, vendor, before);
        group.retransmit_interval = Duration::from_secs(self.pick(&[10, 10, 40, 40, 5, 20, 30, 60, 120]));
        group.retransmit_count = self.pick(&[2, 2, 3, 3, 0, 1, 4, 5]);
        group.retransmit_renumbered = self.chance(25);
        group.policy_entries = self.pick(&[1, 4, 4, 10, 30, 60]);
        group.signature_octets = self.pick(&[128, 256, 256, 512]);
        group.boot_within = Duration::from_secs(self.pick(&[5, 20, 60, 600]));
        if self.chance(45) {
            group.rekey_address = Some(Ipv4Addr::new(239, 0, 1, 2 + number as u8).into());
        }
        group.acknowledgement = self.pick(&[
            Acknowledgement::Rfc8263,
            Acknowledgement::Rfc8263,
            Acknowledgement::Cisco,
            Acknowledgement::Cisco,
            Acknowledgement::None,
        ]);
        group.server = self.weighted(&[(Behavior::New, 65), (Behavior::Legacy, 35)]);
        group.member = self.weighted(&[(Behavior::New, 70), (Behavior::Legacy, 30)]);
        group.closes_ike_sa = self.chance(60);
        if self.chance(12) {
            group.rekey_source = Some(Ipv4Addr::new(1, 1, 1, 1 + number as u8).into());
        }
        self.traffic(&mut group);
        self.vendor_of(&mut group, vendor);
        if group.key_servers.len() > 1 {
            group.announce_every = Duration::from_secs(20);
            group.coop_ike_lifetime = Duration::from_secs(self.pick(&[0, 1_200, 3_600, 86_400]));
        }
        group
    }

    /// One key server, or two that cooperate, in either order. Two may also serve another group, in which the other
    /// one is the primary.
    fn key_servers(&mut self, servers: u64, before: &[Group]) -> Vec<IpAddr> {
        let pair = before.iter().rfind(|group| group.key_servers.len() > 1);
        if let Some(pair) = pair.filter(|_| self.chance(40)) {
            return pair.key_servers.iter().rev().copied().collect();
        }
        let address = |number: u64| IpAddr::V4(Ipv4Addr::new(10, 1, 1 + number as u8, 2));
        let first = self.0.below(servers);
        let second = self.0.below(servers);
        let mut addresses = Vec::from([address(first)]);
        if second != first && self.chance(60) {
            addresses.push(address(second));
        }
        addresses
    }

    /// Members of its own, or all or some of those of an earlier group.
    fn members(&mut self, group: &mut Group, number: u32, before: &[Group]) {
        group.members = self.scaled(1, MOST_MEMBERS) as u32;
        let other = self.0.below(before.len() as u64) as usize;
        if let Some(other) = before.get(other).filter(|_| self.chance(45)) {
            let shift = if self.chance(50) { 0 } else { other.members / 2 };
            group.first_member = other.member_address(shift);
            if self.chance(40) {
                group.members = other.members;
            }
            if self.chance(30) {
                group.first_site = other.site(shift);
            } else {
                group.first_site = Ipv4Addr::new(172, 20 + number as u8 * 2, 0, 0);
            }
        } else {
            group.first_member = Ipv4Addr::new(10, 10 + number as u8 * 4, 0, 2).into();
            group.first_site = Ipv4Addr::new(172, 20 + number as u8 * 2, 0, 0);
        }
    }

    /// Not too far from those of the earlier groups, so that one run shows enough of each.
    fn lifetimes(&mut self, group: &mut Group, vendor: Vendor, before: &[Group]) {
        if let Some(other) = before.first() {
            let factor = self.pick(&[1, 1, 1, 2, 3]);
            group.tek_lifetime = if self.chance(50) {
                other.tek_lifetime * factor
            } else {
                (other.tek_lifetime / factor).max(LEAST_TEK)
            };
        } else {
            group.tek_lifetime = self.lifetime(&TEKS, 300, 604_800);
        }
        group.kek_lifetime = if self.chance(60) {
            // A few TEKs per KEK, so that several cycles fit into a run.
            let teks = self.between(1, 6) as u32;
            let odd = self.between(0, 900);
            (group.tek_lifetime * teks).max(LEAST_KEK)
                + Duration::from_secs(if self.chance(50) { odd } else { 0 })
        } else {
            self.lifetime(&KEKS, 600, 2_592_000)
        };
        group.kek_lifetime = group.kek_lifetime.clamp(LEAST_KEK, MOST_KEK);
        let own = match vendor {
            Vendor::Hpe => 90,
            Vendor::Juniper => 20,
            _ => 35,
        };
        group.kek_clock = if self.chance(own) {
            KekClock::Own
        } else {
            KekClock::Together
        };
    }

    fn traffic(&mut self, group: &mut Group) {
        group.activation = Duration::from_secs(self.pick(&[0, 1, 5, 15, 30]));
        group.spi_switch = self.weighted(&[(SpiSwitch::Soon, 50), (SpiSwitch::Late, 50)]);
        if self.chance(15) {
            return;
        }
        group.traffic_every = self.seconds(1, 600);
        group.traffic_packets = self.pick(&[1, 1, 1, 5, 50]);
        if self.chance(20) {
            group.quiet = Some(Span {
                at: Duration::from_hours(self.between(0, 23)),
                lasting: Duration::from_hours(self.between(1, 12)),
            });
        }
    }

    /// What the devices of one vendor have in common.
    fn vendor_of(&mut self, group: &mut Group, vendor: Vendor) {
        match vendor {
            Vendor::Cisco => {}
            Vendor::GIkev2 => group.protocol = Protocol::GIkev2,
            Vendor::Hpe => {
                group.timers = Timers::Hpe;
                group.acknowledgement = Acknowledgement::Rfc8263;
                group.retransmit_interval = Duration::from_secs(self.pick(&[10, 10, 30, 60]));
                group.server = Behavior::New;
            }
            Vendor::Juniper => {
                group.timers = Timers::Juniper;
                group.acknowledgement = Acknowledgement::None;
                group.server = Behavior::New;
                group.activation = Duration::from_secs(30);
                if self.chance(70) {
                    group.heartbeat_every = Duration::from_secs(self.pick(&[60, 300, 300, 600]));
                }
            }
            Vendor::PullOnly => {
                group.pull_only = true;
                group.member = Behavior::Legacy;
                group.rekey_address = None;
                group.acknowledgement = Acknowledgement::None;
            }
            Vendor::Rfc => group.timers = Timers::Rfc,
        }
    }
}

/// Cost and duration of a world.
impl Draw {
    /// Long enough for several rekeys of the group with the longest TEK, or for a few KEKs.
    fn duration(&mut self, groups: &[Group]) -> Duration {
        let longest = groups
            .iter()
            .map(|group| group.tek_lifetime)
            .max()
            .unwrap_or(LEAST_TEK);
        let shortest = groups
            .iter()
            .map(|group| group.tek_lifetime)
            .min()
            .unwrap_or(LEAST_TEK);
        let kek = groups
            .iter()
            .map(|group| group.kek_lifetime)
            .min()
            .unwrap_or(LEAST_KEK);
        let keks = self.pick(&[1, 2, 5, 6, 8]);
        let teks = longest * self.between(4, 16) as u32;
        // No group rekeys more often than this.
        let most = shortest * MOST_REKEYS;
        (kek * keks + longest)
            .max(teks)
            .min(most)
            .max(longest * 3)
            .min(MOST_DURATION)
    }

    /// Reduces members, packets and announcements until a run is short.
    fn fit(&mut self, group: &mut Group, duration: Duration, groups: u64) {
        let rekeys = (duration.as_secs() / group.tek_lifetime.as_secs().max(1)).max(1)
            + duration.as_secs() / group.kek_lifetime.as_secs().max(1);
        let messages = MOST_MESSAGES / groups;
        let most = (messages / rekeys).max(2);
        if u64::from(group.members) > most {
            group.members = self.between(most / 2 + 1, most) as u32;
        }
        if !group.heartbeat_every.is_zero() {
            let beats = if group.is_unicast() {
                u64::from(group.members)
            } else {
                1
            };
            let least = duration.as_secs() * beats / messages;
            group.heartbeat_every = group.heartbeat_every.max(Duration::from_secs(least));
        }
        if !group.traffic_every.is_zero() {
            // Each member's turn is one emission, however many packets it has.
            let least = duration.as_secs() * u64::from(group.members) * groups / MOST_ESP;
            let least = Duration::from_secs(least.max(1));
            if group.traffic_every < least {
                let packets = least.as_secs() / group.traffic_every.as_secs().max(1);
                group.traffic_packets = group
                    .traffic_packets
                    .saturating_mul(packets.clamp(1, 10_000) as u32);
                group.traffic_every = least;
            }
        }
        let least = Duration::from_secs(duration.as_secs() / MOST_ANNOUNCEMENTS);
        group.announce_every = group.announce_every.max(least);
    }

    fn vantage(&mut self, name: &str, groups: &[Group], duration: Duration) -> Vantage {
        let mut vantage = Vantage::named(name, duration).unwrap_or_default();
        match name {
            "branch" => {
                let group = self.0.below(groups.len() as u64);
                let members = groups.get(group as usize).map_or(1, |group| group.members);
                vantage.group = group as u32 + 1;
                vantage.member = self.between(1, u64::from(members)) as u32;
            }
            "late" => vantage.since = duration * self.between(5, 50) as u32 / 100,
            "holes" => {
                vantage.holes.clear();
                for _ in 0..self.between(1, 3) {
                    vantage.holes.push(Span {
                        at: duration * self.between(5, 80) as u32 / 100,
                        lasting: duration * self.between(1, 20) as u32 / 100,
                    });
                }
            }
            "flows" => vantage.missed_flows_per_mille = self.between(50, 600) as u32,
            "packets" => vantage.missed_packets_per_mille = self.between(5, 200) as u32,
            _ => {}
        }
        vantage
    }

    /// When key servers give up on members that do not acknowledge: no document but Cisco's says.
    fn patience(&mut self, scenario: &mut Scenario) {
        for group in &mut scenario.groups {
            group.drop_after = match group.timers {
                Timers::Cisco => 3,
                Timers::Hpe | Timers::Juniper | Timers::Rfc => self.pick(&[3, 1, 2]),
            };
        }
    }

    fn network(&mut self) -> Network {
        let lost_per_mille = self.pick(&[0, 0, 0, 0, 0, 1, 5, 10, 20, 50]);
        let disturbed = lost_per_mille > 0 || self.chance(20);
        Network {
            delay: Duration::from_millis(self.pick(&[1, 9, 9, 30, 150])),
            jitter: Duration::from_millis(self.pick(&[0, 4, 4, 40])),
            lost_per_mille,
            doubled_per_mille: if disturbed { self.pick(&[0, 2, 10]) } else { 0 },
            late_per_mille: if disturbed { self.pick(&[0, 5, 20]) } else { 0 },
            mtu: self.pick(&[1_500, 1_500, 1_500, 1_400, 9_000]),
        }
    }

    fn foreign(&mut self, duration: Duration) -> Foreign {
        let mut foreign = Foreign::default();
        if self.chance(35) {
            foreign.tunnels = self.between(1, 3) as u32;
            let least = duration.as_secs() * u64::from(foreign.tunnels) * 2 / MOST_FOREIGN;
            foreign.every = Duration::from_secs(self.scaled(5, 120).max(least));
            foreign.lifetime =
                Duration::from_secs(self.pick(&[1_800, 3_600, 28_800])).max(foreign.every * 10);
            foreign.ike = self.chance(50);
        }
        if self.chance(15) {
            foreign.scans_every = Duration::from_secs(self.scaled(300, 7_200)).max(duration / 200);
        }
        foreign
    }
}
