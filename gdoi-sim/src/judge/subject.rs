//! What is compared: for each type of event, the facts, whether they could be known, and the claims.

mod burst;
mod data_plane;
mod key_server;
mod numbers;
mod registration;
mod rekey;
mod revision;
mod schedule;
mod service;

use std::time::Duration;

use gdoi_core::Timestamp;

use super::case::Case;
use super::rule::Known;
use super::tally::{Claim, Fact, Score, Sure};
use super::told::Told;

pub(crate) fn judge(case: &Case<'_>, score: &mut Score) {
    registration::judge(case, score);
    burst::judge(case, score);
    service::judge(case, score);
    rekey::judge(case, score);
    key_server::judge(case, score);
    data_plane::judge(case, score);
    numbers::judge(case, score);
    schedule::judge(case, score);
    revision::judge(case, score);
}

/// A fact that may be claimed up to `within` before or after it happened.
pub(crate) fn fact(key: String, at: Timestamp, within: Duration, known: Known) -> Fact {
    Fact {
        key,
        at,
        from: at.before(within),
        until: at.after(within),
        known,
    }
}

/// A claim that leaves no doubt.
pub(crate) const fn claim(key: String, at: Timestamp) -> Claim {
    Claim {
        key,
        at,
        sure: Sure::Certain,
        doubtful: false,
    }
}
