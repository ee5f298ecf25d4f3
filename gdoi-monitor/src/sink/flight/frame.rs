//! Rebuilds a frame from a record.

use std::net::IpAddr;

use gdoi_wire::record::{FLAG_FIRST_FRAGMENT, FLAG_MARKED, Record};
use gdoi_wire::{ETHERTYPE_IPV4, ETHERTYPE_IPV6};

const MAC_OCTETS: usize = 6;
const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERNET_OCTETS: u32 = 14;
const IPV4_OCTETS: u16 = 20;
const IPV6_OCTETS: u16 = 40;
const FRAGMENT_OCTETS: u16 = 8;
const UDP_OCTETS: u16 = 8;
const UDP: u8 = 17;
const FRAGMENT: u8 = 44;
/// Any value except zero, which readers treat as an error.
const TTL: u8 = 64;

/// The frame, cut where the record ends.
pub(super) fn of(record: &Record, snapshot: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; MAC_OCTETS * 2];
    let vlan = record.vlan();
    for tci in vlan.tci.iter().take(usize::from(vlan.depth)) {
        frame.extend(ETHERTYPE_VLAN.to_be_bytes());
        frame.extend(tci.to_be_bytes());
    }
    let marker: &[u8] = if record.flags & FLAG_MARKED != 0 {
        &[0; 4]
    } else {
        &[]
    };
    let datagram = record.datagram_octets.saturating_add(UDP_OCTETS);
    let datagram = datagram.saturating_add(u16::try_from(marker.len()).unwrap_or(0));
    ip(&mut frame, record, datagram);
    for field in [record.source_port, record.destination_port, datagram, 0] {
        frame.extend(field.to_be_bytes());
    }
    frame.extend(marker);
    frame.extend(record.header);
    if snapshot.is_empty() {
        let kept = usize::from(record.fingerprint_octets);
        frame.extend(record.fingerprint.iter().take(kept));
    } else {
        frame.extend(snapshot);
    }
    frame
}

/// The IP header; unknown fields are zero.
fn ip(frame: &mut Vec<u8>, record: &Record, datagram: u16) {
    let first = record.flags & FLAG_FIRST_FRAGMENT != 0;
    let addresses = (record.source_address(), record.destination_address());
    if let (IpAddr::V4(source), IpAddr::V4(destination)) = addresses {
        let here = if first {
            kept_datagram(record, IPV4_OCTETS)
        } else {
            datagram
        };
        // More fragments follow.
        let more: u16 = if first { 0x2000 } else { 0 };
        frame.extend(ETHERTYPE_IPV4.to_be_bytes());
        frame.extend([0x45, 0]);
        for field in [here.saturating_add(IPV4_OCTETS), 0, more] {
            frame.extend(field.to_be_bytes());
        }
        frame.extend([TTL, UDP, 0, 0]);
        frame.extend(source.octets());
        frame.extend(destination.octets());
    } else {
        ipv6(frame, record, datagram, first);
    }
}

fn ipv6(frame: &mut Vec<u8>, record: &Record, datagram: u16, first: bool) {
    let (payload, next) = if first {
        let here = kept_datagram(record, IPV6_OCTETS + FRAGMENT_OCTETS);
        (here.saturating_add(FRAGMENT_OCTETS), FRAGMENT)
    } else {
        (datagram, UDP)
    };
    frame.extend(ETHERTYPE_IPV6.to_be_bytes());
    frame.extend([0x60, 0, 0, 0]);
    frame.extend(payload.to_be_bytes());
    frame.extend([next, TTL]);
    frame.extend(record.source);
    frame.extend(record.destination);
    if first {
        // Offset zero, more to follow.
        frame.extend([UDP, 0, 0, 1, 0, 0, 0, 0]);
    }
}

/// Octets of the datagram in the first fragment: the frame without its headers.
fn kept_datagram(record: &Record, ip_octets: u16) -> u16 {
    let tags = u32::from(record.vlan().depth) * 4;
    let headers = ETHERNET_OCTETS + tags + u32::from(ip_octets);
    let payload = record.frame_octets.saturating_sub(headers);
    u16::try_from(payload).unwrap_or(u16::MAX)
}
