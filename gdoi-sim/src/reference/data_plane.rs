//! ESP: after a rekey, a new SPI replaces the one in use, and overlaps with it until the old TEK ends.

use std::time::Duration;

use gdoi_core::Timestamp;

use super::rekey::{Rekey, rekeys};
use super::script::{Act, Script};
use super::{Facts, count, note};

/// An old SPI is in use until it has been silent for this long, or for three of its usual silences.
const IN_USE: Duration = Duration::from_secs(130);
/// Overlap of TEKs that are renewed as often as possible; the next constant is for an unknown interval.
const SHORTEST_OVERLAP: Duration = Duration::from_secs(90 + 125 + 30);
const LONGEST_OVERLAP: Duration = Duration::from_secs(600 + 30);
const CHANGES: &str = "changes of the SPI";
const REPLACES: &str = "takes the place of";
/// A longer silence does not count as a usual one.
const THINNEST: Duration = Duration::from_mins(20);

/// Facts that depend on the rekey interval that the tracker assumes.
pub(super) fn is_about_changes(fact: &str) -> bool {
    fact.ends_with(CHANGES) || fact.contains(REPLACES)
}

/// Whether the changes are undetermined: an SPI came so late after a rekey that its attribution depends on the rekey
/// interval, about which the tracker knows more than this model.
pub(super) fn facts(script: &Script, facts: &mut Facts) -> bool {
    let mut is_open = false;
    let mut replaced: Vec<u32> = Vec::new();
    let mut changes = 0;
    let rekeys = rekeys(script);
    for (index, &(at, act)) in script.acts.iter().enumerate() {
        let (Act::Esp { spi }, Some(before)) = (act, script.acts.get(..index)) else {
            continue;
        };
        if uses(before, spi).next().is_some() {
            continue;
        }
        let known = rekeys.partition_point(|rekey| rekey.begun() <= at);
        let Some((latest, earlier)) = rekeys.get(..known).and_then(<[Rekey]>::split_last) else {
            continue;
        };
        let rekeyed = latest.begun();
        is_open |= (SHORTEST_OVERLAP..LONGEST_OVERLAP).contains(&at.since(rekeyed));
        if at.since(rekeyed) > overlap(earlier, latest) {
            continue;
        }
        let last = |old: u32| uses(before, old).last();
        let before_rekey = |old: &u32| {
            let first = uses(before, *old).next();
            !replaced.contains(old) && first.is_some_and(|first| first < rekeyed)
        };
        let in_use = |old: &u32| {
            let patience = IN_USE.max(3 * usual_silence(before, *old));
            last(*old).is_some_and(|last| at.since(last) <= patience)
        };
        let all: Vec<u32> = (0x1000..0x1008).filter(before_rekey).collect();
        let mut old: Vec<u32> = all.iter().copied().filter(in_use).collect();
        if old.is_empty() {
            // A site that was silent meanwhile used this one last.
            old.extend(all.into_iter().max_by_key(|spi| last(*spi)));
        }
        if old.is_empty() {
            continue;
        }
        changes += 1;
        let only = match old[..] {
            [only] => Some(only),
            _ => None,
        };
        replaced.extend(only);
        note(facts, at, &format!("{spi:x} {REPLACES} {only:x?}"));
    }
    count(facts, CHANGES.to_owned(), changes);
    is_open
}

/// How long after a rekey the old TEK lasts at most. A key server sends the rekey 5 % of the lifetime before its end,
/// at least 90 s, and up to 125 s earlier for repeats and batches; the last packet may be half a minute late. While
/// the time between rekeys is unknown, a TEK of one hour is assumed, and twice its lead.
fn overlap(earlier: &[Rekey], latest: &Rekey) -> Duration {
    let all: Vec<&Rekey> = earlier.iter().chain([latest]).collect();
    // A rekey is known to have delivered TEKs once the next one comes under the same KEK.
    let between: Vec<Duration> = all
        .windows(3)
        .filter(|three| matches!(three, [a, b, c] if a.kek == b.kek && b.kek == c.kek))
        .filter_map(|three| Some(three.get(1)?.begun().since(three.first()?.begun())))
        .collect();
    let lately = between.get(between.len().saturating_sub(8)..).unwrap_or_default();
    let agreed = match (lately.iter().min(), lately.iter().max()) {
        (Some(shortest), Some(longest)) if lately.len() > 1 && *longest <= *shortest * 5 / 4 => {
            Some(*longest)
        }
        _ => None,
    };
    let lead = agreed.map_or(Duration::from_mins(10), |interval| {
        (interval / 19).max(Duration::from_secs(90)) + Duration::from_secs(125)
    });
    lead + Duration::from_secs(30)
}

/// The longest silence between the packets of an SPI, in milliseconds. Older silences lose an eighth with every
/// packet.
fn usual_silence(acts: &[(Timestamp, Act)], spi: u32) -> Duration {
    let all: Vec<Timestamp> = uses(acts, spi).collect();
    let usual = all.windows(2).fold(0, |usual, pair| match pair {
        [one, two] if two.since(*one) <= THINNEST => two.since(*one).as_millis().max(usual - usual / 8),
        _ => usual,
    });
    Duration::from_millis(u64::try_from(usual).unwrap_or(u64::MAX))
}

/// The times at which an SPI was used.
fn uses(acts: &[(Timestamp, Act)], spi: u32) -> impl Iterator<Item = Timestamp> {
    acts.iter()
        .filter(move |(_, act)| *act == Act::Esp { spi })
        .map(|(at, _)| *at)
}
