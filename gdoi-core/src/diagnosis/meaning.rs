//! What each event means for the diagnosis: it belongs to an incident, opens one, ends one, or waits.

use alloc::vec::Vec;
use core::time::Duration;

use super::basis::{IncidentKey, Seen};
use super::incidents::DiagnosisState;
use super::pending::{PendingEvent, Wait};
use crate::transition::{Cause, Certainty, ForgottenKind, FrameId, RekeyKind, Severity, Transition, What};

/// Quiet time after which silence between key servers is no longer an incident.
const COOP_QUIET: Duration = Duration::from_hours(1);

/// Handles an event by its meaning.
pub(super) fn handle_event(
    state: &mut DiagnosisState,
    out: &mut Vec<Transition>,
    transition: &Transition,
    frames: &[FrameId],
) {
    let seen = &Seen { transition, frames };
    confirm_group(state, seen);
    if state.notes.is_hearsay(seen.group()) && is_about_rekeys(&transition.what) {
        return;
    }
    let (at, server) = (transition.at, transition.key_server);
    match &transition.what {
        What::CaptureLoss(loss) => state.on_capture_loss(out, seen, *loss),
        What::ClockStep(clock) => state.on_clock_step(out, seen, clock.step),
        What::ConfigurationContradicted(wrong) => state.on_contradiction(out, seen, wrong),
        What::CoopSilent(silent) => state.on_coop_silent(out, seen, silent),
        What::DoubleReregistration(_) => state.on_double_registration(out, seen),
        What::Forgery(forged) => state.on_forgery(out, seen, forged),
        What::Forgotten(forgotten) if forgotten.kind == ForgottenKind::Group => {
            state.notes.forget_group(seen.group());
        }
        What::GroupDiscovered(_) => state.notes.discover_group(seen.group()),
        What::GroupMerged(merged) => {
            state.rename(seen.group(), &merged.into);
            state.notes.forget_group(seen.group());
        }
        What::KekBehavior(behavior) => state.on_behavior(out, seen, behavior),
        What::KekChanged(changed) => state.on_kek_changed(out, seen, changed.delivered),
        What::KekExpired(expired) => state.on_kek_expired(out, seen, expired),
        What::KekOverAge(over) => state.on_kek_over_age(out, seen, over),
        What::KekSplit(split) => state.on_split(out, seen, split),
        What::KeyServerAnswers(_) => state.close_where(out, at, |one| {
            one.cause == Cause::KeyServerDown && one.key_server == server
        }),
        What::KeyServerChanged(changed) => state.on_server_changed(out, seen, changed),
        What::KeyServerSilent(silent) => state.on_server_silent(out, seen, silent.members, silent.silence),
        What::MemberLost(lost) => state.on_member_lost(out, seen, lost.unacknowledged, lost.grounds),
        What::MemberReaddressed(moved) => state.on_readdressed(out, seen, moved.from),
        What::ReRegistration(again) => state.on_re_registration(out, seen, again.reason),
        What::RegistrationBurstStarted(burst) => state.on_burst_started(out, seen, burst),
        What::RegistrationBurstEnded(burst) => state.on_burst_ended(out, seen, burst),
        What::RegistrationCompleted(_) => state.on_registration_completed(out, seen),
        What::RegistrationFailed(end) => state.on_registration_failed(out, seen, end),
        What::RegistrationLoop(again) => state.on_registration_loop(out, seen, again),
        What::RegistrationStarted(started) => state.on_registration_started(seen, *started),
        What::Rekey(rekey) => state.on_rekey(out, seen, rekey),
        What::RekeyClassified(classified) if classified.kind == RekeyKind::Delete => {
            state.on_deleted(out, seen, None);
        }
        What::RekeyIntervalChanged(changed) => state.on_interval_changed(out, seen, changed),
        What::RekeyNotReceived(missed) => state.on_not_received(out, seen, missed),
        What::RekeyOverdue(overdue) => state.on_overdue(out, seen, overdue),
        What::RekeyRetransmitted(repeated) => state.on_retransmitted(seen, repeated.transport),
        What::RekeyUnacknowledged(missed) => {
            state.on_unacknowledged(out, seen, missed.consecutive, missed.grounds);
        }
        What::SpiStale(spi) => state.on_stale_spi(out, seen, spi),
        What::GroupAmbiguous(_) | What::Heartbeats(_) | What::MergedTaps(_) | What::PullOnly(_) => {
            state.note_fact(seen);
        }
        What::Forgotten(_)
        | What::IncidentClosed(_)
        | What::IncidentOpened(_)
        | What::IncidentUpdated(_)
        | What::KekChangeRevoked(_)
        | What::Malformed(_)
        | What::RegistrationsAttributed(_)
        | What::RekeyClassified(_)
        | What::RekeyExpectation(_)
        | What::SpiChanged(_)
        | What::SpiFirstSeen(_) => {}
    }
}

/// A member that registers or acknowledges confirms its group, and so do rekeys on a schedule.
fn confirm_group(state: &mut DiagnosisState, seen: &Seen<'_>) {
    if !state.notes.is_hearsay(seen.group()) {
        return;
    }
    let is_witness = match &seen.transition.what {
        What::DoubleReregistration(_)
        | What::ReRegistration(_)
        | What::RegistrationCompleted(_)
        | What::RegistrationsAttributed(_)
        | What::RekeyNotReceived(_) => true,
        What::Rekey(rekey) => rekey.acknowledged > Some(0),
        _ => state
            .notes
            .known(seen.group())
            .is_some_and(|notes| notes.schedule.regular().is_some()),
    };
    if is_witness {
        state.notes.confirm_group(seen.group());
    }
}

/// Whether an event says something about the rekeys or the keys of a group, which needs a group.
const fn is_about_rekeys(what: &What) -> bool {
    matches!(
        what,
        What::ConfigurationContradicted(_)
            | What::CoopSilent(_)
            | What::KekBehavior(_)
            | What::KekExpired(_)
            | What::KekOverAge(_)
            | What::KekSplit(_)
            | What::KeyServerChanged(_)
            | What::MemberLost(_)
            | What::RekeyIntervalChanged(_)
            | What::RekeyOverdue(_)
            | What::RekeyUnacknowledged(_)
            | What::SpiStale(_)
    ) || matches!(what, What::Rekey(rekey) if matches!(rekey.kind, RekeyKind::Delete))
        || matches!(what, What::RekeyClassified(rekey) if matches!(rekey.kind, RekeyKind::Delete))
}

/// A waiting event was not explained in time.
pub(super) fn on_patience_ended(
    state: &mut DiagnosisState,
    out: &mut Vec<Transition>,
    pending: PendingEvent,
) {
    let key = |cause| IncidentKey::new(cause, pending.group.clone(), pending.key_server);
    match pending.wait {
        Wait::Burst => state.decide_burst(out, pending, None),
        Wait::CoopSilent if pending.grounds.certainty == Certainty::Uncertain => {}
        Wait::CoopSilent => {
            let (key, peer) = (key(Cause::KeyServerUnreachable), pending.peer);
            let silence = state.now.since(pending.evidence.at);
            let index = state.open(out, key, pending.into_basis(Severity::Warning, Some(COOP_QUIET)));
            state.measure(index, |measures| {
                measures.other_server = peer;
                measures.silence = Some(silence);
            });
            state.report(out, index);
        }
        Wait::Overdue => {
            let key = key(Cause::KeyServerDown);
            let index = state.open(out, key, pending.into_basis(Severity::Warning, None));
            state.report(out, index);
        }
        Wait::Failed(_) | Wait::Unacknowledged(_) => {}
    }
}

/// Observation ends while an event waits: nothing more will explain it.
pub(super) fn on_end_of_observation(
    state: &mut DiagnosisState,
    out: &mut Vec<Transition>,
    pending: PendingEvent,
) {
    // For silence between key servers it is too early to decide.
    if pending.wait != Wait::CoopSilent {
        on_patience_ended(state, out, pending);
    }
}
