//! Which interfaces are watched: those of the plan that are there, as they come and go.

mod follow;
mod sight;

use std::collections::{BTreeMap, BTreeSet};

use gdoi_core::Timestamp;
use gdoi_core::observation::Loss;

use self::sight::Sight;
use super::{CaptureState, Plan};
use crate::source::xdp::interface::{self, Interface};
use crate::source::xdp::netlink::{self, Link};
use crate::source::xdp::pins::{Pins, Spot};
use crate::source::xdp::{BlindSpot, CountRuns, Direction, Error, KeptWatch, Watch, blind_spots, seen_below};

/// An interface in one direction.
type Key = (String, Direction);

/// The interfaces of a plan.
pub struct Interfaces {
    plan: Plan,
    /// Where programs are pinned, if they are to outlive the agent.
    pins: Option<Pins>,
    /// What an agent before this one had counted on interfaces that have not been watched since.
    kept: BTreeMap<Key, KeptWatch>,
    /// The kernel counts runs of programs.
    counting: Option<CountRuns>,
    watches: BTreeMap<Key, Watch>,
    /// What cannot be seen on those that are watched.
    blind: BTreeMap<Key, BTreeSet<BlindSpot>>,
    /// Which of them are seen.
    sight: Sight,
    /// Why interfaces that are there are not watched: said once.
    said: BTreeMap<String, String>,
}

impl Interfaces {
    /// Attaches to every interface of the plan. A name that is not there is an error; what a pattern is for may come.
    ///
    /// Goes on from what another agent had `kept`, and in the place of programs that it left at `pins`.
    pub(super) fn attach(plan: Plan, pins: Option<Pins>, kept: Vec<KeptWatch>) -> Result<Self, Error> {
        let links = netlink::links().map_err(Error::Interfaces)?;
        for pattern in &plan.interfaces {
            if links.iter().any(|link| interface::matches(pattern, &link.name)) {
                continue;
            }
            if interface::is_pattern(pattern) {
                tracing::warn!(pattern, "no interface matches yet");
                continue;
            }
            let have: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
            return Err(Error::UnknownInterface {
                pattern: pattern.clone(),
                have: have.join(", "),
            });
        }
        let mut interfaces = Self {
            counting: counting(&plan),
            plan,
            pins,
            kept: kept
                .into_iter()
                .map(|kept| ((kept.interface.clone(), kept.direction), kept))
                .collect(),
            watches: BTreeMap::new(),
            blind: BTreeMap::new(),
            sight: Sight::default(),
            said: BTreeMap::new(),
        };
        for found in interfaces.wanted(&links) {
            for direction in interfaces.plan.directions.clone() {
                interfaces.begin(&found, direction)?;
            }
        }
        interfaces.clear_pins()?;
        interfaces.note_blind_spots();
        // Of what was never seen there is nothing to tell.
        interfaces.see(&links, Timestamp::ZERO, Timestamp::ZERO);
        Ok(interfaces)
    }

    /// Detaches what is pinned at interfaces that are not watched, or not any more.
    fn clear_pins(&self) -> Result<(), Error> {
        let Some(pins) = &self.pins else {
            return Ok(());
        };
        let watched = self
            .watches
            .iter()
            .filter(|(_, watch)| watch.attached().is_some());
        let own: Vec<Spot> = watched
            .map(|((name, direction), _)| pins.spot(name, *direction))
            .collect();
        for spot in pins.spots()? {
            if !own.contains(&spot) {
                tracing::info!(spot = spot.name(), "detaching what an agent before left there");
                spot.remove();
            }
        }
        Ok(())
    }

    /// What was counted and read, for an agent that goes on.
    pub(super) fn keep(&self) -> Vec<KeptWatch> {
        let watched = self.watches.values().map(Watch::keep);
        watched.chain(self.kept.values().cloned()).collect()
    }

    /// Whether every interface is watched in the place of an agent before, so that nothing passed unseen.
    pub(super) fn went_on(&self) -> bool {
        let mut watches = self.watches.values().peekable();
        watches.peek().is_some()
            && watches.all(|watch| watch.attached().is_some_and(|attached| attached.taken_over))
    }

    /// Whether all of them go on counting when the agent ends.
    pub(super) fn are_pinned(&self) -> bool {
        let mut watches = self.watches.values().peekable();
        watches.peek().is_some() && watches.all(Watch::is_pinned)
    }

    /// All of them, watched or not.
    pub(super) fn watches(&mut self) -> impl Iterator<Item = &mut Watch> {
        self.watches.values_mut()
    }

    /// Whether another plan can be followed with the rights that are left.
    pub(super) fn can_follow(&self, plan: &Plan) -> bool {
        self.plan.hot_plug || *plan == self.plan
    }

    /// Follows another plan. Programs that are set up otherwise take the place of those that are attached, without a
    /// gap; on an error nothing has changed.
    ///
    /// What was replaced is there until [`Self::retire`]: its last counts are to be read.
    pub(super) fn change(
        &mut self,
        plan: Plan,
        looked: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Loss>, Error> {
        let mut next = Vec::new();
        if plan.settings != self.plan.settings {
            for (key, watch) in &self.watches {
                next.push((key.clone(), watch.prepare(&plan.settings)?));
            }
        }
        let is_elsewhere = plan.mode != self.plan.mode;
        self.plan = plan;
        for (key, probe) in next {
            if let Some(watch) = self.watches.get_mut(&key)
                && let Err(error) = watch.replace(probe)
            {
                self.say(&key.0, chain(&error));
            }
        }
        let mut windows = Vec::new();
        for (key, watch) in &mut self.watches {
            let is_wanted = self.plan.matches(&key.0) && self.plan.directions.contains(&key.1);
            if watch.attached().is_some() && (is_elsewhere || !is_wanted) {
                watch.leave(now);
                windows.extend(self.sight.note(key, false, looked, now));
            }
        }
        Ok(windows)
    }

    /// Forgets what a change has left: programs that were replaced, and interfaces that are no longer wanted.
    pub(super) fn retire(&mut self) {
        for watch in self.watches.values_mut() {
            watch.retire();
        }
        let Self { plan, sight, .. } = self;
        self.watches.retain(|key, watch| {
            let is_wanted = plan.matches(&key.0) && plan.directions.contains(&key.1);
            if !is_wanted {
                watch.forget();
                sight.forget(key);
            }
            is_wanted
        });
        let watches = &self.watches;
        self.blind.retain(|key, _| watches.contains_key(key));
    }

    /// Looks at what cannot be seen, and says what is new of it.
    pub(super) fn note_blind_spots(&mut self) {
        let Ok(links) = netlink::links() else {
            return;
        };
        for (key, watch) in &self.watches {
            let link = links.iter().find(|link| watch.is_on(&link.interface()));
            let (Some(link), Some(attached)) = (link, watch.attached()) else {
                self.blind.remove(key);
                continue;
            };
            let master = links.iter().find(|other| Some(other.index) == link.master);
            let spots = blind_spots(link, master, attached, &self.plan.directions);
            let before = self.blind.insert(key.clone(), spots.clone()).unwrap_or_default();
            for spot in spots.difference(&before) {
                let (reason, meaning) = (spot.name(), spot.meaning());
                tracing::info!(interface = watch.name(), reason, meaning, "a blind spot");
            }
        }
    }

    pub(super) fn states(&self) -> Vec<CaptureState> {
        let state = |(key, watch): (&Key, &Watch)| CaptureState {
            interface: watch.name().to_owned(),
            direction: watch.direction(),
            attached: watch.attached().cloned(),
            why_not: match watch.attached() {
                Some(_) => None,
                None => self.said.get(watch.name()).cloned(),
            },
            blind_spots: self.blind.get(key).cloned().unwrap_or_default(),
            counters: *watch.counters(),
            runs: self.counting.as_ref().map(|_| watch.runs()),
            ring_octets: watch.pending_octets(),
            slots: watch.occupancy(),
        };
        self.watches.iter().map(state).collect()
    }

    /// The interfaces to watch: those of the plan that have Ethernet frames, and are not on top of another of them.
    fn wanted(&mut self, links: &[Link]) -> Vec<Interface> {
        let of_plan = |link: &Link| self.plan.matches(&link.name);
        let mut wanted = Vec::new();
        let mut unwanted = Vec::new();
        for link in links.iter().filter(|link| of_plan(link)) {
            if !link.is_ethernet {
                unwanted.push((link, "its packets have no Ethernet header".to_owned()));
            } else if let Some(below) = seen_below(link, links, |link| link.is_ethernet && of_plan(link)) {
                unwanted.push((link, format!("its packets are seen on {}", below.name)));
            } else {
                wanted.push(link.interface());
            }
        }
        for (link, why) in unwanted {
            self.say(&link.name, why);
        }
        wanted
    }

    /// Logs why an interface is not watched, unless the log says so already.
    fn say(&mut self, name: &str, why: String) {
        if self.said.get(name) != Some(&why) {
            tracing::warn!(interface = name, why, "not watching the interface");
            self.said.insert(name.to_owned(), why);
        }
    }

    fn begin(&mut self, found: &Interface, direction: Direction) -> Result<(), Error> {
        let Plan { mode, settings, .. } = &self.plan;
        let name = found.name.clone();
        let key = (name.clone(), direction);
        let kept = self.kept.remove(&key);
        let spot = self.pins.as_ref().map(|pins| pins.spot(&name, direction));
        let watch = self
            .watches
            .entry(key)
            .or_insert_with(|| Watch::new(name.clone(), direction, spot, kept));
        let attached = watch.attach(found.clone(), settings, *mode)?;
        let mode = attached.attachment.name();
        let direction = direction.name();
        if let Some(why) = &attached.passed_over {
            tracing::warn!(interface = name, mode, direction, %why, "watching, though not in the driver");
        } else if attached.taken_over {
            tracing::info!(
                interface = name,
                mode,
                direction,
                "watching on, in the place of an agent before"
            );
        } else {
            tracing::info!(interface = name, mode, direction, "watching");
        }
        Ok(())
    }
}

/// Makes the kernel count runs of programs, where that is wanted and can be had.
fn counting(plan: &Plan) -> Option<CountRuns> {
    if !plan.settings.count_runs {
        return None;
    }
    CountRuns::begin()
        .inspect_err(|error| tracing::warn!(%error, "the kernel does not count runs; it wants CAP_SYS_ADMIN"))
        .ok()
}

/// An error with its causes, in one line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
