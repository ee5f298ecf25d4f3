//! What the scenario does to the groups.

use std::time::Duration;

use super::state::Trouble;
use super::{Simulation, WorldEvent};
use crate::scenario::{self, Action, Behavior};
use crate::truth::Kind;

impl Simulation {
    pub(super) fn scripted(&mut self, index: usize) {
        let Some(event) = self.script.get(index).cloned() else {
            return;
        };
        let group = (event.group - 1) as usize;
        let members = self.meant(group, &event);
        let (all, server) = (
            self.groups[group].servers.clone(),
            event.key_server.checked_sub(1),
        );
        let server = server.and_then(|server| all.get(server as usize)).copied();
        let side = self.groups[group].side;
        match event.action {
            Action::Blind => {
                self.note_group(group, None, Kind::Blind);
                self.blind(event.lasting);
            }
            Action::BlockToMembers
            | Action::BlockToServers
            | Action::KeepSpi
            | Action::RefuseAuthentication
            | Action::RefuseGroup
            | Action::RefusePolicy => self.trouble(&members, &event),
            Action::Join => self.power_on_within(&members, event.lasting),
            Action::ServerDown => all
                .iter()
                .filter(|one| server.is_none_or(|server| server == **one))
                .for_each(|server| self.server_down(group, *server)),
            Action::ServerUp => all
                .iter()
                .filter(|one| server.is_none_or(|server| server == **one))
                .for_each(|server| self.server_up(group, *server)),
            Action::KeepKek => {
                self.sides[side].keeps_kek_until = self.now.after(event.lasting);
                self.plan_rekey(side);
            }
            Action::Split => self.split(group),
            Action::Merge => self.merge(group),
            Action::PowerOff => self.power_off_for(&members, event.lasting),
            Action::Reboot => self.reboot(&members, event.lasting),
            Action::Rekey => self.rekey(side, false, true),
            Action::RekeyKek => self.rekey(side, true, true),
            Action::UpgradeServers => {
                for server in all {
                    self.servers[server].behavior = Behavior::New;
                }
                self.plan_rekey(side);
            }
            Action::UpgradeMembers => {
                for member in &members {
                    self.members[*member].behavior = Behavior::New;
                }
                self.reboot(&members, event.lasting);
            }
        }
    }

    fn meant(&self, group: usize, event: &scenario::ScriptedEvent) -> Vec<usize> {
        let members = self.groups[group].members.clone();
        members
            .filter(|member| {
                event.members.is_empty() || event.members.contains(&(self.members[*member].number + 1))
            })
            .collect()
    }

    fn trouble(&mut self, members: &[usize], event: &scenario::ScriptedEvent) {
        let trouble = Trouble {
            action: event.action,
            until: self.now.after(event.lasting),
            larger_than: event.larger_than,
        };
        for member in members {
            self.members[*member]
                .troubles
                .retain(|trouble| trouble.until > self.now);
            self.members[*member].troubles.push(trouble);
            self.note_member(*member, None, Kind::Blocked);
        }
    }

    fn power_off_for(&mut self, members: &[usize], lasting: Duration) {
        for member in members {
            self.power_off(*member);
            if !lasting.is_zero() {
                self.after(lasting, WorldEvent::PowerOn { member: *member });
            }
        }
    }

    fn reboot(&mut self, members: &[usize], within: Duration) {
        for member in members {
            self.power_off(*member);
        }
        self.power_on_within(members, within);
    }

    fn power_on_within(&mut self, members: &[usize], within: Duration) {
        for member in members {
            let wait = self.some(within);
            self.after(wait, WorldEvent::PowerOn { member: *member });
        }
    }
}
