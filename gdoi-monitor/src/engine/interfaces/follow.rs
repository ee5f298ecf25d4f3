//! Interfaces that go, come back, lose and find their carrier.

use gdoi_core::Timestamp;
use gdoi_core::observation::Loss;

use super::{Interfaces, chain};
use crate::source::xdp::interface::Interface;
use crate::source::xdp::netlink::{self, Link};
use crate::source::xdp::{Direction, Watch};

impl Interfaces {
    /// Leaves interfaces that are gone and attaches to those that have come; what fails is tried again next time.
    ///
    /// Gives the windows in which something may have passed unseen: from `looked`, when all was well, to `now`.
    pub(in crate::engine) fn follow(&mut self, looked: Timestamp, now: Timestamp) -> Vec<Loss> {
        let links = match netlink::links() {
            Ok(links) => links,
            Err(error) => {
                tracing::error!(%error, "cannot list the interfaces");
                return Vec::new();
            }
        };
        for (key, watch) in &mut self.watches {
            let link = links.iter().find(|link| watch.is_on(&link.interface()));
            if watch.attached().is_some() && !link.is_some_and(|link| watch.is_held(link)) {
                let what = link.map_or("the interface is gone", |_| "somebody has detached the program");
                tracing::warn!(interface = watch.name(), "{what}");
                watch.leave(now);
                // Whatever was wrong with it is wrong no more.
                self.said.remove(&key.0);
                if !self.plan.hot_plug {
                    self.said.insert(key.0.clone(), STAYS_AWAY.to_owned());
                }
            }
            watch.give_up(now);
        }
        // As it is without them, before they are there again: a program that is put back was away.
        let mut windows = self.see(&links, looked, now);
        if self.plan.hot_plug {
            for found in self.wanted(&links) {
                for direction in self.plan.directions.clone() {
                    self.take_up(&found, direction);
                }
            }
            // What was put back at once is told of once.
            let ended = self.see(&links, looked, now);
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
        self.sight.blind_since(now, is_named)
    }

    /// Notes which interfaces are seen, and gives the windows in which one was not.
    pub(super) fn see(&mut self, links: &[Link], looked: Timestamp, now: Timestamp) -> Vec<Loss> {
        let mut windows = Vec::new();
        for (key, watch) in &self.watches {
            let link = links.iter().find(|link| watch.is_on(&link.interface()));
            let is_seen = watch.attached().is_some() && link.is_some_and(|link| link.has_carrier);
            if let Some(window) = self.sight.note(key, is_seen, looked, now) {
                if is_seen {
                    tracing::info!(interface = watch.name(), "seen again");
                } else if link.is_some_and(|link| !link.has_carrier) {
                    tracing::warn!(
                        interface = watch.name(),
                        "the interface is down, or has no carrier"
                    );
                }
                windows.push(window);
            }
        }
        windows
    }

    /// Forgets interfaces that are gone and never were seen, and those that went first of very many.
    fn forget_strangers(&mut self, links: &[Link]) {
        let Self { watches, sight, .. } = self;
        let is_there = |name: &str| links.iter().any(|link| link.name == name);
        watches.retain(|key, watch| watch.attached().is_some() || sight.knows(key) || is_there(&key.0));
        while let Some(key) =
            sight.surplus(|key| watches.get(key).is_none_or(|watch| watch.attached().is_none()))
        {
            sight.forget(&key);
            if let Some(mut watch) = watches.remove(&key) {
                watch.forget();
            }
        }
        self.blind.retain(|key, _| watches.contains_key(key));
        let is_watched = |name: &String| watches.keys().any(|key| key.0 == *name);
        self.said.retain(|name, _| is_watched(name) || is_there(name));
    }

    /// Watches an interface that is not watched.
    fn take_up(&mut self, found: &Interface, direction: Direction) {
        let key = (found.name.clone(), direction);
        let is_on = |watch: &Watch| watch.attached().is_some();
        if self.watches.get(&key).is_some_and(is_on) {
            return;
        }
        match self.begin(found, direction) {
            Ok(()) => drop(self.said.remove(&found.name)),
            Err(error) => self.say(&found.name, chain(&error)),
        }
    }
}

/// What is said of an interface that went.
const STAYS_AWAY: &str = "it went, and hot plug is off: it is watched again after the next start";
