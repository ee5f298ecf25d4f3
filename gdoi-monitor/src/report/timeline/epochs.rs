//! The times in which each KEK of a group was in use.

use gdoi_core::Timestamp;
use gdoi_core::transition::{Cookies, Transition, What};

/// A year of daily KEKs.
const MOST: usize = 400;

/// The KEKs of a group, in the order they were first heard of.
#[derive(Default)]
pub(super) struct Epochs(Vec<Epoch>);

/// One KEK.
pub(super) struct Epoch {
    pub(super) cookies: Cookies,
    /// When it was delivered, or first seen in use.
    pub(super) from: Timestamp,
    /// When its successor was delivered; `None` while it is in use.
    pub(super) until: Option<Timestamp>,
    /// How long before its expiry its successor was delivered, in seconds.
    pub(super) lead: Option<f64>,
}

impl Epochs {
    pub(super) fn take(&mut self, transition: &Transition) {
        let at = transition.at;
        match &transition.what {
            What::GroupDiscovered(discovered) => self.begin(discovered.cookies, at),
            What::Rekey(rekey) => self.begin(rekey.cookies, at.before(rekey.began)),
            What::KekChanged(changed) => {
                let delivered = changed.delivered.map_or(at, |ago| at.before(ago));
                self.begin(changed.from, delivered);
                if let Some(before) = self.0.iter_mut().find(|epoch| epoch.cookies == changed.from) {
                    before.until = Some(delivered);
                    before.lead = changed.lead_seconds;
                }
                self.begin(changed.to, delivered);
            }
            _ => {}
        }
    }

    fn begin(&mut self, cookies: Cookies, from: Timestamp) {
        if let Some(known) = self.0.iter_mut().find(|epoch| epoch.cookies == cookies) {
            known.from = known.from.min(from);
            return;
        }
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push(Epoch {
            cookies,
            from,
            until: None,
            lead: None,
        });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Epoch> {
        self.0.iter()
    }
}
