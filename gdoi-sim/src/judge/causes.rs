//! How right the diagnosis is: what was done to the groups against the causes of its incidents.
//!
//! Only what left a trace can be diagnosed: a deed counts if the tracker reported one of its signs, and was not unsure of
//! it, or if an incident belongs to it. Whether the tracker saw what it could is judged elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use gdoi_core::transition::{Cause, Certainty, Incident};
use gdoi_core::{Diagnosis, Timestamp};
use serde::Serialize;

use super::case::Case;
use super::tally::{Failure, Score, Wrong};
use super::told::Told;
use crate::scenario::{Action, Behavior, Direction, Scenario, ScriptedEvent};

/// The row of key servers with the legacy behaviour and members with the new one.
const LEGACY: &str = "legacy key server, new members";
/// Shortest time for which something done has consequences afterwards.
const MIN_AFTERMATH: Duration = Duration::from_mins(30);
/// A rekey is concluded, and a registration given up, this long after it began.
const BEFORE: Duration = Duration::from_mins(2);

/// How often the diagnosis of one kind of deed was right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CauseTally {
    /// The first incident, the worst, has the right cause.
    pub first: u64,
    /// Another incident has it.
    pub later: u64,
    /// Only incidents with other causes.
    pub wrong: u64,
    /// Signs of it, and no incident.
    pub none: u64,
    /// Incidents that are no part of another one.
    pub incidents: u64,
}

/// Worlds in which nothing goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QuietWorlds {
    /// Simulated time, in seconds.
    pub seconds: u64,
    /// Incidents.
    pub incidents: u64,
}

/// The judged causes, by degree of configuration and by what was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CauseScore {
    /// By degree of configuration and deed.
    pub tallies: BTreeMap<(Told, &'static str), CauseTally>,
    /// Incidents that no deed explains, by degree of configuration and cause.
    pub unexplained: BTreeMap<(Told, &'static str), u64>,
    /// Quiet worlds, by degree of configuration.
    pub quiet: BTreeMap<Told, QuietWorlds>,
}

/// Something that was done to a group, or a condition of the world.
struct Deed {
    name: &'static str,
    /// Its group; `None` for all.
    group: Option<usize>,
    from: Timestamp,
    until: Timestamp,
    /// Right causes.
    causes: &'static [Cause],
    /// Causes that may be stated beside a right one.
    also: &'static [Cause],
    /// Events that show it.
    signs: &'static [&'static str],
    /// Whether it is diagnosed; a condition only excuses.
    is_counted: bool,
}

/// Judges the causes of one run.
pub(super) fn judge(case: &Case<'_>, score: &mut Score) {
    let mut diagnosis = Diagnosis::new();
    let mut changes = Vec::new();
    for transition in case.said {
        diagnosis.handle_transition(transition, &[], &mut changes);
    }
    diagnosis.finish(case.end, &mut changes);
    let deeds = deeds(case);
    let mut of_deed: Vec<Vec<&Incident>> = vec![Vec::new(); deeds.len()];
    let mut unexplained = Vec::new();
    let incidents = diagnosis.incidents();
    for incident in incidents.iter().filter(|incident| incident.parent.is_none()) {
        match deed_of(case, &deeds, incident).and_then(|deed| of_deed.get_mut(deed)) {
            Some(of) => of.push(incident),
            None => unexplained.push(*incident),
        }
    }
    for (deed, of) in deeds.iter().zip(of_deed) {
        // One incident may cover several deeds of one kind.
        let is_covered = || {
            incidents
                .iter()
                .any(|incident| deed.causes.contains(&incident.cause) && concerns(case, deed, incident))
        };
        if deed.is_counted && of.is_empty() && is_covered() {
            score.causes.of(case.told, deed.name).first += 1;
        } else if deed.is_counted {
            count(case, score, deed, &of);
        }
    }
    let told = case.told;
    for incident in &unexplained {
        fail(case, score, "nothing", incident);
        let count = score.causes.unexplained.entry((told, incident.cause.name()));
        *count.or_default() += 1;
    }
    if deeds.iter().all(|deed| !deed.is_counted) {
        let quiet = score.causes.quiet.entry(told).or_default();
        quiet.seconds += case.scenario.duration.as_secs();
        quiet.incidents += unexplained.len() as u64;
    }
}

fn count(case: &Case<'_>, score: &mut Score, deed: &Deed, incidents: &[&Incident]) {
    let is_right = |incident: &&&Incident| deed.causes.contains(&incident.cause);
    let tally = score.causes.of(case.told, deed.name);
    match (incidents.first(), incidents.iter().find(is_right)) {
        (Some(first), Some(right)) if first.id == right.id => tally.first += 1,
        (_, Some(_)) => tally.later += 1,
        (Some(_), None) => tally.wrong += 1,
        (None, None) if has_sign(case, deed) => tally.none += 1,
        (None, None) => return,
    }
    tally.incidents += incidents.len() as u64;
    match incidents.first().filter(|first| !is_right(first)) {
        Some(first) => fail(case, score, deed.name, first),
        None if incidents.is_empty() => score.fail(Failure {
            event: "cause",
            wrong: Wrong::Missed,
            key: deed.name.to_owned(),
            at: deed.from,
            rule: None,
            told: case.told,
        }),
        None => {}
    }
}

fn fail(case: &Case<'_>, score: &mut Score, done: &'static str, incident: &Incident) {
    let group = case.group_key(incident.group.as_ref());
    score.fail(Failure {
        event: "cause",
        wrong: Wrong::Invented,
        key: format!(
            "{group}: {} instead of {done}: {}",
            incident.cause.name(),
            incident.summary()
        ),
        at: incident.began,
        rule: None,
        told: case.told,
    });
}

/// Whether the tracker reported a sign of a deed while it lasted, and was not unsure of it.
fn has_sign(case: &Case<'_>, deed: &Deed) -> bool {
    case.said.iter().any(|one| {
        deed.signs.contains(&one.what.name())
            && (deed.from..=deed.until).contains(&one.at)
            && one
                .what
                .grounds()
                .is_none_or(|grounds| grounds.certainty != Certainty::Uncertain)
            && is_of_group(case, deed, one.group.as_ref(), one.key_server)
    })
}

/// Number of the deed that an incident belongs to: the nearest one with that cause, otherwise the nearest one.
fn deed_of(case: &Case<'_>, deeds: &[Deed], incident: &Incident) -> Option<usize> {
    let near = |is_meant: &dyn Fn(&Deed) -> bool| {
        deeds
            .iter()
            .enumerate()
            .filter(|(_, deed)| is_meant(deed) && concerns(case, deed, incident))
            .min_by_key(|(_, deed)| {
                let distance = deed.from.since(incident.began) + incident.began.since(deed.from);
                (!deed.is_counted, distance)
            })
            .map(|(number, _)| number)
    };
    near(&|deed| deed.causes.contains(&incident.cause))
        .or_else(|| near(&|deed| deed.also.contains(&incident.cause)))
        .or_else(|| near(&|deed| deed.is_counted && deed.name != LEGACY))
}

/// Whether an incident is of the group and the time of a deed.
fn concerns(case: &Case<'_>, deed: &Deed, incident: &Incident) -> bool {
    incident.began <= deed.until
        && incident.latest >= deed.from
        && is_of_group(case, deed, incident.group.as_ref(), incident.key_server)
}

fn is_of_group(case: &Case<'_>, deed: &Deed, name: Option<&String>, server: Option<IpAddr>) -> bool {
    let Some(group) = deed.group else {
        return true;
    };
    match (case.group(name), server) {
        (Some(other), _) => other == group,
        (None, Some(server)) => {
            let groups = &case.scenario.groups;
            groups.get(group).is_some_and(|group| {
                group.key_servers.contains(&server) || group.rekey_source == Some(server)
            })
        }
        (None, None) => true,
    }
}

/// What was done in a scenario, and the conditions that excuse incidents.
fn deeds(case: &Case<'_>) -> Vec<Deed> {
    let scenario = case.scenario;
    let mut deeds: Vec<Deed> = scenario
        .events
        .iter()
        .filter_map(|event| deed(case, event))
        .collect();
    for (number, group) in scenario.groups.iter().enumerate() {
        let is_changed = |actions: &[Action]| {
            scenario
                .events
                .iter()
                .any(|event| event.group as usize == number + 1 && actions.contains(&event.action))
        };
        let is_legacy = group.server == Behavior::Legacy || is_changed(&[Action::DowngradeServers]);
        let is_new = group.member == Behavior::New || is_changed(&[Action::UpgradeMembers]);
        if is_legacy && is_new {
            deeds.push(Deed {
                name: LEGACY,
                group: Some(number),
                from: scenario.start,
                until: case.end,
                causes: &[Cause::LegacyKeyServer],
                also: &[],
                signs: &["double_reregistration"],
                is_counted: true,
            });
        }
    }
    deeds.extend(conditions(case));
    deeds
}

/// Conditions of the world that explain incidents at any time.
fn conditions(case: &Case<'_>) -> Vec<Deed> {
    let Scenario {
        network,
        vantage,
        foreign,
        groups,
        ..
    } = case.scenario;
    let is_partial = !vantage.holes.is_empty()
        || !vantage.since.is_zero()
        || vantage.direction != Direction::Both
        || case.misses_some();
    let is_legacy = groups.iter().any(|group| group.server == Behavior::Legacy);
    let conditions: [(bool, &'static str, &'static [Cause]); 4] = [
        // It is one whatever its members are.
        (is_legacy, "legacy key server", &[Cause::LegacyKeyServer]),
        (is_partial, "vantage", &[Cause::CaptureIncomplete]),
        (
            network.lost_per_mille > 0,
            "loss",
            &[Cause::RekeyLost, Cause::KeyServerUnreachable],
        ),
        (
            !foreign.scans_every.is_zero(),
            "strangers",
            &[Cause::Scan, Cause::Forgery],
        ),
    ];
    conditions
        .into_iter()
        .filter(|(applies, ..)| *applies)
        .map(|(_, name, causes)| Deed {
            name,
            group: None,
            from: case.scenario.start,
            until: case.end,
            causes,
            also: &[],
            signs: &[],
            is_counted: false,
        })
        .collect()
}

fn deed(case: &Case<'_>, event: &ScriptedEvent) -> Option<Deed> {
    let scenario = case.scenario;
    let number = (event.group as usize).checked_sub(1)?;
    let group = scenario.groups.get(number)?;
    let (name, causes, also, signs) = meaning(event);
    let at = scenario.start.after(event.at);
    let aftermath = MIN_AFTERMATH.max(group.tek_lifetime * 2);
    let kek = [
        Action::KeepKek,
        Action::SetLifetimes,
        Action::DowngradeServers,
        Action::UpgradeServers,
    ];
    let aftermath = if kek.contains(&event.action) {
        let new = event.tek_lifetime.unwrap_or_default() * 2;
        aftermath
            .max(new)
            .max(event.kek_lifetime.unwrap_or(group.kek_lifetime))
    } else {
        aftermath
    };
    let ends = |action: Action| {
        let later = scenario.events.iter().filter(|other| {
            other.group == event.group
                && other.action == action
                && other.at >= event.at
                && (other.key_server == event.key_server || event.key_server == 0)
        });
        later.map(|other| other.at).min()
    };
    let lasts_until = match event.action {
        Action::ServerDown => ends(Action::ServerUp).unwrap_or(scenario.duration),
        Action::Split => ends(Action::Merge).unwrap_or(scenario.duration),
        Action::PowerOff if event.lasting.is_zero() => scenario.duration,
        _ => event.at + event.lasting,
    };
    Some(Deed {
        name,
        group: Some(number),
        from: at.before(BEFORE),
        until: scenario.start.after(lasts_until + aftermath),
        causes,
        also,
        signs,
        is_counted: !matches!(
            event.action,
            Action::Join
                | Action::Merge
                | Action::ServerUp
                | Action::UpgradeServers
                | Action::DowngradeServers
        ),
    })
}

/// The name of a deed, its right causes, those that may be stated beside one, and the events that show it.
type DeedMeaning = (
    &'static str,
    &'static [Cause],
    &'static [Cause],
    &'static [&'static str],
);

fn meaning(event: &ScriptedEvent) -> DeedMeaning {
    use Cause::{
        AuthenticationRefused, CaptureIncomplete, ConfigurationContradicted, ForcedRekey, KekOverAge,
        KeyServerDown, KeyServerFailover, KeyServerSplit, KeyServerUnreachable, LegacyKeyServer,
        LifetimeChanged, MemberDropped, MemberGone, MemberReloaded, MembersCleared, NotAuthorised,
        PolicyRefused, PowerCut, RekeyFragmentsDropped, RekeyLost, RekeyStopped, StaleSpi,
    };
    match event.action {
        Action::Blind => ("blind", &[CaptureIncomplete], &[], &["capture_loss"]),
        Action::Clear => ("clear", &[MembersCleared], &[], &["registration_burst_started"]),
        // With its state it loses its members: nothing is rekeyed until they register again.
        Action::Crash => (
            "crash",
            &[KeyServerDown, RekeyStopped, PowerCut],
            &[KeyServerUnreachable],
            &["rekey_overdue", "key_server_silent"],
        ),
        Action::UpgradeServers => ("upgrade_servers", &[MemberReloaded], &[], &[]),
        Action::DowngradeServers => ("downgrade_servers", &[LegacyKeyServer], &[], &[]),
        Action::BlockToMembers if event.larger_than > 0 => (
            "block_to_members, large only",
            &[RekeyFragmentsDropped, RekeyLost],
            &[MemberGone, MemberDropped],
            &[
                "rekey_unacknowledged",
                "rekey_not_received",
                "registration_failed",
            ],
        ),
        Action::BlockToMembers => (
            "block_to_members",
            &[RekeyLost, KeyServerUnreachable, MemberGone, MemberDropped],
            &[],
            &[
                "rekey_unacknowledged",
                "rekey_not_received",
                "registration_failed",
            ],
        ),
        Action::BlockToServers => (
            "block_to_servers",
            &[KeyServerUnreachable, RekeyLost],
            &[MemberDropped],
            &["registration_failed"],
        ),
        Action::Join => ("join", &[MemberReloaded], &[], &[]),
        Action::ServerDown => (
            "server_down",
            &[KeyServerDown, KeyServerFailover],
            &[KekOverAge, KeyServerUnreachable],
            &["rekey_overdue", "key_server_silent"],
        ),
        Action::ServerUp => ("server_up", &[KeyServerFailover, ForcedRekey], &[], &[]),
        Action::SetLifetimes => (
            "set_lifetimes",
            &[LifetimeChanged, ConfigurationContradicted],
            &[ForcedRekey],
            &["rekey_interval_changed", "configuration_contradicted"],
        ),
        Action::Split => ("split", &[KeyServerSplit], &[KeyServerFailover], &["kek_split"]),
        Action::Merge => (
            "merge",
            &[KeyServerSplit, KeyServerFailover, ForcedRekey],
            &[],
            &[],
        ),
        Action::KeepKek => (
            "keep_kek",
            &[KekOverAge, RekeyStopped],
            &[],
            &["kek_over_age", "rekey_overdue"],
        ),
        Action::KeepSpi => ("keep_spi", &[StaleSpi], &[], &["spi_stale"]),
        Action::PowerOff => (
            "power_off",
            &[MemberGone, MemberDropped, MemberReloaded, PowerCut, RekeyLost],
            &[],
            &["member_lost"],
        ),
        // One that misses a rekey meanwhile is not distinguished from one that cannot be reached.
        Action::Reboot | Action::UpgradeMembers => (
            "reboot",
            &[MemberReloaded, PowerCut, MemberGone, RekeyLost],
            &[],
            &["registration_burst_started"],
        ),
        Action::Rekey | Action::RekeyKek => ("forced rekey", &[ForcedRekey], &[], &[]),
        Action::RefuseAuthentication => (
            "refuse_authentication",
            &[AuthenticationRefused],
            &[],
            &["registration_failed"],
        ),
        Action::RefuseGroup => ("refuse_group", &[NotAuthorised], &[], &["registration_failed"]),
        Action::RefusePolicy => ("refuse_policy", &[PolicyRefused], &[], &["registration_failed"]),
    }
}

impl CauseScore {
    fn of(&mut self, told: Told, name: &'static str) -> &mut CauseTally {
        self.tallies.entry((told, name)).or_default()
    }

    /// Adds another score.
    pub fn add(&mut self, other: Self) {
        for ((told, name), tally) in other.tallies {
            let CauseTally {
                first,
                later,
                wrong,
                none,
                incidents,
            } = tally;
            let sum = self.of(told, name);
            sum.first += first;
            sum.later += later;
            sum.wrong += wrong;
            sum.none += none;
            sum.incidents += incidents;
        }
        for (key, count) in other.unexplained {
            *self.unexplained.entry(key).or_default() += count;
        }
        for (told, QuietWorlds { seconds, incidents }) in other.quiet {
            let sum = self.quiet.entry(told).or_default();
            sum.seconds += seconds;
            sum.incidents += incidents;
        }
    }

    /// The sum over everything that was done.
    fn sum(&self, told: Told) -> CauseTally {
        let mut sum = Self::default();
        for ((of, _), tally) in &self.tallies {
            if *of == told {
                sum.add(Self {
                    tallies: BTreeMap::from([((told, ""), *tally)]),
                    ..Self::default()
                });
            }
        }
        *sum.of(told, "")
    }
}

impl fmt::Display for CauseScore {
    /// One row per deed; the columns show, for each degree of configuration, how often the right cause came first, came
    /// later, or did not come, and where there was no incident.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = Told::ALL;
        write!(f, "| done |")?;
        for told in told {
            write!(f, " told {}: first | later | wrong | no incident |", told.name())?;
        }
        writeln!(f, "\n|---|{}", "---|".repeat(4 * told.len()))?;
        let mut names: Vec<&str> = self.tallies.keys().map(|(_, name)| *name).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            write!(f, "| {name} |")?;
            for told in told {
                let CauseTally {
                    first,
                    later,
                    wrong,
                    none,
                    ..
                } = self.tallies.get(&(told, name)).copied().unwrap_or_default();
                write!(f, " {first} | {later} | {wrong} | {none} |")?;
            }
            writeln!(f)?;
        }
        writeln!(f, "\n| | told nothing | named | all |\n|---|---|---|---|")?;
        let row = |f: &mut fmt::Formatter<'_>, name: &str, cell: &dyn Fn(Told) -> String| {
            write!(f, "| {name} |")?;
            told.iter().try_for_each(|told| write!(f, " {} |", cell(*told)))?;
            writeln!(f)
        };
        row(f, "the right cause first", &|told| {
            let CauseTally {
                first,
                later,
                wrong,
                none,
                ..
            } = self.sum(told);
            ratio(100 * first, first + later + wrong + none, " %")
        })?;
        row(f, "incidents for one cause", &|told| {
            let sum = self.sum(told);
            ratio(sum.incidents, sum.first + sum.later + sum.wrong, "")
        })?;
        row(f, "incidents on quiet days", &|told| {
            let QuietWorlds { seconds, incidents } = self.quiet.get(&told).copied().unwrap_or_default();
            format!("{incidents} in {} days", seconds / 86_400)
        })?;
        let mut causes: Vec<&str> = self.unexplained.keys().map(|(_, cause)| *cause).collect();
        causes.sort_unstable();
        causes.dedup();
        for cause in causes {
            row(f, &format!("`{cause}` that nothing explains"), &|told| {
                let count = self.unexplained.get(&(told, cause)).copied().unwrap_or_default();
                count.to_string()
            })?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of events, far below 2^52")]
fn ratio(part: u64, whole: u64, unit: &str) -> String {
    if whole == 0 {
        return "none".to_owned();
    }
    format!("{:.2}{unit}", part as f64 / whole as f64)
}
