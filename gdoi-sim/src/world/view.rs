//! `show crypto gdoi` on a member, in the terms of Cisco TAC note 116737.

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use gdoi_core::Timestamp;

use super::Simulation;
use crate::truth::Kind;

/// A member's counters.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    attempted: u32,
    succeeded: u32,
    rekeys: u32,
    last_rekey_from: Option<IpAddr>,
}

impl Simulation {
    /// The output of `show crypto gdoi` on a member of a group, both numbered from 1. `None` if there is no such
    /// member.
    pub fn show_member(&self, group: u32, member: u32) -> Option<String> {
        let group = (group as usize)
            .checked_sub(1)
            .filter(|group| *group < self.groups.len())?;
        let members = self.groups[group].members.clone();
        let member = members.clone().nth((member as usize).checked_sub(1)?)?;
        let mut shown = String::new();
        // Writing to a string cannot fail.
        self.show(group, member, &mut shown).ok().map(|()| shown)
    }

    fn show(&self, group: usize, member: usize, to: &mut String) -> fmt::Result {
        let (config, row) = (&self.groups[group].config, &self.members[member]);
        let servers = &config.key_servers;
        let active = row.next_server % servers.len();
        let status = match (&row.attempt, row.kek.is_some() || !row.teks.is_empty()) {
            (Some(_), _) => "Registering",
            (None, true) => "Registered",
            (None, false) => "Not Registered",
        };
        let counted = self.counted(member);
        let last = counted
            .last_rekey_from
            .map_or_else(|| "-".to_owned(), |last| last.to_string());
        let path = if row.address.is_ipv4() { "ipv4" } else { "ipv6" };
        writeln!(to, "GROUP INFORMATION\n")?;
        writeln!(to, "    Group Name               : {}", config.name)?;
        writeln!(to, "    Group Identity           : {}", group + 1)?;
        writeln!(to, "    Key Management Path      : {path}")?;
        writeln!(to, "    Rekeys received          : {}", counted.rekeys)?;
        writeln!(to, "    IPSec SA Direction       : Both\n")?;
        for (place, server) in servers.iter().enumerate() {
            let label = if place == 0 {
                "Group Server list        :"
            } else {
                "                          "
            };
            writeln!(to, "    {label} {server}")?;
        }
        writeln!(to, "\n    Group Member             : {}", row.address.ip())?;
        writeln!(to, "    Registration status      : {status}")?;
        if let Some(server) = servers.get(active) {
            writeln!(to, "    Registered with          : {server}")?;
        }
        match row.re_registers {
            Some(at) => writeln!(to, "    Reregisters in           : {} sec", self.remaining(at))?,
            None => writeln!(to, "    Reregisters in           : -")?,
        }
        writeln!(to, "    Succeeded registration   : {}", counted.succeeded)?;
        writeln!(to, "    Attempted registration   : {}", counted.attempted)?;
        writeln!(to, "    Last rekey from          : {last}")?;
        writeln!(to, "    Last rekey seq num       : {}\n", row.sequence)?;
        self.show_keys(member, to)
    }

    /// A member's counters since the beginning.
    fn counted(&self, member: usize) -> Counted {
        let row = &self.members[member];
        let own = row.nat_t.unwrap_or(row.address);
        let mut counted = Counted::default();
        let name = &self.groups[row.group].config.name;
        let happened = self.truth.happened().iter();
        for one in happened.filter(|one| one.member == Some(own) && one.group == *name) {
            match one.kind {
                Kind::RegistrationStarted { .. } => counted.attempted += 1,
                Kind::RegistrationCompleted { .. } => counted.succeeded += 1,
                Kind::RekeyReceived { .. } => {
                    counted.rekeys += 1;
                    counted.last_rekey_from = one.key_server;
                }
                _ => {}
            }
        }
        counted
    }

    fn show_keys(&self, member: usize, to: &mut String) -> fmt::Result {
        let row = &self.members[member];
        let config = &self.groups[row.group].config;
        let transport = if config.is_unicast() {
            "Unicast"
        } else {
            "Multicast"
        };
        writeln!(to, "KEK POLICY:")?;
        writeln!(to, "    Rekey Transport Type     : {transport}")?;
        match row.kek {
            Some(kek) => {
                let spi = u128::from_be_bytes(kek.cookies);
                writeln!(to, "    SPI                      : 0x{spi:032X}")?;
                writeln!(
                    to,
                    "    Lifetime (secs)          : {}",
                    self.remaining(kek.expiry)
                )?;
            }
            None => writeln!(to, "    (none)")?,
        }
        writeln!(to, "\nTEK POLICY for the current KS-Policy ACEs Downloaded:")?;
        for tek in row.teks.iter().filter(|tek| tek.expiry > self.now) {
            let sends = row.outbound.is_some_and(|outbound| outbound.spi == tek.spi);
            writeln!(
                to,
                "    spi: 0x{:08X}{}",
                tek.spi,
                if sends { " (outbound)" } else { "" }
            )?;
            writeln!(
                to,
                "    sa timing: remaining key lifetime (sec): ({})",
                self.remaining(tek.expiry)
            )?;
        }
        Ok(())
    }

    /// Whole seconds from the current time.
    fn remaining(&self, until: Timestamp) -> u64 {
        (until.since(self.now) + Duration::from_millis(500)).as_secs()
    }
}
