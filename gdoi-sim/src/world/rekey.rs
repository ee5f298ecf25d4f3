//! Key servers: new keys, and their recipients.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use super::state::{Kek, Plan, Push, Tek};
use super::{Simulation, WorldEvent};
use crate::journal::PushKind;
use crate::message::{self, Content};
use crate::scenario;
use crate::truth::Kind;

/// Number of members per batch of a unicast rekey; the next constant is the time between batches.
pub(super) const BATCH: u32 = 50;
pub(super) const BATCH_TIME: Duration = Duration::from_secs(5);

/// The reason for a rekey.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery {
    pub(super) content: Content,
    pub(super) forced: bool,
}

impl Simulation {
    /// The side of a key server.
    pub(super) fn side_of(&self, group: usize, server: usize) -> usize {
        let row = &self.groups[group];
        match row.other_side {
            Some(other) if row.servers.first() != Some(&server) => other,
            _ => row.side,
        }
    }

    /// Gives a member the policy, and rekeys from now on.
    pub(super) fn admit(&mut self, side: usize, member: usize) -> Rc<Plan> {
        let row = &mut self.sides[side];
        let joined = row.registered.insert(member, 0).is_none();
        let plan = Rc::new(row.plan.clone());
        // An additional batch takes longer: the next rekey has to begin earlier.
        if joined && (row.registered.len() as u32).is_multiple_of(BATCH) {
            self.plan_rekey(side);
        }
        plan
    }

    /// Makes new keys and sends them under the current KEK; from then on the new KEK applies.
    pub(super) fn rekey(&mut self, side: usize, content: Content, forced: bool) {
        let (renew_kek, with_tek) = (content.delivers_kek(), content != Content::Kek);
        let now = self.now;
        let group = self.sides[side].group;
        let config = self.groups[group].config.clone();
        let row = &mut self.sides[side];
        let old = row.plan.kek;
        let over_age = now > old.expiry.after(config.retransmit_interval) && !row.over_age_told;
        row.plan.teks.retain(|tek| tek.expiry > now);
        let tek = with_tek.then(|| Tek::new(&config, now, &mut self.random));
        row.plan.teks.extend(tek);
        let sequence = row.plan.sequence + 1;
        row.plan.sequence = sequence;
        row.over_age_told |= over_age;
        if renew_kek {
            row.plan.kek = Kek::new(&config, now, &mut self.random);
            row.plan.sequence = 0;
            row.over_age_told = false;
        }
        let (primary, kek) = (row.primary, row.plan.kek);
        self.record_outage_end(side);
        if let Some(tek) = tek {
            self.record_tek(side, tek, !config.pull_only);
        }
        if renew_kek {
            self.record_kek(side, kek, !config.pull_only);
        }
        if over_age {
            self.note_group(group, Some(primary), Kind::KekOverAge);
        }
        if !config.pull_only {
            let recipients = self.recipients(side, &config);
            self.push(side, old, sequence, Delivery { content, forced }, recipients);
        }
        self.watch_keys(side, renew_kek);
        self.plan_rekey(side);
    }

    /// Sends a rekey that delivers no key: a heartbeat, or the deletion of the members' keys.
    pub(super) fn push_notice(&mut self, side: usize, content: Content) {
        let config = self.groups[self.sides[side].group].config.clone();
        let row = &mut self.sides[side];
        row.plan.sequence += 1;
        let (kek, sequence) = (row.plan.kek, row.plan.sequence);
        let recipients = self.recipients(side, &config);
        let delivery = Delivery {
            content,
            forced: content == Content::Delete,
        };
        self.push(side, kek, sequence, delivery, recipients);
    }

    /// Sends a heartbeat that looks like a rekey.
    pub(super) fn heartbeat(&mut self, group: usize) {
        let row = &self.groups[group];
        let (side, every) = (row.side, row.config.heartbeat_every);
        let primary = self.sides[side].primary;
        if self.servers[primary].down_since.is_none() {
            self.push_notice(side, Content::Heartbeat);
        }
        self.after(every, WorldEvent::Heartbeat { group });
    }

    fn recipients(&self, side: usize, config: &scenario::Group) -> BTreeSet<usize> {
        let row = &self.sides[side];
        if config.is_unicast() {
            return row.registered.keys().copied().collect();
        }
        // Every member with keys on this side of a split.
        self.groups[row.group]
            .members
            .clone()
            .filter(|member| self.members[*member].kek.is_some() && self.side_of_member(*member) == side)
            .collect()
    }

    /// Sends the side's current policy under `old`.
    pub(super) fn push(
        &mut self,
        side: usize,
        old: Kek,
        sequence: u32,
        delivery: Delivery,
        recipients: BTreeSet<usize>,
    ) {
        let (now, row) = (self.now, &self.sides[side]);
        let Delivery { content, forced } = delivery;
        let delivers_kek = content.delivers_kek();
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
        if content != Content::Heartbeat {
            self.note_group(row.group, Some(row.primary), kind);
        }
        let row = &self.sides[side];
        let config = &self.groups[row.group].config;
        let datagram = message::push(config, old.cookies, sequence, content);
        let unicast = config.is_unicast();
        let id = self.next_push;
        self.next_push += 1;
        let push = Push {
            side,
            server: row.primary,
            datagram,
            content,
            under: old.cookies,
            sequence,
            plan: Rc::new(row.plan.clone()),
            pending: recipients.clone(),
            taken: BTreeSet::new(),
            repeats: 0,
            recipients,
        };
        let kind = match content {
            Content::Delete => PushKind::Delete,
            Content::Heartbeat => PushKind::Heartbeat,
            Content::Kek | Content::KekAndTek => PushKind::Kek,
            Content::Tek => PushKind::Tek,
        };
        self.record_push(&push, kind, forced);
        self.pushes.insert(id, push);
        let count = self.transmit(id);
        let spread = if unicast {
            BATCH_TIME * (count / BATCH)
        } else {
            Duration::ZERO
        };
        let interval = self.groups[self.sides[side].group].config.retransmit_interval;
        self.after(interval + spread, WorldEvent::RepeatPush { push: id });
    }
}
