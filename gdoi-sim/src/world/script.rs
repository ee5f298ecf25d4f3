//! Executes the scenario's events.

use std::time::Duration;

use super::state::{Plan, Trouble};
use super::{Simulation, WorldEvent};
use crate::message::Content;
use crate::scenario::{self, Action, Behavior};
use crate::truth::{Kind, Reason};

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
            Action::Rekey => self.rekey(side, Content::Tek, true),
            Action::RekeyKek => self.rekey(side, Content::KekAndTek, true),
            Action::Clear => self.clear_members(side, &members, event.lasting),
            Action::Crash => self.crash(group, event.lasting),
            Action::SetLifetimes => {
                let config = &mut self.groups[group].config;
                config.kek_lifetime = event.kek_lifetime.unwrap_or(config.kek_lifetime);
                config.tek_lifetime = event.tek_lifetime.unwrap_or(config.tek_lifetime);
            }
            Action::DowngradeServers | Action::UpgradeServers => {
                let behavior = if event.action == Action::UpgradeServers {
                    Behavior::New
                } else {
                    Behavior::Legacy
                };
                for server in all {
                    self.servers[server].behavior = behavior;
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

    /// Deletes the members' keys; they register again within the time.
    fn clear_members(&mut self, side: usize, members: &[usize], within: Duration) {
        if self.servers[self.sides[side].primary].down_since.is_some() {
            return;
        }
        if !self.groups[self.sides[side].group].config.pull_only {
            self.push_notice(side, Content::Delete);
        }
        for member in members {
            let wait = Duration::from_secs(1) + self.some(within);
            self.members[*member].generation += 1;
            let generation = self.members[*member].generation;
            self.sides[side].registered.remove(member);
            self.after(
                wait,
                WorldEvent::Register {
                    member: *member,
                    generation,
                    reason: Reason::Forced,
                },
            );
        }
    }

    /// The only key server loses its members and its keys.
    fn crash(&mut self, group: usize, lasting: Duration) {
        let side = self.groups[group].side;
        let primary = self.sides[side].primary;
        self.server_down(group, primary);
        self.after(lasting, WorldEvent::Reborn { side });
    }

    /// A key server is back with new keys.
    pub(super) fn reborn(&mut self, side: usize) {
        let (group, primary) = (self.sides[side].group, self.sides[side].primary);
        let plan = Plan::new(&self.groups[group].config, self.now, &mut self.random);
        let (kek, tek) = (plan.kek, plan.newest());
        let row = &mut self.sides[side];
        row.plan = plan;
        row.registered.clear();
        row.over_age_told = false;
        row.overdue = false;
        self.record_outage_end(side);
        self.record_kek(side, kek, false);
        if let Some(tek) = tek {
            self.record_tek(side, tek, false);
        }
        self.watch_keys(side, true);
        self.plan_rekey(side);
        self.server_up(group, primary);
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
