//! Which interfaces are watched: those of the plan that are there, as they come and go.

use std::collections::BTreeMap;

use gdoi_core::Timestamp;
use gdoi_core::observation::{Loss, LossKind};

use super::{CaptureState, Plan};
use crate::source::xdp::interface::{self, Interface};
use crate::source::xdp::{CountRuns, Direction, Error, Watch};

/// An interface in one direction.
type Key = (String, Direction);

/// The interfaces of a plan.
pub struct Interfaces {
    plan: Plan,
    /// The kernel counts runs of programs.
    counting: Option<CountRuns>,
    watches: BTreeMap<Key, Watch>,
    /// When interfaces that are gone were last known to be watched.
    gone: BTreeMap<Key, Timestamp>,
    /// Why interfaces that are there cannot be watched.
    failed: BTreeMap<Key, String>,
}

impl Interfaces {
    /// Attaches to every interface of the plan. A plain name that is not there is an error; so is a plan that matches
    /// nothing at all.
    pub(super) fn attach(plan: Plan) -> Result<Self, Error> {
        let present = interface::all().map_err(Error::Interfaces)?;
        for pattern in &plan.interfaces {
            let found = present.iter().any(|have| interface::matches(pattern, &have.name));
            if !found {
                let have: Vec<&str> = present.iter().map(|have| have.name.as_str()).collect();
                return Err(Error::UnknownInterface {
                    pattern: pattern.clone(),
                    have: have.join(", "),
                });
            }
        }
        let mut interfaces = Self {
            counting: counting(&plan),
            plan,
            watches: BTreeMap::new(),
            gone: BTreeMap::new(),
            failed: BTreeMap::new(),
        };
        for found in present {
            if interfaces.is_wanted(&found.name) {
                for direction in interfaces.plan.directions.clone() {
                    interfaces.begin(&found, direction)?;
                }
            }
        }
        Ok(interfaces)
    }

    /// All of them, watched or not.
    pub(super) fn watches(&mut self) -> impl Iterator<Item = &mut Watch> {
        self.watches.values_mut()
    }

    /// Leaves interfaces that are gone and attaches to those that have come; what fails is tried again next time.
    ///
    /// Gives the windows in which something may have passed unseen: from `looked`, when all was well, to `now`.
    pub(super) fn follow(&mut self, looked: Timestamp, now: Timestamp) -> Vec<Loss> {
        let present = match interface::all() {
            Ok(present) => present,
            Err(error) => {
                tracing::error!(%error, "cannot list the interfaces");
                return Vec::new();
            }
        };
        let mut blind = Vec::new();
        for (key, watch) in &mut self.watches {
            let is_there = present.iter().any(|found| watch.is_on(found));
            if watch.attached().is_some() && !is_there {
                tracing::warn!(interface = watch.name(), "the interface is gone");
                watch.leave();
                self.gone.insert(key.clone(), looked);
                blind.push(window(looked, now));
            }
        }
        let wanted = present.into_iter().filter(|found| self.is_wanted(&found.name));
        for found in wanted.collect::<Vec<_>>() {
            for direction in self.plan.directions.clone() {
                blind.extend(self.take_up(&found, direction).map(|since| window(since, now)));
            }
        }
        blind
    }

    /// Watches an interface that is not watched; says since when it was not.
    fn take_up(&mut self, found: &Interface, direction: Direction) -> Option<Timestamp> {
        let key = (found.name.clone(), direction);
        if self
            .watches
            .get(&key)
            .is_some_and(|watch| watch.attached().is_some())
        {
            return None;
        }
        if let Err(error) = self.begin(found, direction) {
            self.complain(key, &error);
            return None;
        }
        self.failed.remove(&key);
        self.gone.remove(&key)
    }

    /// Logs why an interface cannot be watched, unless the log says so already.
    fn complain(&mut self, key: Key, error: &Error) {
        let text = chain(error);
        if self.failed.get(&key) != Some(&text) {
            tracing::warn!(interface = key.0, error = text, "cannot watch the interface");
            self.failed.insert(key, text);
        }
    }

    pub(super) fn states(&self) -> Vec<CaptureState> {
        let state = |watch: &Watch| CaptureState {
            interface: watch.name().to_owned(),
            direction: watch.direction(),
            attached: watch.attached().cloned(),
            counters: *watch.counters(),
            runs: self.counting.as_ref().map(|_| watch.runs()),
            ring_octets: watch.pending_octets(),
            slots: watch.occupancy(),
        };
        self.watches.values().map(state).collect()
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.plan
            .interfaces
            .iter()
            .any(|pattern| interface::matches(pattern, name))
    }

    fn begin(&mut self, found: &Interface, direction: Direction) -> Result<(), Error> {
        let Plan { mode, settings, .. } = &self.plan;
        let name = found.name.clone();
        let watch = self
            .watches
            .entry((name.clone(), direction))
            .or_insert_with(|| Watch::new(name.clone(), direction));
        let attached = watch.attach(found.clone(), settings, *mode)?;
        let mode = attached.attachment.name();
        let direction = direction.name();
        if let Some(why) = &attached.passed_over {
            tracing::warn!(interface = name, mode, direction, %why, "watching, though not in the driver");
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

fn window(from: Timestamp, until: Timestamp) -> Loss {
    Loss {
        from,
        until,
        kind: LossKind::Blind,
        count: None,
    }
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
