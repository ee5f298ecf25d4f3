//! Compares the tracker with a slow, obvious reference model of a group.
//!
//! The model keeps the whole list of observations and searches all of it for every question: no tables, no timers, no
//! eviction, no state from one message to the next. Scripts are made from any octets, within the limits in `script`;
//! if the two disagree, one of them is wrong.

mod data_plane;
mod registration;
mod rekey;
mod script;
mod tracked;

use std::collections::BTreeMap;
use std::time::Duration;

use gdoi_core::Timestamp;

use script::Script;
use tracked::Tracked;

/// After this silence no repeat of a rekey is expected: Cisco's repeat interval of ten seconds, a quarter of it, and
/// two seconds of transit.
const WINDOW: Duration = Duration::from_millis(14_500);
/// Maximum distance of two copies of one message made by the network.
const COPY: Duration = Duration::from_millis(500);
/// Maximum distance of two copies of an acknowledged message made by two taps.
const TAP: Duration = Duration::from_secs(5);
/// How long a rekey is held back for its content before it is reported.
const HOLD: Duration = Duration::from_mins(1);
/// Silence after which a registration has failed; also repeats without progress.
const STALL: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_mins(2);
/// If an attempt is unanswered for longer, the member's next attempt means that it gave up this one.
const ANSWER: Duration = Duration::from_secs(4);
/// Rekeys under one KEK that are tracked at once.
const AT_ONCE: usize = 8;

/// Facts and their number; with a time if that is determined.
type Facts = BTreeMap<String, u64>;

/// Feeds the script in `octets` to the tracker, and compares its reports with the model.
///
/// # Panics
///
/// If they disagree.
pub fn check(octets: &[u8]) {
    let script = Script::decode(octets);
    let mut tracked = Tracked::of(&script);
    let mut expect = Facts::new();
    registration::facts(&script, &mut expect);
    rekey::facts(&script, &mut expect);
    let is_open = data_plane::facts(&script, &mut expect);
    if is_open {
        for facts in [&mut tracked.facts, &mut expect] {
            facts.retain(|fact, _| !data_plane::is_about_changes(fact));
        }
    }
    assert_eq!(tracked.facts, expect, "{script:#?}");
}

fn note(facts: &mut Facts, at: Timestamp, what: &str) {
    count(facts, format!("{:012.6} {what}", seconds(at)), 1);
}

fn count(facts: &mut Facts, what: String, more: u64) {
    *facts.entry(what).or_default() += more;
}

fn seconds(at: Timestamp) -> f64 {
    at.since(script::START).as_secs_f64()
}
