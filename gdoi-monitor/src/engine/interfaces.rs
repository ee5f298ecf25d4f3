//! Which interfaces are watched: those of the plan that are there, as they come and go.

use std::collections::BTreeMap;

use gdoi_core::Timestamp;
use gdoi_core::observation::{Loss, LossKind};

use super::{CaptureState, Plan};
use crate::source::xdp::interface::{self, Interface};
use crate::source::xdp::{Error, Watch};

/// The interfaces of a plan.
pub struct Interfaces {
    plan: Plan,
    watches: BTreeMap<String, Watch>,
    /// When interfaces that are gone were last known to be watched.
    gone: BTreeMap<String, Timestamp>,
    /// Why interfaces that are there cannot be watched.
    failed: BTreeMap<String, String>,
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
            plan,
            watches: BTreeMap::new(),
            gone: BTreeMap::new(),
            failed: BTreeMap::new(),
        };
        for found in present {
            if interfaces.is_wanted(&found.name) {
                interfaces.begin(found)?;
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
        for watch in self.watches.values_mut() {
            let is_there = present.iter().any(|found| watch.is_on(found));
            if watch.attachment().is_some() && !is_there {
                tracing::warn!(interface = watch.name(), "the interface is gone");
                watch.leave();
                self.gone.insert(watch.name().to_owned(), looked);
                blind.push(window(looked, now));
            }
        }
        for found in present {
            let idle = self
                .watches
                .get(&found.name)
                .is_none_or(|watch| watch.attachment().is_none());
            if idle && self.is_wanted(&found.name) {
                let name = found.name.clone();
                match self.begin(found) {
                    Ok(()) => {
                        self.failed.remove(&name);
                        blind.extend(self.gone.remove(&name).map(|since| window(since, now)));
                    }
                    Err(error) => self.complain(name, &error),
                }
            }
        }
        blind
    }

    /// Logs why an interface cannot be watched, unless the log says so already.
    fn complain(&mut self, name: String, error: &Error) {
        let text = chain(error);
        if self.failed.get(&name) != Some(&text) {
            tracing::warn!(interface = name, error = text, "cannot watch the interface");
            self.failed.insert(name, text);
        }
    }

    pub(super) fn states(&self) -> Vec<CaptureState> {
        let state = |watch: &Watch| CaptureState {
            interface: watch.name().to_owned(),
            attachment: watch.attachment(),
            counters: *watch.counters(),
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

    fn begin(&mut self, found: Interface) -> Result<(), Error> {
        let Plan { mode, settings, .. } = &self.plan;
        let name = found.name.clone();
        let watch = self
            .watches
            .entry(name.clone())
            .or_insert_with(|| Watch::new(name.clone()));
        let attachment = watch.attach(found, settings, *mode)?;
        tracing::info!(interface = name, mode = attachment.name(), "watching");
        Ok(())
    }
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
