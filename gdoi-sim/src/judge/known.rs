//! What the rules ask about a run: what was seen by when, and what can be learned from it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gdoi_core::Timestamp;

use super::case::Case;
use super::told::Told;
use crate::journal::{AttemptEntry, KekEntry, PushKind};
use crate::scenario::{Action, Behavior, Protocol, ScriptedEvent};
use crate::truth::{Happened, Kind, Reason};

/// Number of keys with a new lifetime before the change can be known.
const CHANGE_SHOWS: usize = 4;
/// KEKs that are made later than before until a tracker can know it.
const KEKS_LATER: usize = 2;
/// Rekeys that all deliver a KEK where its clock is the only one.
const ALL_KEKS: usize = 3;
const SLACK: Duration = Duration::from_secs(10);

/// Members and key servers.
impl Case<'_> {
    /// The member of a group that appears under this address.
    pub(super) fn number_of(&self, address: SocketAddr, group: usize) -> Option<usize> {
        let known = self
            .witness
            .members
            .get(&super::case::without_well_known_port(address))?;
        let in_group = |member: &&usize| {
            self.journal
                .members
                .get(**member)
                .is_some_and(|entry| entry.group == group)
        };
        known.iter().find(in_group).copied()
    }

    /// Any member that appears under this address.
    pub(super) fn number_at(&self, address: SocketAddr) -> Option<usize> {
        let known = self
            .witness
            .members
            .get(&super::case::without_well_known_port(address));
        known.and_then(|members| members.first().copied())
    }

    /// Members of every group that have one member's address.
    pub(super) fn same_address(&self, member: usize) -> Vec<usize> {
        let Some(entry) = self.journal.members.get(member) else {
            return Vec::new();
        };
        let all = self.journal.members.iter().enumerate();
        all.filter(|(_, other)| other.inside == entry.inside)
            .map(|(number, _)| number)
            .collect()
    }

    /// Whether this address belongs to the scans of the scenario.
    pub(super) fn is_stranger(&self, address: IpAddr) -> bool {
        let scans = !self.scenario.foreign.scans_every.is_zero();
        // Below are the members of a NAT.
        scans && matches!(address, IpAddr::V4(v4) if matches!(v4.octets(), [203, 0, 113, 66..=255]))
    }

    /// The address that a key server's rekeys come from.
    pub(super) fn rekey_address(&self, server: usize) -> Option<IpAddr> {
        let entry = self.journal.servers.get(server)?;
        let config = self.scenario.groups.get(entry.group)?;
        Some(config.rekey_source.unwrap_or(entry.address))
    }

    /// Whether another group has one of this group's key servers.
    pub(super) fn shares_servers(&self, group: usize) -> bool {
        let servers = |group: usize| -> BTreeSet<IpAddr> {
            let of = self.journal.servers.iter().filter(|server| server.group == group);
            of.map(|server| server.address).collect()
        };
        let ours = servers(group);
        (0..self.scenario.groups.len()).any(|other| other != group && !ours.is_disjoint(&servers(other)))
    }

    /// Whether sites of this group also belong to another one.
    pub(super) fn shares_sites(&self, group: usize) -> bool {
        let sites = |group: usize| {
            let config = self.scenario.groups.get(group);
            config.map(|config| (config.site(0), config.site(config.members - 1)))
        };
        let Some((first, last)) = sites(group) else {
            return false;
        };
        (0..self.scenario.groups.len())
            .any(|other| other != group && sites(other).is_some_and(|(one, two)| one <= last && first <= two))
    }

    /// Whether anything that was seen tells which group a member belongs to.
    pub(super) fn has_spoken_for(&self, member: usize, group: usize) -> bool {
        self.witness
            .pushes
            .iter()
            .zip(&self.journal.pushes)
            .any(|(seen, push)| {
                push.group == group
                    && (seen.to.contains_key(&Some(member))
                        || seen.acknowledged.contains_key(&member)
                        || seen.to.contains_key(&None) && !self.shares_servers(group))
            })
    }

    /// Number of announcements of a key server that were seen before a time.
    pub(super) fn heard(&self, group: usize, server: Option<IpAddr>, until: Timestamp) -> usize {
        let of = self.witness.announcements.iter().filter(|(number, _)| {
            self.journal
                .servers
                .get(**number)
                .is_some_and(|entry| entry.group == group && Some(entry.address) == server)
        });
        of.map(|(_, times)| times.iter().filter(|at| **at <= until).count())
            .sum()
    }

    /// Whether a key server starts again soon after a time.
    pub(super) fn is_back(
        &self,
        group: usize,
        server: Option<IpAddr>,
        at: Timestamp,
        within: Duration,
    ) -> bool {
        self.happened_in(group).any(|one| {
            one.kind == Kind::ServerUp
                && one.key_server == server
                && one.at >= at
                && one.at <= at.after(within)
        })
    }

    /// The key server that sent the last rekey.
    pub(super) fn primary_at_end(&self, group: usize) -> Option<IpAddr> {
        let of = self.rekeys().filter(|(_, push)| push.group == group);
        of.last().and_then(|(_, push)| self.rekey_address(push.server))
    }
}

/// Rekeys.
impl Case<'_> {
    pub(super) fn is_push_seen(&self, number: usize) -> bool {
        self.witness
            .pushes
            .get(number)
            .is_some_and(|seen| seen.first.is_some())
    }

    /// Whether any rekey of a group passed here by this time.
    pub(super) fn has_seen_rekey(&self, group: usize, until: Timestamp) -> bool {
        self.rekeys()
            .any(|(number, push)| push.group == group && push.at <= until && self.is_push_seen(number))
    }

    pub(super) fn is_pull_only(&self, group: usize) -> bool {
        !self.journal.pushes.iter().any(|push| push.group == group)
    }

    /// Whether four rekeys in a row were seen at equal intervals before a time.
    pub(super) fn schedule_is_seen(&self, group: usize, side: usize, until: Timestamp) -> bool {
        let of: Vec<(bool, Timestamp)> = self
            .rekeys()
            .filter(|(_, push)| push.group == group && push.side == side && push.at <= until)
            .map(|(number, push)| (self.is_push_seen(number), push.at))
            .collect();
        let Some(latest) = of.len().checked_sub(4).and_then(|from| of.get(from..)) else {
            return false;
        };
        let intervals: Vec<Duration> = latest
            .windows(2)
            .filter_map(|pair| Some(pair.get(1)?.1.since(pair.first()?.1)))
            .collect();
        let (Some(least), Some(most)) = (intervals.iter().min(), intervals.iter().max()) else {
            return false;
        };
        let blind = latest
            .first()
            .is_some_and(|(_, from)| self.witness.is_blind(*from, until));
        latest.iter().all(|(seen, _)| *seen) && *most <= *least + *least / 50 + SLACK && !blind
    }

    /// When the next rekey of a group is due, and from which side.
    pub(super) fn next_rekey(&self, group: usize) -> Option<(Timestamp, usize)> {
        let side = self.main_side(group)?;
        let due = self.journal.due.get(&side).copied()?;
        (due > self.end).then_some((due, side))
    }

    pub(super) fn last_rekey(&self, group: usize, side: usize) -> Option<(usize, Timestamp)> {
        let of = self
            .rekeys()
            .filter(|(_, push)| push.group == group && push.side == side);
        of.last().map(|(number, push)| (number, push.at))
    }

    fn main_side(&self, group: usize) -> Option<usize> {
        let first = self.journal.keks.iter().find(|kek| kek.group == group);
        first.map(|kek| kek.side)
    }

    /// From when until when rekeys that were made did not pass. Applies where a rekey may take another path, or where
    /// no recipient is left.
    pub(super) fn absence_here(&self, group: usize, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let made = self
            .journal
            .pushes
            .iter()
            .enumerate()
            .filter(|(_, push)| push.group == group && push.kind != PushKind::Heartbeat);
        let mut last: Option<Timestamp> = None;
        let mut until = self.end;
        for (number, push) in made {
            let seen = self.is_push_seen(number);
            if push.at <= at {
                last = if seen { None } else { last.or(Some(push.at)) };
            } else if seen {
                until = push.at;
                break;
            }
        }
        last.map(|from| (from, until))
    }

    /// Per side, when the second rekey passed that was seen after a time.
    pub(super) fn sides_seen_after(&self, group: usize, at: Timestamp) -> BTreeMap<usize, Timestamp> {
        let mut counts: BTreeMap<usize, Vec<Timestamp>> = BTreeMap::new();
        for (number, push) in self
            .rekeys()
            .filter(|(_, push)| push.group == group && push.at > at)
        {
            if let Some(first) = self.witness.pushes.get(number).and_then(|seen| seen.first) {
                counts.entry(push.side).or_default().push(first);
            }
        }
        let twice = counts.into_iter();
        twice
            .filter_map(|(side, times)| Some((side, *times.get(1)?)))
            .collect()
    }

    /// Number of sides from which two rekeys were seen before a time.
    pub(super) fn sides_seen_before(&self, group: usize, at: Timestamp) -> usize {
        let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
        let split = self
            .happened_in(group)
            .filter(|one| one.kind == Kind::Split && one.at < at)
            .last()
            .map_or(Timestamp::ZERO, |one| one.at);
        for (number, push) in self
            .rekeys()
            .filter(|(_, push)| push.group == group && push.at > split && push.at < at)
        {
            if self.is_push_seen(number) {
                *counts.entry(push.side).or_default() += 1;
            }
        }
        counts.values().filter(|count| **count > 1).count()
    }
}

/// Keys and their lifetimes.
impl Case<'_> {
    pub(super) fn longest_tek(&self, group: usize) -> Duration {
        let of = self.journal.teks.iter().filter(|tek| tek.group == group);
        of.map(|tek| tek.lifetime).max().unwrap_or_default()
    }

    /// The longest time that a member keeps one TEK.
    pub(super) fn longest_life(&self, member: usize) -> Duration {
        let entry = self.journal.members.get(member);
        entry.map_or(Duration::ZERO, |entry| self.longest_tek(entry.group))
    }

    /// The longest time for which two TEKs of a group are valid at once.
    pub(super) fn overlap(&self, group: usize) -> Duration {
        let mut longest = Duration::ZERO;
        let mut before: BTreeMap<usize, Timestamp> = BTreeMap::new();
        for tek in self.journal.teks.iter().filter(|tek| tek.group == group) {
            if let Some(expiry) = before.insert(tek.side, tek.expiry()) {
                longest = longest.max(expiry.since(tek.made));
            }
        }
        longest
    }

    /// Whether two changes of SPI of a group were seen after their rekeys, before this one.
    pub(super) fn has_rolled_twice(&self, group: usize, until: Timestamp) -> bool {
        let seen = |spi: u32| {
            self.journal
                .esp
                .range((spi, 0)..=(spi, u32::MAX))
                .next()
                .is_some()
        };
        let of = self.journal.teks.iter().filter(|tek| {
            tek.group == group
                && tek.made < until
                && tek.push.is_some_and(|push| self.is_push_seen(push))
                && seen(tek.spi)
        });
        of.count() >= 3
    }

    /// The last KEK that ended by this time.
    fn ended_kek(&self, group: usize, until: Timestamp) -> Option<&KekEntry> {
        let of = self
            .journal
            .keks
            .iter()
            .filter(|kek| kek.group == group && kek.expiry() <= until.after(Duration::from_secs(1)));
        of.max_by_key(|kek| kek.expiry())
    }

    pub(super) fn kek_lifetime_at(&self, group: usize, at: Timestamp) -> Duration {
        let kek = self.ended_kek(group, at);
        let any = kek.or_else(|| self.journal.keks.iter().find(|kek| kek.group == group));
        any.map_or(Duration::ZERO, |kek| kek.lifetime)
    }

    /// Whether the delivery of the last KEK that ended was seen.
    pub(super) fn kek_start_is_seen(&self, group: usize, at: Timestamp) -> bool {
        let kek = self.ended_kek(group, at);
        kek.and_then(|kek| kek.push)
            .is_some_and(|push| self.is_push_seen(push))
    }

    /// Whether the ends of the keys that explain a registration were seen. A reload needs both, because it is the
    /// explanation left when neither key ended. A key that predates everything seen may end at any time.
    pub(super) fn sees_ends(&self, entry: &AttemptEntry) -> bool {
        let Some(member) = self.journal.members.get(entry.member) else {
            return false;
        };
        let is_seen = |push: Option<usize>| push.is_some_and(|push| self.is_push_seen(push));
        let keks = self.journal.keks.iter();
        let kek = keks
            .filter(|kek| kek.group == member.group && kek.made <= entry.began)
            .max_by_key(|kek| kek.made);
        let teks = self.journal.teks.iter();
        let tek = teks
            .filter(|tek| tek.group == member.group && tek.made <= entry.began)
            .max_by_key(|tek| tek.made);
        let (kek, tek) = (
            kek.is_some_and(|kek| is_seen(kek.push)),
            tek.is_some_and(|tek| is_seen(tek.push)),
        );
        match entry.reason {
            Reason::Boot => kek && tek,
            Reason::Kek => kek,
            Reason::Tek => tek,
            Reason::Forced => true,
        }
    }

    /// Whether the configured lifetime is right, or three deliveries were seen at equal intervals and only one
    /// lifetime explains them.
    pub(super) fn kek_lifetime_is_known(&self, group: usize, at: Timestamp) -> bool {
        let told = self.told == Told::All
            && self
                .scenario
                .groups
                .get(group)
                .is_some_and(|config| config.kek_lifetime == self.kek_lifetime_at(group, at));
        told || self.kek_period(group, at).is_some() && self.is_behavior_decidable(group)
    }

    /// The interval between KEKs, if the last three deliveries were seen at equal intervals.
    fn kek_period(&self, group: usize, until: Timestamp) -> Option<Duration> {
        let side = self.main_side(group)?;
        let of: Vec<&KekEntry> = self
            .journal
            .keks
            .iter()
            .filter(|kek| kek.side == side && kek.made <= until)
            .collect();
        let [first, second, third] = of.get(of.len().checked_sub(3)?..)? else {
            return None;
        };
        let seen = [first, second, third]
            .iter()
            .all(|kek| kek.push.is_some_and(|push| self.is_push_seen(push)));
        let (one, two) = (second.made.since(first.made), third.made.since(second.made));
        let equal = one.abs_diff(two) <= SLACK + one / 100;
        (seen && equal && !self.witness.is_blind(first.made, third.made)).then_some(two)
    }

    /// The KEK of the last rekey that was seen, and those after it.
    pub(super) fn keks_in_use(&self, group: usize) -> Vec<KekEntry> {
        let Some(side) = self.main_side(group) else {
            return Vec::new();
        };
        let mut of: Vec<KekEntry> = self
            .journal
            .keks
            .iter()
            .filter(|kek| kek.side == side)
            .copied()
            .collect();
        let confirmed = of.iter().rposition(|kek| self.is_kek_confirmed(kek));
        of.drain(..confirmed.unwrap_or(of.len()));
        of
    }

    /// Whether a rekey under it passed here.
    pub(super) fn is_kek_confirmed(&self, kek: &KekEntry) -> bool {
        self.rekeys()
            .any(|(number, push)| push.under == kek.cookies && self.is_push_seen(number))
    }

    pub(super) fn renewed_after(&self, group: usize, at: Timestamp) -> Option<Timestamp> {
        let of = self
            .journal
            .keks
            .iter()
            .filter(|kek| kek.group == group && kek.made > at);
        of.map(|kek| kek.made).min()
    }

    pub(super) fn is_renewed_within(&self, group: usize, at: Timestamp, within: Duration) -> bool {
        self.renewed_after(group, at)
            .is_some_and(|made| made <= at.after(within))
    }
}

/// How key servers renew their KEK.
impl Case<'_> {
    /// The behaviour at the end, and since when it applies.
    pub(super) fn behavior_at_end(&self, group: usize) -> Option<(Behavior, Timestamp)> {
        let config = self.scenario.groups.get(group)?;
        let mut now = (config.server, self.scenario.start);
        let mut events: Vec<_> = self
            .scenario
            .events
            .iter()
            .filter(|event| event.group as usize == group + 1)
            .collect();
        events.sort_by_key(|event| event.at);
        for event in events {
            let at = self.scenario.start.after(event.at);
            let to = match event.action {
                Action::UpgradeServers => Behavior::New,
                Action::DowngradeServers => Behavior::Legacy,
                _ => continue,
            };
            if at <= self.end && now.0 != to {
                now = (to, at);
            }
        }
        Some(now)
    }

    /// Number of cycles, since a time, in which the deliveries of a KEK and of the next one were seen.
    pub(super) fn kek_cycles_seen(&self, group: usize, since: Timestamp) -> usize {
        let Some(side) = self.main_side(group) else {
            return 0;
        };
        let of: Vec<&KekEntry> = self.journal.keks.iter().filter(|kek| kek.side == side).collect();
        let seen = |kek: &KekEntry| kek.push.is_some_and(|push| self.is_push_seen(push));
        of.windows(2)
            .filter(|pair| match pair {
                [one, two] => {
                    one.made >= since
                        && seen(one)
                        && seen(two)
                        && self.is_kek_confirmed(two)
                        && !self.witness.is_blind(one.made, two.made)
                }
                _ => false,
            })
            .count()
    }

    /// Without configuration, an interval between KEKs fits the lifetime of only one behaviour: a round interval
    /// means a legacy key server, and one that a lead makes round means a new one. Members that register twice per
    /// KEK mean a legacy one.
    pub(super) fn is_behavior_decidable(&self, group: usize) -> bool {
        let Some(config) = self.scenario.groups.get(group) else {
            return false;
        };
        if config.protocol == Protocol::GIkev2 {
            return false;
        }
        let doubles = self.past.doubles.get(group).copied().unwrap_or_default();
        let Some((behavior, _)) = self.behavior_at_end(group) else {
            return false;
        };
        match behavior {
            Behavior::Legacy => is_round(config.kek_lifetime) || doubles > 2,
            Behavior::New => {
                is_round(config.kek_lifetime) && !self.kek_period(group, self.end).is_some_and(is_round)
            }
        }
    }

    /// Changes of a group's lifetimes.
    fn changes(&self, group: usize) -> impl Iterator<Item = &ScriptedEvent> {
        let of = self.scenario.events.iter();
        of.filter(move |event| event.action == Action::SetLifetimes && event.group as usize == group + 1)
    }

    /// Whether the lifetime of a group's TEKs changed too recently to be learned.
    pub(super) fn is_tek_lifetime_new(&self, group: usize, at: Timestamp) -> bool {
        self.changes(group)
            .filter(|event| event.tek_lifetime.is_some())
            .any(|event| {
                let changed = self.scenario.start.after(event.at);
                let since = self
                    .journal
                    .teks
                    .iter()
                    .filter(|tek| tek.group == group && tek.made >= changed);
                changed <= at && since.filter(|tek| tek.made <= at).count() < CHANGE_SHOWS
            })
    }

    /// The same for its KEKs.
    pub(super) fn is_kek_lifetime_new(&self, group: usize, at: Timestamp) -> bool {
        self.changes(group)
            .filter(|event| event.kek_lifetime.is_some())
            .any(|event| {
                let changed = self.scenario.start.after(event.at);
                let since = self
                    .journal
                    .keks
                    .iter()
                    .filter(|kek| kek.group == group && kek.made >= changed);
                changed <= at && since.filter(|kek| kek.made <= at).count() < CHANGE_SHOWS
            })
    }

    /// Whether all rekeys of a group deliver a KEK, and its key server renews the KEK later than before since a short time:
    /// its lifetime is longer, it renews at the end, or not at all.
    pub(super) fn is_kek_later(&self, group: usize, at: Timestamp) -> bool {
        let of_group = self
            .rekeys()
            .filter(|(_, push)| push.group == group && push.at <= at);
        let mut latest: Vec<PushKind> = of_group.map(|(_, push)| push.kind).collect();
        latest.drain(..latest.len().saturating_sub(ALL_KEKS));
        if latest.iter().any(|kind| *kind != PushKind::Kek) {
            return false;
        }
        let renews_later = |event: &&ScriptedEvent| {
            event.group as usize == group + 1
                && (matches!(event.action, Action::DowngradeServers | Action::KeepKek)
                    || event.action == Action::SetLifetimes && event.kek_lifetime.is_some())
        };
        self.scenario.events.iter().filter(renews_later).any(|event| {
            let changed = self.scenario.start.after(event.at);
            let made = |kek: &&KekEntry| kek.group == group && kek.made >= changed && kek.made <= at;
            changed <= at && self.journal.keks.iter().filter(made).count() < KEKS_LATER
        })
    }

    /// Whether a KEK recently outlived its end.
    pub(super) fn is_kek_late_at_end(&self, group: usize) -> bool {
        self.happened_in(group).any(super::case::is_late_kek)
    }

    pub(super) fn is_split_at_end(&self, group: usize) -> bool {
        let last = self
            .happened_in(group)
            .filter(|one| matches!(one.kind, Kind::Split | Kind::Merged))
            .last();
        last.is_some_and(|one| one.kind == Kind::Split)
    }

    /// Whether anything is done to one of these groups.
    pub(super) fn is_scripted(&self, groups: &[usize]) -> bool {
        let mut events = self.scenario.events.iter();
        events.any(|event| groups.iter().any(|group| event.group as usize == group + 1))
    }

    /// Whether rekeys of a group ever came at another time than their schedule says.
    pub(super) fn is_disturbed(&self, group: usize) -> bool {
        let disturbs = |one: &Happened| {
            matches!(
                one.kind,
                Kind::Failover { .. }
                    | Kind::KekExpired
                    | Kind::KekOverAge
                    | Kind::Merged
                    | Kind::Rekey { forced: true, .. }
                    | Kind::ServerDown
                    | Kind::Split
            )
        };
        self.happened_in(group).any(disturbs)
    }

    /// Whether anything disturbed the cycles since a time: a forced KEK, an outage, a split.
    pub(super) fn has_trouble(&self, group: usize, since: Timestamp) -> bool {
        let disturbs = |one: &Happened| {
            one.at >= since
                && matches!(
                    one.kind,
                    Kind::Failover { .. }
                        | Kind::Merged
                        | Kind::Rekey { forced: true, .. }
                        | Kind::ServerDown
                        | Kind::Split
                )
        };
        let changed = self
            .changes(group)
            .any(|event| self.scenario.start.after(event.at) >= since);
        changed || self.happened_in(group).any(disturbs)
    }
}

/// Whether people would configure this time: whole minutes up to an hour, then whole quarters of an hour.
fn is_round(time: Duration) -> bool {
    let unit = if time < Duration::from_hours(1) { 60 } else { 900 };
    let rest = time.as_secs() % unit;
    rest <= 2 || unit - rest <= 2
}
