//! The state across a restart: ages, KEK chains and counters survive.
//!
//! Times are those of the source's clock. If that clock restarts at boot, the source must convert to a clock that
//! continues, for instance to time since the epoch.

use alloc::vec::Vec;

use crate::config::{Config, Limits};
use crate::rules::kek::lifetime;
use crate::rules::registration::{self, burst, missed};
use crate::rules::rekey::{expectation, inband, report};
use crate::rules::{Context, coop};
use crate::state::State;
use crate::tracker::Tracker;

/// The first octets of a saved state.
const MAGIC: [u8; 8] = *b"gdoistat";

/// Version of the layout of a saved state. Any change of `State`, or of a type in it, raises it.
const VERSION: u16 = 12;

/// Why a saved state cannot be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// It is not a saved state.
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
    /// Encodes the state for [`Self::restore`]. Configuration and limits are not part of it.
    pub fn save(&self) -> Result<Vec<u8>, SaveError> {
        let mut saved = Vec::from(MAGIC);
        saved.extend(VERSION.to_be_bytes());
        postcard::to_extend(&self.state, saved).map_err(|_postcard| SaveError)
    }

    /// Resumes from a saved state, perhaps with another configuration and other limits: configured names apply to groups
    /// already known, and entries beyond the limits are evicted.
    ///
    /// What happened in between was not seen: the source reports it as a `Loss`.
    ///
    /// # Errors
    ///
    /// When `saved` is no saved state, has the layout of another version, or is damaged.
    pub fn restore(config: Config, limits: Limits, saved: &[u8]) -> Result<Self, RestoreError> {
        let rest = saved.strip_prefix(&MAGIC).ok_or(RestoreError::Foreign)?;
        let (version, state) = rest.split_first_chunk().ok_or(RestoreError::Damaged)?;
        let found = u16::from_be_bytes(*version);
        if found != VERSION {
            return Err(RestoreError::Version { found });
        }
        let mut state: State = postcard::from_bytes(state).map_err(|_postcard| RestoreError::Damaged)?;
        if !state.has_sound_tables() {
            return Err(RestoreError::Damaged);
        }
        state.reindex(&limits);
        if !state.is_consistent() {
            return Err(RestoreError::Damaged);
        }
        state.apply_config(&config, &limits);
        let mut tracker = Self {
            config,
            limits,
            state,
        };
        // This reports nothing.
        let (now, out) = (tracker.state.now, &mut Vec::new());
        rearm_timers(&mut tracker.context(now, out));
        Ok(tracker)
    }
}

/// Timers follow from the rest of the state.
fn rearm_timers(cx: &mut Context<'_>) {
    for id in cx.state.ike_sas.ids() {
        registration::arm_ike_sa_timer(cx, id);
    }
    for id in cx.state.keks.ids() {
        report::arm_kek_timer(cx, id);
    }
    let links: Vec<_> = cx.state.coop_links.keys().copied().collect();
    for (from, to) in links {
        coop::arm_coop_timer(cx, from, to);
    }
    for id in cx.state.groups.ids() {
        expectation::arm_overdue_timer(cx, id);
        inband::arm_inband_timer(cx, id);
        lifetime::rearm_kek_expiry(cx, id);
        burst::rearm_burst(cx, id);
        missed::arm_missed_timer(cx, id);
    }
}
