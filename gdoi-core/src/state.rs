//! Plain data and its own invariants; no rule.

pub(crate) mod counters;
pub(crate) mod gaps;
pub(crate) mod group;
pub(crate) mod key_server;
pub(crate) mod member;
pub(crate) mod peer;
pub(crate) mod rate_limit;
pub(crate) mod table;
pub(crate) mod timers;
