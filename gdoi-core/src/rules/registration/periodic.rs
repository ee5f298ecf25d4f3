//! Members that register at regular intervals: one that loops although its rekeys arrive, or many that are not
//! rekeyed.
//!
//! A member that registers although its keys are as recent as those of the others loops. If the key server stops
//! sending rekeys, all members register.

use core::time::Duration;

use crate::rules::attribution::Attribution;
use crate::rules::{Context, Subject};
use crate::state::id::{KeyServerId, MemberId};
use crate::state::member::Member;
use crate::time::Timestamp;
use crate::transition::{PullOnly, RegistrationLoop, Transport, What};

/// Number of periodic members that make a pattern of the group rather than of one member.
const MIN_PERIODIC_MEMBERS: u32 = 3;

/// A member completed a registration.
pub(crate) fn check_rhythm(cx: &mut Context<'_>, attribution: Attribution, id: MemberId) {
    let member = &cx.state.members[id];
    if member.rhythm.period().is_none() {
        return;
    }
    let group = &cx.state.groups[attribution.group];
    let last_rekey = match group.transport {
        Some(Transport::Unicast) => member.rekeyed,
        Some(Transport::Multicast) | None => group.rekeys.last.max(member.rekeyed),
    };
    match last_rekey {
        Some(at) if at >= member.rhythm_since() || is_alone(cx, attribution, member) => {
            report_loop(cx, attribution, id, at);
        }
        _ => report_pull_only(cx, attribution),
    }
}

/// Whether most members of a key server have another rhythm, or none.
fn is_alone(cx: &Context<'_>, attribution: Attribution, member: &Member) -> bool {
    let members = cx.state.members.iter().map(|(.., member)| member);
    let (mut alike, mut all) = (0_u32, 0_u32);
    for other in members.filter(|other| other.server == Some(attribution.server)) {
        all += 1;
        alike += u32::from(other.rhythm.is_like(member.rhythm));
    }
    alike * 2 < all
}

/// Reports a member that registers again and again, although a rekey reached it, and once more without one.
fn report_loop(cx: &mut Context<'_>, attribution: Attribution, id: MemberId, last_rekey: Timestamp) {
    let Attribution { group, server } = attribution;
    let Some((peer, member)) = cx.state.members.lookup_entry_mut(id) else {
        return;
    };
    let since = member.rhythm_since();
    let rhythm = &mut member.rhythm;
    // A member that registers after each rekey misses them.
    let before = member.registered.iter().flatten().nth(1);
    let is_between = before.is_some_and(|before| last_rekey < *before);
    let Some(period) = rhythm.period().filter(|_| is_between && !rhythm.reported) else {
        return;
    };
    rhythm.reported = true;
    let what = What::RegistrationLoop(RegistrationLoop {
        period,
        registrations: rhythm.count.into(),
        since: cx.now.since(since),
        acknowledges: member.acknowledged.is_some_and(|at| at >= since),
    });
    cx.emit(Subject::member(group, server, peer), what);
}

/// Reports that members of a key server register regularly instead of being rekeyed.
fn report_pull_only(cx: &mut Context<'_>, attribution: Attribution) {
    let Attribution { group, server } = attribution;
    let last_rekey = cx.state.groups[group].rekeys.last;
    let reported = cx.state.servers[server].pull_only;
    if reported.is_some_and(|at| last_rekey.is_none_or(|rekey| rekey < at)) {
        return;
    }
    let (periodic, all, interval) = count_periodic(cx, server);
    if periodic < MIN_PERIODIC_MEMBERS && (periodic < all || all < 2) {
        return;
    }
    cx.state.servers[server].pull_only = Some(cx.now);
    let what = What::PullOnly(PullOnly {
        interval,
        members: periodic,
    });
    cx.emit(Subject::server(group, server), what);
}

/// Members of a key server that register regularly and got no rekey in between; all its members; and the shortest
/// period.
fn count_periodic(cx: &Context<'_>, server: KeyServerId) -> (u32, u32, Duration) {
    let members = cx.state.members.iter().map(|(.., member)| member);
    let mut interval = Duration::MAX;
    let (mut periodic, mut all) = (0, 0);
    for member in members.filter(|member| member.server == Some(server)) {
        all += 1;
        let is_rekeyed = member.rekeyed.is_some_and(|at| at >= member.rhythm_since());
        let since = member.since_registered(cx.now).unwrap_or_default();
        if let Some(period) = member.rhythm.period()
            && since <= period * 2
            && !is_rekeyed
        {
            periodic += 1;
            interval = interval.min(period);
        }
    }
    (periodic, all, interval)
}
