//! A rekey in progress: batches, repeats, acknowledgements, and members that did not accept it.

use std::rc::Rc;
use std::time::Duration;

use super::network::Meaning;
use super::rekey::{BATCH, BATCH_TIME};
use super::{Simulation, WorldEvent};
use crate::message::{self, Content};
use crate::scenario::Protocol;
use crate::truth::Kind;

impl Simulation {
    /// Sends a rekey to members that have not acknowledged it, in batches; multicast goes to all at once. Returns
    /// their number.
    pub(super) fn transmit(&mut self, id: u64) -> u32 {
        let Some(push) = self.pushes.get(&id) else {
            return 0;
        };
        let (server, datagram) = (push.server, Rc::clone(&push.datagram));
        let config = &self.groups[self.sides[push.side].group].config;
        let pending: Vec<usize> = push.pending.iter().copied().collect();
        if let Some(address) = config.rekey_address {
            self.send_to_group(server, address, &pending, &datagram, id);
            return 1;
        }
        for (place, member) in (0_u32..).zip(&pending) {
            let wait = BATCH_TIME * (place / BATCH) + Duration::from_micros(700) * (place % BATCH);
            self.after(
                wait,
                WorldEvent::SendPush {
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
                self.send_to_member(server, member, true, datagram, Meaning::Push { push: id });
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
        let acknowledged = config.is_acknowledged();
        let repeats = (acknowledged || !config.is_unicast() || config.protocol == Protocol::GIkev2)
            && push.content != Content::Heartbeat;
        let down = self.servers[push.server].down_since.is_some();
        if push.pending.is_empty() || push.repeats >= config.retransmit_count || !repeats || down {
            self.end_push(id, acknowledged);
            return;
        }
        let (interval, renumbered) = (config.retransmit_interval, config.retransmit_renumbered);
        let (side, under, content) = (push.side, push.under, push.content);
        if renumbered {
            let renumbered = push.sequence + 1;
            let datagram = message::push(config, under, renumbered, content);
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
                self.amend_push(id, |push, now| push.repeated = Some(now));
            }
        }
        self.after(
            interval + BATCH_TIME * (count / BATCH),
            WorldEvent::RepeatPush { push: id },
        );
    }

    /// Members that did not accept it missed it; members that did not acknowledge `drop_after` in a row get no more.
    fn end_push(&mut self, id: u64, acknowledged: bool) {
        let Some(push) = self.pushes.remove(&id) else {
            return;
        };
        let (sequence, delivers_kek) = (push.sequence, push.content.delivers_kek());
        self.amend_push(id, |push, now| push.end = Some(now));
        let heartbeat = push.content == Content::Heartbeat;
        let answered = |member: &&usize| acknowledged && !push.pending.contains(*member);
        // A member that answers a repeat without accepting it got these keys by registering meanwhile.
        let missed = push.recipients.difference(&push.taken);
        for member in missed.filter(|member| !heartbeat && !answered(member)) {
            self.note_member(
                *member,
                Some(push.server),
                Kind::RekeyMissed {
                    sequence,
                    delivers_kek,
                },
            );
        }
        if !acknowledged || heartbeat {
            return;
        }
        let drop_after = self.groups[self.sides[push.side].group].config.drop_after;
        for member in push.pending {
            let kind = Kind::RekeyUnacknowledged { cookies: push.under };
            self.note_member(member, Some(push.server), kind);
            self.amend_push(id, |push, _| push.unacknowledged.push(member));
            let registered = &mut self.sides[push.side].registered;
            let Some(missed) = registered.get_mut(&member) else {
                continue;
            };
            *missed += 1;
            if *missed >= drop_after {
                registered.remove(&member);
                self.note_member(member, Some(push.server), Kind::MemberDropped);
                self.amend_push(id, |push, _| push.dropped.push(member));
            }
        }
    }
}
