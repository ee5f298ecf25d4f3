//! Plain data and its own invariants; no rule.

pub(crate) mod burst;
pub(crate) mod coop;
pub(crate) mod counters;
pub(crate) mod data_plane;
pub(crate) mod estimate;
pub(crate) mod gaps;
pub(crate) mod group;
pub(crate) mod hypothesis;
pub(crate) mod id;
pub(crate) mod ike_sa;
pub(crate) mod kek;
pub(crate) mod key_server;
pub(crate) mod member;
pub(crate) mod rekey;
pub(crate) mod standing;
pub(crate) mod table;
pub(crate) mod timers;
