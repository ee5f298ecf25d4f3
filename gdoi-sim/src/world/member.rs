//! A member between registrations: rekeys, timers, and its current SPI.

use std::rc::Rc;
use std::time::Duration;

use gdoi_core::Timestamp;

use super::network::Meaning;
use super::state::{Outbound, Plan};
use super::{Simulation, WorldEvent};
use crate::journal::AttemptEnd;
use crate::message::{self, Content};
use crate::scenario::{Acknowledgement, Action, Behavior, SpiSwitch, Timers};
use crate::truth::{Kind, Reason};

/// Delay after the expiry of a key that the last registration could not renew.
const AFTER_EXPIRY: Duration = Duration::from_secs(25);
/// Members that keep a TEK until it is about to end switch this long before, and up to the spread earlier.
const LATE_SWITCH: Duration = Duration::from_secs(30);
const LATE_SWITCH_SPREAD: Duration = Duration::from_secs(10);
/// Juniper's activation time delay.
pub(super) const JUNIPER_ACTIVATION: Duration = Duration::from_secs(15);

impl Simulation {
    pub(super) fn power_on(&mut self, member: usize) {
        let row = &mut self.members[member];
        if !row.powered {
            row.powered = true;
            self.register(member, Reason::Boot);
        }
    }

    /// Loses all its state.
    pub(super) fn power_off(&mut self, member: usize) {
        let row = &mut self.members[member];
        row.powered = false;
        row.generation += 1;
        let attempt = row.attempt.take();
        row.kek = None;
        row.teks.clear();
        row.re_registers = None;
        row.registered_in_vain = None;
        row.outbound = None;
        self.note_member(member, None, Kind::PowerLost);
        if let Some(attempt) = attempt {
            self.record_attempt_end(attempt.awaited.attempt, AttemptEnd::Abandoned, false);
        }
    }

    /// The last answer of a registration: the policy of the group.
    pub(super) fn admitted(&mut self, member: usize, plan: &Rc<Plan>) {
        let Some(attempt) = self.members[member].attempt.take() else {
            return;
        };
        let row = &self.members[member];
        let old_kek = row.kek.is_some_and(|kek| kek.cookies == plan.kek.cookies);
        let nothing_newer = row.teks.last().map(|tek| tek.spi) == plan.newest().map(|tek| tek.spi);
        let (vain, had_kek) = (row.registered_in_vain, row.kek.is_some());
        let kind = Kind::RegistrationCompleted {
            reason: attempt.reason,
            duration: self.now.since(attempt.began),
            same_kek: old_kek,
            cookies: plan.kek.cookies,
        };
        self.note_member(member, Some(attempt.server), kind);
        self.record_attempt_end(attempt.awaited.attempt, AttemptEnd::Completed, old_kek);
        if vain.is_some_and(|cookies| cookies != plan.kek.cookies) && !had_kek {
            self.note_member(member, Some(attempt.server), Kind::DoubleReregistration);
        }
        let row = &mut self.members[member];
        let newer = row.teks.last().zip(plan.newest());
        if newer.is_some_and(|(ours, theirs)| ours.expiry > theirs.expiry) {
            // A rekey overtook this answer, which was made before it.
            return;
        }
        row.registered_in_vain =
            (old_kek && attempt.reason == Reason::Kek && row.kek.is_some()).then_some(plan.kek.cookies);
        row.sequence = plan.sequence;
        self.install(member, plan);
        self.plan_timers(member, old_kek, nothing_newer);
        if let Some(newest) = plan.newest() {
            self.activate(member, newest.spi);
        }
    }

    fn install(&mut self, member: usize, plan: &Plan) {
        let now = self.now;
        let row = &mut self.members[member];
        row.kek = Some(plan.kek);
        row.teks.clone_from(&plan.teks);
        row.teks.retain(|tek| tek.expiry > now);
    }

    /// A rekey reaches a member: it accepts it if it can decrypt it and has not seen it.
    pub(super) fn pushed(&mut self, member: usize, id: u64) {
        let Some(push) = self.pushes.get(&id) else {
            return;
        };
        let (plan, server, sequence) = (Rc::clone(&push.plan), push.server, push.sequence);
        let (delivers_kek, taken) = (push.content.delivers_kek(), push.taken.contains(&member));
        let content = push.content;
        let row = &self.members[member];
        if row.kek.is_none_or(|kek| kek.cookies != push.under) {
            // Unless it is the rekey that changed the KEK: its repeat is acknowledged again.
            if taken {
                self.plan_acknowledgement(member, id);
            }
            return;
        }
        if sequence < row.sequence {
            return;
        }
        if content == Content::Heartbeat {
            self.members[member].sequence = sequence;
            return;
        }
        self.plan_acknowledgement(member, id);
        let row = &mut self.members[member];
        if sequence == row.sequence {
            return;
        }
        row.sequence = if delivers_kek { 0 } else { sequence };
        if delivers_kek {
            row.registered_in_vain = None;
        }
        if let Some(push) = self.pushes.get_mut(&id) {
            push.taken.insert(member);
        }
        self.amend_push(id, |push, _| push.taken.push(member));
        if content == Content::Delete {
            self.note_member(member, Some(server), Kind::RekeyReceived { sequence });
            return;
        }
        self.install(member, &plan);
        self.note_member(member, Some(server), Kind::RekeyReceived { sequence });
        self.plan_timers(member, false, false);
        if let Some(newest) = plan.newest() {
            let wait = self.activation(member);
            self.after(
                wait,
                WorldEvent::Activate {
                    member,
                    spi: newest.spi,
                },
            );
        }
    }

    /// The time from a rekey until a member uses its SPI.
    fn activation(&mut self, member: usize) -> Duration {
        let row = &self.members[member];
        let config = &self.groups[row.group].config;
        let (soon, late) = (config.activation, config.spi_switch == SpiSwitch::Late);
        let ends = row.outbound.map(|outbound| outbound.expiry.since(self.now));
        let soon = soon + self.some(Duration::from_millis(900));
        match ends.filter(|_| late) {
            Some(ends) => {
                let early = LATE_SWITCH + self.some(LATE_SWITCH_SPREAD);
                ends.saturating_sub(early).max(soon)
            }
            None => soon,
        }
    }

    fn plan_acknowledgement(&mut self, member: usize, push: u64) {
        let config = &self.groups[self.members[member].group].config;
        if config.is_acknowledged() {
            let wait = Duration::from_millis(20) + self.some(Duration::from_millis(180));
            self.after(wait, WorldEvent::Acknowledge { member, push });
        }
    }

    pub(super) fn acknowledge(&mut self, member: usize, id: u64) {
        let row = &self.members[member];
        let Some(push) = self.pushes.get(&id) else {
            return;
        };
        if !row.powered {
            return;
        }
        let config = &self.groups[row.group].config;
        let datagram = match (config.acknowledgement, row.kek) {
            (Acknowledgement::Cisco, Some(kek)) => {
                message::encrypted_acknowledgement(kek.cookies, &mut self.random)
            }
            (Acknowledgement::Cisco, None) | (Acknowledgement::None, _) => return,
            (Acknowledgement::Rfc8263, _) => {
                let member = config.member_address(row.number);
                message::acknowledgement(push.under, push.sequence, member, &mut self.random)
            }
        };
        let server = push.server;
        self.send_to_server(
            member,
            server,
            true,
            datagram,
            Meaning::Acknowledgement { member, push: id },
        );
    }

    /// Sets the times at which it registers again without a rekey, and at which its KEK ends.
    ///
    /// It registers before the first key expires, early enough and at different times for different members; if it
    /// has just registered without getting a new key, soon after the expiry.
    fn plan_timers(&mut self, member: usize, old_kek: bool, nothing_newer: bool) {
        let row = &mut self.members[member];
        row.generation += 1;
        let (generation, behavior, kek) = (row.generation, row.behavior, row.kek);
        let tek = row.teks.last().copied();
        let config = &self.groups[row.group].config;
        let (timers, pull_only) = (config.timers, config.pull_only);
        let mut first: Option<(Timestamp, Reason)> = None;
        if let Some(tek) = tek {
            let at = self.re_registration(timers, tek.expiry, tek.lifetime, nothing_newer);
            first = Some((at, Reason::Tek));
        }
        if let Some(kek) = kek.filter(|_| behavior == Behavior::New && !pull_only) {
            let at = self.re_registration(timers, kek.expiry, kek.lifetime, old_kek);
            if first.is_none_or(|(tek, _)| at < tek) {
                first = Some((at, Reason::Kek));
            }
            self.agenda.plan(kek.expiry, WorldEvent::ExpireKek { member });
        }
        self.members[member].re_registers = first.map(|(at, _)| at);
        if let Some((at, reason)) = first {
            self.agenda.plan(
                at,
                WorldEvent::Register {
                    member,
                    generation,
                    reason,
                },
            );
        }
    }

    fn re_registration(
        &mut self,
        timers: Timers,
        expiry: Timestamp,
        lifetime: Duration,
        nothing_new: bool,
    ) -> Timestamp {
        let lead = match timers {
            Timers::Cisco | Timers::Hpe | Timers::Rfc => {
                let least = Duration::from_mins(1).max(lifetime * 3 / 100);
                least + self.some(lifetime * 2 / 100)
            }
            Timers::Juniper => 3 * JUNIPER_ACTIVATION,
        };
        let at = expiry.before(lead);
        if nothing_new || at <= self.now {
            expiry.after(AFTER_EXPIRY).max(self.now.after(AFTER_EXPIRY))
        } else {
            at
        }
    }

    /// A KEK ends, and the member still has it, unless rekeys have replaced it.
    pub(super) fn expire_kek(&mut self, member: usize) {
        let row = &mut self.members[member];
        if row.kek.is_none_or(|kek| kek.expiry > self.now) {
            return;
        }
        row.kek = None;
        self.note_member(member, None, Kind::KekDeleted);
    }

    /// The member uses this SPI from now on.
    pub(super) fn activate(&mut self, member: usize, spi: u32) {
        let now = self.now;
        let row = &mut self.members[member];
        if row.outbound.is_some() && row.has(Action::KeepSpi, now, usize::MAX) {
            return;
        }
        let Some(tek) = row.teks.iter().find(|tek| tek.spi == spi) else {
            return;
        };
        let from = row.outbound.map_or(0, |outbound| outbound.spi);
        if from == spi || row.teks.last().is_some_and(|newest| newest.spi != spi) {
            return;
        }
        row.outbound = Some(Outbound {
            spi,
            since: now,
            expiry: tek.expiry,
            sent: 0,
            stale: false,
        });
        self.note_member(member, None, Kind::SpiRolled { from, to: spi });
    }
}
