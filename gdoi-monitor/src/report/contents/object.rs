//! The contents of captures as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gdoi_wire::layers::NotRead;
use gdoi_wire::{Class, ParseError};
use serde::Serialize;

use super::{Contents, SeenDirections, names};
use crate::report::{Ending, name_of};
use crate::source::pcap::ClockNote;
use crate::time::{Calendar, Moment};

/// The contents of captures as JSON.
#[derive(Serialize)]
pub(in crate::report) struct CaptureObject<'a> {
    pub(in crate::report) files: &'a [String],
    pub(in crate::report) errors: &'a [String],
    /// Notes: everything was read.
    pub(in crate::report) notes: &'a [String],
    pub(in crate::report) frames: u64,
    pub(in crate::report) start: Option<Moment>,
    pub(in crate::report) end: Option<Moment>,
    pub(in crate::report) duration_seconds: Option<f64>,
    /// By class.
    pub(in crate::report) packets: BTreeMap<&'static str, u64>,
    /// By class.
    pub(in crate::report) bytes: BTreeMap<&'static str, u64>,
    /// By reason.
    pub(in crate::report) misses: BTreeMap<&'static str, u64>,
    pub(in crate::report) first_fragments: u64,
    /// Frames of link layers that are not read.
    pub(in crate::report) refused: BTreeMap<String, u64>,
    link_types: Vec<LinkObject>,
    encapsulations: Vec<EncapsulationObject>,
    not_read: Vec<NotReadObject>,
    isakmp_elsewhere: Vec<ElsewhereObject>,
    snap_lengths: &'a BTreeSet<u32>,
    frames_cut: u64,
    messages_cut: u64,
    frames_lost_by_recorder: u64,
    holes: Vec<HoleObject>,
    clock: Vec<ClockObject<'a>>,
    directions: Vec<SeenDirections>,
}

#[derive(Serialize)]
struct LinkObject {
    number: u32,
    name: String,
    frames: u64,
}

#[derive(Serialize)]
struct EncapsulationObject {
    layers: Vec<&'static str>,
    packets: u64,
}

#[derive(Serialize)]
struct NotReadObject {
    kind: &'static str,
    name: String,
    frames: u64,
}

#[derive(Serialize)]
struct ElsewhereObject {
    port: u16,
    messages: u64,
}

#[derive(Serialize)]
struct HoleObject {
    from: Moment,
    until: Moment,
}

#[derive(Serialize)]
struct ClockObject<'a> {
    file: &'a str,
    frame: u64,
    kind: &'static str,
    seconds: f64,
}

impl<'a> CaptureObject<'a> {
    pub(in crate::report) fn new(ending: &Ending<'a>) -> Self {
        let Contents {
            frames,
            span,
            counters,
            links,
            carried,
            not_read,
            elsewhere,
            cut,
            cut_messages,
            cut_esp: _,
            snap_lengths,
            dropped,
            holes,
            clocks,
            directions,
        } = ending.contents;
        let classes = Class::ALL.iter().map(|class| class.name());
        let misses = ParseError::ALL.iter().map(|error| error.name());
        let misses = misses.zip(counters.parse_errors);
        Self {
            files: ending.files,
            errors: ending.errors,
            notes: ending.notes,
            frames: *frames,
            start: span.map(|(start, _)| Calendar::EPOCH.date(start)),
            end: span.map(|(_, end)| Calendar::EPOCH.date(end)),
            duration_seconds: span.map(|(start, end)| end.since(start).as_secs_f64()),
            packets: classes.clone().zip(counters.packets).collect(),
            bytes: classes.zip(counters.octets).collect(),
            misses: misses.filter(|(_, count)| *count > 0).collect(),
            first_fragments: counters.first_fragments,
            refused: not_read
                .iter()
                .filter(|(what, _)| matches!(what, NotRead::Link(_)))
                .map(|(what, frames)| (what.to_string(), frames))
                .collect(),
            link_types: links
                .iter()
                .map(|(link, frames)| LinkObject {
                    number: link.0,
                    name: link.to_string(),
                    frames: *frames,
                })
                .collect(),
            encapsulations: carried
                .iter()
                .map(|(layers, packets)| EncapsulationObject {
                    layers: names(layers),
                    packets,
                })
                .collect(),
            not_read: not_read
                .iter()
                .map(|(what, frames)| NotReadObject {
                    kind: what.kind(),
                    name: what.to_string(),
                    frames,
                })
                .collect(),
            isakmp_elsewhere: elsewhere
                .iter()
                .map(|(port, messages)| ElsewhereObject { port, messages })
                .collect(),
            snap_lengths,
            frames_cut: *cut,
            messages_cut: *cut_messages,
            frames_lost_by_recorder: *dropped,
            holes: holes
                .windows
                .iter()
                .map(|(from, until)| HoleObject {
                    from: Calendar::EPOCH.date(*from),
                    until: Calendar::EPOCH.date(*until),
                })
                .collect(),
            clock: clocks
                .iter()
                .flat_map(|(file, notes)| notes.notes.iter().map(|note| (*file, note)))
                .map(|(file, (frame, note))| ClockObject::new(name_of(file, ending.files), *frame, *note))
                .collect(),
            directions: directions.by_key_server(ending.snapshot),
        }
    }
}

impl<'a> ClockObject<'a> {
    fn new(file: &'a str, frame: u64, note: ClockNote) -> Self {
        let (kind, by): (_, Duration) = match note {
            ClockNote::Leap(by) => ("leap", by),
            ClockNote::SetBack(by) => ("set_back", by),
            ClockNote::Started(by) => ("set_first", by),
        };
        Self {
            file,
            frame,
            kind,
            seconds: by.as_secs_f64(),
        }
    }
}
