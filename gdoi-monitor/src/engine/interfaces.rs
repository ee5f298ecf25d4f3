//! The monitored interfaces: those of the plan that exist, as they come and go.

mod visibility;

use std::collections::{BTreeMap, BTreeSet};

use gdoi_core::Timestamp;
use gdoi_core::observation::Loss;

use self::visibility::Visibility;
use super::{CaptureState, Plan};
use crate::source::xdp::interface::{self, Interface};
use crate::source::xdp::netlink::{self, Changes, NetworkLink};
use crate::source::xdp::pins::{PinDir, Pins};
use crate::source::xdp::{
    Attachment, BlindSpot, CountRuns, Direction, InterfaceTap, SavedTap, XdpError, blind_spots, seen_below,
};

/// Reported for an interface that disappeared.
const STAYS_AWAY: &str = "it disappeared, and hot plug is off: it is monitored again after a restart";

/// An interface in one direction.
type Key = (String, Direction);

/// The interfaces of a plan.
pub struct Interfaces {
    plan: Plan,
    /// Where programs are pinned, if they survive the agent.
    pins: Option<Pins>,
    /// Counters of the previous agent for interfaces that are not attached yet.
    kept: BTreeMap<Key, SavedTap>,
    /// Makes the kernel count runs of programs.
    counting: Option<CountRuns>,
    taps: BTreeMap<Key, InterfaceTap>,
    /// Blind spots of the attached interfaces.
    blind: BTreeMap<Key, BTreeSet<BlindSpot>>,
    /// Which interfaces are visible.
    visibility: Visibility,
    /// Why existing interfaces are not monitored: logged once.
    said: BTreeMap<String, String>,
}

impl Interfaces {
    /// Attaches to every interface of the plan. A missing name is an error; a pattern may match later.
    ///
    /// Continues from what another agent had `kept`, and replaces the programs that it left at `pins`.
    pub(super) fn attach(plan: Plan, pins: Option<Pins>, kept: Vec<SavedTap>) -> Result<Self, XdpError> {
        let links = netlink::links().map_err(XdpError::Interfaces)?;
        for pattern in &plan.interfaces {
            if links.iter().any(|link| interface::matches(pattern, &link.name)) {
                continue;
            }
            if interface::is_pattern(pattern) {
                tracing::warn!(pattern, "no interface matches yet");
                continue;
            }
            let have: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
            return Err(XdpError::UnknownInterface {
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
            taps: BTreeMap::new(),
            blind: BTreeMap::new(),
            visibility: Visibility::default(),
            said: BTreeMap::new(),
        };
        for found in interfaces.wanted(&links) {
            for direction in interfaces.plan.directions.clone() {
                interfaces.begin(&found, direction)?;
            }
        }
        interfaces.clear_pins()?;
        interfaces.note_blind_spots();
        // There is nothing to report about interfaces that were never seen.
        interfaces.see(&links, Timestamp::ZERO, Timestamp::ZERO);
        Ok(interfaces)
    }

    /// Detaches pins of interfaces that are not, or no longer, monitored.
    fn clear_pins(&self) -> Result<(), XdpError> {
        let Some(pins) = &self.pins else {
            return Ok(());
        };
        let watched = self.taps.iter().filter(|(_, tap)| tap.attached().is_some());
        let own: Vec<PinDir> = watched
            .map(|((name, direction), _)| pins.pin_dir(name, *direction))
            .collect();
        for pin_dir in pins.pin_dirs()? {
            if !own.contains(&pin_dir) {
                tracing::info!(
                    pin_dir = pin_dir.name(),
                    "detached what a previous agent left pinned"
                );
                pin_dir.remove();
            }
        }
        Ok(())
    }

    /// Counters and reading positions, for the next agent.
    pub(super) fn keep(&self) -> Vec<SavedTap> {
        let watched = self.taps.values().map(InterfaceTap::keep);
        watched.chain(self.kept.values().cloned()).collect()
    }

    /// Whether every interface was taken over, so that no packet was missed.
    pub(super) fn are_continued(&self) -> bool {
        let mut taps = self.taps.values().peekable();
        taps.peek().is_some() && taps.all(|tap| tap.attached().is_some_and(|attached| attached.taken_over))
    }

    /// Whether all programs continue counting when the agent ends.
    pub(super) fn are_pinned(&self) -> bool {
        let mut taps = self.taps.values().peekable();
        taps.peek().is_some() && taps.all(InterfaceTap::is_pinned)
    }

    /// All of them, attached or not.
    pub(super) fn taps(&mut self) -> impl Iterator<Item = &mut InterfaceTap> {
        self.taps.values_mut()
    }

    /// Whether the remaining capabilities allow another plan.
    pub(super) fn can_follow(&self, plan: &Plan) -> bool {
        self.plan.hot_plug || *plan == self.plan
    }

    /// Changes to another plan. Programs with other settings replace the attached ones without a gap; on an error
    /// nothing changes.
    ///
    /// Replaced programs stay until [`Self::retire`]: their last counts have to be read.
    pub(super) fn change(
        &mut self,
        plan: Plan,
        polled_at: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Loss>, XdpError> {
        let mut next = Vec::new();
        if plan.settings != self.plan.settings {
            for (key, tap) in &self.taps {
                next.push((key.clone(), tap.prepare(&plan.settings)?));
            }
        }
        let is_elsewhere = plan.mode != self.plan.mode;
        self.plan = plan;
        for (key, probe) in next {
            if let Some(tap) = self.taps.get_mut(&key)
                && let Err(error) = tap.replace(probe)
            {
                self.say(&key.0, chain(&error));
            }
        }
        let mut windows = Vec::new();
        for (key, tap) in &mut self.taps {
            let is_wanted = self.plan.matches(&key.0) && self.plan.directions.contains(&key.1);
            if tap.attached().is_some() && (is_elsewhere || !is_wanted) {
                tap.leave(now);
                windows.extend(self.visibility.note(key, false, polled_at, now));
            }
        }
        Ok(windows)
    }

    /// Drops what a change has left: replaced programs, and interfaces that are no longer in the plan.
    pub(super) fn retire(&mut self) {
        for tap in self.taps.values_mut() {
            tap.retire();
        }
        let Self { plan, visibility, .. } = self;
        self.taps.retain(|key, tap| {
            let is_wanted = plan.matches(&key.0) && plan.directions.contains(&key.1);
            if !is_wanted {
                tap.forget();
                visibility.forget(key);
            }
            is_wanted
        });
        let taps = &self.taps;
        self.blind.retain(|key, _| taps.contains_key(key));
    }

    /// Checks for blind spots, and logs new ones.
    pub(super) fn note_blind_spots(&mut self) {
        let Ok(links) = netlink::links() else {
            return;
        };
        for (key, tap) in &self.taps {
            let link = links.iter().find(|link| tap.is_on(&link.interface()));
            let (Some(link), Some(attached)) = (link, tap.attached()) else {
                self.blind.remove(key);
                continue;
            };
            let master = links.iter().find(|other| Some(other.index) == link.master);
            let spots = blind_spots(link, master, attached, &self.plan.directions);
            let before = self.blind.insert(key.clone(), spots.clone()).unwrap_or_default();
            for spot in spots.difference(&before) {
                let (reason, meaning) = (spot.name(), spot.meaning());
                tracing::info!(interface = tap.name(), reason, meaning, "blind spot");
            }
        }
    }

    pub(super) fn states(&self) -> Vec<CaptureState> {
        let state = |(key, tap): (&Key, &InterfaceTap)| CaptureState {
            interface: tap.name().to_owned(),
            direction: tap.direction(),
            attached: tap.attached().cloned(),
            why_not: match tap.attached() {
                Some(_) => None,
                None => self.said.get(tap.name()).cloned(),
            },
            blind_spots: self.blind.get(key).cloned().unwrap_or_default(),
            counters: *tap.counters(),
            runs: self.counting.as_ref().map(|_| tap.runs()),
            ring_octets: tap.pending_octets(),
            slots: tap.occupancy(),
        };
        self.taps.iter().map(state).collect()
    }

    /// Drops interfaces that are gone and attaches to new ones; failures are retried next time.
    ///
    /// Returns the windows in which packets may have been missed: from `polled_at`, when all was well, to `now`.
    pub(super) fn follow(&mut self, polled_at: Timestamp, now: Timestamp) -> Vec<Loss> {
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
                let what = link.map_or(
                    "the interface is gone",
                    |_| "the program was detached by another process",
                );
                tracing::warn!(interface = tap.name(), "{what}");
                tap.leave(now);
                // Its earlier errors are resolved.
                self.said.remove(&key.0);
                if !self.plan.hot_plug {
                    self.said.insert(key.0.clone(), STAYS_AWAY.to_owned());
                }
            }
            tap.unload_if_gone(now);
        }
        // Visibility before reattaching: a program that is reattached was away.
        let mut windows = self.see(&links, polled_at, now);
        if self.plan.hot_plug {
            for found in self.wanted(&links) {
                for direction in self.plan.directions.clone() {
                    self.take_up(&found, direction);
                }
            }
            // An interface that was reattached at once is reported once.
            let ended = self.see(&links, polled_at, now);
            let is_new = |window: &Loss| !windows.contains(window);
            let ended: Vec<Loss> = ended.into_iter().filter(is_new).collect();
            windows.extend(ended);
        }
        self.forget_strangers(&links);
        windows
    }

    /// Since when something monitored is invisible; `None` if everything is visible.
    pub(super) fn blind_since(&self, now: Timestamp) -> Option<Timestamp> {
        let is_named = |name: &str| self.plan.interfaces.iter().any(|pattern| pattern == name);
        self.visibility.blind_since(now, is_named)
    }

    /// Notes which interfaces are visible, and returns the windows in which one was not.
    fn see(&mut self, links: &[NetworkLink], polled_at: Timestamp, now: Timestamp) -> Vec<Loss> {
        let mut windows = Vec::new();
        for (key, tap) in &self.taps {
            let link = links.iter().find(|link| tap.is_on(&link.interface()));
            let is_seen = tap.attached().is_some() && link.is_some_and(|link| link.has_carrier);
            if let Some(window) = self.visibility.note(key, is_seen, polled_at, now) {
                if is_seen {
                    tracing::info!(interface = tap.name(), "seen again");
                } else if link.is_some_and(|link| !link.has_carrier) {
                    tracing::warn!(interface = tap.name(), "the interface is down or has no carrier");
                }
                windows.push(window);
            }
        }
        windows
    }

    /// Forgets interfaces that are gone and were never visible, and the oldest of very many gone ones.
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

    /// Attaches to an interface.
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

    /// The interfaces to monitor: those of the plan that have Ethernet frames, and are not on top of another one.
    fn wanted(&mut self, links: &[NetworkLink]) -> Vec<Interface> {
        let of_plan = |link: &NetworkLink| self.plan.matches(&link.name);
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

    /// Logs why an interface is not monitored, unless it is already logged.
    fn say(&mut self, name: &str, why: String) {
        if self.said.get(name) != Some(&why) {
            tracing::warn!(interface = name, why, "not monitoring the interface");
            self.said.insert(name.to_owned(), why);
        }
    }

    fn begin(&mut self, found: &Interface, direction: Direction) -> Result<(), XdpError> {
        let Plan { mode, settings, .. } = &self.plan;
        let name = found.name.clone();
        let key = (name.clone(), direction);
        let kept = self.kept.remove(&key);
        let pin_dir = self.pins.as_ref().map(|pins| pins.pin_dir(&name, direction));
        let tap = self
            .taps
            .entry(key)
            .or_insert_with(|| InterfaceTap::new(name.clone(), direction, pin_dir, kept));
        let attached = tap.attach(found.clone(), settings, *mode)?;
        let mode = attached.attachment.name();
        let direction = direction.name();
        if let Some(why) = &attached.passed_over {
            tracing::warn!(interface = name, mode, direction, %why, "attached, but not in the driver");
        } else if attached.taken_over {
            tracing::info!(
                interface = name,
                mode,
                direction,
                "took over from the previous agent"
            );
        } else {
            tracing::info!(interface = name, mode, direction, "attached");
        }
        Ok(())
    }
}

/// Attached interfaces, and the notification of changes.
pub struct AttachedInterfaces {
    pub(super) interfaces: Interfaces,
    pub(super) changes: Option<Changes>,
}

impl AttachedInterfaces {
    /// Attaches to every existing interface of the plan. Continues from what another agent had `kept`, and replaces
    /// the programs that it left at `pins`.
    pub fn begin(plan: Plan, pins: Option<Pins>, kept: Vec<SavedTap>) -> Result<Self, XdpError> {
        // Before the interfaces are listed, so that none can appear unnoticed in between.
        let changes = Changes::listen()
            .inspect_err(|error| tracing::warn!(%error, "cannot listen for interfaces that come and go"))
            .ok();
        Ok(Self {
            interfaces: Interfaces::attach(plan, pins, kept)?,
            changes,
        })
    }

    /// Whether a program is at the classic hook of traffic control, which keeps it until it is removed.
    pub fn has_filter(&self) -> bool {
        self.interfaces.states().iter().any(|state| {
            let attached = state.attached.as_ref();
            attached.is_some_and(|attached| attached.attachment == Attachment::Clsact)
        })
    }
}

/// Makes the kernel count runs of programs, if requested and permitted.
fn counting(plan: &Plan) -> Option<CountRuns> {
    if !plan.settings.count_runs {
        return None;
    }
    CountRuns::begin()
        .inspect_err(|error| tracing::warn!(%error, "cannot enable run statistics of programs; CAP_SYS_ADMIN is needed"))
        .ok()
}

/// An error with its causes, in one line.
fn chain(error: &XdpError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
