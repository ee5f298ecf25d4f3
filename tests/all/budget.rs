//! The cost of the programs to the kernel: numbers that never vary, so that growth of a program is noticed. `cargo
//! xtask bench` measures the cost of a packet in time.

use std::net::SocketAddr;

use gdoi_lab::{Executed, Followed, Size};
use gdoi_wire::craft::{self, ESP, Ethernet, Message};
use gdoi_wire::record::PROGRAM_XDP;
use gdoi_wire::{Class, Exchange};

use crate::kernel;

#[test]
fn the_programs_are_within_their_budgets() {
    if !kernel::is_usable("the_programs_are_within_their_budgets") {
        return;
    }
    let sizes = Size::of_both(&object()).unwrap();
    for ((name, most), size) in BUDGETS.into_iter().zip(sizes) {
        eprintln!("{name}: {size:?}");
        assert!(size.verified <= most.verified, "{name}: {size:?}");
        assert!(
            size.translated_octets <= most.translated_octets,
            "{name}: {size:?}"
        );
        // Other CPUs need other machine code; a kernel without a JIT has none.
        assert!(
            cfg!(not(target_arch = "x86_64")) || size.jited_octets <= most.jited_octets,
            "{name}: {size:?}"
        );
        assert!(size.translated_octets > 0, "the kernel says nothing of {name}");
    }
}

#[test]
fn a_packet_takes_so_many_instructions() {
    let mut followed = Followed::new(&object(), PROGRAM_XDP).unwrap();
    for (name, frame, class, takes) in packets() {
        let before = followed.packets(class).unwrap();
        // The first packet of an SPI takes a slot.
        followed.frame(&frame).unwrap();
        let executed = followed.frame(&frame).unwrap();
        eprintln!("{name}: {executed:?}");
        // The interpreter followed it to where such a packet is counted.
        assert_eq!(followed.packets(class).unwrap(), before + 2, "{name}");
        assert_eq!(executed, takes, "{name}");
    }
}

/// Frames with their class and exact cost, because nothing here depends on the machine. If a program gets cheaper,
/// update these numbers as well.
fn packets() -> [(&'static str, Vec<u8>, Class, Executed); 6] {
    let plain = Ethernet::default();
    let (v4, v6) = (["10.1.13.2", "10.1.11.2"], ["2001:db8::13:2", "2001:db8::11:2"]);
    let packet = |between: [&str; 2], protocol, payload: &[u8]| {
        let [source, destination] = between.map(|address| address.parse().unwrap());
        craft::packet(&plain, source, destination, protocol, payload)
    };
    let udp = |port, datagram: &[u8]| {
        let [source, destination] = v4.map(|address| SocketAddr::new(address.parse().unwrap(), port));
        craft::frame(&plain, source, destination, datagram)
    };
    let takes = |instructions, calls| Executed { instructions, calls };
    let esp = craft::esp(0x5a00_0001, 7, &[0; 200]);
    let push = Message::new(Exchange::GroupkeyPush, [1; 8], [2; 8]).octets(18, &[7; 456]);
    [
        ("TCP", packet(v4, 6, &[0; 120]), Class::Other, takes(37, 0)),
        (
            "TCP in IPv6",
            packet(v6, 6, &[0; 120]),
            Class::Other,
            takes(47, 0),
        ),
        ("other UDP", udp(5353, &[0; 200]), Class::Other, takes(62, 0)),
        ("ESP", packet(v4, ESP, &esp), Class::Esp, takes(72, 0)),
        ("ESP in IPv6", packet(v6, ESP, &esp), Class::Esp, takes(81, 0)),
        ("a rekey", udp(848, &push), Class::Isakmp, takes(178, 3)),
    ]
}

fn object() -> Vec<u8> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../gdoi-monitor/ebpf/gdoi-monitor.bpf.o"
    );
    std::fs::read(path).unwrap()
}

/// At XDP and at traffic control: a twentieth more than when this was written.
const BUDGETS: [(&str, Size); 2] = [
    (
        "XDP",
        Size {
            verified: 12_800,
            translated_octets: 26_800,
            jited_octets: 16_700,
        },
    ),
    (
        "traffic control",
        Size {
            verified: 15_600,
            translated_octets: 27_700,
            jited_octets: 17_100,
        },
    ),
];
