//! How registrations begin and end, and what of that may be said.

use alloc::vec::Vec;
use core::time::Duration;

use gdoi_wire::Exchange;

use crate::state::counters::count;
use crate::state::id::Peer;
use crate::state::ike_sa::{
    IkeMode, IkeSa, MIN_UNANSWERED_RETRANSMISSIONS, Pull, RegistrationAttempts, step,
};
use crate::state::member::Member;
use crate::state::table::Id;
use crate::state::timers::{Timer, TimerSlot};
use crate::time::Timestamp;
use crate::tracker::{Attribution, Subject, Tracker};
use crate::transition::{
    Certainty, ReRegistration, RegistrationEnd, RegistrationKind, RegistrationStage, RegistrationStarted,
    Transition, What,
};

/// The domain of interpretation of GDOI (RFC 6407 §2.1).
const DOI_GDOI: u32 = 2;

/// Silence between two attempts after which they are not for the same cause.
const ATTEMPT_GAP: Duration = Duration::from_mins(5);

/// Unanswered registrations of strangers that are announced in ten seconds.
const STRANGER_REPORT_LIMIT: u32 = 256;

impl Tracker {
    /// Says that a registration begins, where it is clear that this is one.
    ///
    /// A phase 1 for something else looks the same; what tells is the domain of interpretation, a key server that is
    /// known as one, or (`proof`) a message that only a registration has.
    pub(super) fn report_started(
        &mut self,
        now: Timestamp,
        id: Id,
        booking: Attribution,
        proof: bool,
        out: &mut Vec<Transition>,
    ) {
        let Some(association) = self.ike_sas.get(id) else {
            return;
        };
        if association.announced || !(proof || self.is_registration(association)) {
            return;
        }
        let is_answered = proof || association.saw(step::SECOND);
        if !is_answered && !self.may_report_unanswered(now, id) {
            return;
        }
        let Some(association) = self.ike_sas.get(id) else {
            return;
        };
        let (member, server, mode) = (association.member, association.server, association.mode);
        let kind = self.kind_of(member, server);
        self.supersede(now, id, out);
        if let Some(association) = self.ike_sas.get_mut(id) {
            association.announced = true;
            association.kind = kind;
        }
        let exchange = match mode {
            IkeMode::Main => Exchange::MainMode,
            IkeMode::Aggressive => Exchange::Aggressive,
            IkeMode::Ikev2 => Exchange::IkeSaInit,
        };
        let what = What::RegistrationStarted(RegistrationStarted { exchange, kind });
        self.emit(now, Subject::member(booking.group, server, member), what, out);
        self.on_registration_started(now, booking.group, member, out);
    }

    /// Whether a registration that nobody has answered yet may be announced: that of a member always, those of
    /// strangers as long as they are few. The rest are announced when they are answered.
    fn may_report_unanswered(&mut self, now: Timestamp, id: Id) -> bool {
        let member = self.ike_sas.get(id).map(|association| association.member);
        let is_known = member.is_some_and(|member| self.members.find(&member).is_some());
        let may = is_known || self.stranger_reports.allow(now, STRANGER_REPORT_LIMIT);
        self.unreported_registrations += u64::from(!may);
        may
    }

    /// Whether an IKE SA is for a registration.
    fn is_registration(&self, association: &IkeSa) -> bool {
        // Cooperating key servers have IKE SAs between them.
        if self.is_proven_key_server(association.member.ip()) {
            return false;
        }
        association.doi == Some(DOI_GDOI) || self.servers.get(association.server).is_some_and(|s| s.proven)
    }

    /// A member that may be in several groups of this key server registers for each of them.
    fn kind_of(&self, member: Peer, server: Id) -> RegistrationKind {
        let known = self.members.find(&member).and_then(|id| self.members.get(id));
        let groups = self.servers.get(server).map_or(&[][..], |server| &server.groups);
        let candidates = self.groups.fitting(groups, member.ip(), &self.config).count();
        let new = |known: &Member| {
            !known.had_keys() || (known.registrations > 0 && (known.registrations as usize) < candidates)
        };
        if known.is_none_or(new) {
            RegistrationKind::Initial
        } else {
            RegistrationKind::ReRegistration
        }
    }

    /// A new attempt of a member ends the one before it, which it has given up; unless that one is on its way: a member
    /// of several groups may register in all of them at once.
    fn supersede(&mut self, now: Timestamp, id: Id, out: &mut Vec<Transition>) {
        let Some(association) = self.ike_sas.get(id) else {
            return;
        };
        let key = (association.member, association.server_address);
        let begun = association.begun;
        let Some(cookie) = self.ike_sas.key(id) else {
            return;
        };
        let attempts = match self.attempts.find(&key) {
            Some(known) => known,
            None => self.attempts.insert(key, RegistrationAttempts::default()).id,
        };
        self.attempts.touch(attempts);
        if let Some(attempts) = self.attempts.get_mut(attempts) {
            if begun.since(attempts.latest) > ATTEMPT_GAP {
                attempts.since = begun;
            }
            attempts.latest = attempts.latest.max(begun);
        }
        let current = Some((id, cookie));
        let before = self
            .attempts
            .get_mut(attempts)
            .and_then(|attempts| core::mem::replace(&mut attempts.current, current));
        if let Some((old, old_cookie)) = before
            && old != id
            && self.ike_sas.key(old) == Some(old_cookie)
            && self.ike_sas.get(old).is_some_and(|old| old.is_stuck(now))
        {
            self.fail_registration(now, old, out);
        }
    }

    /// The last message of a PULL, or of its likes, was seen.
    pub(super) fn on_complete(&mut self, now: Timestamp, id: Id, message_id: u32, out: &mut Vec<Transition>) {
        let Some(association) = self.ike_sas.get(id) else {
            return;
        };
        let (peer, address) = (association.member, association.server_address);
        let tried = association.begun;
        let server = self.servers.admit(address);
        if let Some(server) = self.servers.get_mut(server) {
            server.proven = true;
        }
        let booking = self.attribution_of(server, peer);
        self.report_started(now, id, booking, true, out);
        let failed = self
            .attempts
            .find(&(peer, address))
            .and_then(|at| self.attempts.remove(at));
        let Some(association) = self.ike_sas.get_mut(id) else {
            return;
        };
        association.server = server;
        let first = association.completed == 0;
        let Some(pull) = association
            .pulls
            .iter_mut()
            .find(|pull| pull.message_id == message_id)
        else {
            return;
        };
        pull.ended = true;
        let began = if first { association.begun } else { pull.begun };
        association.ended = true;
        association.completed = association.completed.saturating_add(1);
        let end = RegistrationEnd {
            stage: RegistrationStage::Complete,
            duration: now.since(began),
            attempts: failed
                .map_or(0, |(_, attempts)| attempts.failed)
                .saturating_add(1),
            retransmissions: association.retransmissions,
            kind: association.kind,
            grounds: Certainty::Certain.into(),
        };
        association.retransmissions = 0;
        if first && end.kind == RegistrationKind::ReRegistration {
            let tried = failed.map_or(tried, |(_, attempts)| attempts.since);
            self.report_re_registration(now, tried, Subject::member(booking.group, server, peer), out);
        }
        self.report_completed(now, peer, booking, end, first, out);
    }

    /// Says why a member registered again, as far as that can be told. It has tried since `tried`.
    fn report_re_registration(
        &mut self,
        now: Timestamp,
        tried: Timestamp,
        subject: Subject,
        out: &mut Vec<Transition>,
    ) {
        let Subject {
            group,
            member: Some(peer),
            ..
        } = subject
        else {
            return;
        };
        let member = self.members.find(&peer).and_then(|id| self.members.get(id));
        let what = ReRegistration {
            reason: self.reason(tried, group, member),
            since_last: member.and_then(|member| member.since_registered(now)),
        };
        self.emit(now, subject, What::ReRegistration(what), out);
    }

    fn report_completed(
        &mut self,
        now: Timestamp,
        peer: Peer,
        booking: Attribution,
        end: RegistrationEnd,
        first: bool,
        out: &mut Vec<Transition>,
    ) {
        let subject = Subject::member(booking.group, booking.server, peer);
        self.emit(now, subject, What::RegistrationCompleted(end), out);
        if let Some(group) = self.groups.get_mut(booking.group) {
            group.registration_duration.observe(end.duration);
        }
        if let Some(pair) = self
            .servers
            .get_mut(booking.server)
            .and_then(|server| server.pair(booking.group))
        {
            count(&mut pair.completed, end.kind as usize);
        }
        let id = self.admit_member(now, peer);
        if let Some(member) = self.members.get_mut(id)
            && first
        {
            member.register(now);
            member.server = Some(booking.server);
        }
        self.on_registration_ended(now, booking.group, true);
        if first {
            self.check_double_registration(now, booking.group, id, out);
        }
    }

    /// The member at an address, known or new.
    pub(crate) fn admit_member(&mut self, now: Timestamp, peer: Peer) -> Id {
        let id = match self.members.find(&peer) {
            Some(id) => id,
            None => self.members.insert(peer, Member::new(now)).id,
        };
        self.members.touch(id);
        id
    }
}

/// The domain of interpretation of `IPsec` (RFC 2407 §4.2).
const DOI_IPSEC: u32 = 1;

impl Tracker {
    /// Nothing came for too long.
    pub(crate) fn on_ike_sa_timer(&mut self, now: Timestamp, id: Id, out: &mut Vec<Transition>) {
        let Some(association) = self.ike_sas.get_mut(id) else {
            return;
        };
        association.timer.clear();
        if association.due() > now {
            self.arm_ike_sa_timer(id);
        } else if association.ended {
            self.ike_sas.remove(id);
        } else {
            self.fail_registration(now, id, out);
            self.arm_ike_sa_timer(id);
        }
    }

    /// Ends a registration that was not completed, and says so where that is certain.
    pub(super) fn fail_registration(&mut self, now: Timestamp, id: Id, out: &mut Vec<Transition>) {
        let Some(association) = self.ike_sas.get_mut(id) else {
            return;
        };
        if association.ended {
            return;
        }
        association.ended = true;
        // A Quick Mode is complete with three messages; of one direction alone nothing can be said.
        let quick_mode =
            association.doi == Some(DOI_IPSEC) && association.pulls.last().is_some_and(Pull::is_three);
        let after_success = association.completed > 0 && association.pulls.iter().all(|pull| pull.ended);
        if !association.announced || association.is_one_way() || quick_mode || after_success {
            return;
        }
        let (peer, server) = (association.member, association.server);
        let address = association.server_address;
        let mut end = RegistrationEnd {
            stage: association.stage(),
            duration: association.last.since(association.begun),
            attempts: 1,
            retransmissions: association.retransmissions,
            kind: association.kind,
            grounds: Certainty::Certain.into(),
        };
        let begun = association.begun;
        let unheard = association.steps & !step::FIRST == 0;
        if end.stage == RegistrationStage::Complete {
            return;
        }
        end.grounds = self.gaps.certainty(begun, now).into();
        end.attempts = self.count_failed_attempt(peer, address);
        self.report_failed(now, peer, server, end, unheard, out);
    }

    fn report_failed(
        &mut self,
        now: Timestamp,
        peer: Peer,
        server: Id,
        end: RegistrationEnd,
        unheard: bool,
        out: &mut Vec<Transition>,
    ) {
        let booking = self.attribution_of(server, peer);
        let subject = Subject::member(booking.group, server, peer);
        self.emit(now, subject, What::RegistrationFailed(end), out);
        if let Some(server) = self.servers.get_mut(server) {
            if unheard && end.grounds.certainty == Certainty::Certain {
                server.unanswered = server.unanswered.saturating_add(1);
            }
            if let Some(pair) = server.pair(booking.group) {
                count(&mut pair.failed, end.kind as usize);
                count(&mut pair.failed_at, end.stage as usize);
            }
        }
        if let Some(member) = self.members.find(&peer).and_then(|id| self.members.get_mut(id)) {
            member.failures = member.failures.saturating_add(1);
        }
        self.on_registration_ended(now, booking.group, false);
    }

    /// Counts one more failed attempt of a member in a row.
    fn count_failed_attempt(&mut self, peer: Peer, address: core::net::IpAddr) -> u32 {
        let known = self.attempts.find(&(peer, address));
        let Some(attempts) = known.and_then(|id| self.attempts.get_mut(id)) else {
            return 1;
        };
        attempts.failed = attempts.failed.saturating_add(1);
        attempts.failed
    }

    /// The end of watching: what was repeated in vain counts as failed, of the rest nothing is said.
    pub(crate) fn finish_registrations(&mut self, now: Timestamp, out: &mut Vec<Transition>) {
        for id in self.ike_sas.ids() {
            let hopeless = |association: &IkeSa| association.unanswered >= MIN_UNANSWERED_RETRANSMISSIONS;
            if self.ike_sas.get(id).is_some_and(hopeless) {
                self.fail_registration(now, id, out);
            }
        }
    }

    /// Wakes an IKE SA when it has been silent for too long.
    pub(crate) fn arm_ike_sa_timer(&mut self, id: Id) {
        let Self { ike_sas, timers, .. } = self;
        if let Some(association) = ike_sas.get_mut(id) {
            let due = association.due();
            timers.arm(&mut association.timer, Timer::IkeSa(id), due);
        }
    }

    pub(super) fn disarm_ike_sa_timer(&mut self, id: Id, slot: &mut TimerSlot) {
        self.timers.disarm(slot, Timer::IkeSa(id));
    }
}
