//! Compares the programs in the kernel with the dissector in user space, for every frame.
//!
//! Each frame goes through `BPF_PROG_TEST_RUN`, and the kernel's result must equal that of user space: the record,
//! every counter, and the SPI table of each CPU, which is modelled slot by slot.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use anyhow::{Context as _, Result};
use gdoi_monitor::source::xdp::{Direction, Hook, Probe, ProbeSettings, SiteRoute, SpiCount};
use gdoi_wire::record::{Counters, FIRST_SPI, KIND_SPI_OVERFLOW, KIND_SPI_SEEN, Record, bucket_of, slot_key};
use gdoi_wire::{Body, Capture, Class, Dissected, Esp, Fragment, Octets as _, Packet};
use nix::sched::sched_getcpu;
use nix::time::{ClockId, clock_gettime};

/// The longest jiffy that a kernel may have (`CONFIG_HZ=100`).
const JIFFY_NS: u64 = 10_000_000;
const XDP_PASS: u32 = 2;
const TC_ACT_UNSPEC: u32 = u32::MAX;
/// At traffic control the kernel test-runs only frames with complete IP headers that fit a page.
const TC_TEST_RUN: std::ops::Range<usize> = 14 + 40..3_700;
const OVERFLOW_SAMPLE: u64 = 1024;

/// The program at a hook, and its expected state. Tables are per CPU: the thread has to stay on one while a frame is
/// checked.
pub struct Parity {
    probe: Probe,
    hook: Hook,
    sites: Vec<SiteRoute>,
    expect: Counters,
    buckets: u32,
    cpus: BTreeMap<usize, Cpu>,
    counts: BTreeMap<(u32, u32), (u64, u64)>,
    messages: u64,
}

/// The expected state of one CPU.
struct Cpu {
    /// The keys of its table.
    table: Vec<[u64; 2]>,
    /// Packets without a slot.
    overflow: u64,
}

impl Parity {
    /// Loads the program, with these sites and this many buckets in the table of each CPU.
    pub fn load(hook: Hook, sites: Vec<SiteRoute>, buckets: u32) -> Result<Self> {
        let settings = ProbeSettings {
            sites: sites.clone(),
            buckets,
            ..ProbeSettings::default()
        };
        Ok(Self {
            probe: Probe::load(&settings, Direction::Ingress)?,
            hook,
            sites,
            expect: Counters::default(),
            buckets,
            cpus: BTreeMap::new(),
            counts: BTreeMap::new(),
            messages: 0,
        })
    }

    /// The counters, equal in both.
    pub fn counters(&self) -> &Counters {
        &self.expect
    }

    /// Messages among the frames so far.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Runs a frame through the program.
    ///
    /// # Errors
    ///
    /// If the kernel cannot run it.
    ///
    /// # Panics
    ///
    /// If the program and user space disagree.
    pub fn check(&mut self, frame: &[u8], which: &dyn Display) -> Result<()> {
        let before = boot_time()?;
        let (verdict, _) = match self.probe.test_run(self.hook, frame, 1) {
            Err(_) if self.hook == Hook::Tc && !TC_TEST_RUN.contains(&frame.len()) => return Ok(()),
            ran => ran?,
        };
        let goes_on = match self.hook {
            Hook::Tc => TC_ACT_UNSPEC,
            Hook::Xdp => XDP_PASS,
        };
        assert_eq!(verdict, goes_on, "{which}: {frame:02x?}");
        let mut got = Vec::new();
        self.probe.drain(usize::MAX, |record| got.push(record.to_vec()));
        let expected = self.expect(frame)?;
        assert_eq!(got.len(), expected.len(), "{which}: records of {frame:02x?}");
        for (octets, (expected, payloads)) in got.iter().zip(&expected) {
            let (record, snapshot) = Record::parse(octets).context("read a record")?;
            // In a storm, messages of one jiffy share a clock reading.
            let times = before.saturating_sub(JIFFY_NS)..=boot_time()?;
            assert!(
                times.contains(&record.at_ns),
                "{which}: {} not in {times:?}",
                record.at_ns
            );
            // Receiving interface and time are not in the frame.
            let record = Record {
                at_ns: 0,
                interface: 0,
                ..*record
            };
            assert_eq!(record, *expected, "{which}: {frame:02x?}");
            assert_eq!(snapshot, payloads, "{which}: {frame:02x?}");
        }
        assert_eq!(self.probe.counters(), self.expect, "{which}: {frame:02x?}");
        Ok(())
    }

    /// The expected result of the kernel, from user space.
    fn expect(&mut self, frame: &[u8]) -> Result<Vec<(Record, Vec<u8>)>> {
        let capture = Capture::whole(frame);
        let octets = capture.wire_length() as u64;
        let seen = gdoi_wire::dissect(&capture, &ProbeSettings::default().ports);
        let class = match &seen {
            Dissected::Packet(packet) => packet.class(),
            Dissected::Error(_) | Dissected::Other => Class::Other,
        };
        add(&mut self.expect.packets, class as usize, 1);
        add(&mut self.expect.octets, class as usize, octets);
        Ok(match seen {
            Dissected::Other => Vec::new(),
            Dissected::Error(miss) => {
                add(&mut self.expect.parse_errors, miss as usize, 1);
                Vec::new()
            }
            Dissected::Packet(packet) => {
                self.expect.first_fragments += u64::from(packet.fragment == Fragment::First);
                match packet.body {
                    Body::Isakmp { .. } => {
                        self.messages += 1;
                        let message = Record::message(&packet, &capture);
                        let with_payloads = message.map(|(record, offset)| {
                            let payloads = capture.up_to(offset, usize::from(record.snapshot_octets));
                            (record, payloads.to_vec())
                        });
                        with_payloads.into_iter().collect()
                    }
                    Body::Esp(esp) => self.expect_esp(esp, &packet)?,
                    Body::Ah | Body::NatKeepalive => Vec::new(),
                }
            }
        })
    }

    fn expect_esp(&mut self, esp: Esp, packet: &Packet) -> Result<Vec<(Record, Vec<u8>)>> {
        let octets = u64::from(packet.ip_octets);
        if esp.spi < FIRST_SPI {
            self.expect.reserved_packets += 1;
            self.expect.reserved_octets += octets;
            return Ok(Vec::new());
        }
        let site = self.site_of(packet);
        let key = slot_key(esp.spi, site);
        let buckets = self.buckets;
        let cpu = self.cpus.entry(sched_getcpu()?).or_insert_with(|| Cpu {
            table: vec![[0; 2]; buckets as usize],
            overflow: 0,
        });
        let bucket = cpu.table.get_mut(bucket_of(key, buckets - 1) as usize);
        let bucket = bucket.map_or(&mut [][..], |slots| slots.as_mut_slice());
        let hint = if bucket.contains(&key) {
            None
        } else if let Some(free) = bucket.iter_mut().find(|slot| **slot == 0) {
            *free = key;
            Some(KIND_SPI_SEEN)
        } else {
            let before = cpu.overflow;
            cpu.overflow += 1;
            self.expect.overflow_packets += 1;
            self.expect.overflow_octets += octets;
            let is_told = before.is_multiple_of(OVERFLOW_SAMPLE);
            return Ok(is_told
                .then(|| hint(KIND_SPI_OVERFLOW, esp, site))
                .into_iter()
                .collect());
        };
        let (packets, total) = self.counts.entry((esp.spi, site)).or_default();
        *packets += 1;
        *total += octets;
        Ok(hint.map(|kind| self::hint(kind, esp, site)).into_iter().collect())
    }

    /// The longest matching prefix, by linear search.
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

    /// Compares the SPI table.
    ///
    /// # Errors
    ///
    /// If the kernel's clock cannot be read.
    ///
    /// # Panics
    ///
    /// If it differs.
    pub fn check_table(&mut self) -> Result<()> {
        let mut counts: BTreeMap<(u32, u32), SpiCount> = BTreeMap::new();
        self.probe.read_clock()?;
        self.probe.read_table(&mut counts);
        let got: BTreeMap<_, _> = counts
            .iter()
            .map(|(key, count)| (*key, (count.packets, count.octets)))
            .collect();
        assert_eq!(got, self.counts);
        assert!(counts.values().all(|count| count.first <= count.last));
        Ok(())
    }
}

/// Nanoseconds since boot, as the program sees them.
fn boot_time() -> Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME)?;
    Ok(u64::try_from(Duration::from(now).as_nanos())?)
}

fn hint(kind: u8, esp: Esp, site: u32) -> (Record, Vec<u8>) {
    (Record::spi(kind, esp, site), Vec::new())
}

fn add(counts: &mut [u64], at: usize, more: u64) {
    if let Some(count) = counts.get_mut(at) {
        *count += more;
    }
}
