//! The frames that are measured, and against what.

use std::net::{IpAddr, SocketAddr};

use gdoi_wire::Exchange;
use gdoi_wire::craft::{self, ESP, Ethernet, Message, Tag};

/// One measurement.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) frame: Vec<u8>,
    pub(super) baseline: &'static str,
    pub(super) program: &'static str,
    /// SPIs in turn.
    pub(super) spis: u32,
    /// Whether somebody empties the ring.
    pub(super) reader: bool,
}

/// Everything that is measured, the control first.
pub(super) fn cases() -> Vec<Case> {
    let (v4, v6) = (["10.1.13.2", "10.1.11.2"], ["2001:db8::13:2", "2001:db8::11:2"]);
    let tagged = Ethernet::tagged(&[Tag::vlan(100)]);
    let push = Message::new(Exchange::GroupkeyPush, [1; 8], [2; 8]).octets(18, &[7; 456]);
    let main = Message::new(Exchange::MainMode, [1; 8], [0; 8]).octets(1, &[0; 300]);
    let plain = |name, frame| Case {
        name,
        frame,
        baseline: "bench_pass",
        program: "bench_xdp",
        spis: 1,
        reader: true,
    };
    let turn = |name, program, spis| Case {
        baseline: "bench_turn",
        program,
        spis,
        ..plain(name, esp(&Ethernet::default(), v4))
    };
    vec![
        Case {
            program: "bench_pass",
            ..plain("control: nothing against nothing", tcp(v4))
        },
        plain("TCP", tcp(v4)),
        plain("TCP in IPv6", tcp(v6)),
        plain(
            "neither IPv4 nor IPv6",
            Ethernet::default().around(ETHERTYPE_ARP, &[0; 46]),
        ),
        plain("NAT keepalive", udp(&Ethernet::default(), v4, 4500, &[0xff])),
        plain("other UDP", udp(&Ethernet::default(), v4, 5353, &[0; 200])),
        plain("ESP, 1 SPI", esp(&Ethernet::default(), v4)),
        plain("ESP in IPv6, 1 SPI", esp(&Ethernet::default(), v6)),
        plain("ESP behind a VLAN tag, 1 SPI", esp(&tagged, v4)),
        turn("ESP, 1,024 SPIs in turn", "bench_turn_xdp", 1024),
        turn("ESP, 65,536 SPIs in turn", "bench_turn_xdp", 65_536),
        turn("  an LRU map per CPU instead, 1 SPI", "bench_turn_lru", 1),
        turn("  an LRU map per CPU instead, 1,024 SPIs", "bench_turn_lru", 1024),
        turn(
            "  an LRU map per CPU instead, 65,536 SPIs",
            "bench_turn_lru",
            65_536,
        ),
        plain("GDOI, ring read", udp(&Ethernet::default(), v4, 848, &push)),
        plain(
            "GDOI with a snapshot, ring read",
            udp(&Ethernet::default(), v4, 848, &main),
        ),
        Case {
            reader: false,
            ..plain("GDOI, ring full", udp(&Ethernet::default(), v4, 848, &push))
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

const TCP: u8 = 6;
const ETHERTYPE_ARP: u16 = 0x0806;
