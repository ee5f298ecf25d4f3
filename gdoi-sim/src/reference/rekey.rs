//! Rekeys: all messages under one pair of cookies with one sequence number are one rekey, and the last one under a
//! pair delivered the next (RFC 6407 §4.3).

use std::collections::BTreeSet;

use gdoi_core::Timestamp;

use super::script::{Act, Script};
use super::{AT_ONCE, COPY, Facts, HOLD, WINDOW, count, note};

/// One rekey.
pub(super) struct Rekey {
    pub(super) kek: u32,
    sequence: u32,
    /// When, and to whom; all members are one destination to multicast.
    sent: Vec<(Timestamp, usize)>,
}

impl Rekey {
    pub(super) fn begun(&self) -> Timestamp {
        self.sent.first().map(|(at, _)| *at).unwrap_or_default()
    }

    /// When nothing more of it was to be expected.
    fn closed(&self) -> Timestamp {
        let mut last = self.begun();
        for &(at, _) in &self.sent {
            if at <= last.after(WINDOW) {
                last = at;
            }
        }
        last.after(WINDOW)
    }

    fn recipients(&self, until: Timestamp) -> BTreeSet<usize> {
        let sent = self.sent.iter().filter(|(at, _)| *at <= until);
        sent.map(|(_, member)| *member).collect()
    }

    fn repeats(&self, until: Timestamp) -> usize {
        let sent = self.sent.iter().filter(|(at, _)| *at <= until).count();
        sent - self.recipients(until).len()
    }
}

pub(super) fn facts(script: &Script, facts: &mut Facts) {
    let rekeys = rekeys(script);
    for (index, rekey) in rekeys.iter().enumerate() {
        let next = rekeys.get(index + 1);
        let end = script.end;
        let closed = rekey.closed();
        // With so many at once, the oldest has to be told before its end.
        let crowded = rekeys.get(index + AT_ONCE).filter(|other| other.kek == rekey.kek);
        let crowded = crowded.map_or(Timestamp::from_nanos(u64::MAX), Rekey::begun);
        if closed <= end.min(crowded) {
            end_of_one(script, &rekeys, index, facts);
        }
        let settled = next.map_or(end, Rekey::begun);
        let told = closed
            .max(settled.min(rekey.begun().after(HOLD)))
            .min(end)
            .min(crowded);
        let all = acknowledgements(script, &rekeys, told);
        let mine: BTreeSet<usize> = of(&all, rekey).collect();
        let acknowledged = (!all.is_empty()).then_some(mine.len());
        let what = format!(
            "rekey {} to {}, repeats {}, acknowledged {acknowledged:?}",
            rekey.sequence,
            rekey.recipients(told).len(),
            rekey.repeats(told)
        );
        note(facts, told, &what);
        let kind = match next {
            None => "unknown",
            Some(next) if next.kek == rekey.kek => "tek",
            Some(_) => "kek",
        };
        count(facts, format!("rekey {} was {kind}", rekey.sequence), 1);
    }
    let repeats: usize = rekeys.iter().map(|rekey| rekey.repeats(script.end)).sum();
    count(facts, "repeats".to_owned(), repeats as u64);
    let all = acknowledgements(script, &rekeys, script.end);
    count(facts, "acknowledgements".to_owned(), all.len() as u64);
    let changes = rekeys
        .windows(2)
        .filter(|pair| matches!(pair, [one, two] if one.kek != two.kek));
    count(facts, "changes of the KEK".to_owned(), changes.count() as u64);
}

/// Nothing more came of a rekey: was it repeated, and who had not acknowledged it, or a later one?
fn end_of_one(script: &Script, rekeys: &[Rekey], index: usize, facts: &mut Facts) {
    let Some(rekey) = rekeys.get(index) else { return };
    let at = rekey.closed();
    let recipients = rekey.recipients(at);
    let repeats = rekey.repeats(at);
    if repeats > 0 {
        note(facts, at, &format!("repeated {repeats} to {}", recipients.len()));
    }
    let all = acknowledgements(script, rekeys, at);
    if script.multicast || all.is_empty() {
        return;
    }
    for member in recipients {
        let has = all
            .iter()
            .any(|&(whose, sequence)| whose == member && sequence >= rekey.sequence);
        if !has {
            note(facts, at, &format!("member {member} has not acknowledged"));
        }
    }
}

/// Every rekey, with what was sent of it, without copies that the network made.
pub(super) fn rekeys(script: &Script) -> Vec<Rekey> {
    let mut rekeys: Vec<Rekey> = Vec::new();
    for &(at, act) in &script.acts {
        let Act::Push {
            member,
            kek,
            sequence,
        } = act
        else {
            continue;
        };
        let to = if script.multicast { 0 } else { member };
        let known = rekeys
            .iter_mut()
            .find(|rekey| rekey.kek == kek && rekey.sequence == sequence);
        let Some(rekey) = known else {
            rekeys.push(Rekey {
                kek,
                sequence,
                sent: vec![(at, to)],
            });
            continue;
        };
        let before = rekey.sent.iter().rfind(|(_, whom)| *whom == to);
        if before.is_none_or(|(before, _)| at.since(*before) >= COPY) {
            rekey.sent.push((at, to));
        }
    }
    rekeys
}

/// Acknowledgements until a time: by whom, and of which rekey: the latest under those cookies.
fn acknowledgements(script: &Script, rekeys: &[Rekey], until: Timestamp) -> Vec<(usize, u32)> {
    let one = |&(at, act): &(Timestamp, Act)| {
        let Act::Acknowledgement { member, kek } = act else {
            return None;
        };
        let latest = rekeys
            .iter()
            .rfind(|rekey| rekey.kek == kek && rekey.begun() < at)?;
        (at <= until).then_some((member, latest.sequence))
    };
    script.acts.iter().filter_map(one).collect()
}

fn of<'a>(all: &'a [(usize, u32)], rekey: &Rekey) -> impl Iterator<Item = usize> + use<'a> {
    let sequence = rekey.sequence;
    all.iter()
        .filter(move |(_, of)| *of == sequence)
        .map(|(member, _)| *member)
}
