//! Limits the cost of a random world. Members without keys ask for them every half minute, for weeks if nothing ends
//! it. In such a world, whatever lasts too long is ended, so that no world costs much more than the others.

use std::time::Duration;

use crate::scenario::{Action, Scenario, ScriptedEvent, Vantage};
use crate::world::Simulation;

/// Datagrams that pass the key servers in a run, plus the turns in which sites send ESP.
const MOST: usize = 40_000;
/// The budget is divided into this many parts. After each of them whatever lasts is ended; after the last one the run
/// ends.
const PARTS: usize = 4;

/// Datagrams of a registration and of the later exchanges on its IKE SA.
const REGISTRATION: u64 = 13;
/// Interval between registrations of a member that has no keys.
const ASKS_AGAIN: Duration = Duration::from_secs(25);

/// Ends lasting events when the budget runs out; shortens the world if that is not enough.
pub(super) fn keep(scenario: &mut Scenario) {
    if estimate(scenario) <= MOST as u64 || spent_after(scenario, MOST).is_none() {
        return;
    }
    for part in 1..PARTS {
        match spent_after(scenario, MOST * part / PARTS) {
            Some(at) => end_what_lasts(scenario, at),
            None => return,
        }
    }
    if let Some(at) = spent_after(scenario, MOST) {
        end(scenario, at);
    }
}

/// Rough upper bound of what passes. It saves playing most worlds only to count it.
fn estimate(scenario: &Scenario) -> u64 {
    let times = |every: Duration| match every.as_secs() {
        0 => 0,
        every => scenario.duration.as_secs() / every,
    };
    let groups = scenario.groups.iter().map(|group| {
        let members = u64::from(group.members);
        let rekeys = times(group.tek_lifetime) + times(group.kek_lifetime) + 2;
        let each = if group.is_unicast() && !group.pull_only {
            members * 2
        } else {
            1
        };
        let registrations = if group.pull_only {
            times(group.tek_lifetime)
        } else {
            2 * times(group.kek_lifetime)
        };
        let servers = group.key_servers.len() as u64 - 1;
        rekeys * each * (1 + u64::from(scenario.network.lost_per_mille > 0))
            + members * (registrations + 2) * REGISTRATION
            + members * times(group.traffic_every)
            + times(group.heartbeat_every) * each
            + servers * times(group.announce_every)
    });
    let events = scenario.events.iter().filter_map(|event| {
        let group = scenario.groups.get((event.group as usize).checked_sub(1)?)?;
        let members = match event.members.len() as u64 {
            0 => u64::from(group.members),
            some => some,
        };
        let lasting = match event.action {
            Action::ServerDown => scenario.duration.saturating_sub(event.at),
            _ => event.lasting,
        };
        Some(members * (1 + lasting.as_secs() / ASKS_AGAIN.as_secs()) * REGISTRATION)
    });
    let foreign = u64::from(scenario.foreign.tunnels) * 2 * times(scenario.foreign.every);
    groups.sum::<u64>() + events.sum::<u64>() + foreign
}

/// When this much has passed the key servers; `None` if it never does.
fn spent_after(scenario: &Scenario, most: usize) -> Option<Duration> {
    let scenario = Scenario {
        vantage: Vantage::default(),
        ..scenario.clone()
    };
    let mut simulation = Simulation::new(&scenario, None).ok()?;
    simulation.by_ref().nth(most)?;
    let whole = simulation.now().since(scenario.start).as_secs().max(1);
    Some(Duration::from_secs(whole))
}

/// Members and key servers that an event affects at this time recover.
fn end_what_lasts(scenario: &mut Scenario, now: Duration) {
    let mut down: Vec<(u32, u32)> = Vec::new();
    for event in &mut scenario.events {
        if event.at > now {
            break;
        }
        // An event of no length would last for ever.
        let since = now.saturating_sub(event.at).max(Duration::from_secs(1));
        event.lasting = event.lasting.min(since);
        let server = (event.group, event.key_server);
        match event.action {
            Action::ServerDown => down.push(server),
            Action::ServerUp => down.retain(|other| *other != server),
            _ => {}
        }
    }
    // They start again now rather than later.
    scenario.events.retain(|event| {
        event.action != Action::ServerUp
            || event.at <= now
            || !down.contains(&(event.group, event.key_server))
    });
    let back = down.into_iter().map(|(group, key_server)| ScriptedEvent {
        group,
        key_server,
        ..ScriptedEvent::plain(now, Action::ServerUp)
    });
    scenario.events.extend(back);
    scenario.events.sort_by_key(|event| event.at);
}

/// Ends a world at this time and scales the time in which it is watched.
fn end(scenario: &mut Scenario, at: Duration) {
    let part = |time: Duration| time.mul_f64(at.as_secs_f64() / scenario.duration.as_secs_f64());
    let part = |time: Duration| Duration::from_secs(part(time).as_secs());
    let vantage = &mut scenario.vantage;
    vantage.since = part(vantage.since);
    for hole in &mut vantage.holes {
        (hole.at, hole.lasting) = (part(hole.at), part(hole.lasting));
    }
    scenario.duration = at;
    scenario.events.retain(|event| event.at < at);
}
