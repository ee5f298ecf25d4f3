//! Frames to measure, and their baselines.

use std::net::{IpAddr, SocketAddr};

use gdoi_wire::Exchange;
use gdoi_wire::craft::{self, ESP, Ethernet, Message, Tag};

use super::row::Wanted;

const TCP: u8 = 6;
const ETHERTYPE_ARP: u16 = 0x0806;
/// Cases that serve as baselines.
pub(super) const ONE_SPI: &str = "ESP, 1 SPI";
pub(super) const SPRAYED: &str = "ESP, 1,048,576 SPIs in turn";
pub(super) const LRU_ONE_SPI: &str = "an LRU map per CPU instead, 1 SPI";
pub(super) const LRU_SPRAYED: &str = "an LRU map per CPU instead, 1,048,576 SPIs";
pub(super) const MESSAGE: &str = "GDOI message";
pub(super) const PERF: &str = "a record of zeros through a perf buffer instead";
pub(super) const WAKE: &str = "a record of zeros that wakes its reader instead";
const COUNTED: &str = "it includes finding this CPU's counters, and counting packets and bytes of other traffic; \
     see the cost of the same in C";
const SLOT: &str = "it includes finding this CPU's counters and the slot of the SPI, and counting there and in \
     total; see the cost of the same in C";
const RING: &str = "it includes a reservation in the ring, a record of two cache lines and a share of a clock \
     reading; see the cost of the same in C";
/// A round fits the ring: 30,000 records of 128 octets and a header of 8 are 4.1 of 4.2 million octets.
const ROOM: u32 = 30_000;
const V4: [&str; 2] = ["10.1.13.2", "10.1.11.2"];
const V6: [&str; 2] = ["2001:db8::13:2", "2001:db8::11:2"];

/// One measurement.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) goal: &'static str,
    pub(super) name: &'static str,
    pub(super) wanted: Wanted,
    pub(super) why: &'static str,
    pub(super) frame: Vec<u8>,
    pub(super) baseline: &'static str,
    pub(super) program: &'static str,
    /// SPIs in turn.
    pub(super) spis: u32,
    /// Whether sites are looked up.
    pub(super) sites: bool,
    /// Whether the ring stays full.
    pub(super) ring_full: bool,
    /// Runs per round.
    pub(super) repeat: u32,
}

/// All cases, the control first.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = others();
    cases.extend(esp_cases());
    cases.extend(messages());
    cases
}

fn plain(name: &'static str, frame: Vec<u8>) -> Case {
    Case {
        goal: "",
        name,
        wanted: Wanted::Nothing,
        why: "",
        frame,
        baseline: "bench_pass",
        program: "bench_xdp",
        spis: 1,
        sites: false,
        ring_full: false,
        repeat: 20_000,
    }
}

impl Case {
    fn at_most(self, goal: &'static str, most: f64) -> Self {
        let wanted = Wanted::AtMost(most);
        Self { goal, wanted, ..self }
    }

    fn because(self, why: &'static str) -> Self {
        Self { why, ..self }
    }
}

fn others() -> Vec<Case> {
    let control = Case {
        program: "bench_pass",
        ..plain("control: an empty program against itself", tcp(V4))
    };
    let arp = Ethernet::default().around(ETHERTYPE_ARP, &[0; 46]);
    let keepalive = udp(&Ethernet::default(), V4, 4500, &[0xff]);
    let other = udp(&Ethernet::default(), V4, 5353, &[0; 200]);
    vec![
        control,
        plain("TCP", tcp(V4)).at_most("P1", 1.06).because(COUNTED),
        plain("TCP in IPv6", tcp(V6)).at_most("P1", 1.06).because(COUNTED),
        plain("other UDP", other).at_most("P1", 1.09).because(COUNTED),
        plain("neither IPv4 nor IPv6", arp),
        plain("NAT keepalive", keepalive),
    ]
}

fn esp_cases() -> Vec<Case> {
    let plain_esp = |name, between| plain(name, esp(&Ethernet::default(), between));
    let turn = |name, program, spis| Case {
        baseline: "bench_turn",
        program,
        spis,
        // Each round goes through all SPIs, because it begins with the first.
        repeat: spis.max(20_000),
        ..plain_esp(name, V4)
    };
    let tagged = Ethernet::tagged(&[Tag::vlan(100)]);
    let with_sites = Case {
        sites: true,
        ..plain_esp("ESP, 1 SPI, sites configured", V4)
    };
    vec![
        plain_esp(ONE_SPI, V4).at_most("P2", 1.20).because(SLOT),
        plain_esp("ESP in IPv6, 1 SPI", V6)
            .at_most("P2", 1.20)
            .because(SLOT),
        plain("ESP with a VLAN tag, 1 SPI", esp(&tagged, V4)),
        with_sites,
        turn("ESP, 1,024 SPIs in turn", "bench_turn_xdp", 1024).at_most("P3", 1.40),
        turn(SPRAYED, "bench_turn_xdp", 1 << 20).at_most("P3", 1.40),
        turn(LRU_ONE_SPI, "bench_turn_lru", 1),
        turn("an LRU map per CPU instead, 1,024 SPIs", "bench_turn_lru", 1024),
        turn(LRU_SPRAYED, "bench_turn_lru", 1 << 20),
    ]
}

/// A rekey as a key server sends it.
pub(super) fn push() -> Vec<u8> {
    let push = Message::new(Exchange::GroupkeyPush, [1; 8], [2; 8]).octets(18, &[7; 456]);
    udp(&Ethernet::default(), V4, 848, &push)
}

fn messages() -> Vec<Case> {
    let main = Message::new(Exchange::MainMode, [1; 8], [0; 8]).octets(1, &[0; 300]);
    let push = push();
    let main = udp(&Ethernet::default(), V4, 848, &main);
    vec![
        Case {
            repeat: ROOM,
            ..plain(MESSAGE, push.clone()).at_most("P5", 2.2).because(RING)
        },
        Case {
            repeat: ROOM / 5,
            ..plain("GDOI message with a snapshot", main)
        },
        Case {
            repeat: ROOM,
            program: "bench_perf",
            ..plain(PERF, push.clone())
        },
        Case {
            repeat: ROOM,
            program: "bench_wake",
            ..plain(WAKE, push.clone())
        },
        Case {
            ring_full: true,
            ..plain("GDOI message, ring full", push)
        },
    ]
}

fn addresses([source, destination]: [&str; 2]) -> (IpAddr, IpAddr) {
    let parse = |address: &str| {
        address
            .parse()
            .unwrap_or(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))
    };
    (parse(source), parse(destination))
}

fn tcp(between: [&str; 2]) -> Vec<u8> {
    let (source, destination) = addresses(between);
    craft::packet(&Ethernet::default(), source, destination, TCP, &[0; 120])
}

fn udp(ethernet: &Ethernet, between: [&str; 2], port: u16, datagram: &[u8]) -> Vec<u8> {
    let (source, destination) = addresses(between);
    let (source, destination) = (SocketAddr::new(source, port), SocketAddr::new(destination, port));
    craft::frame(ethernet, source, destination, datagram)
}

fn esp(ethernet: &Ethernet, between: [&str; 2]) -> Vec<u8> {
    let (source, destination) = addresses(between);
    craft::packet(
        ethernet,
        source,
        destination,
        ESP,
        &craft::esp(0x5a00_0001, 7, &[0; 200]),
    )
}
