//! Events laid out in time: a lane for each key server and member, with key epochs and bursts above them.
//!
//! [`Timeline`] takes events, and messages if available, in bounded memory. If there are too many marks, similar
//! marks of one member that are close together are merged into one with a count: acknowledgements first. Findings,
//! and what key servers and groups did, are never merged. `assets/timeline.js` draws [`Timeline::model`].

mod epochs;
mod marks;
mod model;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use gdoi_core::snapshot::UNATTRIBUTED;
use gdoi_core::transition::{Cookies, RekeyClassified, Severity, Transition, What};
use gdoi_core::{Snapshot, Timestamp};

use crate::report::SeenMessage;
use epochs::Epochs;
use gdoi_core::transition::FrameId;
use marks::{MarkKind, TimelineMark};
pub(crate) use model::{GroupModel, LaneModel, MEMBER, MarkModel, TimelineModel};

/// Maximum number of member lanes, and of marks in all lanes: a page that browsers open at once, some 10 MB.
const MOST_LANES: usize = 10_000;
const MOST_MARKS: usize = 120_000;
/// Marks that remain after a merge, so that not every new mark causes one.
const MARKS_AFTER_MERGE: usize = MOST_MARKS / 4 * 3;
/// Maximum number of marks that are never merged: some 20 MB.
const MOST_LASTING: usize = 200_000;
/// Maximum number of bursts of a group, or of losses.
const MOST_SPANS: usize = 1_000;
/// Marks closer than this look like one.
const FIRST_BUCKET: u64 = 1_000_000;

/// The timeline so far.
#[derive(Default)]
pub(crate) struct Timeline {
    members: BTreeMap<SocketAddr, MemberTrack>,
    key_servers: BTreeMap<(String, IpAddr), Vec<TimelineMark>>,
    groups: BTreeMap<String, GroupTimeline>,
    losses: Vec<TimelineMark>,
    /// Marks of members without a lane.
    beyond: Vec<TimelineMark>,
    /// Number of marks that may be merged, and the limit above which some are.
    count: usize,
    ceiling: usize,
    /// Distance in nanoseconds below which marks of each kind were merged.
    merged: BTreeMap<MarkKind, u64>,
    /// Number of marks that are never merged, and how many of them had no room.
    lasting: usize,
    undrawn: u64,
    /// The first and the last time of anything in it.
    span: TimeSpan,
}

/// A member's lane.
#[derive(Default)]
struct MemberTrack {
    group: Option<String>,
    marks: Vec<TimelineMark>,
    /// The latest rekey it was sent, and by which key server.
    rekey: Option<(IpAddr, Cookies, Option<[u8; 16]>)>,
}

/// Events of a group as a whole.
#[derive(Default)]
struct GroupTimeline {
    epochs: Epochs,
    bursts: Vec<TimelineMark>,
    notices: Vec<TimelineMark>,
}

impl Timeline {
    /// Handles a message: only messages show which member was sent a rekey when, and answered it.
    pub(crate) fn see(&mut self, seen_message: &SeenMessage) {
        self.pass(seen_message.at);
        let (source, destination) = (seen_message.source, seen_message.destination);
        if seen_message.is_rekey() {
            if destination.ip().is_multicast() {
                return;
            }
            let rekey = Some((source.ip(), seen_message.cookies, seen_message.fingerprint));
            let Some(member) = self.member(destination) else {
                return self.put_beyond(TimelineMark::of_message(MarkKind::Rekey, seen_message));
            };
            let again = seen_message.fingerprint.is_some() && member.rekey == rekey;
            member.rekey = rekey;
            let kind = if again { MarkKind::Repeat } else { MarkKind::Rekey };
            member.marks.push(TimelineMark::of_message(kind, seen_message));
        } else if seen_message.may_acknowledge() {
            let known = self.members.get_mut(&source);
            let Some(member) = known.filter(|member| member.was_sent_a_rekey_by(destination.ip())) else {
                return;
            };
            member
                .marks
                .push(TimelineMark::of_message(MarkKind::Acknowledgement, seen_message));
        } else {
            return;
        }
        self.grown();
    }

    /// Handles an event, reported at this frame.
    pub(crate) fn take(&mut self, transition: &Transition, frame: Option<FrameId>) {
        self.pass(transition.at);
        match &transition.what {
            What::CaptureLoss(loss) => {
                let lasted = loss.until.since(loss.from);
                push(
                    &mut self.losses,
                    TimelineMark::span(MarkKind::Loss, loss.from, lasted, loss.kind.name()),
                );
            }
            What::RegistrationBurstStarted(burst) | What::RegistrationBurstEnded(burst) => {
                let from = transition.at.before(burst.duration);
                let mark = TimelineMark::span(MarkKind::Burst, from, burst.duration, burst.character.name())
                    .counting(burst.members)
                    .noted(format!(
                        "{} members, up to {:.1} per second; {} started, {} completed, {} failed",
                        burst.members, burst.peak_rate, burst.started, burst.completed, burst.failed
                    ));
                if let Some(group) = self.group(transition) {
                    group.bursts.retain(|other| other.at != from);
                    push(&mut group.bursts, mark);
                }
            }
            What::RekeyClassified(classified) => self.classify(transition, classified),
            _ => self.place(transition, frame),
        }
        if let Some(group) = self.group(transition) {
            group.epochs.take(transition);
        }
    }

    /// Corrects an earlier rekey to its final kind.
    fn classify(&mut self, transition: &Transition, classified: &RekeyClassified) {
        let begun = transition.at.before(classified.began);
        let Some(key) = transition.group.clone().zip(transition.key_server) else {
            return;
        };
        let marks = self.key_servers.get_mut(&key).into_iter().flatten();
        let mut rekeys = marks.filter(|mark| mark.kind == MarkKind::Rekey && mark.at == begun);
        if let Some(mark) = rekeys.next() {
            mark.label = classified.kind.name();
        }
    }

    /// Puts the mark of an event into its lane.
    fn place(&mut self, transition: &Transition, frame: Option<FrameId>) {
        let Some(mark) = TimelineMark::of_event(transition, frame) else {
            return self.follow(transition);
        };
        let is_of_member = transition.member.is_some();
        let is_of_group = transition.group.is_some();
        if (mark.kind.is_lasting() || !is_of_member && is_of_group) && !self.has_room() {
            return;
        }
        if let Some(address) = transition.member {
            let is_lasting = mark.kind.is_lasting();
            match self.member(address) {
                Some(member) => {
                    member.marks.push(mark);
                    member.join(transition.group.as_deref());
                }
                None => self.beyond.push(mark),
            }
            if !is_lasting {
                self.grown();
            }
        } else if let (Some(group), Some(key_server)) = (&transition.group, transition.key_server) {
            let lane = self.key_servers.entry((group.clone(), key_server)).or_default();
            lane.push(mark);
        } else if let Some(group) = self.group(transition) {
            group.notices.push(mark);
        } else {
            push(&mut self.losses, mark);
        }
    }

    /// An event without a mark still shows which member belongs to which group.
    fn follow(&mut self, transition: &Transition) {
        // No lane for a member that only begins: address translation may move it to another port before it ends.
        let known = transition
            .member
            .and_then(|address| self.members.get_mut(&address));
        if let Some(member) = known {
            member.join(transition.group.as_deref());
        } else if let (Some(group), Some(key_server)) = (&transition.group, transition.key_server) {
            self.key_servers.entry((group.clone(), key_server)).or_default();
        }
    }

    /// Adds an event of a whole group; the group of a burst's members may be unknown.
    fn group(&mut self, transition: &Transition) -> Option<&mut GroupTimeline> {
        let concerns_one = transition.group.is_some()
            || matches!(
                transition.what,
                What::RegistrationBurstStarted(_) | What::RegistrationBurstEnded(_)
            );
        let name = transition.group.as_deref().unwrap_or(UNATTRIBUTED);
        concerns_one.then(|| self.groups.entry(name.to_owned()).or_default())
    }

    /// The lane of a member, if there is room for it.
    fn member(&mut self, address: SocketAddr) -> Option<&mut MemberTrack> {
        if self.members.len() >= MOST_LANES && !self.members.contains_key(&address) {
            return None;
        }
        Some(self.members.entry(address).or_default())
    }

    fn put_beyond(&mut self, mark: TimelineMark) {
        self.beyond.push(mark);
        self.grown();
    }

    /// Counts a new mark.
    fn grown(&mut self) {
        self.count += 1;
        if self.count <= self.ceiling.max(MOST_MARKS) {
            return;
        }
        let longest = self.span.map_or(0, |(first, last)| last.since(first).as_nanos());
        let longest = u64::try_from(longest).unwrap_or(u64::MAX);
        for (kinds, part) in MERGE_ORDER {
            let mut bucket = FIRST_BUCKET;
            while self.count > MARKS_AFTER_MERGE && bucket < longest / part {
                bucket = bucket.saturating_mul(2);
                self.merge(kinds, bucket);
            }
        }
        // If every lane already has few marks of each kind, merging again would change nothing.
        let is_enough = self.count <= MARKS_AFTER_MERGE;
        self.ceiling = if is_enough {
            MOST_MARKS
        } else {
            self.count.saturating_mul(2)
        };
    }

    /// Merges marks of these kinds in the lanes of members.
    fn merge(&mut self, kinds: &[MarkKind], bucket: u64) {
        let members = self.members.values_mut().map(|member| &mut member.marks);
        self.count = members
            .chain([&mut self.beyond])
            .map(|marks| marks::merge(marks, kinds, bucket))
            .sum();
        for kind in kinds {
            let widest = self.merged.entry(*kind).or_default();
            *widest = bucket.max(*widest);
        }
    }

    fn pass(&mut self, at: Timestamp) {
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
    }

    /// Whether there is room for one more mark that is never merged.
    fn has_room(&mut self) -> bool {
        if self.lasting >= MOST_LASTING {
            self.undrawn += 1;
            return false;
        }
        self.lasting += 1;
        true
    }

    /// The data to draw.
    pub(crate) fn model<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        files: &'a [String],
        span: TimeSpan,
    ) -> TimelineModel<'a> {
        model::Builder::new(self, snapshot, span).build(files)
    }
}

impl MemberTrack {
    fn was_sent_a_rekey_by(&self, key_server: IpAddr) -> bool {
        self.rekey.is_some_and(|(by, ..)| by == key_server)
    }

    fn join(&mut self, group: Option<&str>) {
        if group.is_some() && self.group.as_deref() != group {
            self.group = group.map(str::to_owned);
        }
    }
}

/// The first and the last moment.
pub(crate) type TimeSpan = Option<(Timestamp, Timestamp)>;

/// Whether an event is shown as something that deserves attention, or as an ordinary one.
const fn notice(severity: Severity) -> MarkKind {
    match severity {
        Severity::Info => MarkKind::Notice,
        Severity::Warning => MarkKind::Warning,
        Severity::Critical => MarkKind::Critical,
    }
}

/// Adds to a bounded list; the oldest mark is dropped.
fn push(marks: &mut Vec<TimelineMark>, mark: TimelineMark) {
    if marks.len() >= MOST_SPANS {
        marks.remove(0);
    }
    marks.push(mark);
}

/// The order of merging, least informative first, each with its maximum share of the whole length.
const MERGE_ORDER: [(&[MarkKind], u64); 3] = [
    (&[MarkKind::Acknowledgement], 8),
    (&[MarkKind::Acknowledgement, MarkKind::Repeat], 8),
    (
        &[
            MarkKind::Acknowledgement,
            MarkKind::Repeat,
            MarkKind::Registration,
            MarkKind::Rekey,
            MarkKind::Notice,
        ],
        1,
    ),
];

#[cfg(test)]
mod tests;
