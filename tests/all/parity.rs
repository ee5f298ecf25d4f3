//! The programs in the kernel and the dissector in user space say the same of every frame.
//!
//! Each frame goes through `BPF_PROG_TEST_RUN`, and what the kernel did is compared with what user space says: the
//! record, every counter, and the SPI table, which is modelled slot by slot.

use std::collections::BTreeMap;

use gdoi_core::observation::Site;
use gdoi_monitor::source::link::Link;
use gdoi_monitor::source::pcap::Reader;
use gdoi_monitor::source::xdp::{Count, Direction, Hook, Probe, Settings, SiteRoute};
use gdoi_wire::craft::Generator;
use gdoi_wire::record::{
    Counters, FIRST_SPI, KIND_SPI_OVERFLOW, KIND_SPI_SEEN, Record, bucket_of, site_key, slot_key,
};
use gdoi_wire::{Body, Capture, Class, Esp, Fragment, Octets as _, Packet, Seen};

use crate::kernel;

const BUCKETS: u32 = 64;
const XDP_PASS: u32 = 2;
const TC_ACT_UNSPEC: u32 = u32::MAX;
/// At traffic control the kernel test-runs only frames with whole IP headers that fit a page. Others come over a wire
/// in `gateway.rs`.
const TC_TEST_RUN: std::ops::Range<usize> = 14 + 40..3_700;
const OVERFLOW_SAMPLE: u64 = 1024;

#[test]
fn generated_frames_without_sites() {
    check(Hook::Xdp, 0x6d01, 100_000, Vec::new());
    check(Hook::Tc, 0x6d03, 100_000, Vec::new());
}

#[test]
fn generated_frames_with_sites() {
    let route = |prefix: &str, length, site| SiteRoute {
        prefix: site_key(prefix.parse().unwrap(), length),
        site: Site(site),
    };
    let sites = vec![
        route("0.0.0.0", 1, 1),
        route("10.0.0.0", 8, 2),
        route("10.1.0.0", 16, 3),
        route("192.0.2.7", 32, 4),
        route("2001:db8::", 32, 5),
        route("2001:db8::", 65, 6),
    ];
    check(Hook::Xdp, 0x6d02, 120_000, sites.clone());
    check(Hook::Tc, 0x6d04, 120_000, sites);
}

#[test]
fn every_frame_of_every_capture() {
    for hook in [Hook::Xdp, Hook::Tc] {
        captures_through(hook);
    }
}

fn captures_through(hook: Hook) {
    let Some(mut parity) = Parity::new("every_frame_of_every_capture", hook, Vec::new()) else {
        return;
    };
    let Some(folder) = crate::captures::folder("every_frame_of_every_capture") else {
        return;
    };
    let mut captures: Vec<_> = folder
        .join("pcap")
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    captures.sort();
    let mut frames = 0;
    for path in captures {
        let mut reader = Reader::open(&path).unwrap();
        while let Some(frame) = reader.next_frame().unwrap() {
            if frame.link == Link::Ethernet && frame.kept.len() >= 14 {
                frames += 1;
                parity.check(frame.kept, &format!("{} frame {}", path.display(), frame.number));
            }
        }
    }
    parity.check_table();
    eprintln!("{frames} frames of captures");
    assert!(frames > 3_000, "only {frames} frames: where are the captures?");
}

fn check(hook: Hook, seed: u64, frames: usize, sites: Vec<SiteRoute>) {
    let name = if sites.is_empty() {
        "without sites"
    } else {
        "with sites"
    };
    let Some(mut parity) = Parity::new(name, hook, sites) else {
        return;
    };
    for (number, frame) in Generator::new(seed).take(frames).enumerate() {
        parity.check(&frame, &format!("{hook:?} seed {seed:#x} frame {number}"));
    }
    parity.check_table();
    // A comparison of zeros would pass: everything has happened.
    let Counters { packets, misses, .. } = parity.expect;
    assert!(packets.iter().all(|count| *count > 0), "packets {packets:?}");
    assert!(misses.iter().all(|count| *count > 0), "misses {misses:?}");
    assert!(
        parity.messages > 1000
            && parity.expect.overflow_packets > 1000
            && parity.expect.reserved_packets > 10
    );
}

struct Parity {
    probe: Probe,
    hook: Hook,
    sites: Vec<SiteRoute>,
    expect: Counters,
    table: Vec<[u64; 2]>,
    counts: BTreeMap<(u32, u32), (u64, u64)>,
    messages: u64,
    // The table is per CPU: the thread stays on one.
    _pinned: kernel::Pinned,
}

impl Parity {
    fn new(test: &str, hook: Hook, sites: Vec<SiteRoute>) -> Option<Self> {
        kernel::is_usable(test).then(|| {
            let settings = Settings {
                sites: sites.clone(),
                buckets: BUCKETS,
                ..Settings::default()
            };
            Self {
                _pinned: kernel::Pinned::new(),
                probe: Probe::load(&settings, Direction::Ingress).unwrap(),
                hook,
                sites,
                expect: Counters::default(),
                table: vec![[0; 2]; BUCKETS as usize],
                counts: BTreeMap::new(),
                messages: 0,
            }
        })
    }

    fn check(&mut self, frame: &[u8], which: &str) {
        let (verdict, _) = match self.probe.test_run(self.hook, frame, 1) {
            Err(_) if self.hook == Hook::Tc && !TC_TEST_RUN.contains(&frame.len()) => return,
            ran => ran.unwrap(),
        };
        let goes_on = match self.hook {
            Hook::Tc => TC_ACT_UNSPEC,
            Hook::Xdp => XDP_PASS,
        };
        assert_eq!(verdict, goes_on, "{which}: {frame:02x?}");
        let mut got = Vec::new();
        self.probe.drain(usize::MAX, |record| got.push(record.to_vec()));
        let expected = self.expect(frame);
        assert_eq!(got.len(), expected.len(), "{which}: records of {frame:02x?}");
        for (octets, (expected, payloads)) in got.iter().zip(&expected) {
            let (record, snapshot) = Record::parse(octets).expect("a record");
            assert!(record.at_ns > 0, "{which}: no time");
            // Who received it and when are not in the frame.
            let record = Record {
                at_ns: 0,
                interface: 0,
                ..*record
            };
            assert_eq!(record, *expected, "{which}: {frame:02x?}");
            assert_eq!(snapshot, payloads, "{which}: {frame:02x?}");
        }
        assert_eq!(
            self.probe.counters().unwrap(),
            self.expect,
            "{which}: {frame:02x?}"
        );
    }

    /// What the kernel should do with a frame, said by user space.
    fn expect(&mut self, frame: &[u8]) -> Vec<(Record, Vec<u8>)> {
        let capture = Capture::whole(frame);
        let octets = capture.wire_length() as u64;
        let seen = gdoi_wire::dissect(&capture, &Settings::default().ports);
        let class = match &seen {
            Seen::Packet(packet) => packet.class(),
            Seen::Miss(_) | Seen::Other => Class::Other,
        };
        self.expect.packets[class as usize] += 1;
        self.expect.octets[class as usize] += octets;
        match seen {
            Seen::Other => Vec::new(),
            Seen::Miss(miss) => {
                self.expect.misses[miss as usize] += 1;
                Vec::new()
            }
            Seen::Packet(packet) => {
                self.expect.first_fragments += u64::from(packet.fragment == Fragment::First);
                match packet.body {
                    Body::Isakmp { .. } => {
                        self.messages += 1;
                        let (record, behind) = Record::message(&packet, &capture).unwrap();
                        let payloads = capture.up_to(behind, usize::from(record.snapshot_octets));
                        vec![(record, payloads.to_vec())]
                    }
                    Body::Esp(esp) => self.expect_esp(esp, &packet),
                    Body::Ah | Body::NatKeepalive => Vec::new(),
                }
            }
        }
    }

    fn expect_esp(&mut self, esp: Esp, packet: &Packet) -> Vec<(Record, Vec<u8>)> {
        let octets = u64::from(packet.ip_octets);
        if esp.spi < FIRST_SPI {
            self.expect.reserved_packets += 1;
            self.expect.reserved_octets += octets;
            return Vec::new();
        }
        let site = self.site_of(packet);
        let key = slot_key(esp.spi, site);
        let bucket = &mut self.table[bucket_of(key, BUCKETS - 1) as usize];
        let hint = if bucket.contains(&key) {
            None
        } else if let Some(free) = bucket.iter_mut().find(|slot| **slot == 0) {
            *free = key;
            Some(KIND_SPI_SEEN)
        } else {
            let before = self.expect.overflow_packets;
            self.expect.overflow_packets += 1;
            self.expect.overflow_octets += octets;
            return if before.is_multiple_of(OVERFLOW_SAMPLE) {
                vec![hint(KIND_SPI_OVERFLOW, esp, site)]
            } else {
                Vec::new()
            };
        };
        let (packets, total) = self.counts.entry((esp.spi, site)).or_default();
        *packets += 1;
        *total += octets;
        hint.map(|kind| self::hint(kind, esp, site)).into_iter().collect()
    }

    /// The longest prefix, by looking at all of them.
    fn site_of(&self, packet: &Packet) -> u32 {
        let source = u128::from_be_bytes(packet.source);
        self.sites
            .iter()
            .map(|route| (route.prefix, route.site.0))
            .filter(|((bits, prefix), _)| {
                let differ = source ^ u128::from_be_bytes(*prefix);
                *bits == 0 || differ.leading_zeros() >= *bits
            })
            .max_by_key(|((bits, _), _)| *bits)
            .map_or(0, |(_, site)| site)
    }

    fn check_table(&mut self) {
        let mut counts: BTreeMap<(u32, u32), Count> = BTreeMap::new();
        self.probe.read_clock().unwrap();
        self.probe.read_table(&mut counts);
        let got: BTreeMap<_, _> = counts
            .iter()
            .map(|(key, count)| (*key, (count.packets, count.octets)))
            .collect();
        assert_eq!(got, self.counts);
        assert!(counts.values().all(|count| count.first <= count.last));
    }
}

fn hint(kind: u8, esp: Esp, site: u32) -> (Record, Vec<u8>) {
    (Record::spi(kind, esp, site), Vec::new())
}
