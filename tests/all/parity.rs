//! The programs in the kernel and the dissector in user space agree on every frame. Frames that cannot be test-run at
//! traffic control are sent over a wire in `gateway.rs`.

use gdoi_core::observation::Site;
use gdoi_lab::Parity;
use gdoi_monitor::source::pcap::CaptureReader;
use gdoi_monitor::source::xdp::{Hook, SiteRoute};
use gdoi_wire::craft::{self, ESP, Ethernet, Generator};
use gdoi_wire::layers::LinkType;
use gdoi_wire::record::{CPU_STATE_BUCKETS, Counters, FIRST_SPI, site_key};

use crate::captures::{self, Capture};
use crate::kernel;

const FEW_BUCKETS: u32 = 64;

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

/// In a table larger than one part, the second parts follow the first ones of all CPUs.
#[test]
fn tables_of_two_parts() {
    if !kernel::is_usable("tables_of_two_parts") {
        return;
    }
    let pinned = kernel::Pinned::new();
    let buckets = 2 * CPU_STATE_BUCKETS;
    let mut parity = Parity::load(Hook::Xdp, Vec::new(), buckets).unwrap();
    let of_one_cpu = 3 * buckets;
    let [source, destination] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap());
    let mut spi = FIRST_SPI;
    for cpu in pinned.cpus() {
        pinned.to(cpu);
        for _ in 0..of_one_cpu {
            let esp = craft::esp(spi, 1, &[0; 20]);
            let frame = craft::packet(&Ethernet::default(), source, destination, ESP, &esp);
            parity
                .check(&frame, &format_args!("SPI {spi} on CPU {cpu}"))
                .unwrap();
            spi += 1;
        }
    }
    parity.check_table().unwrap();
    assert!(parity.counters().overflow_packets > u64::from(buckets / 2));
}

fn captures_through(hook: Hook) {
    if !kernel::is_usable("every_frame_of_every_capture") {
        return;
    }
    let _pinned = kernel::Pinned::new();
    let mut parity = Parity::load(hook, Vec::new(), FEW_BUCKETS).unwrap();
    let mut frames = 0;
    for Capture { path, .. } in captures::all() {
        let mut reader = CaptureReader::open(&path).unwrap();
        while let Some(frame) = reader.next_frame().unwrap() {
            if frame.link == LinkType::ETHERNET && frame.kept.len() >= 14 {
                frames += 1;
                let which = format!("{} frame {}", path.display(), frame.number);
                parity.check(frame.kept, &which).unwrap();
            }
        }
    }
    parity.check_table().unwrap();
    eprintln!("{frames} frames of captures");
    assert!(frames > 2_900, "only {frames} frames: where are the captures?");
}

fn check(hook: Hook, seed: u64, frames: usize, sites: Vec<SiteRoute>) {
    let name = if sites.is_empty() {
        "without sites"
    } else {
        "with sites"
    };
    if !kernel::is_usable(name) {
        return;
    }
    let _pinned = kernel::Pinned::new();
    let mut parity = Parity::load(hook, sites, FEW_BUCKETS).unwrap();
    for (number, frame) in Generator::new(seed).take(frames).enumerate() {
        let which = format_args!("{hook:?} seed {seed:#x} frame {number}");
        parity.check(&frame, &which).unwrap();
    }
    parity.check_table().unwrap();
    // Zeros would be equal too: check that everything has occurred.
    let Counters {
        packets,
        parse_errors: misses,
        overflow_packets,
        reserved_packets,
        ..
    } = *parity.counters();
    assert!(packets.iter().all(|count| *count > 0), "packets {packets:?}");
    assert!(misses.iter().all(|count| *count > 0), "misses {misses:?}");
    assert!(parity.messages() > 1000 && overflow_packets > 1000 && reserved_packets > 10);
}
