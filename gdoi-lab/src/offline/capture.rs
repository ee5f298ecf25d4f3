//! A capture as from a busy gateway: a group's messages among millions of packets of ESP and other traffic.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use gdoi_core::Timestamp;
use gdoi_sim::scenario;
use gdoi_sim::{PcapWriter, Simulation};
use gdoi_wire::craft::{self, ESP, Ethernet};

const SCENARIO: &str = "demo";
const TCP: u8 = 6;
const HTTPS: u16 = 443;
const TCP_OCTETS: usize = 20;
const ETHERNET_OCTETS: u32 = 14;
/// Offset of the protocol in the IPv4 header, and of the sequence number in ESP and in TCP.
const PROTOCOL_AT: usize = 14 + 9;
const SEQUENCE_AT: usize = 14 + 20 + 4;
/// Octets before each frame in the file.
const RECORD_OCTETS: u64 = 16;

/// Writes a capture of about this size, and returns its number of frames.
pub(super) fn write(file: File, octets: u64) -> Result<u64> {
    let scenario = scenario::named(SCENARIO)?;
    let mut messages = Vec::new();
    for emission in Simulation::new(&scenario, None)? {
        let frames = emission.frames(&scenario.vlan);
        messages.extend(frames.into_iter().map(|frame| (emission.at(), frame)));
    }
    let mut traffic = others();
    let mean = traffic
        .iter()
        .map(|frame| frame.len() as u64 + RECORD_OCTETS)
        .sum::<u64>()
        / traffic.len() as u64;
    let between = octets / mean / (messages.len() as u64).max(1);
    let mut writer = PcapWriter::new(BufWriter::with_capacity(1 << 20, file))?;
    let (mut turn, mut count) = (0, 0);
    let mut before: Option<Timestamp> = None;
    for (at, message) in messages {
        // Spread over the time since the previous message.
        let since = before.map_or(Duration::ZERO, |before| at.since(before));
        let step = since / u32::try_from(between + 1).unwrap_or(u32::MAX);
        let mut now = before.unwrap_or(at);
        for _ in 0..between {
            now = now.after(step);
            let frames = traffic.len();
            if let Some(frame) = traffic.get_mut(turn % frames) {
                go_on(frame);
                writer.frame(now, frame)?;
            }
            turn += 1;
        }
        writer.frame(at, &message)?;
        count += between + 1;
        before = Some(at);
    }
    writer.finish()?.flush()?;
    Ok(count)
}

/// Frames in the sizes of the Internet mix, 7 of 40 octets to 4 of 576 to 1 of 1,500 after the Ethernet header: three
/// fifths ESP of sixteen SPIs, the others TCP.
fn others() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for turn in 0..240_u32 {
        let octets = match turn % 12 {
            0..7 => 60,
            7..11 => 576,
            _ => 1500,
        };
        frames.push(if turn % 5 < 3 {
            between(
                turn,
                ESP,
                &craft::esp(0x1000_0000 + turn % 16, turn, &vec![0x5a; octets - 28]),
            )
        } else {
            between(turn, TCP, &tcp(turn, octets - 40))
        });
    }
    frames
}

/// A segment of this size, of a connection of its own.
fn tcp(turn: u32, octets: usize) -> Vec<u8> {
    let port = u16::try_from(49_152 + turn).unwrap_or(u16::MAX);
    let mut segment = Vec::with_capacity(TCP_OCTETS + octets);
    segment.extend(port.to_be_bytes());
    segment.extend(HTTPS.to_be_bytes());
    // Sequence and acknowledgement, a header of five words, the ACK flag, a window.
    segment.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    segment.resize(TCP_OCTETS + octets, 0x17);
    segment
}

/// Raises the sequence number, by one per ESP packet, by the payload length for TCP: otherwise a reader that follows
/// connections would look for losses or retransmissions with every frame.
fn go_on(frame: &mut [u8]) {
    let by = match frame.get(PROTOCOL_AT) {
        Some(&ESP) => 1,
        _ => u32::try_from(frame.len()).unwrap_or_default() - (ETHERNET_OCTETS + 40),
    };
    if let Some(sequence) = frame.get_mut(SEQUENCE_AT..).and_then(<[u8]>::first_chunk_mut) {
        *sequence = u32::from_be_bytes(*sequence).wrapping_add(by).to_be_bytes();
    }
}

fn between(turn: u32, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let host = |site: u32| IpAddr::from((0xc0a8_0001_u32 + (site << 8)).to_be_bytes());
    craft::packet(
        &Ethernet::default(),
        host(10 + turn % 6),
        host(10 + (turn + 1) % 6),
        protocol,
        payload,
    )
}
