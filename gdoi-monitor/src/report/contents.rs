//! The contents of captures, reported before any finding.

mod object;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use gdoi_core::{Snapshot, Timestamp};
use gdoi_wire::layers::{Layer, Layers, LinkType, NotRead};
use gdoi_wire::record::Counters;
use gdoi_wire::{Class, ParseError};
use serde::Serialize;

use super::text::length;
use crate::source::pcap::{ClockNote, ClockNotes};
use crate::text::{counted, grouped};
use crate::time::Calendar;
pub(super) use object::CaptureObject;

/// Maximum number of kinds counted separately, and of kinds printed.
const MOST_KINDS: usize = 256;
const MOST_TOLD: usize = 8;
/// Pairs of addresses: some 5 MB.
const MOST_PAIRS: usize = 50_000;
const MOST_EXAMPLES: usize = 5;

/// The contents of the captures, bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// Frames.
    pub(crate) frames: u64,
    /// The first and the last moment.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
    /// What the kernel would have counted.
    pub(crate) counters: Counters,
    /// Frames of each link layer.
    pub(crate) links: BTreeMap<LinkType, u64>,
    /// Packets of monitored protocols in encapsulations.
    pub(crate) carried: KindCounts<Layers>,
    /// Frames that were not read.
    pub(crate) not_read: KindCounts<NotRead>,
    /// ISAKMP messages on ports that are not configured.
    pub(crate) elsewhere: KindCounts<u16>,
    /// Frames that were cut.
    pub(crate) cut: u64,
    /// ISAKMP messages and ESP packets of which too little was kept.
    pub(crate) cut_messages: u64,
    pub(crate) cut_esp: u64,
    /// Snap lengths, where captures have one.
    pub(crate) snap_lengths: BTreeSet<u32>,
    /// Frames that the recorders report as lost.
    pub(crate) dropped: u64,
    /// Times without a recording.
    pub(crate) holes: Holes,
    /// Corrections of times, by capture.
    pub(crate) clocks: Vec<(u32, ClockNotes)>,
    pub(crate) directions: Directions,
}

/// Times without a recording: the first ones, and their number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holes {
    windows: Vec<(Timestamp, Timestamp)>,
    count: u64,
}

impl Holes {
    pub(crate) fn add(&mut self, from: Timestamp, until: Timestamp) {
        self.count += 1;
        if self.windows.len() < MOST_TOLD {
            self.windows.push((from, until));
        }
    }

    #[cfg(test)]
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    fn words(&self) -> Option<String> {
        let windows = self.windows.iter().map(|(from, until)| {
            let date = Calendar::EPOCH.date(*from);
            format!("{} from {date:.3}", length(until.since(*from)))
        });
        let mut words: Vec<String> = windows.collect();
        let (first, beyond) = (
            words.first_mut()?,
            self.count.saturating_sub(self.windows.len() as u64),
        );
        first.insert_str(0, "nothing was recorded for ");
        if beyond > 0 {
            words.push(format!("and {} more", times(beyond)));
        }
        Some(format!("{}: absences then are uncertain", words.join(", ")))
    }
}

/// Counts by kind for a limited number of kinds; the rest is counted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KindCounts<K> {
    counts: BTreeMap<K, u64>,
    others: u64,
}

impl<K> Default for KindCounts<K> {
    fn default() -> Self {
        Self {
            counts: BTreeMap::new(),
            others: 0,
        }
    }
}

impl<K: Ord + Copy> KindCounts<K> {
    pub(crate) fn add(&mut self, key: K) {
        if let Some(count) = self.counts.get_mut(&key) {
            *count += 1;
        } else if self.counts.len() < MOST_KINDS {
            self.counts.insert(key, 1);
        } else {
            self.others += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The most frequent first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, u64)> {
        let mut counts: Vec<_> = self.counts.iter().map(|(key, count)| (*key, *count)).collect();
        counts.sort_by_key(|(key, count)| (std::cmp::Reverse(*count), *key));
        counts.into_iter()
    }

    /// As text: each kind with its count, then the rest.
    fn words(&self, each: impl Fn(K, u64) -> String) -> String {
        let mut words: Vec<String> = self
            .iter()
            .take(MOST_TOLD)
            .map(|(key, count)| each(key, count))
            .collect();
        let rest = self.others + self.iter().skip(MOST_TOLD).map(|(_, count)| count).sum::<u64>();
        if rest > 0 {
            words.push(format!("{} of others", grouped(rest)));
        }
        words.join(", ")
    }
}

/// Which directions were seen between pairs of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Directions {
    /// By the smaller address and the greater: messages from the first, and to it.
    pairs: HashMap<(IpAddr, IpAddr), [u64; 2]>,
    /// Messages of pairs beyond the limit.
    beyond: u64,
}

/// For one key server: with how many members which directions were seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SeenDirections {
    pub(crate) key_server: IpAddr,
    /// Members with which messages were seen both ways.
    pub(crate) both: u64,
    /// Members that messages were only seen to.
    pub(crate) only_to_member: u64,
    /// Members that messages were only seen from.
    pub(crate) only_from_member: u64,
    /// The first members with only one direction.
    pub(crate) examples: Vec<IpAddr>,
}

impl Directions {
    /// Counts a message.
    pub(crate) fn see(&mut self, source: IpAddr, destination: IpAddr) {
        if destination.is_multicast() {
            return;
        }
        let is_from_greater = source > destination;
        let pair = if is_from_greater {
            (destination, source)
        } else {
            (source, destination)
        };
        let has_room = self.pairs.len() < MOST_PAIRS;
        if let Some(counts) = self.pairs.get_mut(&pair) {
            if let Some(count) = counts.get_mut(usize::from(is_from_greater)) {
                *count += 1;
            }
        } else if has_room {
            let counts = if is_from_greater { [0, 1] } else { [1, 0] };
            self.pairs.insert(pair, counts);
        } else {
            self.beyond += 1;
        }
    }

    /// The directions seen of each key server.
    pub(crate) fn by_key_server(&self, snapshot: &Snapshot) -> Vec<SeenDirections> {
        let groups = snapshot.groups.values();
        let servers: BTreeSet<IpAddr> = groups
            .flat_map(|group| group.key_servers.keys().copied())
            .filter(|address| !address.is_unspecified())
            .collect();
        let mut seen: BTreeMap<IpAddr, SeenDirections> = BTreeMap::new();
        let mut pairs: Vec<_> = self.pairs.iter().collect();
        pairs.sort();
        for ((smaller, greater), [from_smaller, from_greater]) in pairs {
            let (key_server, member, to_member, from_member) =
                match (servers.contains(smaller), servers.contains(greater)) {
                    (true, false) => (smaller, greater, from_smaller, from_greater),
                    (false, true) => (greater, smaller, from_greater, from_smaller),
                    // Between key servers, or unknown peers.
                    _ => continue,
                };
            let visibility = seen.entry(*key_server).or_insert_with(|| SeenDirections {
                key_server: *key_server,
                both: 0,
                only_to_member: 0,
                only_from_member: 0,
                examples: Vec::new(),
            });
            match (to_member, from_member) {
                (1.., 1..) => {
                    visibility.both += 1;
                    continue;
                }
                (_, 0) => visibility.only_to_member += 1,
                (0, _) => visibility.only_from_member += 1,
            }
            if visibility.examples.len() < MOST_EXAMPLES {
                visibility.examples.push(*member);
            }
        }
        seen.into_values().collect()
    }
}

impl SeenDirections {
    /// Whether only one direction was seen with some member: silence in the other proves nothing.
    pub(crate) const fn is_one_way(&self) -> bool {
        self.both == 0
    }

    fn words(&self) -> String {
        let Self {
            key_server,
            both,
            only_to_member,
            only_from_member,
            examples,
        } = self;
        let one_way = |count: u64, direction: &str| match (count, both) {
            (0, _) => None,
            (_, 0) => Some(format!(
                "only {direction} is seen here, with {}",
                counted(count, "member")
            )),
            _ => Some(format!("only {direction} with {}", counted(count, "member"))),
        };
        let mut parts: Vec<String> = Vec::new();
        if *both > 0 {
            parts.push(format!("both directions with {}", counted(*both, "member")));
        }
        parts.extend(one_way(*only_to_member, "key server to member"));
        parts.extend(one_way(*only_from_member, "member to key server"));
        let examples: Vec<String> = examples.iter().map(IpAddr::to_string).collect();
        let named = if examples.is_empty() {
            String::new()
        } else {
            format!(" ({})", examples.join(", "))
        };
        format!("{key_server}: {}{named}", parts.join(", "))
    }
}

impl Contents {
    /// Counts packets of a class, and the octets of their frames.
    pub(crate) fn count(&mut self, class: Class, packets: u64, octets: u64) {
        let class = class as usize;
        if let Some(counted) = self.counters.packets.get_mut(class) {
            *counted += packets;
        }
        if let Some(counted) = self.counters.octets.get_mut(class) {
            *counted = counted.saturating_add(octets);
        }
    }

    /// Whether there was any GDOI message.
    pub(crate) fn has_gdoi(&self) -> bool {
        self.counters
            .packets
            .first()
            .is_some_and(|messages| *messages > 0)
    }

    /// The contents as text: a line for each subject that applies.
    pub(crate) fn words(&self, snapshot: &Snapshot, files: &[String]) -> Vec<(&'static str, String)> {
        let mut told = Vec::new();
        let mut say = |subject, words: String| told.push((subject, words));
        if !self.links.is_empty() {
            let links: Vec<String> = self
                .links
                .iter()
                .map(|(link, frames)| format!("{link} {}", grouped(*frames)))
                .collect();
            say("link types", links.join(", "));
        }
        if !self.carried.is_empty() {
            say(
                "carried in",
                self.carried
                    .words(|layers, count| format!("{} {}", names(layers).join(" > "), grouped(count))),
            );
        }
        if !self.not_read.is_empty() {
            say(
                "not read",
                self.not_read
                    .words(|what, count| format!("{} of {what}", counted(count, "frame"))),
            );
        }
        let misses = ParseError::ALL.iter().zip(self.counters.parse_errors);
        let misses: Vec<String> = misses
            .filter(|(_, count)| *count > 0)
            .map(|(miss, count)| format!("{} {}", miss.name(), grouped(count)))
            .collect();
        if !misses.is_empty() {
            say("unreadable", misses.join(", "));
        }
        if self.cut > 0 {
            say("snap length", self.snap_words());
        }
        if self.dropped > 0 {
            say(
                "lost",
                format!("{}, as reported by the recorder", counted(self.dropped, "frame")),
            );
        }
        if let Some(words) = self.holes.words() {
            say("holes", words);
        }
        for (file, notes) in &self.clocks {
            let name = if files.len() > 1 {
                super::name_of(*file, files)
            } else {
                ""
            };
            for words in clock_words(notes) {
                say(
                    "clock",
                    if name.is_empty() {
                        words
                    } else {
                        format!("{name}: {words}")
                    },
                );
            }
        }
        if !self.elsewhere.is_empty() {
            let ports = self
                .elsewhere
                .words(|port, count| format!("{} on port {port}", counted(count, "message")));
            say("elsewhere", format!("ISAKMP: {ports}; --isakmp-port reads them"));
        }
        for visibility in self.directions.by_key_server(snapshot) {
            say("directions", visibility.words());
        }
        told
    }

    fn snap_words(&self) -> String {
        let lengths: Vec<String> = self.snap_lengths.iter().map(u32::to_string).collect();
        let mut words = format!("{} cut", counted(self.cut, "frame"));
        if !lengths.is_empty() {
            words = format!("{} bytes: {words}", lengths.join(", "));
        }
        let too_short = |count, what| (count > 0).then(|| format!("too little of {}", counted(count, what)));
        let too_short = [
            too_short(self.cut_messages, "ISAKMP message"),
            too_short(self.cut_esp, "ESP packet"),
        ];
        for part in too_short.into_iter().flatten() {
            words = format!("{words}, {part}");
        }
        words
    }
}

/// The corrections of a capture's times, as text.
pub(crate) fn clock_words(notes: &ClockNotes) -> Vec<String> {
    let mut words = Vec::new();
    for (frame, note) in &notes.notes {
        match note {
            ClockNote::SetBack(by) => words.push(format!(
                "set back by {} at frame {frame}: later times are shown that much later than recorded",
                length(*by)
            )),
            ClockNote::Started(by) => words.push(format!(
                "set for the first time at frame {frame}: later times are shown {} earlier than recorded",
                length(*by)
            )),
            ClockNote::Leap(_) => {}
        }
    }
    let told = words.len() as u64;
    if notes.steps > told {
        words.push(format!("set {} more", times(notes.steps - told)));
    }
    if notes.leaps > 0 {
        let first = notes.notes.iter().find_map(|(frame, note)| match note {
            ClockNote::Leap(by) => Some((frame, by)),
            _ => None,
        });
        let example = first.map(|(frame, by)| format!(", the first at frame {frame} by {}", length(*by)));
        words.push(format!(
            "{} with a time far from its neighbours', corrected to the nearest trusted frame{}",
            counted(notes.leaps, "frame"),
            example.unwrap_or_default()
        ));
    }
    words
}

fn times(count: u64) -> String {
    counted(count, "time")
}

fn names(layers: Layers) -> Vec<&'static str> {
    layers.iter().map(Layer::name).collect()
}
