//! What a scenario may ask for at most: whatever repeats has an end, and whatever is sent fits into a datagram.

use std::time::Duration;

use super::{Group, Scenario, ScenarioError};

/// Ten years; a datagram may be late by ten times the delay, which the clock still has.
const LONGEST: Duration = Duration::from_hours(87_600);
/// A rekey comes at least a quarter of a lifetime after the last.
const LEAST_LIFETIME: Duration = Duration::from_secs(1);
/// How many lifetimes of a key a scenario may last: a TEK of an hour for ten years.
const LIFETIMES: u32 = 100_000;
/// Announcements of a key server in a scenario: one in 20 s for ten years.
const ANNOUNCEMENTS: u32 = 16_000_000;
/// From the traffic of one member to that of the next.
const LEAST_TURN: Duration = Duration::from_micros(1);
/// Repeats of a rekey; key servers have at most 60.
const REPEATS: u32 = 1_000;
/// Octets of policy and signature, which leave room for the headers in a datagram of 65,507.
const DATAGRAM: u64 = 64_000;

impl Scenario {
    /// Whether the number of things that happen in it has a bound, and no time is beyond the clock.
    pub(super) fn check_bounds(&self) -> Result<(), ScenarioError> {
        at_most("duration", self.duration)?;
        at_most("network.delay", self.network.delay)?;
        at_most("network.jitter", self.network.jitter)?;
        for span in &self.vantage.holes {
            at_most("vantage.holes.at", span.at)?;
            at_most("vantage.holes.for", span.lasting)?;
        }
        at_most("vantage.since", self.vantage.since)?;
        at_most("foreign.every", self.foreign.every)?;
        at_most("foreign.lifetime", self.foreign.lifetime)?;
        at_most("foreign.scans_every", self.foreign.scans_every)?;
        if self.foreign.tunnels > 0 {
            at_least("foreign.every", self.foreign.every, LEAST_LIFETIME)?;
            at_least(
                "foreign.lifetime",
                self.foreign.lifetime,
                LEAST_LIFETIME.max(self.duration / LIFETIMES),
            )?;
        }
        for event in &self.events {
            at_most("event.at", event.at)?;
            at_most("event.for", event.lasting)?;
        }
        self.groups
            .iter()
            .try_for_each(|group| check_group(group, self.duration))
    }
}

fn check_group(group: &Group, duration: Duration) -> Result<(), ScenarioError> {
    let shortest = LEAST_LIFETIME.max(duration / LIFETIMES);
    for (name, lifetime) in [
        ("group.kek_lifetime", group.kek_lifetime),
        ("group.tek_lifetime", group.tek_lifetime),
    ] {
        at_most(name, lifetime)?;
        at_least(name, lifetime, shortest)?;
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
        at_most(name, time)?;
    }
    at_least(
        "group.announce_every",
        group.announce_every,
        LEAST_LIFETIME.max(duration / ANNOUNCEMENTS),
    )?;
    if !group.heartbeat_every.is_zero() {
        at_least("group.heartbeat_every", group.heartbeat_every, shortest)?;
    }
    if !group.traffic_every.is_zero() {
        // The members take turns.
        let least = LEAST_TURN.saturating_mul(group.members);
        at_least("group.traffic_every", group.traffic_every, least)?;
    }
    let repeats = group.retransmit_count <= REPEATS;
    let octets = u64::from(group.signature_octets) + 61 * u64::from(group.policy_entries);
    if !repeats || octets > DATAGRAM {
        return Err(ScenarioError::TooMuch(group.name.clone()));
    }
    Ok(())
}

fn at_most(name: &'static str, time: Duration) -> Result<(), ScenarioError> {
    if time > LONGEST {
        return Err(ScenarioError::TooLong { name, time });
    }
    Ok(())
}

fn at_least(name: &'static str, time: Duration, least: Duration) -> Result<(), ScenarioError> {
    if time < least {
        return Err(ScenarioError::TooShort { name, time, least });
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
