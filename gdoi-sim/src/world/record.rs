//! Writes the journal for the judge, if there is one.

use gdoi_core::Timestamp;

use super::Simulation;
use super::state::{Kek, Push, Tek};
use crate::journal::{
    AttemptEnd, AttemptEntry, KekEntry, MemberEntry, Outage, PushEntry, PushKind, ServerEntry, TekEntry,
};
use crate::truth::Reason;

impl Simulation {
    /// Records the participants.
    pub(super) fn record_cast(&mut self) {
        let members: Vec<MemberEntry> = (0..self.members.len())
            .map(|member| {
                let row = &self.members[member];
                MemberEntry {
                    group: row.group,
                    address: row.address,
                    nat_t: row.nat_t,
                    inside: self.inside_address(member),
                    site: member as u32 + 1,
                }
            })
            .collect();
        let mut servers: Vec<ServerEntry> = Vec::new();
        for group in 0..self.groups.len() {
            servers.extend(self.groups[group].servers.iter().map(|server| ServerEntry {
                group,
                address: self.servers[*server].address,
            }));
        }
        if let Some(journal) = self.tap.journal() {
            (journal.members, journal.servers) = (members, servers);
        }
    }

    pub(super) fn record_attempt(&mut self, member: usize, server: usize, reason: Reason) {
        let began = self.now;
        if let Some(journal) = self.tap.journal() {
            journal.attempts.push(AttemptEntry {
                member,
                server,
                reason,
                began,
                end: None,
                same_kek: false,
            });
        }
    }

    pub(super) fn record_attempt_end(&mut self, attempt: u64, end: AttemptEnd, same_kek: bool) {
        let now = self.now;
        let journal = self.tap.journal();
        if let Some(entry) = journal.and_then(|journal| journal.attempts.get_mut(attempt as usize)) {
            entry.end = Some((now, end));
            entry.same_kek = same_kek;
        }
    }

    pub(super) fn record_kek(&mut self, side: usize, kek: Kek, delivered: bool) {
        let (group, made, push) = (self.sides[side].group, self.now, self.next_push as usize);
        if let Some(journal) = self.tap.journal() {
            journal.keks.push(KekEntry {
                group,
                side,
                cookies: kek.cookies,
                made,
                lifetime: kek.lifetime,
                push: delivered.then_some(push),
            });
        }
    }

    pub(super) fn record_tek(&mut self, side: usize, tek: Tek, delivered: bool) {
        let (group, made, push) = (self.sides[side].group, self.now, self.next_push as usize);
        if let Some(journal) = self.tap.journal() {
            journal.teks.push(TekEntry {
                group,
                side,
                spi: tek.spi,
                made,
                lifetime: tek.lifetime,
                push: delivered.then_some(push),
            });
        }
    }

    pub(super) fn record_push(&mut self, push: &Push, kind: PushKind, forced: bool) {
        let (group, at) = (self.sides[push.side].group, self.now);
        if let Some(journal) = self.tap.journal() {
            journal.pushes.push(PushEntry {
                group,
                side: push.side,
                server: push.server,
                at,
                under: push.under,
                kind,
                forced,
                recipients: push.recipients.iter().copied().collect(),
                repeated: None,
                end: None,
                taken: Vec::new(),
                unacknowledged: Vec::new(),
                dropped: Vec::new(),
            });
        }
    }

    /// Changes the record of a rekey.
    pub(super) fn amend_push(&mut self, push: u64, change: impl FnOnce(&mut PushEntry, Timestamp)) {
        let now = self.now;
        let journal = self.tap.journal();
        if let Some(entry) = journal.and_then(|journal| journal.pushes.get_mut(push as usize)) {
            change(entry, now);
        }
    }

    pub(super) fn record_due(&mut self, side: usize, due: Timestamp) {
        if let Some(journal) = self.tap.journal() {
            journal.due.insert(side, due);
        }
    }

    /// A rekey is due and is not sent.
    pub(super) fn record_outage(&mut self, side: usize) {
        let (group, due) = (self.sides[side].group, self.now);
        if let Some(journal) = self.tap.journal() {
            journal.outages.push(Outage {
                group,
                side,
                due,
                end: None,
            });
        }
    }

    pub(super) fn record_outage_end(&mut self, side: usize) {
        let now = self.now;
        if let Some(journal) = self.tap.journal() {
            let open = journal.outages.iter_mut();
            for outage in open.filter(|outage| outage.side == side && outage.end.is_none()) {
                outage.end = Some(now);
            }
        }
    }
}
