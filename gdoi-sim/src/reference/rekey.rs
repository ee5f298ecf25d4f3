//! Rekeys: messages under one cookie pair with one sequence number are one rekey, and the last one under a pair
//! delivered the next pair (RFC 6407 §4.3).

use std::collections::{BTreeMap, BTreeSet};

use gdoi_core::Timestamp;

use super::script::{Act, Script};
use super::{AT_ONCE, COPY, Facts, HOLD, TAP, WINDOW, count, note};

/// One rekey.
pub(super) struct Rekey {
    pub(super) kek: u32,
    sequence: u32,
    /// Times and destinations; for multicast all members are one destination.
    sent: Vec<(Timestamp, usize)>,
}

impl Rekey {
    pub(super) fn begun(&self) -> Timestamp {
        self.sent.first().map(|(at, _)| *at).unwrap_or_default()
    }

    /// The times in which a repeat would still be recognised.
    fn open(&self, until: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let mut open: Vec<(Timestamp, Timestamp)> = Vec::new();
        for &(at, _) in self.sent.iter().filter(|(at, _)| *at <= until) {
            match open.last_mut() {
                Some((_, end)) if at <= *end => *end = at.after(WINDOW),
                _ => open.push((at, at.after(WINDOW))),
            }
        }
        open
    }

    /// The first time from `at` on when no repeat would be recognised.
    fn closed_from(&self, at: Timestamp) -> Timestamp {
        let open = self.open(Timestamp::from_nanos(u64::MAX));
        let during = open.into_iter().find(|(from, until)| *from <= at && at < *until);
        during.map_or(at, |(_, until)| until)
    }

    fn recipients(&self, until: Timestamp) -> BTreeSet<usize> {
        let sent = self.sent.iter().filter(|(at, _)| *at <= until);
        sent.map(|(_, member)| *member).collect()
    }

    fn is_repeated(&self, member: usize, until: Timestamp) -> bool {
        let sent = self.sent.iter().filter(|(at, _)| *at <= until);
        sent.filter(|(_, whom)| *whom == member).count() > 1
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
        // With so many at once, the oldest has to be reported before its end.
        let crowded = rekeys.get(index + AT_ONCE).filter(|other| other.kek == rekey.kek);
        let crowded = crowded.map_or(Timestamp::from_nanos(u64::MAX), Rekey::begun);
        let settled = next.map_or(end, Rekey::begun);
        let told = rekey.closed_from(settled.min(rekey.begun().after(HOLD)));
        // After its report, and with a successor: later messages are only counted.
        let over = next.map(|next| rekey.closed_from(told.max(next.begun())));
        let told = told.min(end).min(crowded);
        let over = over.unwrap_or(crowded).min(crowded);
        ends_of_one(script, &rekeys, index, over, facts);
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

/// The end of a rekey, possibly several times: was it repeated, and which members were sent it again and acknowledged
/// neither it nor a later one?
fn ends_of_one(script: &Script, rekeys: &[Rekey], index: usize, over: Timestamp, facts: &mut Facts) {
    let Some(rekey) = rekeys.get(index) else { return };
    let (mut repeated, mut named) = (false, BTreeSet::new());
    for (_, at) in rekey.open(over) {
        if at > script.end.min(over) {
            continue;
        }
        let recipients = rekey.recipients(at);
        let repeats = rekey.repeats(at);
        if repeats > 0 && !repeated {
            repeated = true;
            note(facts, at, &format!("repeated {repeats} to {}", recipients.len()));
        }
        let all = acknowledgements(script, rekeys, at);
        if script.multicast || all.is_empty() {
            continue;
        }
        for member in recipients
            .into_iter()
            .filter(|member| rekey.is_repeated(*member, at))
        {
            let has = all
                .iter()
                .any(|&(whose, sequence)| whose == member && sequence >= rekey.sequence);
            if !has && named.insert(member) {
                note(facts, at, &format!("member {member} has not acknowledged"));
            }
        }
    }
}

/// Every rekey, with its messages, without copies made by the network.
pub(super) fn rekeys(script: &Script) -> Vec<Rekey> {
    let mut rekeys: Vec<Rekey> = Vec::new();
    // The last rekey that each member acknowledged.
    let mut acknowledged: BTreeMap<usize, u32> = BTreeMap::new();
    for &(at, act) in &script.acts {
        if let Act::Acknowledgement { member, kek } = act
            && let Some(latest) = latest(&rekeys, kek, at)
        {
            acknowledged.insert(member, latest.sequence);
        }
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
        // Nobody repeats so fast, nor after an acknowledgement: that is a copy, by the network or another tap.
        let has_it = !script.multicast && acknowledged.get(&member) == Some(&sequence);
        let copied = if has_it { TAP } else { COPY };
        if before.is_none_or(|(before, _)| at.since(*before) >= copied) {
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
        let latest = latest(rekeys, kek, at)?;
        (at <= until).then_some((member, latest.sequence))
    };
    script.acts.iter().filter_map(one).collect()
}

/// The latest rekey under a KEK before a time.
fn latest(rekeys: &[Rekey], kek: u32, at: Timestamp) -> Option<&Rekey> {
    rekeys
        .iter()
        .rfind(|rekey| rekey.kek == kek && rekey.begun() < at)
}

fn of<'a>(all: &'a [(usize, u32)], rekey: &Rekey) -> impl Iterator<Item = usize> + use<'a> {
    let sequence = rekey.sequence;
    all.iter()
        .filter(move |(_, of)| *of == sequence)
        .map(|(member, _)| *member)
}
