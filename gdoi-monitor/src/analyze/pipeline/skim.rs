//! The fast path of a capture: frames without events are counted by the quick class, many at a time.

use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_wire::{Class, Esp, QuickClass};

use super::{Pipeline, TICK};
use crate::source::pcap::MonotonicReader;

/// Counts that are not yet in the totals.
#[derive(Clone, Copy, Default)]
struct Sum {
    packets: u64,
    octets: u64,
}

impl Sum {
    #[inline]
    const fn add(&mut self, octets: u32) {
        self.packets += 1;
        // For one window, which has far fewer than 2^32 frames.
        self.octets += octets as u64;
    }
}

impl Pipeline {
    /// Takes the next frames of a capture up to `until`, as long as they are in the current tick and the quick class
    /// says that they are other protocols, or ESP of known SPIs. The result is that of [`Pipeline::frame`].
    ///
    /// Returns their number.
    pub(in crate::analyze) fn skim(&mut self, recording: &mut MonotonicReader, until: Timestamp) -> u64 {
        let (Some(tick), Some((first, mut now))) = (self.tick, self.contents.span) else {
            return 0;
        };
        let end = tick.min(until.after(Duration::from_nanos(1)));
        let Self {
            ports, sites, esp, ..
        } = self;
        let (mut others, mut in_ip, mut in_udp) = (Sum::default(), Sum::default(), Sum::default());
        let (mut link, mut cut) = (None, 0);
        recording.skim(|frame| {
            let at = frame.at.max(now);
            // A clock that may have been set is handled elsewhere. One link layer at a time: few captures have more.
            if at >= end || at.since(frame.at) >= TICK || link.is_some_and(|link| link != frame.link) {
                return false;
            }
            match frame.quick_class(ports) {
                QuickClass::Esp {
                    esp: Esp {
                        spi, in_udp: inside, ..
                    },
                    source,
                    ip_octets,
                } => {
                    if !esp.count_known(spi, sites.find(source), ip_octets.into(), at) {
                        return false;
                    }
                    let sum = if inside { &mut in_udp } else { &mut in_ip };
                    sum.add(frame.wire_octets);
                }
                QuickClass::Other => others.add(frame.wire_octets),
                QuickClass::Unsure => return false,
            }
            now = at;
            link = Some(frame.link);
            cut += u64::from(frame.is_cut());
            true
        });
        let frames = self.sums([
            (Class::Other, others),
            (Class::Esp, in_ip),
            (Class::EspUdp, in_udp),
        ]);
        self.contents.span = Some((first, now));
        self.contents.cut += cut;
        if let Some(link) = link {
            *self.contents.links.entry(link).or_default() += frames;
        }
        frames
    }

    fn sums(&mut self, sums: [(Class, Sum); 3]) -> u64 {
        let mut frames = 0;
        for (class, Sum { packets, octets }) in sums {
            frames += packets;
            self.contents.count(class, packets, octets);
        }
        self.contents.frames += frames;
        frames
    }
}
