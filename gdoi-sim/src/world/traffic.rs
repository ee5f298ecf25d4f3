//! ESP between the sites, with the hosts' own addresses outside (RFC 5374 §3.1).

use std::time::Duration;

use super::{Simulation, WorldEvent};
use crate::emission::EspPackets;
use crate::scenario::{self, Action, Span};
use crate::truth::Kind;

const DAY: Duration = Duration::from_hours(24);

impl Simulation {
    /// The members take turns.
    pub(super) fn traffic(&mut self, group: usize, turn: u64) {
        let row = &self.groups[group];
        let count = row.members.len() as u64;
        let member = row.members.start + (turn % count) as usize;
        let every = row.config.traffic_every / row.config.members;
        self.after(
            every,
            WorldEvent::Traffic {
                group,
                turn: turn + 1,
            },
        );
        let quiet = self.groups[group].config.quiet;
        if !quiet.is_some_and(|quiet| self.is_quiet(quiet)) {
            self.send_esp(member);
        }
    }

    /// Whether the time is in this part of the day.
    fn is_quiet(&self, quiet: Span) -> bool {
        let of_day = self.now.since(self.start).as_secs() % DAY.as_secs();
        let since = of_day + DAY.as_secs() - quiet.at.as_secs() % DAY.as_secs();
        since % DAY.as_secs() < quiet.lasting.as_secs()
    }

    fn send_esp(&mut self, member: usize) {
        let (now, group) = (self.now, self.members[member].group);
        let config = &self.groups[group].config;
        let packets = config.traffic_packets.max(1);
        let members = config.members;
        let peer =
            (self.members[member].number + 1 + self.random.below(u64::from(members) - 1) as u32) % members;
        let (site, their_site) = (config.site(self.members[member].number), config.site(peer));
        let every = config.traffic_every;
        if self.members[member]
            .outbound
            .is_some_and(|outbound| outbound.expiry <= now)
        {
            self.send_expired(member);
        }
        let row = &mut self.members[member];
        let Some(outbound) = &mut row.outbound else {
            return;
        };
        let sequence = outbound.sent + 1;
        outbound.sent = outbound.sent.wrapping_add(packets);
        // The packets are spread over the time since the last turn.
        let first = if packets == 1 {
            now
        } else {
            now.before(every).max(outbound.since)
        };
        let (spi, host) = (outbound.spi, 10 + self.random.below(40) as u32);
        let their_host = 10 + self.random.below(40) as u32;
        let encrypted = 40 + 16 * self.random.below(5) as u32;
        let esp = EspPackets {
            first,
            last: now,
            source: std::net::Ipv4Addr::from_bits(site.to_bits() + host).into(),
            destination: std::net::Ipv4Addr::from_bits(their_site.to_bits() + their_host).into(),
            site: member as u32 + 1,
            spi,
            sequence,
            packets,
            encrypted,
        };
        let peer = self.groups[group].members.start + peer as usize;
        let (from, to) = (self.inside_address(member), self.inside_address(peer));
        self.emit_esp(esp, Some(group), from, to);
    }

    /// The current TEK of a member ended: it switches to a newer one, or is silent if it has none; unless its data
    /// plane hangs.
    fn send_expired(&mut self, member: usize) {
        let now = self.now;
        let row = &mut self.members[member];
        let Some(outbound) = &mut row.outbound else {
            return;
        };
        let (spi, told) = (outbound.spi, std::mem::replace(&mut outbound.stale, true));
        let hangs = row.has(Action::KeepSpi, now, usize::MAX);
        let newest = row.teks.last().filter(|tek| tek.expiry > now).map(|tek| tek.spi);
        match newest {
            _ if hangs => {
                let site = scenario::site_name(row.number);
                if !told {
                    self.note_member(member, None, Kind::SpiStale { spi, site });
                }
            }
            Some(newest) => self.activate(member, newest),
            None => {
                row.outbound = None;
                self.note_member(member, None, Kind::TekExpired);
            }
        }
    }
}
