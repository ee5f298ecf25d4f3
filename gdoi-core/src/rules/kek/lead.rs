//! Every timer formula: when keys end, when their renewal is due, when members act, and the slack of each.
//!
//! Configured values are used as they are; others are the profile's defaults, or learned. A [`Schedule`] reads one
//! group and its configuration, and changes nothing.

use core::time::Duration;

use crate::config::{Config, GroupConfig, Profile};
use crate::state::group::Group;
use crate::state::member::Member;
use crate::time::Timestamp;
use crate::transition::{LifetimeSource, Transport};

/// Cisco renews a KEK at least this long before its end (Cisco document 116737).
const CISCO_MIN_KEK_LEAD: Duration = Duration::from_secs(200);
/// Cisco renews a TEK at least this long before its end (Cisco document 116737).
const CISCO_MIN_TEK_LEAD: Duration = Duration::from_secs(90);
/// Time that Cisco allows for one batch of unicast rekeys.
const CISCO_BATCH_TIME: Duration = Duration::from_secs(5);
/// Members in one batch.
const CISCO_BATCH_MEMBERS: u64 = 50;
/// Juniper: four times the activation time delay of 15 s.
const JUNIPER_LEAD: Duration = Duration::from_mins(1);
/// Retransmission interval for an unknown group: Cisco's default.
const DEFAULT_RETRANSMIT_INTERVAL: Duration = Duration::from_secs(10);
/// Repeats of a rekey that a key server can be configured to send.
const MOST_REPEATS: u32 = 5;
/// Repeats of a rekey, where their number is not configured.
const LEARNED_REPEATS: u32 = 3;
/// How far clocks and jitter shift the renewal of a KEK.
pub(crate) const KEK_TIMING_SLACK: Duration = Duration::from_secs(15);
/// The longest delay of a renewal that recurs.
const LATEST_RENEWAL: Duration = Duration::from_mins(5);
/// The longest time by which retransmissions and a batch of members extend a lead: three times 40 s plus 5 s, the
/// slowest published configuration.
const LONGEST_UNICAST_ALLOWANCE: Duration = Duration::from_secs(125);
/// How long the old TEK may last after a rekey while both its lifetime and the rekey interval are unknown: twice the
/// longest lead of a one-hour TEK.
const UNKNOWN_ROLLOVER_WINDOW: Duration = Duration::from_mins(10);
/// How late the last packet under a TEK may be seen, because of clocks and delays.
const TEK_SLACK: Duration = Duration::from_secs(30);
/// The shortest time after a rekey in which its SPIs come into use: Cisco keeps both SAs for at least 90 s, plus the
/// time of retransmissions and batches.
pub(crate) const ROLLOVER_WINDOW: Duration = Duration::from_secs(130);
/// Slack around the windows in which members register again.
const REGISTRATION_WINDOW_SLACK: Duration = Duration::from_mins(1);
/// Latest time after the expiry of its KEK at which a member registers.
pub(crate) const EXPIRY_AFTERMATH: Duration = Duration::from_mins(3);
/// How long a registration takes, clock differences included.
const REGISTRATION_TIME: Duration = Duration::from_secs(15);

/// The timers of one group.
#[derive(Clone, Copy)]
pub(crate) struct Schedule<'a> {
    group: &'a Group,
    config: Option<&'a GroupConfig>,
}

/// The end of a key and its lifetime.
#[derive(Clone, Copy)]
pub(crate) struct KeyEnd {
    at: Timestamp,
    lifetime: Duration,
}

impl KeyEnd {
    /// Whether members register around now because of it: from 5 % of the lifetime before its end to three minutes
    /// after.
    pub(crate) fn is_around(self, now: Timestamp) -> bool {
        self.at.before(expiry_window(self.lifetime)) <= now && now <= self.at.after(EXPIRY_AFTERMATH)
    }
}

/// How long before the end of a key with this lifetime members begin to register again.
pub(crate) fn expiry_window(lifetime: Duration) -> Duration {
    lifetime / 20 + REGISTRATION_WINDOW_SLACK
}

/// Lead with which members without a successor of their key register, earliest and latest: 5 and 3 % of the lifetime,
/// at least a minute.
fn re_registration_lead(lifetime: Duration) -> (Duration, Duration) {
    let latest = (lifetime * 3 / 100).max(Duration::from_mins(1));
    (latest + lifetime / 50, latest)
}

/// The longest lead of a TEK with this rekey interval: with a lead of 5 % its lifetime is 20/19 of the interval.
fn longest_tek_lead(interval: Duration) -> Duration {
    (interval / 19).max(CISCO_MIN_TEK_LEAD) + LONGEST_UNICAST_ALLOWANCE
}

impl<'a> Schedule<'a> {
    pub(crate) fn new(group: &'a Group, config: &'a Config) -> Self {
        Self {
            group,
            config: group.known_config(config),
        }
    }

    // --- leads: how early a key is renewed

    /// Lead with which a KEK of this lifetime is renewed, by the group's profile.
    pub(crate) fn kek_lead(&self, lifetime: Duration) -> Duration {
        self.lead(lifetime, CISCO_MIN_KEK_LEAD)
    }

    /// Lead with which a TEK of this lifetime is renewed, by the group's profile.
    pub(crate) fn tek_lead(&self, lifetime: Duration) -> Duration {
        self.lead(lifetime, CISCO_MIN_TEK_LEAD).min(lifetime / 2)
    }

    fn lead(&self, lifetime: Duration, least: Duration) -> Duration {
        match self.config.map(|known| known.profile).unwrap_or_default() {
            Profile::Cisco => (lifetime / 20).max(least) + self.unicast_allowance(),
            Profile::Juniper => JUNIPER_LEAD,
            Profile::Rfc => Duration::ZERO,
        }
    }

    /// Time that a key server adds for retransmissions and for successive batches of members.
    fn unicast_allowance(&self) -> Duration {
        if self.group.transport != Some(Transport::Unicast) {
            return Duration::ZERO;
        }
        let batches = 1 + self.group.rekeys.recipients / CISCO_BATCH_MEMBERS;
        self.retransmission_span()
            + CISCO_BATCH_TIME.saturating_mul(u32::try_from(batches).unwrap_or(u32::MAX))
    }

    // --- retransmissions

    /// How long a rekey is retransmitted.
    pub(crate) fn retransmission_span(&self) -> Duration {
        let retransmit = self
            .config
            .map_or(Profile::Cisco.retransmit(), GroupConfig::retransmit);
        retransmit.interval.saturating_mul(retransmit.count)
    }

    /// How long after its last message a rekey may still be retransmitted.
    pub(crate) fn round_window(&self) -> Duration {
        let interval = self.repeat_interval();
        interval + interval / 4 + Duration::from_secs(2)
    }

    /// How long after its first message a rekey may still be repeated.
    pub(crate) fn repeat_window(&self) -> Duration {
        let repeats = self.repeat_interval() * MOST_REPEATS;
        self.retransmission_span().max(repeats) + self.round_window()
    }

    /// Time between retransmissions: as configured, as seen, or the profile's.
    fn repeat_interval(&self) -> Duration {
        let told = self.config.and_then(|known| known.retransmit);
        let told = told.map(|retransmit| retransmit.interval);
        let profile = || {
            self.config
                .map_or(DEFAULT_RETRANSMIT_INTERVAL, |known| known.retransmit().interval)
        };
        told.or(self.group.rekeys.repeats.interval())
            .unwrap_or_else(profile)
    }

    /// Whether the key server is configured not to repeat unacknowledged rekeys.
    pub(crate) fn never_repeats(&self) -> bool {
        let told = self.config.and_then(|known| known.retransmit);
        told.is_some_and(|retransmit| retransmit.count == 0)
    }

    // --- the KEK

    /// The lifetime of the group's KEK, and its source.
    pub(crate) fn kek_lifetime(&self) -> Option<(Duration, LifetimeSource)> {
        let learned = self.group.kek.behavior.learned;
        self.configured_kek_lifetime()
            .filter(|_| self.contradicted_kek_lifetime().is_none())
            .map(|lifetime| (lifetime, LifetimeSource::Configured))
            .or(learned.map(|lifetime| (lifetime, LifetimeSource::Learned)))
    }

    /// The lifetime of KEKs, as configured.
    fn configured_kek_lifetime(&self) -> Option<Duration> {
        self.config.and_then(|known| known.kek_lifetime)
    }

    /// The configured lifetime of KEKs and the actual one, if the latest two lived longer and equally long: no key
    /// server is repeatedly that late.
    pub(crate) fn contradicted_kek_lifetime(&self) -> Option<(Duration, Duration)> {
        let configured = self.configured_kek_lifetime()?;
        let limit = configured + self.kek_slack() + LATEST_RENEWAL;
        Some((configured, self.group.kek.behavior.lived_longer(limit)?))
    }

    /// Whether the lifetime of KEKs is configured and nothing contradicts it.
    pub(crate) fn is_kek_lifetime_configured(&self) -> bool {
        self.configured_kek_lifetime().is_some() && self.contradicted_kek_lifetime().is_none()
    }

    /// When the present KEK expires.
    pub(crate) fn kek_expiry(&self) -> Option<Timestamp> {
        let start = self.group.kek.start?;
        Some(start.after(self.kek_lifetime()?.0))
    }

    /// When the present KEK has certainly expired: a renewal in progress would have been seen by then.
    pub(crate) fn kek_expiry_deadline(&self) -> Option<Timestamp> {
        let start = self.group.kek.start_at_latest?;
        Some(start.after(self.kek_lifetime()?.0).after(self.kek_slack()))
    }

    /// How late the renewal of a KEK may be and still count as in time: retransmissions plus clock slack.
    pub(crate) fn kek_slack(&self) -> Duration {
        let repeats = self.group.rekeys.repeats.interval();
        let learned = repeats.map_or(Duration::ZERO, |interval| interval * LEARNED_REPEATS);
        KEK_TIMING_SLACK + self.retransmission_span().max(learned)
    }

    /// When members that missed the renewal register again, earliest and latest.
    pub(crate) fn re_registration_window(&self) -> Option<(Timestamp, Timestamp)> {
        let (lifetime, _) = self.kek_lifetime()?;
        let expiry = self.kek_expiry()?;
        let (earliest, latest) = re_registration_lead(lifetime);
        Some((expiry.before(earliest), expiry.before(latest)))
    }

    /// The end of the present KEK.
    pub(crate) fn kek_end(&self) -> Option<KeyEnd> {
        Some(KeyEnd {
            at: self.kek_expiry()?,
            lifetime: self.kek_lifetime()?.0,
        })
    }

    // --- TEKs and rekeys

    /// The configured lifetime of TEKs; headers do not reveal it.
    pub(crate) fn tek_lifetime(&self) -> Option<Duration> {
        self.config.and_then(|known| known.tek_lifetime)
    }

    /// The end of the TEKs that the latest rekey delivered.
    pub(crate) fn tek_end(&self) -> Option<KeyEnd> {
        let lifetime = self.tek_lifetime()?;
        let last = self.group.rekeys.last?;
        Some(KeyEnd {
            at: last.after(lifetime),
            lifetime,
        })
    }

    /// The longest time after its start for which a TEK can be seen: as configured, or as the rekey interval
    /// suggests.
    pub(crate) fn max_tek_lifetime(&self) -> Option<Duration> {
        let learned = || {
            let rolled = || self.group.data.rollover_interval();
            let interval = self.rekey_interval().or_else(rolled)?;
            Some(interval + longest_tek_lead(interval))
        };
        Some(self.tek_lifetime().or_else(learned)? + TEK_SLACK)
    }

    /// How long after a rekey members may change to the new SPI: a Cisco member may use the old one until it ends.
    pub(crate) fn rollover_window(&self) -> Duration {
        let configured = self.tek_lifetime().map(|lifetime| self.tek_lead(lifetime));
        let window = configured
            .or_else(|| Some(longest_tek_lead(self.rekey_interval()?)))
            .unwrap_or(UNKNOWN_ROLLOVER_WINDOW);
        window.max(ROLLOVER_WINDOW) + TEK_SLACK
    }

    /// The interval between rekeys: the recent one if it contradicts the configured TEK lifetime or none is
    /// configured.
    pub(crate) fn rekey_interval(&self) -> Option<Duration> {
        let seen = self.group.rekeys.interval();
        let Some(configured) = self.configured_interval() else {
            return seen;
        };
        let differs = |seen: &Duration| seen.abs_diff(configured) > self.round_window() * 2 + configured / 20;
        Some(seen.filter(differs).unwrap_or(configured))
    }

    /// The interval between rekeys by the configured lifetime of TEKs.
    fn configured_interval(&self) -> Option<Duration> {
        let lifetime = self.tek_lifetime()?;
        Some(lifetime.saturating_sub(self.tek_lead(lifetime)))
    }

    /// The configured lifetime of TEKs if the rekey interval rules it out: they would have ended, or no key server
    /// renews them so early.
    ///
    /// The renewals of a KEK with a clock of its own come at any interval.
    pub(crate) fn contradicted_tek_lifetime(&self) -> Option<Duration> {
        let lifetime = self.tek_lifetime()?;
        let rekeys = &self.group.rekeys;
        let seen = rekeys.interval()?;
        let lead = self.tek_lead(lifetime).saturating_mul(2).max(lifetime / 3);
        let is_possible = lifetime.saturating_sub(lead) <= seen && seen <= lifetime + self.round_window();
        let is_kek_clock = rekeys.delivers_keks_only()
            || self
                .kek_lifetime()
                .is_some_and(|(kek, _)| seen <= kek && kek < lifetime);
        let may_be_kek_clock = seen < lifetime && (is_kek_clock || rekeys.kinds_are_unknown());
        (!is_possible && !may_be_kek_clock).then_some(lifetime)
    }

    /// Whether the key servers of the group send heartbeats, by its profile.
    pub(crate) fn sends_heartbeats(&self) -> bool {
        self.config.is_some_and(|known| known.profile == Profile::Juniper)
    }

    /// When the next rekey should begin, if known. After a deletion the key server may resume at any time, but not
    /// later than without the deletion.
    pub(crate) fn next_rekey(&self) -> Option<Timestamp> {
        let last = self.group.rekeys.last?;
        Some(last.after(self.rekey_interval()?))
    }

    /// When the TEKs that the latest rekey delivered end, by the configured lifetime or by the rekey interval.
    pub(crate) fn probable_tek_end(&self) -> Option<Timestamp> {
        let interval = self.rekey_interval()?;
        let told = self
            .tek_lifetime()
            .filter(|_| self.contradicted_tek_lifetime().is_none());
        let lifetime = told.unwrap_or_else(|| interval + self.tek_lead(interval + self.tek_lead(interval)));
        Some(self.group.rekeys.last?.after(lifetime))
    }

    /// When the next rekey is overdue.
    pub(crate) fn overdue_deadline(&self) -> Option<Timestamp> {
        let tolerance = self.round_window() * 2 + self.rekey_interval()? / 10;
        let overdue = self.next_rekey()?.after(tolerance);
        Some(overdue.max(self.latest_kek_renewal().unwrap_or_default()))
    }

    /// If every rekey delivers a KEK: when the one that the latest delivered ends. A key server that now renews at the
    /// end sends no rekey before.
    fn latest_kek_renewal(&self) -> Option<Timestamp> {
        let rekeys = &self.group.rekeys;
        let (lifetime, _) = self.kek_lifetime().filter(|_| rekeys.delivers_keks_only())?;
        Some(rekeys.last?.after(lifetime).after(self.kek_slack()))
    }

    /// Whether a rekey is due at `now`, by the schedule of the group. `None` if unknown.
    pub(crate) fn is_rekey_due(&self, now: Timestamp) -> Option<bool> {
        let slack = self.round_window() + self.rekey_interval()? / 50;
        Some(self.next_rekey()?.before(slack) <= now)
    }

    /// Whether a rekey is due at about `now`: one interval after the latest one or, where the KEK has a clock of its own,
    /// after the one before.
    pub(crate) fn is_on_beat(&self, now: Timestamp) -> bool {
        let Some(interval) = self.rekey_interval() else {
            return false;
        };
        let slack = self.round_window() + interval / 50;
        let rekeys = &self.group.rekeys;
        let is_at = |last: Timestamp| now.since(last).abs_diff(interval) <= slack;
        [rekeys.last, rekeys.last_but_one]
            .into_iter()
            .flatten()
            .any(is_at)
    }

    // --- members

    /// Whether members are expected to register around now, because a key ends.
    pub(crate) fn is_expiry_window(&self, now: Timestamp) -> bool {
        [self.kek_end(), self.tek_end()]
            .into_iter()
            .flatten()
            .any(|end| end.is_around(now))
    }

    /// Whether a member registers when the TEK that the latest rekey replaced is about to end. Only members that did
    /// not receive that rekey do so.
    pub(crate) fn missed_tek(&self, now: Timestamp, member: &Member) -> bool {
        let rekeys = &self.group.rekeys;
        let Some((lifetime, last)) = self.tek_lifetime().zip(rekeys.last) else {
            return false;
        };
        if last > now {
            return false;
        }
        let end = match rekeys.last_but_one {
            Some(before) => before.after(lifetime),
            None => last.after(self.tek_lead(lifetime)),
        };
        let (earliest, latest) = re_registration_lead(lifetime);
        let earliest = end.before(earliest + REGISTRATION_TIME);
        // A member that failed before this rekey was sent tries again soon after the end.
        let until = match member.registered_in(earliest, last) {
            Some(_) => end.after(REGISTRATION_WINDOW_SLACK),
            None => end.before(latest).after(REGISTRATION_TIME),
        };
        !member.has_taken(last, now) && earliest <= now && now <= until
    }

    /// Whether a member registers because its KEK is about to end although a rekey renewed it.
    pub(crate) fn missed_kek(&self, now: Timestamp, member: &Member) -> bool {
        let Some((KeyEnd { at, lifetime }, last)) = self.kek_end().zip(self.group.rekeys.last) else {
            return false;
        };
        let renewed = at.before(self.kek_lead(lifetime) + REGISTRATION_WINDOW_SLACK + REGISTRATION_TIME);
        renewed <= last && last <= now && !member.has_taken(last, now)
    }
}
