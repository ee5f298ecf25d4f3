//! The only entry points: observations in, transitions out.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use gdoi_wire::Exchange;
use gdoi_wire::isakmp::Header;
use serde::{Deserialize, Serialize};

use crate::config::{Config, Limits, NumberedSite};
use crate::observation::{Message, Observation, host};
use crate::state::coop::CoopLinks;
use crate::state::counters::RateLimit;
use crate::state::data_plane::{SpiKey, SpiTraffic};
use crate::state::gaps::CaptureGaps;
use crate::state::group::{GroupMatch, Groups};
use crate::state::id::{GroupId, Peer};
use crate::state::ike_sa::{IkeSa, RegistrationAttempts};
use crate::state::kek::{Kek, Unconfirmed};
use crate::state::key_server::KeyServers;
use crate::state::member::Member;
use crate::state::table::{Id, Table};
use crate::state::timers::{Timer, Timers};
use crate::time::Timestamp;
use crate::transition::{Anomaly, ClockStep, Cookies, Malformed, Transition, What};

/// Follows every group from what a source observes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tracker {
    #[serde(skip)]
    pub(crate) config: Config,
    #[serde(skip)]
    pub(crate) limits: Limits,
    /// The group of each numbered place of the configuration.
    #[serde(skip)]
    pub(crate) site_groups: Vec<GroupId>,
    pub(crate) now: Timestamp,
    pub(crate) clock_steps: u64,
    clock_is_behind: bool,
    pub(crate) gaps: CaptureGaps,
    pub(crate) servers: KeyServers,
    pub(crate) groups: Groups,
    pub(crate) members: Table<Peer, Member>,
    pub(crate) ike_sas: Table<[u8; 8], IkeSa>,
    pub(crate) attempts: Table<(Peer, IpAddr), RegistrationAttempts>,
    pub(crate) keks: Table<Cookies, Kek>,
    pub(crate) unconfirmed: Table<Cookies, Unconfirmed>,
    pub(crate) spis: Table<SpiKey, SpiTraffic>,
    pub(crate) coop_links: CoopLinks,
    pub(crate) anomalies: BTreeMap<(GroupId, Anomaly), u64>,
    /// New SPIs that were reported.
    pub(crate) spi_reports: RateLimit,
    /// Registrations of strangers that were announced, and those that were not.
    pub(crate) stranger_reports: RateLimit,
    pub(crate) unreported_registrations: u64,
    /// Number of the latest rekey of any group.
    pub(crate) last_rekey_number: u32,
    #[serde(skip)]
    pub(crate) timers: Timers,
}

/// A message and when it was seen.
#[derive(Clone, Copy)]
pub(crate) struct Received<'a> {
    pub(crate) now: Timestamp,
    pub(crate) message: &'a Message<'a>,
    pub(crate) exchange: Exchange,
}

impl Received<'_> {
    pub(crate) const fn header(&self) -> &Header {
        &self.message.header
    }
}

/// Where a message is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attribution {
    pub(crate) group: GroupId,
    pub(crate) server: Id,
}

/// Who a transition is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) group: GroupId,
    server: Option<Id>,
    pub(crate) member: Option<Peer>,
}

impl Subject {
    pub(crate) const fn member(group: GroupId, server: Id, member: Peer) -> Self {
        Self {
            group,
            server: Some(server),
            member: Some(member),
        }
    }

    pub(crate) const fn server(group: GroupId, server: Id) -> Self {
        Self {
            group,
            server: Some(server),
            member: None,
        }
    }

    pub(crate) const fn group(group: GroupId) -> Self {
        Self {
            group,
            server: None,
            member: None,
        }
    }
}

/// A step of the clock that is worth a word; less is the reordering of several queues.
const MIN_CLOCK_STEP: Duration = Duration::from_secs(1);

impl Tracker {
    /// Knows nothing yet but the configuration.
    pub fn new(config: Config, limits: Limits) -> Self {
        let seed = limits.hash_seed;
        let mut tracker = Self {
            now: Timestamp::ZERO,
            clock_steps: 0,
            clock_is_behind: false,
            gaps: CaptureGaps::default(),
            servers: KeyServers::new(limits.key_servers, seed),
            groups: Groups::new(limits.groups),
            members: Table::new(limits.members, seed),
            ike_sas: Table::new(limits.associations, seed),
            attempts: Table::new(limits.associations, seed),
            keks: Table::new(limits.keks, seed),
            unconfirmed: Table::new(limits.keks, seed),
            spis: Table::new(limits.spis, seed),
            coop_links: CoopLinks::new(),
            anomalies: BTreeMap::new(),
            spi_reports: RateLimit::default(),
            stranger_reports: RateLimit::default(),
            unreported_registrations: 0,
            last_rekey_number: 0,
            timers: Timers::default(),
            config,
            limits,
            site_groups: Vec::new(),
        };
        tracker.apply_config();
        tracker
    }

    /// Takes one observation made at `now`, after whatever deadlines had passed by then.
    ///
    /// The clock never goes backwards here: an earlier `now` counts as the latest one seen, and is counted.
    pub fn observe(&mut self, now: Timestamp, seen: &Observation<'_>, out: &mut Vec<Transition>) {
        let now = self.clamp_clock(now, out);
        self.advance(now, out);
        match seen {
            Observation::Message(message) => self.handle_message(now, message, out),
            Observation::Esp(esp) => self.handle_esp(now, esp, out),
            Observation::Loss(loss) => {
                self.gaps.add(loss.from, loss.until);
                self.emit(now, Subject::group(GroupId::NONE), What::CaptureLoss(*loss), out);
            }
            Observation::OpenGap(blind) => self.gaps.add(blind.since, blind.until),
        }
    }

    /// Lets every deadline up to `now` pass, in order, each at its own time.
    pub fn advance(&mut self, now: Timestamp, out: &mut Vec<Transition>) {
        while let Some((at, timer)) = self.timers.pop(now) {
            match timer {
                Timer::IkeSa(id) => self.on_ike_sa_timer(at, id, out),
                Timer::Kek(id) => self.on_kek_timer(at, id, out),
                Timer::Inband(group) => self.on_inband_timer(at, group, out),
                Timer::Coop(from, to) => self.on_coop_timer(at, from, to, out),
                Timer::Overdue(group) => self.on_overdue_timer(at, group, out),
                Timer::Expiry(group) => self.on_kek_expiry(at, group, out),
                Timer::Burst(group) => self.on_burst_timer(at, group, out),
            }
        }
        self.now = self.now.max(now);
    }

    /// When [`Self::advance`] has something to do next, if nothing more is observed.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// Says what a window that is still open would say at its end: for the end of a capture, or before a restart.
    ///
    /// Nothing is said of silences: the end of watching is not a silence. What had been repeated in vain until then
    /// counts as failed.
    pub fn finish(&mut self, now: Timestamp, out: &mut Vec<Transition>) {
        let now = now.max(self.now);
        self.advance(now, out);
        self.finish_registrations(now, out);
        self.finish_rekeys(now, out);
    }

    /// Applies the configuration to what is known.
    pub(crate) fn apply_config(&mut self) {
        let Self {
            groups,
            servers,
            config,
            limits,
            site_groups,
            ..
        } = self;
        groups.configure(config, servers, limits.groups);
        let of_config = |at: usize| {
            let found = groups.iter().find(|(_, group)| group.config == Some(at));
            found.map_or(GroupId::NONE, |(id, _)| id)
        };
        let groups: Vec<GroupId> = (0..config.groups.len()).map(of_config).collect();
        // Places are numbered from 1.
        let of_place = |place: NumberedSite<'_>| groups.get(place.group).copied().unwrap_or(GroupId::NONE);
        *site_groups = core::iter::once(GroupId::NONE)
            .chain(config.numbered_sites().map(of_place))
            .collect();
    }

    fn clamp_clock(&mut self, now: Timestamp, out: &mut Vec<Transition>) -> Timestamp {
        if now >= self.now {
            self.clock_is_behind = false;
            return now;
        }
        self.clock_steps = self.clock_steps.saturating_add(1);
        let step = self.now.since(now);
        if step >= MIN_CLOCK_STEP && !self.clock_is_behind {
            self.clock_is_behind = true;
            let what = What::ClockStep(ClockStep { step });
            self.emit(self.now, Subject::group(GroupId::NONE), what, out);
        }
        self.now
    }

    fn handle_message(&mut self, now: Timestamp, message: &Message<'_>, out: &mut Vec<Transition>) {
        let exchange = message.header.exchange();
        let seen = Received {
            now,
            message,
            exchange,
        };
        self.handle_coop(seen);
        let booking = match exchange {
            Exchange::GroupkeyPush | Exchange::GsaRekey => self.handle_push(seen, out),
            Exchange::GroupkeyPushAck => self.handle_push_ack(seen, out),
            Exchange::GsaInbandRekey => self.handle_inband_rekey(seen, out),
            Exchange::Unknown(_) => self.handle_unknown_exchange(seen, out),
            _ => self
                .handle_ike_message(seen, out)
                .or_else(|| self.match_implicit_ack(seen, out)),
        };
        let booking = booking.unwrap_or_else(|| self.attribute_by_address(message));
        if let Some(pair) = self
            .servers
            .get_mut(booking.server)
            .and_then(|server| server.pair(booking.group))
        {
            pair.messages.add(exchange);
        }
    }

    fn handle_unknown_exchange(
        &mut self,
        seen: Received<'_>,
        out: &mut Vec<Transition>,
    ) -> Option<Attribution> {
        if !matches!(seen.header().version(), (1 | 2, _)) {
            self.report_anomaly(seen, Anomaly::VersionUnknown, out);
        }
        self.match_implicit_ack(seen, out)
    }

    /// Where a message between a member and a key server is counted.
    pub(crate) fn attribution_of(&self, server: Id, member: Peer) -> Attribution {
        let group = match self.servers.get(server).map(|server| server.groups.as_slice()) {
            None | Some([]) => GroupId::NONE,
            Some(candidates) => self.match_group(candidates, member).group(),
        };
        Attribution { group, server }
    }

    /// Which of these groups a member belongs to.
    pub(crate) fn match_group(&self, candidates: &[GroupId], member: Peer) -> GroupMatch {
        if let Some(only) = self.groups.only(candidates, &self.config) {
            return GroupMatch::One(only);
        }
        let known = self.members.find(&member).and_then(|id| self.members.get(id));
        self.groups
            .attribute(candidates, member.ip(), known, &self.config)
    }

    /// Where a message is counted of which nothing is known but its addresses.
    fn attribute_by_address(&mut self, message: &Message<'_>) -> Attribution {
        let (source, destination) = (host(message.source), host(message.destination));
        if let Some(server) = self.servers.find(source) {
            return self.attribution_of(server, Peer::new(message.destination));
        }
        let server = match self.servers.find(destination) {
            Some(server) => server,
            None => self.servers.other(),
        };
        self.attribution_of(server, Peer::new(message.source))
    }

    /// A key server was heard, or was asked something.
    pub(crate) fn mark_heard(&mut self, now: Timestamp, server: Id, spoke: bool) {
        if let Some(server) = self.servers.get_mut(server) {
            if spoke {
                server.spoke(now);
            } else {
                server.asked = server.asked.or(Some(now));
            }
        }
    }

    /// Whether an address has shown that a key server is there.
    pub(crate) fn is_proven_key_server(&self, address: IpAddr) -> bool {
        let known = self.servers.find(address).and_then(|id| self.servers.get(id));
        known.is_some_and(|server| server.proven)
    }

    /// The key server at an address that nothing but a question names: half of the room is kept for those that answer.
    pub(crate) fn admit_unproven(&mut self, address: IpAddr) -> Id {
        if let Some(known) = self.servers.find(address) {
            return known;
        }
        if self.servers.table().len() > self.limits.key_servers / 2 {
            self.servers.overflow += 1;
            return self.servers.other();
        }
        self.servers.admit(address)
    }

    /// A message contradicts the protocol. Every one is counted; of those that matter, the first and then ever fewer
    /// are reported.
    pub(crate) fn report_anomaly(&mut self, seen: Received<'_>, anomaly: Anomaly, out: &mut Vec<Transition>) {
        let count = self.anomalies.entry((GroupId::NONE, anomaly)).or_default();
        *count = count.saturating_add(1);
        let count = *count;
        if count.is_power_of_two() && anomaly != Anomaly::PushUnconfirmed {
            let what = What::Malformed(Malformed {
                reason: anomaly,
                source: host(seen.message.source),
                count,
            });
            self.emit(seen.now, Subject::group(GroupId::NONE), what, out);
        }
    }

    pub(crate) fn emit(&self, at: Timestamp, subject: Subject, what: What, out: &mut Vec<Transition>) {
        let Subject {
            group,
            server,
            member,
        } = subject;
        out.push(Transition {
            at,
            group: self.groups.name(group),
            key_server: server.and_then(|server| self.servers.address(server)),
            member: member.map(Peer::socket),
            what,
        });
    }
}
