//! Groups messages into rekeys.

use alloc::vec::Vec;
use core::time::Duration;

use gdoi_wire::Exchange;

use crate::rules::kek::split;
use crate::rules::rekey::{classify, expectation, heartbeat, report};
use crate::rules::{Context, Received, Subject};
use crate::state::estimate::Change;
use crate::state::group::Group;
use crate::state::id::{GroupId, KekId, KeyServerId, MemberId, Peer};
use crate::state::member::Member;
use crate::state::rekey::{RekeyRound, RekeySa, is_bare_signature};
use crate::state::repeats::is_spaced;
use crate::transition::{MergedTaps, Transport, What};

/// Interval between two copies of a message that the network duplicated.
const DUPLICATE_WINDOW: Duration = Duration::from_millis(500);
/// Interval between two copies of a message in a capture merged from two taps.
const MAX_TAP_OFFSET: Duration = Duration::from_secs(5);
/// Concurrent rekeys of one KEK that are followed.
const MAX_OPEN_ROUNDS: usize = 8;

/// How a message relates to the rekeys before it.
#[derive(Clone, Copy)]
enum RoundLookup {
    /// Part of the round at this index.
    In(usize),
    /// A retransmission of a rekey that ended long ago.
    Late,
    /// The first message of a new rekey.
    New,
}

/// Adds a message to its rekey.
pub(crate) fn gather(cx: &mut Context<'_>, received: Received<'_>, id: KekId, server: KeyServerId) {
    let digest = digest(received);
    let kek = &cx.state.keks[id];
    let group = kek.group;
    let member = match kek.transport {
        Transport::Multicast => None,
        Transport::Unicast => match admit_recipient(cx, Peer::new(received.message.destination), group) {
            None => return,
            member => member,
        },
    };
    let (index, is_new) = match match_round(cx, received, id, digest, member) {
        RoundLookup::In(index) => (index, false),
        RoundLookup::Late => {
            count_retransmission(&mut cx.state.groups[group], received.exchange);
            return;
        }
        RoundLookup::New if is_heartbeat(cx, received, id) => return,
        RoundLookup::New => {
            open_round(cx, received, id, server);
            (cx.state.keks[id].rounds.len().saturating_sub(1), true)
        }
    };
    let now = cx.now;
    let state = &mut *cx.state;
    let kek = &mut state.keks[id];
    let Some(round) = kek.rounds.get_mut(index) else {
        return;
    };
    let mut member_state = member.map(|member| &mut state.members[member]);
    let sent_before = match &member_state {
        Some(member) => member.rekeyed,
        None => Some(round.last),
    };
    let sent_before = sent_before.unwrap_or_default();
    let is_first = match &mut member_state {
        Some(state) => {
            let is_first = member.is_none_or(|id| !round.was_sent_to(id, state));
            state.on_push(round.number, now, id, server);
            state.join(group);
            is_first
        }
        None => is_new,
    };
    let gap = now.since(sent_before);
    let is_copy = !is_first && round.has(digest);
    // Duplicated by the network: no key server retransmits so fast.
    let by_network = is_copy && gap < DUPLICATE_WINDOW;
    // Or by another tap: no key server repeats an acknowledged message.
    let by_tap = is_copy
        && gap < MAX_TAP_OFFSET
        && member_state
            .as_ref()
            .is_some_and(|member| member.acknowledged_rekey == round.number);
    if by_network || by_tap {
        // The next message is compared with the original, not with its copy.
        if let Some(member) = member_state {
            member.rekeyed = Some(sent_before);
        }
        if by_tap && !by_network {
            note_second_tap(cx, gap);
        }
        return;
    }
    round.last = now;
    round.closed = false;
    if is_first {
        let is_forgotten = round.add(member, cx.limits.members);
        state.groups.unlisted += u64::from(is_forgotten);
    } else {
        round.note_repeat(member);
        let is_identical = round.has(digest) || digest == 0;
        state.groups[group].rekeys.repeats.learn(gap, is_identical);
        count_retransmission(&mut state.groups[group], received.exchange);
        round.identical &= is_identical;
    }
    round.learn(digest);
    kek.remember(digest);
    if is_first {
        check_coverage(cx, id, index);
    }
}

/// A message was seen twice, this far apart: the capture comes from two taps whose clocks differ.
fn note_second_tap(cx: &mut Context<'_>, offset: Duration) {
    let taps = &mut cx.state.second_tap;
    let change = taps.offset.learn(offset, false, false);
    if matches!(change, Change::Learned(_)) && !core::mem::replace(&mut taps.reported, true) {
        cx.emit(
            Subject::group(GroupId::NONE),
            What::MergedTaps(MergedTaps { offset }),
        );
    }
}

/// Adds the recipients of the first rekey under a KEK from before it was confirmed.
pub(crate) fn gather_others(cx: &mut Context<'_>, id: KekId, server: KeyServerId, others: Vec<Peer>) {
    let kek = &cx.state.keks[id];
    if kek.transport == Transport::Multicast {
        return;
    }
    let (group, index) = (kek.group, kek.rounds.len().saturating_sub(1));
    for peer in others {
        let Some(member) = admit_recipient(cx, peer, group) else {
            continue;
        };
        let state = &mut *cx.state;
        let Some(round) = state.keks[id].rounds.get_mut(index) else {
            return;
        };
        if round.members.contains(&member) {
            continue;
        }
        let known = &mut state.members[member];
        known.on_push(round.number, round.started, id, server);
        known.join(group);
        let is_forgotten = round.add(Some(member), cx.limits.members);
        state.groups.unlisted += u64::from(is_forgotten);
        check_coverage(cx, id, index);
    }
}

/// The member that a rekey is sent to, inserted if new. `None` if the table is full and the group is not configured.
/// The recipient is then only counted, so that forged rekeys evict no members of other groups.
fn admit_recipient(cx: &mut Context<'_>, peer: Peer, group: GroupId) -> Option<MemberId> {
    let state = &mut *cx.state;
    let is_admitted = !state.members.is_full()
        || state.members.find(&peer).is_some()
        || state.groups.config(group, cx.config).is_some();
    if !is_admitted {
        state.groups.unlisted += 1;
        return None;
    }
    Some(cx.admit_member(peer))
}

/// Counts a retransmission of a rekey message.
pub(crate) fn count_retransmission(group: &mut Group, exchange: Exchange) {
    group.rekeys.retransmissions = group.rekeys.retransmissions.saturating_add(1);
    group.retransmissions.add(exchange);
}

/// The rekey to which a message belongs.
fn match_round(
    cx: &Context<'_>,
    received: Received<'_>,
    id: KekId,
    digest: u64,
    member: Option<MemberId>,
) -> RoundLookup {
    let kek = &cx.state.keks[id];
    if let Some(index) = kek.rounds.iter().rposition(|round| round.has(digest)) {
        return RoundLookup::In(index);
    }
    if kek.remembers(digest) {
        return RoundLookup::Late;
    }
    let window = cx.schedule(kek.group).round_window();
    let length = received.header().length();
    for (index, round) in kek.rounds.iter().enumerate().rev() {
        if round.length != length {
            continue;
        }
        let is_in_window = !round.closed && cx.now.since(round.last) <= window;
        let sent = member.map(|member| (member, &cx.state.members[member]));
        if sent.is_none_or(|(id, member)| round.was_sent_to(id, member)) {
            let member = sent.map(|(_, member)| member);
            let is_repeat = (digest == 0 && is_in_window) || is_renumbered(cx, kek.group, round, member);
            return if is_repeat {
                RoundLookup::In(index)
            } else {
                RoundLookup::New
            };
        }
        // To another member at the same time, with different octets.
        if is_in_window {
            return RoundLookup::In(index);
        }
    }
    RoundLookup::New
}

/// Whether a message with different octets is a repeat: by the configured interval, or by what is seen of the group.
fn is_renumbered(cx: &Context<'_>, id: GroupId, round: &RekeyRound, member: Option<&Member>) -> bool {
    let group = &cx.state.groups[id];
    let sent = match member {
        Some(member) if member.rekey == round.number => member.rekeyed,
        _ => None,
    };
    let gap = cx.now.since(sent.unwrap_or(round.last));
    let is_acknowledged = member.is_some_and(|member| member.acknowledged_rekey >= round.number);
    let is_due = round.is_of_group && cx.schedule(id).is_rekey_due(cx.now) == Some(true);
    if is_acknowledged || is_due {
        return false;
    }
    let told = group.known_config(cx.config).and_then(|known| known.retransmit);
    match told {
        Some(told) if member.is_none() => is_spaced(gap, told.interval) && round.retransmissions < told.count,
        Some(told) => told.count > 0 && (is_spaced(gap, told.interval) || group.acknowledges()),
        None => {
            let is_awaited = member.is_some() && group.acknowledges();
            group.rekeys.repeats.may_be_renumbered(gap, is_awaited)
        }
    }
}

/// Starts a new rekey: the earlier ones under the same cookies delivered no KEK.
fn open_round(cx: &mut Context<'_>, received: Received<'_>, id: KekId, server: KeyServerId) {
    let group = cx.state.keks[id].group;
    let number = cx.state.next_rekey_number();
    let schedule = cx.schedule(group);
    let kek = &cx.state.keks[id];
    // The first rekey under a KEK may have begun before it was confirmed.
    let is_first = kek.rounds.is_empty() && cx.now.since(kek.first) <= schedule.round_window();
    let started = if is_first { kek.first } else { cx.now };
    let is_regular = schedule.is_rekey_due(started) != Some(false);
    let mut round = RekeyRound::new(number, started, received.header().length(), server);
    round.is_regular = is_regular;
    if received.exchange == Exchange::GsaRekey {
        round.message_id = Some(received.header().message_id());
    }
    let previous = kek.rounds.last().filter(|last| last.length != round.length);
    let gap = previous.map(|previous| cx.now.since(previous.last));
    let known = &mut cx.state.groups[group];
    if let Some(gap) = gap {
        known.rekeys.repeats.note_other_rekey(gap);
    }
    known.data.on_rekey(cx.now);
    known.rekeys.rounds = known.rekeys.rounds.saturating_add(1);
    classify::settle_kept(cx, id, server);
    classify::guess_delete(&cx.state.groups[group].rekeys, &mut round);
    evict_oldest_round(cx, id);
    cx.state.keks[id].rounds.push(round);
}

/// Whether a message that begins no known rekey is a heartbeat.
fn is_heartbeat(cx: &mut Context<'_>, received: Received<'_>, id: KekId) -> bool {
    let length = received.header().length();
    let group = cx.state.keks[id].group;
    let may_be = cx.state.groups[group].rekeys.may_be_heartbeat(length)
        || (is_bare_signature(length) && cx.schedule(group).sends_heartbeats());
    received.exchange == Exchange::GroupkeyPush && may_be && heartbeat::note_heartbeat(cx, id, length)
}

/// A rekey was sent to another member or to all: it may now count for the group.
fn check_coverage(cx: &mut Context<'_>, id: KekId, index: usize) {
    let kek = &mut cx.state.keks[id];
    let (group, transport) = (kek.group, kek.transport);
    let Some(round) = kek.rounds.get_mut(index).filter(|round| !round.is_of_group) else {
        return;
    };
    let rekeys = &cx.state.groups[group].rekeys;
    // A possible heartbeat does not count as a rekey.
    let is_rekey = round.is_delete() || !round.is_delete_by_length();
    let is_covered = transport == Transport::Multicast || rekeys.is_covered_by(round.recipients);
    if is_rekey && is_covered {
        round.is_of_group = true;
        let round = round.clone();
        split::check_kek_split(cx, id);
        expectation::on_group_rekey(cx, id, &round);
    }
}

/// Too many concurrent rekeys: reports the oldest with what is known of it.
fn evict_oldest_round(cx: &mut Context<'_>, id: KekId) {
    let kek = &mut cx.state.keks[id];
    if kek.rounds.len() < MAX_OPEN_ROUNDS {
        return;
    }
    let (oldest, sa) = (kek.rounds.remove(0), RekeySa::from(&*kek));
    if oldest.reported.is_none() {
        report::report_rekey(cx, sa, &oldest);
    }
}

/// Distinguishes the messages of one rekey from those of another; 0 if nothing does.
fn digest(received: Received<'_>) -> u64 {
    if received.exchange == Exchange::GsaRekey {
        return u64::from(received.header().message_id()) | 1 << 63;
    }
    let Some(fingerprint) = received.message.fingerprint else {
        return 0;
    };
    let mut digest = 0xcbf2_9ce4_8422_2325_u64 ^ u64::from(received.header().length());
    for octet in fingerprint {
        digest = (digest ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    digest.max(1)
}
