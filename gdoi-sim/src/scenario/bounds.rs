//! Limits of a scenario: every repetition ends, and every message fits into a datagram.

use std::time::Duration;

use super::line::Position;
use super::{Group, Scenario, ScenarioError};

type Problem = (ScenarioError, Position);

/// Ten years; a datagram may be late by ten times the delay, and the clock has room for that.
const LONGEST: Duration = Duration::from_hours(87_600);
/// Rekeys are at least a quarter of a lifetime apart.
const LEAST_LIFETIME: Duration = Duration::from_secs(1);
/// Maximum duration of a scenario in lifetimes of a key: a TEK of an hour for ten years.
const LIFETIMES: u32 = 100_000;
/// Announcements of a key server in a scenario: one in 20 s for ten years.
const ANNOUNCEMENTS: u32 = 16_000_000;
/// Minimum time from the traffic of one member to that of the next.
const LEAST_TURN: Duration = Duration::from_micros(1);
/// Repeats of a rekey; key servers have at most 60.
const REPEATS: u32 = 1_000;
/// Octets of policy and signature, which leave room for the headers in a datagram of 65,507.
const DATAGRAM: u64 = 64_000;
/// Maximum memory of a scenario: two of them run at once on a small machine.
const MEMORY: u64 = 4 << 30;
/// Estimated memory of a member and its registration, if everything is kept.
const OCTETS_OF_MEMBER: u64 = 2_048;
/// Memory of a rekey to one receiver and its answers, if everything is kept.
const OCTETS_OF_EXCHANGE: u64 = 2_048;
/// Memory of one member's traffic, if everything is kept.
const OCTETS_OF_TURN: u64 = 128;

impl Scenario {
    /// Whether the number of events is bounded, every time is within the clock, and it fits into memory.
    pub(super) fn check_bounds(&self) -> Result<(), Problem> {
        at_most("duration", 0, self.duration)?;
        at_most("network.delay", 0, self.network.delay)?;
        at_most("network.jitter", 0, self.network.jitter)?;
        for span in &self.vantage.holes {
            at_most("vantage.holes.at", 0, span.at)?;
            at_most("vantage.holes.for", 0, span.lasting)?;
        }
        at_most("vantage.since", 0, self.vantage.since)?;
        for (name, part) in [
            ("network.lost_per_mille", self.network.lost_per_mille),
            ("network.doubled_per_mille", self.network.doubled_per_mille),
            ("network.late_per_mille", self.network.late_per_mille),
            (
                "vantage.missed_flows_per_mille",
                self.vantage.missed_flows_per_mille,
            ),
            (
                "vantage.missed_packets_per_mille",
                self.vantage.missed_packets_per_mille,
            ),
        ] {
            if part > 1_000 {
                return Err((ScenarioError::PerMille(name), Position::of(name, 0)));
            }
        }
        at_most("foreign.every", 0, self.foreign.every)?;
        at_most("foreign.lifetime", 0, self.foreign.lifetime)?;
        at_most("foreign.scans_every", 0, self.foreign.scans_every)?;
        if self.foreign.tunnels > 0 {
            at_least("foreign.every", 0, self.foreign.every, LEAST_LIFETIME)?;
            at_least(
                "foreign.lifetime",
                0,
                self.foreign.lifetime,
                LEAST_LIFETIME.max(self.duration / LIFETIMES),
            )?;
        }
        for (index, event) in self.events.iter().enumerate() {
            at_most("event.at", index, event.at)?;
            at_most("event.for", index, event.lasting)?;
        }
        for (index, group) in self.groups.iter().enumerate() {
            check_group(index, group, self.duration)?;
        }
        let members = self.groups.iter().map(|group| u64::from(group.members));
        in_memory(members.sum::<u64>().saturating_mul(OCTETS_OF_MEMBER))
            .map_err(|error| (error, Position::of("group.members", 0)))
    }

    /// Whether its journal for the judge fits into memory: who got which rekey, and what was reported.
    pub(crate) fn check_memory(&self) -> Result<(), ScenarioError> {
        let times = |every: Duration| match every.as_nanos() {
            0 => 0,
            every => u64::try_from(self.duration.as_nanos() / every).unwrap_or(u64::MAX),
        };
        let mut octets: u64 = 0;
        for group in &self.groups {
            let members = u64::from(group.members);
            let forced = self.events.len() as u64;
            let rekeys = times(group.tek_lifetime / 2)
                .saturating_add(times(group.kek_lifetime / 2))
                .saturating_add(forced);
            let receivers = if group.is_unicast() || group.pull_only {
                members
            } else {
                1 + u64::from(group.retransmit_count)
            };
            let beats = times(group.heartbeat_every);
            let datagrams = rekeys
                .saturating_add(beats)
                .saturating_mul(receivers)
                .saturating_add(members.saturating_mul(1 + forced));
            let others = (group.key_servers.len() as u64).saturating_sub(1);
            let announcements = times(group.announce_every).saturating_mul(others);
            let turns = times(group.traffic_every).saturating_mul(members);
            octets = octets
                .saturating_add(datagrams.saturating_mul(OCTETS_OF_EXCHANGE))
                .saturating_add(announcements.saturating_mul(OCTETS_OF_EXCHANGE))
                .saturating_add(turns.saturating_mul(OCTETS_OF_TURN))
                .saturating_add(members.saturating_mul(OCTETS_OF_MEMBER));
        }
        let foreign = times(self.foreign.every).saturating_mul(u64::from(self.foreign.tunnels) * 2);
        in_memory(octets.saturating_add(foreign.saturating_mul(OCTETS_OF_TURN)))
    }
}

fn in_memory(octets: u64) -> Result<(), ScenarioError> {
    if octets <= MEMORY {
        return Ok(());
    }
    Err(ScenarioError::TooLarge {
        needed: octets >> 20,
        most: MEMORY >> 20,
    })
}

fn check_group(index: usize, group: &Group, duration: Duration) -> Result<(), Problem> {
    let shortest = LEAST_LIFETIME.max(duration / LIFETIMES);
    for (name, lifetime) in [
        ("group.kek_lifetime", group.kek_lifetime),
        ("group.tek_lifetime", group.tek_lifetime),
    ] {
        at_most(name, index, lifetime)?;
        at_least(name, index, lifetime, shortest)?;
    }
    for (name, time) in [
        ("group.retransmit_interval", group.retransmit_interval),
        ("group.boot_within", group.boot_within),
        ("group.activation", group.activation),
        ("group.registration_cost", group.registration_cost),
        ("group.traffic_every", group.traffic_every),
        ("group.heartbeat_every", group.heartbeat_every),
        ("group.announce_every", group.announce_every),
        ("group.coop_ike_lifetime", group.coop_ike_lifetime),
    ] {
        at_most(name, index, time)?;
    }
    at_least(
        "group.announce_every",
        index,
        group.announce_every,
        LEAST_LIFETIME.max(duration / ANNOUNCEMENTS),
    )?;
    if !group.heartbeat_every.is_zero() {
        at_least("group.heartbeat_every", index, group.heartbeat_every, shortest)?;
    }
    if !group.traffic_every.is_zero() {
        // The members take turns.
        let least = LEAST_TURN.saturating_mul(group.members);
        at_least("group.traffic_every", index, group.traffic_every, least)?;
    }
    let octets = u64::from(group.signature_octets) + 61 * u64::from(group.policy_entries);
    let key = if group.retransmit_count > REPEATS {
        "group.retransmit_count"
    } else if octets > DATAGRAM {
        "group.policy_entries"
    } else {
        return Ok(());
    };
    Err((
        ScenarioError::TooMuch(group.name.clone()),
        Position::of(key, index),
    ))
}

fn at_most(name: &'static str, index: usize, time: Duration) -> Result<(), Problem> {
    if time > LONGEST {
        return Err((ScenarioError::TooLong { name, time }, Position::of(name, index)));
    }
    Ok(())
}

fn at_least(name: &'static str, index: usize, time: Duration, least: Duration) -> Result<(), Problem> {
    if time < least {
        let error = ScenarioError::TooShort { name, time, least };
        return Err((error, Position::of(name, index)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(change: impl FnOnce(&mut Scenario), expect: &str) {
        let mut scenario = super::super::named("demo").unwrap();
        change(&mut scenario);
        assert_eq!(scenario.check().unwrap_err().to_string(), expect);
    }

    #[test]
    fn a_zero_lifetime_is_refused() {
        let kek = "group.kek_lifetime is 0ns, and has to be at least 1s in a scenario this long";
        refused(|scenario| scenario.groups[0].kek_lifetime = Duration::ZERO, kek);
        let tek = "group.tek_lifetime is 0ns, and has to be at least 1s in a scenario this long";
        refused(|scenario| scenario.groups[0].tek_lifetime = Duration::ZERO, tek);
    }

    #[test]
    fn what_has_no_end_is_refused() {
        refused(
            |scenario| scenario.duration = LONGEST,
            "group.kek_lifetime is 1800s, and has to be at least 3153.6s in a scenario this long",
        );
        refused(
            |scenario| scenario.duration = Duration::MAX,
            "duration is 18446744073709551615.999999999s, and can be ten years at most",
        );
        refused(
            |scenario| scenario.groups[0].traffic_every = Duration::from_nanos(1),
            "group.traffic_every is 1ns, and has to be at least 6µs in a scenario this long",
        );
        let much =
            "group \"G1\" repeats a rekey more than 1000 times, or has a policy that fits into no datagram";
        refused(|scenario| scenario.groups[0].retransmit_count = 1_001, much);
        refused(|scenario| scenario.groups[0].policy_entries = u32::MAX, much);
    }
}
