//! Key servers: when a rekey is due, to whom it goes, who acknowledges it.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use super::member::JUNIPER_ACTIVATION;
use super::network::Meaning;
use super::state::{Kek, Plan, Push, Tek};
use super::{Event, Simulation};
use crate::message;
use crate::scenario::{self, Behavior, Protocol, Timers};
use crate::truth::Kind;

/// What a rekey is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery {
    pub(super) kek: bool,
    pub(super) forced: bool,
}

impl Simulation {
    /// The side that a key server is on.
    pub(super) fn side_of(&self, group: usize, server: usize) -> usize {
        let row = &self.groups[group];
        match row.other_side {
            Some(other) if row.servers.first() != Some(&server) => other,
            _ => row.side,
        }
    }

    /// Gives a member the policy and rekeys from now on.
    pub(super) fn admit(&mut self, side: usize, member: usize) -> Rc<Plan> {
        let row = &mut self.sides[side];
        let joined = row.registered.insert(member, 0).is_none();
        let plan = Rc::new(row.plan.clone());
        // One batch more takes longer: the next rekey has to begin earlier.
        if joined && (row.registered.len() as u32).is_multiple_of(BATCH) {
            self.plan_rekey(side);
        }
        plan
    }

    /// How long before expiry a key is renewed (TAC note 116737, as reconstructed): at least 5 % of its lifetime and at
    /// least `least`, and for unicast the time that repeats and batches take.
    fn lead(&self, side: usize, lifetime: Duration, least: Duration) -> Duration {
        let row = &self.sides[side];
        let config = &self.groups[row.group].config;
        if config.timers == Timers::Juniper {
            return 4 * JUNIPER_ACTIVATION;
        }
        let mut lead = least.max(lifetime / 20);
        if config.is_unicast() {
            let batches = 1 + row.registered.len() as u32 / BATCH;
            lead += config.retransmit_interval * config.retransmit_count + BATCH_TIME * batches;
        }
        lead.min(lifetime * 3 / 4)
    }

    fn kek_due(&self, side: usize) -> gdoi_core::Timestamp {
        let row = &self.sides[side];
        let Kek { expiry, lifetime, .. } = row.plan.kek;
        let due = match self.servers[row.primary].behavior {
            Behavior::New => expiry.before(self.lead(side, lifetime, LEAST_KEK_LEAD)),
            Behavior::Legacy => expiry,
        };
        due.max(row.keeps_kek_until)
    }

    /// Plans the next rekey, and forgets what was planned.
    pub(super) fn plan_rekey(&mut self, side: usize) {
        let tek = self.sides[side].plan.newest();
        let tek_due = tek.map_or(self.now, |tek| {
            tek.expiry.before(self.lead(side, tek.lifetime, LEAST_TEK_LEAD))
        });
        let due = tek_due.min(self.kek_due(side)).max(self.now);
        let row = &mut self.sides[side];
        row.generation += 1;
        let generation = row.generation;
        self.agenda.plan(due, Event::Rekey { side, generation });
    }

    pub(super) fn rekey_due(&mut self, side: usize) {
        let row = &self.sides[side];
        if row.merged {
            return;
        }
        if self.servers[row.primary].down_since.is_some() {
            self.sides[side].overdue = true;
            return;
        }
        let due = self.kek_due(side);
        // A KEK that is due shortly after a TEK goes with it.
        let together = match self.servers[row.primary].behavior {
            Behavior::New => self.now.after(TOGETHER),
            Behavior::Legacy => self.now,
        };
        self.rekey(side, due <= together, false);
    }

    /// Makes new keys and sends them under the present KEK; from then on the new one holds.
    pub(super) fn rekey(&mut self, side: usize, renew_kek: bool, forced: bool) {
        let now = self.now;
        let group = self.sides[side].group;
        let config = self.groups[group].config.clone();
        let row = &mut self.sides[side];
        let old = row.plan.kek;
        let over_age = now > old.expiry.after(config.retransmit_interval) && !row.over_age_told;
        row.plan.teks.retain(|tek| tek.expiry > now);
        row.plan.teks.push(Tek::new(&config, now, &mut self.random));
        let sequence = row.plan.sequence + 1;
        row.plan.sequence = sequence;
        row.over_age_told |= over_age;
        if renew_kek {
            row.plan.kek = Kek::new(&config, now, &mut self.random);
            row.plan.sequence = 0;
            row.over_age_told = false;
        }
        let primary = row.primary;
        if over_age {
            self.note_group(group, Some(primary), Kind::KekOverAge);
        }
        let recipients = self.recipients(side, &config);
        self.push(
            side,
            old,
            sequence,
            Delivery {
                kek: renew_kek,
                forced,
            },
            recipients,
        );
        self.watch_keys(side, renew_kek);
        self.plan_rekey(side);
    }

    fn recipients(&self, side: usize, config: &scenario::Group) -> BTreeSet<usize> {
        let row = &self.sides[side];
        if config.is_unicast() {
            return row.registered.keys().copied().collect();
        }
        // Whoever has keys and is on this side of a split.
        self.groups[row.group]
            .members
            .clone()
            .filter(|member| self.members[*member].kek.is_some() && self.side_of_member(*member) == side)
            .collect()
    }

    /// Sends what the side's policy is now, under `old`.
    pub(super) fn push(
        &mut self,
        side: usize,
        old: Kek,
        sequence: u32,
        delivery: Delivery,
        recipients: BTreeSet<usize>,
    ) {
        let (now, row) = (self.now, &self.sides[side]);
        let Delivery {
            kek: delivers_kek,
            forced,
        } = delivery;
        let lead = || old.expiry.since(now).as_secs_f64() - now.since(old.expiry).as_secs_f64();
        let kind = Kind::Rekey {
            delivers_kek,
            forced,
            sequence,
            recipients: recipients.len() as u32,
            cookies: old.cookies,
            next_cookies: row.plan.kek.cookies,
            lead_seconds: delivers_kek.then(lead),
            spi: row.plan.newest().map_or(0, |tek| tek.spi),
        };
        self.note_group(row.group, Some(row.primary), kind);
        let row = &self.sides[side];
        let config = &self.groups[row.group].config;
        let datagram = message::push(config, old.cookies, sequence, delivers_kek);
        let unicast = config.is_unicast();
        let id = self.next_push;
        self.next_push += 1;
        let push = Push {
            side,
            server: row.primary,
            datagram,
            delivers_kek,
            under: old.cookies,
            sequence,
            plan: Rc::new(row.plan.clone()),
            pending: recipients.clone(),
            taken: BTreeSet::new(),
            repeats: 0,
            recipients,
        };
        self.pushes.insert(id, push);
        let count = self.transmit(id);
        let spread = if unicast {
            BATCH_TIME * (count / BATCH)
        } else {
            Duration::ZERO
        };
        let interval = self.groups[self.sides[side].group].config.retransmit_interval;
        self.after(interval + spread, Event::RepeatPush { push: id });
    }

    /// Sends a rekey to who has not acknowledged it, in batches; to all at once when multicast. How many that are.
    fn transmit(&mut self, id: u64) -> u32 {
        let Some(push) = self.pushes.get(&id) else {
            return 0;
        };
        let (server, datagram) = (push.server, Rc::clone(&push.datagram));
        let config = &self.groups[self.sides[push.side].group].config;
        let pending: Vec<usize> = push.pending.iter().copied().collect();
        if let Some(address) = config.rekey_address {
            self.mail_group(server, address, &pending, &datagram, id);
            return 1;
        }
        for (place, member) in (0_u32..).zip(&pending) {
            let wait = BATCH_TIME * (place / BATCH) + Duration::from_micros(700) * (place % BATCH);
            self.after(
                wait,
                Event::SendPush {
                    push: id,
                    member: *member,
                },
            );
        }
        pending.len() as u32
    }

    pub(super) fn send_push(&mut self, id: u64, member: usize) {
        if let Some(push) = self.pushes.get(&id) {
            let (server, datagram) = (push.server, Rc::clone(&push.datagram));
            if self.servers[server].down_since.is_none() {
                self.mail_member(server, member, true, datagram, Meaning::Push { push: id });
            }
        }
    }

    pub(super) fn acknowledged(&mut self, member: usize, id: u64) {
        let Some(push) = self.pushes.get_mut(&id) else {
            return;
        };
        push.pending.remove(&member);
        if let Some(missed) = self.sides[push.side].registered.get_mut(&member) {
            *missed = 0;
        }
    }

    /// Time for another repeat, or for the end of a rekey.
    pub(super) fn repeat_push(&mut self, id: u64) {
        let Some(push) = self.pushes.get(&id) else {
            return;
        };
        let config = &self.groups[self.sides[push.side].group].config;
        let acknowledged = config.is_unicast()
            && config.protocol == Protocol::Gdoi
            && config.acknowledgement != scenario::Acknowledgement::None;
        let repeats = acknowledged || !config.is_unicast() || config.protocol == Protocol::GIkev2;
        let down = self.servers[push.server].down_since.is_some();
        if push.pending.is_empty() || push.repeats >= config.retransmit_count || !repeats || down {
            self.end_push(id, acknowledged);
            return;
        }
        let (interval, renumbered) = (config.retransmit_interval, config.retransmit_renumbered);
        let (side, under, delivers_kek) = (push.side, push.under, push.delivers_kek);
        if renumbered {
            let renumbered = push.sequence + 1;
            let datagram = message::push(config, under, renumbered, delivers_kek);
            if self.sides[side].plan.kek.cookies == under {
                self.sides[side].plan.sequence = renumbered;
            }
            if let Some(push) = self.pushes.get_mut(&id) {
                push.sequence = renumbered;
                push.datagram = datagram;
            }
        }
        let count = self.transmit(id);
        if let Some(push) = self.pushes.get_mut(&id) {
            push.repeats += 1;
            if push.repeats == 1 {
                let (server, group) = (push.server, self.sides[side].group);
                self.note_group(group, Some(server), Kind::RekeyRepeated { cookies: under });
            }
        }
        self.after(
            interval + BATCH_TIME * (count / BATCH),
            Event::RepeatPush { push: id },
        );
    }

    /// Whoever did not take it missed it; whoever did not acknowledge three in a row gets no more.
    fn end_push(&mut self, id: u64, acknowledged: bool) {
        let Some(push) = self.pushes.remove(&id) else {
            return;
        };
        let (sequence, delivers_kek) = (push.sequence, push.delivers_kek);
        let answered = |member: &&usize| acknowledged && !push.pending.contains(*member);
        // Who answers a repeat without taking it got these keys by registering meanwhile.
        let missed = push.recipients.difference(&push.taken);
        for member in missed.filter(|member| !answered(member)) {
            self.note_member(
                *member,
                Some(push.server),
                Kind::RekeyMissed {
                    sequence,
                    delivers_kek,
                },
            );
        }
        if !acknowledged {
            return;
        }
        for member in push.pending {
            let kind = Kind::RekeyUnacknowledged { cookies: push.under };
            self.note_member(member, Some(push.server), kind);
            let registered = &mut self.sides[push.side].registered;
            let Some(missed) = registered.get_mut(&member) else {
                continue;
            };
            *missed += 1;
            if *missed >= MISSED_AT_MOST {
                registered.remove(&member);
                self.note_member(member, Some(push.server), Kind::MemberDropped);
            }
        }
    }
}

const LEAST_KEK_LEAD: Duration = Duration::from_secs(200);
const LEAST_TEK_LEAD: Duration = Duration::from_secs(90);
/// A KEK goes with a TEK that is due at most this much earlier.
const TOGETHER: Duration = Duration::from_mins(1);
/// Members that a unicast rekey goes to at once, and the time between.
const BATCH: u32 = 50;
const BATCH_TIME: Duration = Duration::from_secs(5);
/// Rekeys without acknowledgement before the key server gives up on a member.
const MISSED_AT_MOST: u32 = 3;
