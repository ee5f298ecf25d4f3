//! The state across a restart: ages, chains and counters survive.
//!
//! Times are those of the source's clock. A source whose clock starts anew with every boot has to hand in times that
//! continue, for instance those since the epoch.

use alloc::vec::Vec;

use crate::config::{Config, Limits};
use crate::state::id::GroupId;
use crate::tracker::Tracker;

/// What a saved state begins with.
const MAGIC: [u8; 8] = *b"gdoistat";

/// Layout version of a saved state. Any change of what is saved raises it.
const VERSION: u16 = 4;

/// Why a saved state cannot be taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// It is something else.
    #[error("this is not a saved state")]
    Foreign,
    /// Another version saved it.
    #[error("the state was saved in layout {found}; this version reads layout {VERSION} only")]
    Version {
        /// The layout it was saved in.
        found: u16,
    },
    /// It is damaged or cut short.
    #[error("the saved state is damaged")]
    Damaged,
}

/// Why the state cannot be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state cannot be encoded")]
pub struct SaveError;

impl Tracker {
    /// The state, to be given to [`Self::restore`] later. Configuration and limits are not part of it.
    pub fn save(&self) -> Result<Vec<u8>, SaveError> {
        let mut saved = Vec::from(MAGIC);
        saved.extend(VERSION.to_be_bytes());
        postcard::to_extend(self, saved).map_err(|_postcard| SaveError)
    }

    /// Goes on where [`Self::save`] was called, perhaps with another configuration and other limits: configured names
    /// apply to groups already known, and what is too much for the limits is evicted.
    ///
    /// What happened in between was not seen; the source says so with a `Loss`.
    pub fn restore(config: Config, limits: Limits, saved: &[u8]) -> Result<Self, RestoreError> {
        let behind = saved.strip_prefix(&MAGIC).ok_or(RestoreError::Foreign)?;
        let (version, state) = behind.split_first_chunk().ok_or(RestoreError::Damaged)?;
        let found = u16::from_be_bytes(*version);
        if found != VERSION {
            return Err(RestoreError::Version { found });
        }
        let mut tracker: Self = postcard::from_bytes(state).map_err(|_postcard| RestoreError::Damaged)?;
        if tracker.groups.get(GroupId::NONE).is_none() {
            return Err(RestoreError::Damaged);
        }
        tracker.config = config;
        tracker.limits = limits;
        tracker.reindex();
        tracker.apply_config();
        tracker.rearm();
        Ok(tracker)
    }

    fn reindex(&mut self) {
        let Limits {
            members,
            groups: _,
            spis,
            key_servers,
            associations,
            keks,
            hash_seed: seed,
        } = self.limits;
        self.members.reindex(members, seed);
        self.spis.reindex(spis, seed);
        self.servers.reindex(key_servers, seed);
        self.ike_sas.reindex(associations, seed);
        self.attempts.reindex(associations, seed);
        self.keks.reindex(keks, seed);
        self.unconfirmed.reindex(keks, seed);
    }

    /// Timers follow from the rest of the state.
    fn rearm(&mut self) {
        for id in self.ike_sas.ids() {
            self.arm_ike_sa_timer(id);
        }
        for id in self.keks.ids() {
            self.arm_kek_timer(id);
        }
        let pairs: Vec<_> = self.coop_links.keys().copied().collect();
        for (from, to) in pairs {
            self.arm_coop_timer(from, to);
        }
        for id in self.groups.ids() {
            self.arm_overdue_timer(id);
            self.arm_inband_timer(id);
            self.rearm_kek_expiry(id);
            self.rearm_burst(id);
        }
    }
}
