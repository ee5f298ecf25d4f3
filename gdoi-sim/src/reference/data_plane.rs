//! ESP: after a rekey, a new SPI takes the place of the one that was in use before it, and overlaps with it.

use gdoi_core::Timestamp;

use super::script::{Act, Script};
use super::{Facts, LAG, count, note};

pub(super) fn facts(script: &Script, facts: &mut Facts) {
    let mut replaced: Vec<u32> = Vec::new();
    let mut changes = 0;
    for (index, &(at, act)) in script.acts.iter().enumerate() {
        let (Act::Esp { spi }, Some(before)) = (act, script.acts.get(..index)) else {
            continue;
        };
        if uses(before, spi).next().is_some() {
            continue;
        }
        let Some(rekeyed) = rekeyed(before).filter(|rekeyed| at.since(*rekeyed) <= LAG) else {
            continue;
        };
        let takes_place_of = |old: &u32| {
            let first = uses(before, *old).next();
            let last = uses(before, *old).last();
            !replaced.contains(old)
                && first.is_some_and(|first| first < rekeyed)
                && last.is_some_and(|last| at.since(last) <= LAG)
        };
        let old: Vec<u32> = (0x1000..0x1008).filter(takes_place_of).collect();
        if old.is_empty() {
            continue;
        }
        changes += 1;
        let only = match old[..] {
            [only] => Some(only),
            _ => None,
        };
        replaced.extend(only);
        note(facts, at, &format!("{spi:x} takes the place of {only:x?}"));
    }
    count(facts, "changes of the SPI".to_owned(), changes);
}

/// When an SPI was used.
fn uses(acts: &[(Timestamp, Act)], spi: u32) -> impl Iterator<Item = Timestamp> {
    acts.iter()
        .filter(move |(_, act)| *act == Act::Esp { spi })
        .map(|(at, _)| *at)
}

/// When the latest rekey began.
fn rekeyed(acts: &[(Timestamp, Act)]) -> Option<Timestamp> {
    let sequence_of = |act: &Act| match act {
        Act::Push { sequence, .. } => Some(*sequence),
        _ => None,
    };
    let latest = acts.iter().filter_map(|(_, act)| sequence_of(act)).max()?;
    let first = acts.iter().find(|(_, act)| sequence_of(act) == Some(latest));
    first.map(|(at, _)| *at)
}
