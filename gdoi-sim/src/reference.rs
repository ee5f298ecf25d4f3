//! The tracker against a slow, obvious model of what is to be said of a group.
//!
//! The model has the whole list of what was seen and looks at all of it for every question: no tables, no timers, no
//! eviction, nothing carried from one message to the next. Scripts are made from any octets, within the bounds that
//! `script` names; where the two disagree, one of them is wrong.

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

/// Silence after which no repeat of a rekey is expected: the interval of ten seconds between Cisco's repeats, a quarter
/// of it, and two seconds for the way.
const WINDOW: Duration = Duration::from_millis(14_500);
/// Two copies of one message that the network made are not further apart.
const COPY: Duration = Duration::from_millis(500);
/// Nor two copies that two taps made of a message that was acknowledged.
const TAP: Duration = Duration::from_secs(5);
/// What a rekey delivered is waited for as long, before it is told.
const HOLD: Duration = Duration::from_mins(1);
/// Silence after which a registration has failed; and repeats without progress.
const STALL: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_mins(2);
/// Without an answer for longer, an attempt has been given up by a member that makes another.
const ANSWER: Duration = Duration::from_secs(4);
/// Rekeys under one KEK that are followed at once.
const AT_ONCE: usize = 8;

/// What happened, and how often; with its time where that is a fact and not a choice.
type Facts = BTreeMap<String, u64>;

/// Plays the script in `octets` to the tracker, and compares what it says with the model.
///
/// # Panics
///
/// When they disagree.
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
