//! How registrations start and end, and what is reported of them.

use core::time::Duration;

use gdoi_wire::Exchange;

use crate::rules::attribution::Attribution;
use crate::rules::registration::{burst, missed, periodic, reason, scan, silence};
use crate::rules::{Context, Subject};
use crate::state::counters::increment;
use crate::state::id::{GroupId, IkeSaId, KeyServerId, Peer};
use crate::state::ike_sa::{
    IkeMode, IkeSa, MIN_UNANSWERED_RETRANSMISSIONS, Pull, RegistrationAttempts, step,
};
use crate::state::member::Member;
use crate::time::Timestamp;
use crate::transition::{
    Certainty, ReRegistration, RegistrationEnd, RegistrationKind, RegistrationStage, RegistrationStarted,
    What,
};

/// The domain of interpretation of GDOI (RFC 6407 §2.1).
const DOI_GDOI: u32 = 2;
/// The domain of interpretation of `IPsec` (RFC 2407 §4.2).
const DOI_IPSEC: u32 = 1;
/// Silence after which a further attempt has another cause.
const ATTEMPT_GAP: Duration = Duration::from_mins(5);
/// Younger keys are not renewed.
const NEW_KEYS: Duration = Duration::from_mins(1);
/// Unanswered registrations of unknown members that are reported in ten seconds.
const STRANGER_REPORT_LIMIT: u32 = 256;

/// Reports the start of an evident registration.
///
/// A phase 1 for another purpose looks the same. The domain of interpretation, a proven key server, or (`is_proof`) a
/// message that only registrations have shows that it is one.
pub(crate) fn report_started(cx: &mut Context<'_>, id: IkeSaId, attribution: Attribution, is_proof: bool) {
    let ike_sa = &cx.state.ike_sas[id];
    if ike_sa.reported || !(is_proof || is_registration(cx, ike_sa)) {
        return;
    }
    // For an unknown peer phase 1 alone proves nothing: key servers have IKE SAs between them.
    let is_plain = !is_proof && ike_sa.pulls.is_empty() && ike_sa.unanswered == 0;
    if is_plain && !has_role(cx, ike_sa.member) {
        return;
    }
    if is_proof || ike_sa.has_seen(step::SECOND) || may_report_unanswered(cx, ike_sa.member) {
        start(cx, id, attribution);
    }
}

/// Reports that a registration starts.
fn start(cx: &mut Context<'_>, id: IkeSaId, attribution: Attribution) {
    let ike_sa = &cx.state.ike_sas[id];
    let (member, server, mode) = (ike_sa.member, ike_sa.server, ike_sa.mode);
    let kind = kind_of(cx, member, server);
    supersede(cx, id);
    let ike_sa = &mut cx.state.ike_sas[id];
    ike_sa.reported = true;
    ike_sa.kind = kind;
    let exchange = match mode {
        IkeMode::Main => Exchange::MainMode,
        IkeMode::Aggressive => Exchange::Aggressive,
        IkeMode::Ikev2 => Exchange::IkeSaInit,
    };
    let what = What::RegistrationStarted(RegistrationStarted { exchange, kind });
    cx.emit(Subject::member(attribution.group, server, member), what);
    burst::on_registration_started(cx, attribution.group, member);
}

/// Whether an address is known or configured as that of a member.
fn has_role(cx: &Context<'_>, member: Peer) -> bool {
    let mut groups = cx.state.groups.iter();
    cx.state.members.find(&member).is_some() || groups.any(|(_, group)| group.names_member(member.ip()))
}

/// Whether a registration may be reported before it is answered: always for a known member, otherwise while there are
/// few. The rest are reported when they are answered.
fn may_report_unanswered(cx: &mut Context<'_>, member: Peer) -> bool {
    let is_known = cx.state.members.find(&member).is_some();
    let may = is_known || cx.state.stranger_reports.allow(cx.now, STRANGER_REPORT_LIMIT);
    cx.state.unreported_registrations += u64::from(!may);
    may
}

/// Whether an IKE SA is for a registration.
fn is_registration(cx: &Context<'_>, ike_sa: &IkeSa) -> bool {
    let servers = &cx.state.servers;
    // Cooperating key servers have IKE SAs between them.
    if servers.is_proven(ike_sa.member.ip()) {
        return false;
    }
    ike_sa.doi == Some(DOI_GDOI) || servers[ike_sa.server].proven
}

/// The kind of a registration. A member that may be in several groups of this key server registers for each of them.
/// While no group is known, one that has just registered does so for another group, because its keys are new.
fn kind_of(cx: &Context<'_>, member: Peer, server: KeyServerId) -> RegistrationKind {
    let state = &*cx.state;
    let groups = &state.servers[server].groups;
    let candidates = state.groups.fitting(groups, member.ip()).count();
    let is_initial = |known: &Member| {
        let since = known.since_registered(cx.now);
        let is_another = groups.is_empty() && since.is_some_and(|since| since < NEW_KEYS);
        let is_next = known.registrations > 0 && (known.registrations as usize) < candidates;
        !known.had_keys() || is_another || is_next
    };
    let known = state.members.find(&member).map(|id| &state.members[id]);
    if known.is_none_or(is_initial) {
        RegistrationKind::Initial
    } else {
        RegistrationKind::ReRegistration
    }
}

/// A new attempt of a member ends its previous one, unless that is making progress: a member of several groups may
/// register in all of them at once.
fn supersede(cx: &mut Context<'_>, id: IkeSaId) {
    let state = &mut *cx.state;
    let ike_sa = &state.ike_sas[id];
    let key = (ike_sa.member, ike_sa.server_address);
    let started = ike_sa.started;
    let Some(cookie) = state.ike_sas.key(id) else {
        return;
    };
    let attempts = match state.attempts.find(&key) {
        Some(known) => known,
        None => state.attempts.insert(key, RegistrationAttempts::default()).id,
    };
    state.attempts.touch(attempts);
    let attempts = &mut state.attempts[attempts];
    if started.since(attempts.latest) > ATTEMPT_GAP {
        attempts.since = started;
    }
    attempts.latest = attempts.latest.max(started);
    let before = attempts.current.replace((id, cookie));
    // The IKE SA of the previous attempt may have been evicted, and its slot reused.
    if let Some((old, old_cookie)) = before
        && old != id
        && state.ike_sas.key(old) == Some(old_cookie)
        && state.ike_sas.lookup(old).is_some_and(|old| old.is_stuck(cx.now))
    {
        fail_registration(cx, old, Ending::Superseded);
    }
}

/// The last message of a PULL, or of its equivalent in version 2, was seen.
pub(crate) fn on_complete(cx: &mut Context<'_>, id: IkeSaId, message_id: u32) {
    let now = cx.now;
    let ike_sa = &cx.state.ike_sas[id];
    let (peer, address, started) = (ike_sa.member, ike_sa.server_address, ike_sa.started);
    let server = cx.state.servers.prove(address);
    let attribution = cx.attribution_of(server, peer);
    report_started(cx, id, attribution, true);
    let state = &mut *cx.state;
    let known = state.attempts.find(&(peer, address));
    let failed = known.and_then(|known| state.attempts.remove(known));
    let failed = failed.map(|(_, attempts)| attempts);
    let ike_sa = &mut state.ike_sas[id];
    ike_sa.server = server;
    let is_first = ike_sa.completed == 0;
    let Some(pull) = ike_sa.pulls.iter_mut().find(|pull| pull.message_id == message_id) else {
        return;
    };
    pull.ended = true;
    let began = if is_first { ike_sa.started } else { pull.started };
    ike_sa.ended = true;
    ike_sa.completed = ike_sa.completed.saturating_add(1);
    let end = RegistrationEnd {
        stage: RegistrationStage::Complete,
        duration: now.since(began),
        attempts: failed.map_or(0, |attempts| attempts.failed).saturating_add(1),
        retransmissions: ike_sa.retransmissions,
        kind: ike_sa.kind,
        grounds: Certainty::Certain.into(),
    };
    ike_sa.retransmissions = 0;
    if is_first && end.kind == RegistrationKind::ReRegistration {
        let tried = failed.map_or(started, |attempts| attempts.since);
        report_re_registration(cx, tried, attribution, peer);
    }
    report_completed(cx, peer, attribution, end, is_first);
}

/// Reports why a member registered again, as far as that can be determined. It has been trying since `tried`.
fn report_re_registration(cx: &mut Context<'_>, tried: Timestamp, attribution: Attribution, peer: Peer) {
    let Attribution { group, server } = attribution;
    let member = cx.state.members.find(&peer).map(|id| &cx.state.members[id]);
    let what = What::ReRegistration(ReRegistration {
        reason: reason::reason(cx, tried, group, member),
        since_last: member.and_then(|member| member.since_registered(cx.now)),
    });
    cx.emit(Subject::member(group, server, peer), what);
}

fn report_completed(
    cx: &mut Context<'_>,
    peer: Peer,
    attribution: Attribution,
    end: RegistrationEnd,
    is_first: bool,
) {
    let Attribution { group, server } = attribution;
    cx.emit(
        Subject::member(group, server, peer),
        What::RegistrationCompleted(end),
    );
    cx.state.groups[group].registration_duration.observe(end.duration);
    if let Some(counters) = cx.state.servers.counters(server, group) {
        increment(&mut counters.completed, end.kind as usize);
    }
    let id = cx.admit_member(peer);
    if is_first {
        let member = &mut cx.state.members[id];
        member.register(cx.now);
        member.server = Some(server);
    }
    burst::on_registration_ended(cx, group, true);
    if is_first {
        reason::check_double_registration(cx, group, id);
        periodic::check_rhythm(cx, attribution, id);
        if end.kind == RegistrationKind::ReRegistration {
            missed::on_re_registration(cx, group);
        }
    }
}

/// What ended a registration before it was complete.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing more was seen of it.
    Silence,
    /// Its member began another one.
    Superseded,
}

/// Ends a registration that was not completed, and reports it where something shows that it failed.
pub(crate) fn fail_registration(cx: &mut Context<'_>, id: IkeSaId, ending: Ending) {
    let ike_sa = &mut cx.state.ike_sas[id];
    if core::mem::replace(&mut ike_sa.ended, true) {
        return;
    }
    // A Quick Mode is complete after three messages; one direction alone proves nothing.
    let is_quick_mode = ike_sa.doi == Some(DOI_IPSEC) && ike_sa.pulls.last().is_some_and(Pull::is_three);
    let is_after_success = ike_sa.completed > 0 && ike_sa.pulls.iter().all(|pull| pull.ended);
    let stage = ike_sa.stage();
    if ike_sa.is_one_way() || is_quick_mode || is_after_success || stage == RegistrationStage::Complete {
        return;
    }
    if !cx.state.ike_sas[id].reported && !report_late(cx, id) {
        return;
    }
    let ike_sa = &cx.state.ike_sas[id];
    if ending == Ending::Silence && !ike_sa.shows_failure() {
        return;
    }
    let (peer, server, started) = (ike_sa.member, ike_sa.server, ike_sa.started);
    let attempts = cx.state.attempts.find(&(peer, ike_sa.server_address));
    let end = RegistrationEnd {
        stage,
        duration: ike_sa.last.since(ike_sa.started),
        attempts: attempts.map_or(1, |id| cx.state.attempts[id].count_failure()),
        retransmissions: ike_sa.retransmissions,
        kind: ike_sa.kind,
        grounds: cx.state.gaps.certainty(ike_sa.started, cx.now).into(),
    };
    let unanswered_since = ike_sa.is_unheard().then_some(started);
    report_failed(cx, peer, server, end, unanswered_since);
}

/// Reports the late start of a failed registration. Returns whether it was one: a single unanswered message of an
/// unknown peer is a scan.
fn report_late(cx: &mut Context<'_>, id: IkeSaId) -> bool {
    let ike_sa = &cx.state.ike_sas[id];
    let (member, server) = (ike_sa.member, ike_sa.server);
    if !is_registration(cx, ike_sa) {
        return false;
    }
    if ike_sa.is_unheard() && ike_sa.retransmissions == 0 && !has_role(cx, member) {
        scan::on_scan(cx, server, member);
        return false;
    }
    if ike_sa.is_unheard() && !may_report_unanswered(cx, member) {
        return false;
    }
    let attribution = cx.attribution_of(server, member);
    start(cx, id, attribution);
    true
}

fn report_failed(
    cx: &mut Context<'_>,
    peer: Peer,
    server: KeyServerId,
    end: RegistrationEnd,
    unanswered_since: Option<Timestamp>,
) {
    let Attribution { mut group, .. } = cx.attribution_of(server, peer);
    if let Some(since) = unanswered_since {
        let answers_others = cx.state.servers[server].sent.is_some_and(|at| at >= since);
        if answers_others && cx.state.members.find(&peer).is_none() {
            group = GroupId::NONE;
        } else if !answers_others && end.grounds.certainty == Certainty::Certain {
            silence::on_unanswered(cx, server, peer, end.retransmissions);
        }
    }
    cx.emit(
        Subject::member(group, server, peer),
        What::RegistrationFailed(end),
    );
    let state = &mut *cx.state;
    let server = &mut state.servers[server];
    if let Some(counters) = server.counters(group) {
        increment(&mut counters.failed, end.kind as usize);
        increment(&mut counters.failed_at, end.stage as usize);
    }
    if let Some(id) = state.members.find(&peer) {
        let member = &mut state.members[id];
        member.failures = member.failures.saturating_add(1);
    }
    burst::on_registration_ended(cx, group, false);
}

/// The end of observation: registrations that were retransmitted without an answer count as failed, the rest are not
/// reported.
pub(crate) fn finish_registrations(cx: &mut Context<'_>) {
    for id in cx.state.ike_sas.ids() {
        if cx.state.ike_sas[id].unanswered >= MIN_UNANSWERED_RETRANSMISSIONS {
            fail_registration(cx, id, Ending::Silence);
        }
    }
}
