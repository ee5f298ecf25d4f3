//! The data that `timeline.js` draws.
//!
//! Times are milliseconds since the start of the timeline, which is in milliseconds since the epoch: a browser's
//! numbers hold them without loss.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use gdoi_core::snapshot::{SpiState, SpiStatus, UNATTRIBUTED};
use gdoi_core::{Snapshot, Timestamp};
use serde::Serialize;
use serde::ser::{SerializeSeq as _, Serializer};

use super::marks::{MarkKind, TimelineMark};
use super::{GroupTimeline, TimeSpan, Timeline};

/// The kind of a member's lane.
pub(crate) const MEMBER: &str = "member";
pub(crate) const KEY_SERVER: &str = "key_server";
/// SPIs of a group that are drawn: a week of hourly TEKs.
const MOST_SPIS: usize = 200;

/// The data to draw.
#[derive(Serialize)]
pub(crate) struct TimelineModel<'a> {
    /// Milliseconds since the epoch.
    pub(crate) start: f64,
    /// Milliseconds.
    pub(crate) length: f64,
    kinds: [&'static str; MarkKind::NAMES.len()],
    files: &'a [String],
    /// Merged marks of members: the number of each kind, and the distance in seconds.
    merged: Vec<(u8, f64)>,
    /// Marks that had no room.
    undrawn: u64,
    losses: Vec<MarkModel<'a>>,
    pub(crate) groups: Vec<GroupModel<'a>>,
    /// Members without a lane, and their marks.
    unlisted_members: usize,
    beyond: Vec<MarkModel<'a>>,
}

/// One group.
#[derive(Serialize)]
pub(crate) struct GroupModel<'a> {
    pub(crate) name: &'a str,
    keks: Vec<KekModel>,
    spis: Vec<SpiModel>,
    /// SPIs that are not drawn.
    more_spis: usize,
    bursts: Vec<MarkModel<'a>>,
    notices: Vec<MarkModel<'a>>,
    pub(crate) lanes: Vec<LaneModel<'a>>,
}

/// The time in which a KEK was in use.
#[derive(Serialize)]
struct KekModel {
    from: f64,
    until: f64,
    cookies: String,
    /// How long before its expiry its successor was delivered, in seconds.
    lead: Option<f64>,
}

/// The time in which an SPI was sent.
#[derive(Serialize)]
struct SpiModel {
    from: f64,
    until: f64,
    spi: String,
    packets: u64,
    stale: bool,
}

/// One lane.
#[derive(Serialize)]
pub(crate) struct LaneModel<'a> {
    pub(crate) role: &'static str,
    pub(crate) address: String,
    pub(crate) marks: Vec<MarkModel<'a>>,
}

/// A mark, written as a list: beginning, length, kind, label, count, capture, frame, note.
pub(crate) struct MarkModel<'a> {
    pub(crate) at: f64,
    pub(crate) lasted: f64,
    mark: &'a TimelineMark,
}

impl MarkModel<'_> {
    pub(crate) const fn kind(&self) -> u8 {
        self.mark.kind as u8
    }
}

impl Serialize for MarkModel<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let TimelineMark {
            at: _,
            lasted: _,
            kind,
            label,
            count,
            frame,
            note,
        } = self.mark;
        let mut list = serializer.serialize_seq(None)?;
        list.serialize_element(&self.at)?;
        list.serialize_element(&self.lasted)?;
        list.serialize_element(&(*kind as u8))?;
        list.serialize_element(label)?;
        list.serialize_element(count)?;
        if frame.is_some() || note.is_some() {
            list.serialize_element(&frame.map(|frame| frame.file))?;
            list.serialize_element(&frame.map(|frame| frame.number))?;
        }
        if let Some(note) = note {
            list.serialize_element(note)?;
        }
        list.end()
    }
}

/// Assembles the lanes.
pub(super) struct Builder<'a> {
    timeline: &'a Timeline,
    snapshot: &'a Snapshot,
    start: Timestamp,
    end: Timestamp,
}

impl<'a> Builder<'a> {
    pub(super) fn new(timeline: &'a Timeline, snapshot: &'a Snapshot, span: TimeSpan) -> Self {
        let (start, end) = span.unwrap_or_default();
        Self {
            timeline,
            snapshot,
            start,
            end,
        }
    }

    pub(super) fn build(&self, files: &'a [String]) -> TimelineModel<'a> {
        let Timeline {
            losses,
            beyond,
            merged,
            undrawn,
            ..
        } = self.timeline;
        let groups = self.groups();
        let lanes = groups.iter().flat_map(|group| &group.lanes);
        let members = lanes.filter(|lane| lane.role == MEMBER).count();
        TimelineModel {
            start: milliseconds(self.start.since(Timestamp::ZERO)),
            length: self.at(self.end),
            kinds: MarkKind::NAMES,
            files,
            merged: merged
                .iter()
                .map(|(kind, bucket)| (*kind as u8, Duration::from_nanos(*bucket).as_secs_f64()))
                .collect(),
            undrawn: *undrawn,
            losses: self.marks(losses),
            groups,
            unlisted_members: self.snapshot.members.len().saturating_sub(members),
            beyond: self.marks(beyond),
        }
    }

    fn groups(&self) -> Vec<GroupModel<'a>> {
        let mut members = self.members_by_group();
        let mut names: Vec<&'a str> = self.snapshot.groups.keys().map(String::as_str).collect();
        // Unattributed traffic comes last.
        names.sort_by_key(|name| (*name == UNATTRIBUTED, *name));
        let mut groups: Vec<_> = names
            .into_iter()
            .map(|name| self.group(name, members.remove(name).unwrap_or_default()))
            .collect();
        groups.retain(|group| !group.is_empty());
        groups
    }

    fn group(&self, name: &'a str, members: Vec<LaneModel<'a>>) -> GroupModel<'a> {
        let own = self.timeline.groups.get(name);
        let (spis, more_spis) = self.spis(name);
        let mut lanes = self.key_servers(name);
        lanes.extend(members);
        GroupModel {
            name,
            keks: own.map_or_else(Vec::new, |own| self.keks(own)),
            spis,
            more_spis,
            bursts: own.map_or_else(Vec::new, |own| self.marks(&own.bursts)),
            notices: own.map_or_else(Vec::new, |own| self.marks(&own.notices)),
            lanes,
        }
    }

    fn key_servers(&self, name: &str) -> Vec<LaneModel<'a>> {
        let known = self.snapshot.groups.get(name);
        let addresses = known.into_iter().flat_map(|group| group.key_servers.keys());
        addresses
            .filter(|address| !address.is_unspecified())
            .map(|address| LaneModel {
                role: KEY_SERVER,
                address: address.to_string(),
                marks: self
                    .timeline
                    .key_servers
                    .get(&(name.to_owned(), *address))
                    .map_or_else(Vec::new, |marks| self.marks(marks)),
            })
            .collect()
    }

    /// The lanes of members by group: all known members, and all with marks.
    fn members_by_group(&self) -> BTreeMap<&'a str, Vec<LaneModel<'a>>> {
        let mut lanes: BTreeMap<SocketAddr, (&'a str, &'a [TimelineMark])> = BTreeMap::new();
        for (address, member) in &self.timeline.members {
            let group = member.group.as_deref().unwrap_or(UNATTRIBUTED);
            lanes.insert(*address, (group, &member.marks));
        }
        for state in &self.snapshot.members {
            let room = lanes.len() < super::MOST_LANES;
            if let Some(lane) = lanes.get_mut(&state.address) {
                lane.0 = state.group.as_deref().unwrap_or(lane.0);
            } else if room {
                let group = state.group.as_deref().unwrap_or(UNATTRIBUTED);
                lanes.insert(state.address, (group, &[]));
            }
        }
        let mut by_group: BTreeMap<&str, Vec<LaneModel<'_>>> = BTreeMap::new();
        for (address, (group, marks)) in lanes {
            let known = self.snapshot.groups.contains_key(group);
            let group = if known { group } else { UNATTRIBUTED };
            by_group.entry(group).or_default().push(LaneModel {
                role: MEMBER,
                address: endpoint(address),
                marks: self.marks(marks),
            });
        }
        by_group
    }

    fn keks(&self, own: &GroupTimeline) -> Vec<KekModel> {
        own.epochs
            .iter()
            .map(|epoch| KekModel {
                from: self.at(epoch.from),
                until: self.at(epoch.until.unwrap_or(self.end)),
                cookies: epoch.cookies.to_string(),
                lead: epoch.lead,
            })
            .collect()
    }

    /// The SPIs of a group, each once for all its sites, and the number of SPIs that are not drawn.
    fn spis(&self, name: &str) -> (Vec<SpiModel>, usize) {
        let mut by_spi: BTreeMap<u32, (Timestamp, Timestamp, u64, bool)> = BTreeMap::new();
        let of_group = |state: &&SpiState| state.group.as_deref().unwrap_or(UNATTRIBUTED) == name;
        for state in self.snapshot.spis.iter().filter(of_group) {
            let stale = state.status == SpiStatus::Stale;
            let (first, last, packets, was_stale) =
                by_spi
                    .entry(state.spi.0)
                    .or_insert((state.first_seen, state.last_seen, 0, false));
            *first = state.first_seen.min(*first);
            *last = state.last_seen.max(*last);
            *packets += state.total.packets;
            *was_stale |= stale;
        }
        let mut spis: Vec<_> = by_spi.into_iter().collect();
        spis.sort_by_key(|(spi, (first, ..))| (*first, *spi));
        let more = spis.len().saturating_sub(MOST_SPIS);
        let drawn = spis.into_iter().take(MOST_SPIS);
        let drawn = drawn.map(|(spi, (first, last, packets, stale))| SpiModel {
            from: self.at(first),
            until: self.at(last),
            spi: format!("{spi:08x}"),
            packets,
            stale,
        });
        (drawn.collect(), more)
    }

    fn marks(&self, marks: &'a [TimelineMark]) -> Vec<MarkModel<'a>> {
        let mut marks: Vec<_> = marks
            .iter()
            .map(|mark| MarkModel {
                at: self.at(mark.at),
                lasted: milliseconds(mark.lasted),
                mark,
            })
            .collect();
        marks.sort_by(|one, other| one.at.total_cmp(&other.at));
        marks
    }

    fn at(&self, moment: Timestamp) -> f64 {
        milliseconds(moment.since(self.start))
    }
}

impl GroupModel<'_> {
    /// Whether there is nothing to draw.
    const fn is_empty(&self) -> bool {
        let Self {
            name: _,
            keks,
            spis,
            more_spis: _,
            bursts,
            notices,
            lanes,
        } = self;
        keks.is_empty() && spis.is_empty() && bursts.is_empty() && notices.is_empty() && lanes.is_empty()
    }
}

/// An address, with its port unless it is a well-known one.
fn endpoint(address: SocketAddr) -> String {
    match address.port() {
        0 => address.ip().to_string(),
        _ => address.to_string(),
    }
}

/// With three decimals: microseconds.
#[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
