//! Converts the simulation's traffic to observations for the tracker, the same way as for the kernel's records.

use std::collections::BTreeMap;
use std::time::Duration;

use gdoi_core::observation::{Esp, Message, Site};
use gdoi_core::{Observation, Timestamp, Tracker, Transition};
use gdoi_wire::record::Record;
use gdoi_wire::{Capture, Dissected, Ports, dissect};

use crate::emission::{Emission, EspPackets};
use crate::world::Simulation;

/// Converts emissions to observations: datagrams through frames, dissector and record; ESP in sums per tick.
#[derive(Clone, Debug)]
pub struct Observer {
    tick: Duration,
    sites: bool,
    due: Timestamp,
    esp: BTreeMap<(u32, Option<Site>), Esp>,
}

impl Observer {
    /// Reports ESP once per `tick`; by site, numbered as in [`crate::Scenario::config`], if `sites` is set.
    pub const fn new(tick: Duration, sites: bool) -> Self {
        Self {
            tick,
            sites,
            due: Timestamp::ZERO,
            esp: BTreeMap::new(),
        }
    }

    /// Runs the simulation to its end, feeding the tracker.
    pub fn watch(mut self, simulation: &mut Simulation, tracker: &mut Tracker, out: &mut Vec<Transition>) {
        let mut last = Timestamp::ZERO;
        for emission in simulation.by_ref() {
            last = emission.at();
            self.observe(&emission, &mut |at, seen| tracker.observe(at, seen, out));
        }
        self.flush(last, &mut |at, seen| tracker.observe(at, seen, out));
        tracker.finish(last.max(simulation.end()), out);
    }

    /// Passes on the observations of one emission.
    pub fn observe(&mut self, emission: &Emission, tell: &mut impl FnMut(Timestamp, &Observation<'_>)) {
        self.observe_recorded(emission, &record(emission), tell);
    }

    /// The same, of an emission that was recorded before.
    pub(crate) fn observe_recorded(
        &mut self,
        emission: &Emission,
        recorded: &[Recorded],
        tell: &mut impl FnMut(Timestamp, &Observation<'_>),
    ) {
        let now = emission.at();
        // Reported as of its beginning, before time advances: timers in its window are then uncertain.
        if let Emission::Loss(_, loss) = emission {
            tell(loss.from, &Observation::Loss(*loss));
        }
        if now >= self.due {
            self.flush(now, tell);
            self.due = now.after(self.tick);
        }
        match emission {
            Emission::Sent(sent) => {
                for Recorded { record, snapshot } in recorded {
                    if let Some(message) = Message::from_record(record, snapshot) {
                        tell(sent.at, &Observation::Message(message));
                    }
                }
            }
            Emission::Esp(esp) => self.count(esp),
            Emission::Loss(..) => {}
        }
    }

    /// Reports the ESP counted since the last tick.
    pub fn flush(&mut self, now: Timestamp, tell: &mut impl FnMut(Timestamp, &Observation<'_>)) {
        for esp in std::mem::take(&mut self.esp).into_values() {
            tell(now, &Observation::Esp(esp));
        }
    }

    fn count(&mut self, esp: &EspPackets) {
        let EspPackets {
            first,
            last,
            site,
            spi,
            packets,
            encrypted,
            ..
        } = *esp;
        // Foreign traffic comes from no site.
        let site = (self.sites && site != 0).then_some(Site(site));
        // IPv4 header, SPI and sequence number.
        let octets = u64::from(packets) * u64::from(encrypted + 28);
        let sum = self.esp.entry((spi, site)).or_insert(Esp {
            spi,
            site,
            packets: 0,
            octets: 0,
            first,
            last,
        });
        sum.packets += u64::from(packets);
        sum.octets += octets;
        sum.first = sum.first.min(first);
        sum.last = sum.last.max(last);
    }
}

/// A message as the kernel would write it down.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    record: Record,
    snapshot: Vec<u8>,
}

/// The messages in the frames of an emission. ESP has none: it is only counted.
pub(crate) fn record(emission: &Emission) -> Vec<Recorded> {
    let Emission::Sent(_) = emission else {
        return Vec::new();
    };
    let frames = emission.frames(&[]);
    frames.iter().filter_map(|frame| record_frame(frame)).collect()
}

fn record_frame(frame: &[u8]) -> Option<Recorded> {
    let capture = Capture::whole(frame);
    let Dissected::Packet(packet) = dissect(&capture, &Ports::DEFAULT) else {
        return None;
    };
    let (record, end) = Record::message(&packet, &capture)?;
    let snapshot = capture.up_to(end, usize::from(record.snapshot_octets)).to_vec();
    Some(Recorded { record, snapshot })
}
