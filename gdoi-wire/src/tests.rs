//! One file per subject. A test is data plus one call.

mod exchange;
mod fields;
mod generator;
mod isakmp;
mod layers;
mod layout;
mod parse_errors;
mod prefixes;
mod quick_class;
mod record;
mod round_trip;

use core::net::SocketAddr;
use std::vec::Vec;

use crate::craft::{self, Ethernet};
use crate::{Capture, Dissected, Exchange, Packet, Ports, dissect};

/// The dissection of the whole frame at the default ports.
fn seen(frame: &[u8]) -> Dissected {
    dissect(&Capture::whole(frame), &Ports::DEFAULT)
}

/// The packet that the whole frame must be.
#[track_caller]
fn packet(frame: &[u8]) -> Packet {
    match seen(frame) {
        Dissected::Packet(packet) => packet,
        other => panic!("{other:?}"),
    }
}

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A key server's PUSH to a member, as an Ethernet frame.
fn push_frame(ethernet: &Ethernet, source: &str, destination: &str) -> Vec<u8> {
    craft::frame(ethernet, socket(source), socket(destination), &push(400))
}

/// A PUSH of `octets`, header included.
fn push(octets: usize) -> Vec<u8> {
    let body = craft::Random::new(7).octets(octets - 28);
    craft::Message::new(Exchange::GroupkeyPush, *b"kek-spi-", *b"-of-16-o").octets(18, &body)
}
