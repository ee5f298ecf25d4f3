//! Interfaces that go, come back, lose and find their carrier.

use gdoi_core::Timestamp;
use gdoi_core::observation::Loss;

use super::{Interfaces, chain};
use crate::source::xdp::interface::Interface;
use crate::source::xdp::netlink::{self, NetworkLink};
use crate::source::xdp::{Direction, InterfaceTap};

/// What is said of an interface that went.
const STAYS_AWAY: &str = "it went, and hot plug is off: it is watched again after the next start";

impl Interfaces {
    /// Leaves interfaces that are gone and attaches to those that have come; what fails is tried again next time.
    ///
    /// Gives the windows in which something may have passed unseen: from `polled_at`, when all was well, to `now`.
    pub(in crate::engine) fn follow(&mut self, polled_at: Timestamp, now: Timestamp) -> Vec<Loss> {
        let links = match netlink::links() {
            Ok(links) => links,
            Err(error) => {
                tracing::error!(%error, "cannot list the interfaces");
                return Vec::new();
            }
        };
        for (key, tap) in &mut self.taps {
            let link = links.iter().find(|link| tap.is_on(&link.interface()));
            if tap.attached().is_some() && !link.is_some_and(|link| tap.is_held(link)) {
                let what = link.map_or("the interface is gone", |_| "somebody has detached the program");
                tracing::warn!(interface = tap.name(), "{what}");
                tap.leave(now);
                // Whatever was wrong with it is wrong no more.
                self.said.remove(&key.0);
                if !self.plan.hot_plug {
                    self.said.insert(key.0.clone(), STAYS_AWAY.to_owned());
                }
            }
            tap.unload_if_gone(now);
        }
        // As it is without them, before they are there again: a program that is put back was away.
        let mut windows = self.see(&links, polled_at, now);
        if self.plan.hot_plug {
            for found in self.wanted(&links) {
                for direction in self.plan.directions.clone() {
                    self.take_up(&found, direction);
                }
            }
            // What was put back at once is told of once.
            let ended = self.see(&links, polled_at, now);
            let is_new = |window: &Loss| !windows.contains(window);
            let ended: Vec<Loss> = ended.into_iter().filter(is_new).collect();
            windows.extend(ended);
        }
        self.forget_strangers(&links);
        windows
    }

    /// Since when something that was watched is not seen; `None` where everything is.
    pub(in crate::engine) fn blind_since(&self, now: Timestamp) -> Option<Timestamp> {
        let is_named = |name: &str| self.plan.interfaces.iter().any(|pattern| pattern == name);
        self.visibility.blind_since(now, is_named)
    }

    /// Notes which interfaces are seen, and gives the windows in which one was not.
    pub(super) fn see(&mut self, links: &[NetworkLink], polled_at: Timestamp, now: Timestamp) -> Vec<Loss> {
        let mut windows = Vec::new();
        for (key, tap) in &self.taps {
            let link = links.iter().find(|link| tap.is_on(&link.interface()));
            let is_seen = tap.attached().is_some() && link.is_some_and(|link| link.has_carrier);
            if let Some(window) = self.visibility.note(key, is_seen, polled_at, now) {
                if is_seen {
                    tracing::info!(interface = tap.name(), "seen again");
                } else if link.is_some_and(|link| !link.has_carrier) {
                    tracing::warn!(interface = tap.name(), "the interface is down, or has no carrier");
                }
                windows.push(window);
            }
        }
        windows
    }

    /// Forgets interfaces that are gone and never were seen, and those that went first of very many.
    fn forget_strangers(&mut self, links: &[NetworkLink]) {
        let Self { taps, visibility, .. } = self;
        let is_there = |name: &str| links.iter().any(|link| link.name == name);
        taps.retain(|key, tap| tap.attached().is_some() || visibility.knows(key) || is_there(&key.0));
        while let Some(key) =
            visibility.surplus(|key| taps.get(key).is_none_or(|tap| tap.attached().is_none()))
        {
            visibility.forget(&key);
            if let Some(mut tap) = taps.remove(&key) {
                tap.forget();
            }
        }
        self.blind.retain(|key, _| taps.contains_key(key));
        let is_watched = |name: &String| taps.keys().any(|key| key.0 == *name);
        self.said.retain(|name, _| is_watched(name) || is_there(name));
    }

    /// Watches an interface that is not watched.
    fn take_up(&mut self, found: &Interface, direction: Direction) {
        let key = (found.name.clone(), direction);
        let is_on = |tap: &InterfaceTap| tap.attached().is_some();
        if self.taps.get(&key).is_some_and(is_on) {
            return;
        }
        match self.begin(found, direction) {
            Ok(()) => drop(self.said.remove(&found.name)),
            Err(error) => self.say(&found.name, chain(&error)),
        }
    }
}
