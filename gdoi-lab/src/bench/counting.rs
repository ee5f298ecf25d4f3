//! Whether the program counts every packet at line rate while the table is read.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use gdoi_monitor::source::xdp::interface::Interface;
use gdoi_monitor::source::xdp::{AttachMode, Direction, Probe, ProbeSettings, SpiCount};
use gdoi_wire::craft::{self, ESP, Ethernet, Tag};
use nix::net::if_::if_nametoindex;

use super::row::{Row, Unit, Wanted, number};
use crate::{Injector, Network};

const BATCH: usize = 64;
const READ_EVERY: Duration = Duration::from_millis(10);

/// Sends this many million packets.
pub(super) fn run(millions: u64) -> Result<Vec<Row>> {
    // In a thread: a namespace cannot be left.
    let counted = thread::spawn(move || count(millions * 1_000_000)).join();
    let CountingOutcome {
        sent,
        counted,
        took,
        reads,
    } = counted.ok().context("the thread of the wire ended")??;
    let apart = number(sent.abs_diff(counted));
    let rate = number(sent) / took.as_secs_f64() / 1e6;
    Ok(vec![
        Row::new("ESP packets sent but not counted, or vice versa", apart, Unit::Count)
            .goal("P7", Wanted::AtMost(0.0))
            .aside(format!(
                "{sent} sent of IPv4, IPv6 and VLAN at {rate:.2} million/s, {counted} counted, the table read {reads} times"
            )),
    ])
}

struct CountingOutcome {
    sent: u64,
    counted: u64,
    took: Duration,
    reads: u32,
}

fn count(packets: u64) -> Result<CountingOutcome> {
    let network = Network::enter()?;
    let mut probe = Probe::load(&ProbeSettings::default(), Direction::Ingress)?;
    let interface = Interface {
        name: Network::WATCH.to_owned(),
        index: if_nametoindex(Network::WATCH).context("find the interface")?,
    };
    probe.attach(&interface, AttachMode::Native)?;
    let injector = Injector::open(Network::INJECT)?;
    let frames = frames();
    let sending = AtomicBool::new(true);
    let begun = Instant::now();
    let (sent, counted) = thread::scope(|scope| {
        let reader = scope.spawn(|| read(&mut probe, &sending));
        let sent = send(&injector, &frames, packets).and_then(|sent| {
            network.until_quiet(Network::WATCH)?;
            Ok(sent)
        });
        sending.store(false, Ordering::Release);
        let counted = reader.join().ok().context("the reader of the table ended")?;
        Ok::<_, anyhow::Error>((sent?, counted?))
    })?;
    let (counted, reads) = counted;
    Ok(CountingOutcome {
        sent,
        counted,
        took: begun.elapsed(),
        reads,
    })
}

fn send(injector: &Injector, frames: &[Vec<u8>], packets: u64) -> Result<u64> {
    let mut sent = 0;
    while sent < packets {
        for batch in frames.chunks(BATCH) {
            injector.send_batch(batch)?;
            sent += batch.len() as u64;
        }
    }
    Ok(sent)
}

/// Reads the table until sending has ended, and once after that.
fn read(probe: &mut Probe, sending: &AtomicBool) -> Result<(u64, u32)> {
    let (mut packets, mut reads) = (0, 0);
    let mut counts: BTreeMap<(u32, u32), SpiCount> = BTreeMap::new();
    loop {
        let is_last = !sending.load(Ordering::Acquire);
        probe.read_clock()?;
        probe.read_table(&mut counts);
        packets += counts.values().map(|count| count.packets).sum::<u64>();
        counts.clear();
        reads += 1;
        if is_last {
            return Ok((packets, reads));
        }
        thread::sleep(READ_EVERY);
    }
}

/// 1,024 SPIs, a third of the packets of each kind.
fn frames() -> Vec<Vec<u8>> {
    let ends = |of: [&str; 2]| of.map(|address| address.parse().unwrap_or(IpAddr::from([127, 0, 0, 1])));
    let (v4, v6) = (
        ends(["10.1.13.2", "10.1.11.2"]),
        ends(["2001:db8::13:2", "2001:db8::11:2"]),
    );
    let (plain, tagged) = (Ethernet::default(), Ethernet::tagged(&[Tag::vlan(100)]));
    (0..1024_u32)
        .map(|number| {
            let (ethernet, [source, destination]) = match number % 3 {
                0 => (&plain, v4),
                1 => (&plain, v6),
                _ => (&tagged, v4),
            };
            craft::packet(
                ethernet,
                source,
                destination,
                ESP,
                &craft::esp(0x5a00_0000 + number, 1, &[0; 40]),
            )
        })
        .collect()
}
