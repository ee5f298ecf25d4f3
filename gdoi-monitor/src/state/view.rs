//! From a snapshot to the objects of the API. Every field is named, so that a new one requires a decision.

use super::{
    BTreeMap, Calendar, DataPlane, DataPlaneState, Duration, EspTotal, Group, GroupState, Histogram, IpAddr,
    Kek, KekState, KeyServer, KeyServerState, Member, MemberState, Registration, RegistrationKind,
    RegistrationState, Rekey, RekeyState, Snapshot, SpiState, SpiStatus, SpiUse, Spread, Text,
};

/// The groups of a snapshot, by name.
pub fn groups(snapshot: &Snapshot, calendar: Calendar) -> impl Iterator<Item = Group> {
    let mut by_group: BTreeMap<&str, BTreeMap<Text, u64>> = BTreeMap::new();
    for ((group, _, exchange), count) in &snapshot.messages {
        let messages = by_group.entry(group).or_default();
        *messages.entry(Text::own(exchange.name())).or_default() += *count;
    }
    snapshot.groups.iter().map(move |(name, state)| {
        let messages = by_group.remove(name.as_str()).unwrap_or_default();
        let total = snapshot.esp.get(name).copied().unwrap_or_default();
        group(name, state, messages, total, calendar)
    })
}

/// The members of a snapshot, in the order they were first seen.
pub fn members(snapshot: &Snapshot, calendar: Calendar) -> impl Iterator<Item = Member> {
    snapshot.members.iter().map(move |state| member(state, calendar))
}

/// The ESP SPIs of a snapshot, in the order they were first seen.
pub fn spis(snapshot: &Snapshot, calendar: Calendar) -> impl Iterator<Item = SpiUse> {
    snapshot.spis.iter().map(move |state| spi(state, calendar))
}

fn group(
    name: &str,
    state: &GroupState,
    messages: BTreeMap<Text, u64>,
    total: EspTotal,
    calendar: Calendar,
) -> Group {
    let GroupState {
        configured,
        transport,
        rekey_address,
        key_servers,
        retransmissions,
        members,
        registration,
        rekey,
        kek,
        esp,
    } = state;
    let key_servers = key_servers.iter();
    let retransmissions = retransmissions.iter();
    Group {
        name: own(name),
        configured: *configured,
        transport: transport.map(|transport| Text::own(transport.name())),
        rekey_address: *rekey_address,
        members: *members,
        key_servers: key_servers
            .map(|(address, state)| key_server(*address, state, calendar))
            .collect(),
        messages,
        retransmissions: retransmissions
            .map(|(exchange, count)| (Text::own(exchange.name()), *count))
            .collect(),
        registration: self::registration(registration),
        rekey: self::rekey(rekey, calendar),
        kek: self::kek(kek, calendar),
        esp: data_plane(esp, total),
    }
}

fn key_server(address: IpAddr, state: &KeyServerState, calendar: Calendar) -> KeyServer {
    let KeyServerState {
        up,
        last_seen,
        pushes,
        completed,
        failed,
        failed_at,
        rekeys,
        rekey_messages,
        behavior,
    } = state;
    let kinds = |counts: &BTreeMap<RegistrationKind, u64>| {
        counts
            .iter()
            .map(|(kind, count)| (Text::own(kind.name()), *count))
            .collect()
    };
    let mut by_kind = BTreeMap::new();
    for ((kind, _), count) in rekeys {
        *by_kind.entry(Text::own(kind.name())).or_default() += *count;
    }
    KeyServer {
        address,
        up: *up,
        last_seen: last_seen.map(|at| calendar.date(at)),
        pushes: *pushes,
        completed: kinds(completed),
        failed: kinds(failed),
        failed_at: failed_at
            .iter()
            .map(|(stage, count)| (Text::own(stage.name()), *count))
            .collect(),
        rekeys: by_kind,
        rekey_messages: *rekey_messages,
        behavior: behavior.map(|behavior| Text::own(behavior.name())),
    }
}

fn registration(state: &RegistrationState) -> Registration {
    let RegistrationState {
        duration,
        in_progress,
        burst_active,
        bursts,
        burst_members,
        double,
    } = state;
    Registration {
        duration: duration.into(),
        in_progress: *in_progress,
        burst_active: *burst_active,
        bursts: *bursts,
        burst_members: *burst_members,
        double: *double,
    }
}

fn rekey(state: &RekeyState, calendar: Calendar) -> Rekey {
    let RekeyState {
        retransmissions,
        acknowledgements,
        unacknowledged_members,
        recipients,
        duration,
        last,
        next_expected,
        overdue,
        expectation: _,
    } = state;
    Rekey {
        retransmissions: *retransmissions,
        acknowledgements: *acknowledgements,
        unacknowledged_members: *unacknowledged_members,
        recipients: *recipients,
        duration: duration.into(),
        last: last.map(|at| calendar.date(at)),
        next_expected: next_expected.map(|at| calendar.date(at)),
        overdue: *overdue,
    }
}

fn kek(state: &KekState, calendar: Calendar) -> Kek {
    let KekState {
        cookies,
        changes,
        start,
        expiry,
        lifetime,
        lifetime_source,
        lead_seconds,
        over_age,
        expired,
        split,
        re_registration_window,
        chain,
    } = state;
    Kek {
        cookies: cookies.map(|cookies| Text::own(cookies.to_string())),
        changes: *changes,
        start: start.map(|at| calendar.date(at)),
        expiry: expiry.map(|at| calendar.date(at)),
        lifetime_seconds: lifetime.as_ref().map(Duration::as_secs_f64),
        lifetime_source: lifetime_source.map(|source| Text::own(source.name())),
        lead_seconds: *lead_seconds,
        over_age: *over_age,
        expired: *expired,
        split: *split,
        re_registration_window: re_registration_window
            .map(|(from, until)| (calendar.date(from), calendar.date(until))),
        chain: chain
            .iter()
            .map(|cookies| Text::own(cookies.to_string()))
            .collect(),
    }
}

fn data_plane(state: &DataPlaneState, total: EspTotal) -> DataPlane {
    let DataPlaneState {
        active,
        changes,
        rollover,
        stale_packets,
        lagging_sites,
        tek_lifetime,
    } = state;
    let EspTotal { packets, octets } = total;
    DataPlane {
        packets,
        octets,
        active: *active,
        changes: *changes,
        rollover: rollover.into(),
        stale_packets: *stale_packets,
        lagging_sites: *lagging_sites,
        tek_lifetime_seconds: tek_lifetime.as_ref().map(Duration::as_secs_f64),
    }
}

impl From<&Histogram> for Spread {
    fn from(histogram: &Histogram) -> Self {
        let count = histogram.count();
        let mean_seconds = (count > 0).then(|| {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a mean of 2^53 durations needs no last digit"
            )]
            let count = count as f64;
            histogram.sum.as_secs_f64() / count
        });
        Self { count, mean_seconds }
    }
}

fn member(state: &MemberState, calendar: Calendar) -> Member {
    let MemberState {
        address,
        group,
        key_server,
        first_seen,
        last_seen,
        registered,
        registrations,
        failures,
        rekeyed,
        acknowledged,
        unacknowledged,
    } = state;
    Member {
        address: *address,
        group: group.as_deref().map(own),
        key_server: *key_server,
        first_seen: calendar.date(*first_seen),
        last_seen: calendar.date(*last_seen),
        registered: registered.map(|at| calendar.date(at)),
        registrations: u64::from(*registrations),
        failures: u64::from(*failures),
        rekeyed: rekeyed.map(|at| calendar.date(at)),
        acknowledged: acknowledged.map(|at| calendar.date(at)),
        unacknowledged: unacknowledged.map(u64::from),
    }
}

fn spi(state: &SpiState, calendar: Calendar) -> SpiUse {
    let SpiState {
        spi,
        site,
        group,
        status,
        replaces,
        total: EspTotal { packets, octets },
        first_seen,
        last_seen,
    } = state;
    SpiUse {
        spi: Text::own(spi.to_string()),
        site: site.as_deref().map(own),
        group: group.as_deref().map(own),
        status: Text::own(status_word(*status)),
        replaces: replaces.map(|spi| Text::own(spi.to_string())),
        packets: *packets,
        octets: *octets,
        first_seen: calendar.date(*first_seen),
        last_seen: calendar.date(*last_seen),
    }
}

const fn status_word(status: SpiStatus) -> &'static str {
    match status {
        SpiStatus::Active => "active",
        SpiStatus::Idle => "idle",
        SpiStatus::Replaced => "replaced",
        SpiStatus::Stale => "stale",
    }
}

/// A known name of the agent.
fn own(name: &str) -> Text {
    Text::own(name.to_owned())
}
