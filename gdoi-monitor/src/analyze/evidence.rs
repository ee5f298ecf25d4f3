//! The frames that prove a report: the latest of each sender, receiver and KEK, in bounded memory.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};

use gdoi_core::Transition;
use gdoi_core::transition::{Cookies, What};

use crate::report::SeenMessage;
use gdoi_core::transition::FrameId;

/// A registration with main mode has ten messages.
const MOST_FRAMES: usize = 10;
/// Peers whose frames are kept, and KEKs: some hundred octets each.
const PEERS: usize = 50_000;
const KEKS: usize = 8_192;

/// The latest frames of all peers.
pub(super) struct EvidenceIndex {
    members: Latest<SocketAddr, MemberFrames>,
    senders: Latest<IpAddr, Few>,
    keks: Latest<Cookies, KekFrames>,
    /// The KEK of each group, as events name it, and its predecessor.
    groups: HashMap<String, (Cookies, Option<Cookies>)>,
}

/// A few frames, oldest first.
type Few = VecDeque<FrameId>;

#[derive(Default)]
struct MemberFrames {
    /// Of phase 1 and of the registration that follows it.
    registration: Few,
    rekeys: Rekeys,
    /// The last message of each earlier registration.
    completed: Few,
}

#[derive(Default)]
struct KekFrames {
    first: Option<FrameId>,
    rekeys: Rekeys,
}

/// Rekeys to one member, or under one KEK.
#[derive(Default)]
struct Rekeys {
    /// The first message of each.
    each: Few,
    /// The messages of the latest rekey, and what identifies it.
    latest: Few,
    fingerprint: Option<[u8; 16]>,
}

impl Rekeys {
    fn see(&mut self, seen_message: &SeenMessage) {
        if self.each.is_empty() || self.fingerprint.is_none() || self.fingerprint != seen_message.fingerprint
        {
            keep(&mut self.each, seen_message.frame);
            self.latest.clear();
        }
        self.fingerprint = seen_message.fingerprint;
        keep(&mut self.latest, seen_message.frame);
    }
}

impl EvidenceIndex {
    pub(super) fn new() -> Self {
        Self {
            members: Latest::new(PEERS),
            senders: Latest::new(PEERS),
            keks: Latest::new(KEKS),
            groups: HashMap::new(),
        }
    }

    /// Handles a message.
    pub(super) fn see(&mut self, seen_message: &SeenMessage) {
        let frame = seen_message.frame;
        keep(self.senders.entry(seen_message.source.ip()), frame);
        if seen_message.is_rekey() {
            let kek = self.keks.entry(seen_message.cookies);
            kek.first.get_or_insert(frame);
            kek.rekeys.see(seen_message);
            self.members
                .entry(seen_message.destination)
                .rekeys
                .see(seen_message);
        } else if !seen_message.may_acknowledge() {
            // Which of the two is the member is known later; a list for the key server itself is never used.
            for end in [seen_message.source, seen_message.destination] {
                keep(&mut self.members.entry(end).registration, frame);
            }
        }
    }

    /// The frames that prove a transition, in order. `now` is the frame that caused it; `None` if elapsed time caused
    /// it.
    pub(super) fn prove(&mut self, transition: &Transition, now: Option<FrameId>) -> Vec<FrameId> {
        let mut proof: Vec<FrameId> = self.recall(transition);
        proof.extend(now);
        proof.sort_unstable();
        proof.dedup();
        self.remember(transition, now);
        let beyond = proof.len().saturating_sub(MOST_FRAMES);
        proof.split_off(beyond)
    }

    fn recall(&mut self, transition: &Transition) -> Vec<FrameId> {
        let member = transition.member.and_then(|member| self.members.get(&member));
        match &transition.what {
            What::RegistrationStarted(_)
            | What::RegistrationFailed(_)
            | What::RegistrationCompleted(_)
            | What::ReRegistration(_) => frames(member.map(|member| &member.registration)),
            What::DoubleReregistration(_) => frames(member.map(|member| &member.completed)),
            What::RekeyUnacknowledged(_) => frames(member.map(|member| &member.rekeys.latest)),
            What::MemberLost(_) => frames(member.map(|member| &member.rekeys.each)),
            What::RekeyRetransmitted(repeated) => {
                frames(self.keks.get(&repeated.cookies).map(|kek| &kek.rekeys.latest))
            }
            What::Rekey(rekey) => frames(self.keks.get(&rekey.cookies).map(|kek| &kek.rekeys.latest)),
            What::KekExpired(expired) => self.kek(&expired.cookies),
            What::KekOverAge(over) => self.kek(&over.cookies),
            What::KekChanged(changed) => [self.kek(&changed.from), self.kek(&changed.to)].concat(),
            What::KekSplit(split) => [self.kek(&split.first), self.kek(&split.second)].concat(),
            What::KeyServerChanged(changed) => [self.sender(changed.from), self.sender(changed.to)].concat(),
            What::CoopSilent(_) => transition
                .key_server
                .map_or_else(Vec::new, |silent| self.sender(silent)),
            What::RekeyOverdue(_) | What::KekBehavior(_) => self.group(transition.group.as_deref()),
            _ => Vec::new(),
        }
    }

    fn remember(&mut self, transition: &Transition, now: Option<FrameId>) {
        let cookies = match &transition.what {
            What::RegistrationCompleted(_) => {
                if let (Some(member), Some(now)) = (transition.member, now) {
                    keep(&mut self.members.entry(member).completed, now);
                }
                return;
            }
            What::GroupDiscovered(discovered) => discovered.cookies,
            What::KekChanged(changed) => changed.to,
            What::Rekey(rekey) => rekey.cookies,
            _ => return,
        };
        let Some(group) = &transition.group else {
            return;
        };
        let known = self.groups.entry(group.clone()).or_insert((cookies, None));
        if known.0 != cookies {
            *known = (cookies, Some(known.0));
        }
    }

    /// The rekeys sent under a KEK.
    fn kek(&self, cookies: &Cookies) -> Vec<FrameId> {
        let Some(kek) = self.keks.get(cookies) else {
            return Vec::new();
        };
        let KekFrames { first, rekeys } = kek;
        let last = rekeys.latest.back();
        first.iter().chain(&rekeys.each).chain(last).copied().collect()
    }

    fn group(&self, name: Option<&str>) -> Vec<FrameId> {
        let Some((cookies, before)) = name.and_then(|name| self.groups.get(name)) else {
            return Vec::new();
        };
        before
            .iter()
            .chain([cookies])
            .flat_map(|kek| self.kek(kek))
            .collect()
    }

    fn sender(&self, address: IpAddr) -> Vec<FrameId> {
        let last = self.senders.get(&address).and_then(VecDeque::back);
        last.copied().into_iter().collect()
    }
}

fn frames(few: Option<&Few>) -> Vec<FrameId> {
    few.into_iter().flatten().copied().collect()
}

fn keep(few: &mut Few, frame: FrameId) {
    if few.len() >= MOST_FRAMES {
        few.pop_front();
    }
    few.push_back(frame);
}

/// A table of recent entries: when it is half full, entries not used since the last time are dropped.
struct Latest<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Eq + Hash + Copy, V: Default> Latest<K, V> {
    fn new(capacity: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: (capacity / 2).max(1),
        }
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    fn entry(&mut self, key: K) -> &mut V {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        let old = &mut self.old;
        self.young
            .entry(key)
            .or_insert_with(|| old.remove(&key).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_room_is_bounded() {
        let mut latest: Latest<u32, u32> = Latest::new(8);
        for key in 0..1_000 {
            *latest.entry(7_777) += 1;
            *latest.entry(key) += 1;
            assert!(latest.young.len() + latest.old.len() <= 8);
        }
        assert_eq!(latest.get(&7_777), Some(&1_000));
        assert_eq!(latest.get(&999), Some(&1));
        assert_eq!(latest.get(&0), None);
    }
}
