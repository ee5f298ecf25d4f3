//! The scenario that is committed as a capture.

use std::collections::BTreeSet;

use gdoi_wire::{Capture, Class, Dissected, Exchange, Ports, dissect};

use super::{count, library, play};
use crate::capture::PcapWriter;
use crate::emission::Emission;
use crate::truth::Kind;
use crate::world::Simulation;

/// The scenario as a capture file.
fn capture(seed: Option<u64>) -> Vec<u8> {
    let scenario = library("demo");
    let mut capture = PcapWriter::new(Vec::new()).unwrap();
    for emission in Simulation::new(&scenario, seed).unwrap() {
        for frame in emission.frames(&scenario.vlan) {
            capture.frame(emission.at(), &frame).unwrap();
        }
    }
    capture.finish().unwrap()
}

#[test]
fn the_same_seed_gives_the_same_octets() {
    assert_eq!(capture(Some(1)), capture(Some(1)));
    assert_ne!(capture(Some(1)), capture(Some(2)));
}

#[test]
fn the_committed_capture_is_this_scenario() {
    let committed = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/demo.pcap")).unwrap();
    assert!(
        committed == capture(None),
        "run: cargo xtask simulate demo --out tests/data/demo.pcap"
    );
}

#[test]
fn one_member_misses_one_rekey_and_registers_again() {
    for seed in 0..20 {
        let (_, happened) = play(&library("demo"), seed);
        let missed: Vec<_> = happened
            .iter()
            .filter(|happened| matches!(happened.kind, Kind::RekeyMissed { .. }))
            .collect();
        assert_eq!(missed.len(), 1, "seed {seed}");
        let completed = count(&happened, |kind| {
            matches!(kind, Kind::RegistrationCompleted { .. })
        });
        assert_eq!(
            completed, 7,
            "seed {seed}: six at the start, and the one that missed a rekey"
        );
        assert_eq!(
            count(&happened, |kind| matches!(
                kind,
                Kind::Rekey {
                    delivers_kek: true,
                    ..
                }
            )),
            2
        );
        assert_eq!(
            count(&happened, |kind| matches!(kind, Kind::RegistrationFailed { .. })),
            0
        );
        let last = happened
            .iter()
            .rev()
            .find(|happened| matches!(happened.kind, Kind::RegistrationCompleted { .. }));
        assert_eq!(last.unwrap().member, missed[0].member, "seed {seed}");
    }
}

#[test]
fn every_frame_is_read_and_time_never_goes_back() {
    let (emissions, _) = play(&library("demo"), 848);
    let mut before = emissions[0].at();
    let mut exchanges = BTreeSet::new();
    for emission in emissions {
        assert!(emission.at() >= before);
        before = emission.at();
        for frame in emission.frames(&[100, 7]) {
            let Dissected::Packet(packet) = dissect(&Capture::whole(&frame), &Ports::DEFAULT) else {
                panic!("{emission:?}");
            };
            match (&emission, packet.body) {
                (Emission::Sent(sent), gdoi_wire::Body::Isakmp { header, octets, .. }) => {
                    assert_eq!(packet.source_address(), sent.source.ip());
                    assert_eq!(header.length(), u32::from(octets));
                    exchanges.insert(header.exchange());
                }
                (Emission::Esp(esp), _) => {
                    assert_eq!(
                        (packet.class(), packet.source_address()),
                        (Class::Esp, esp.source)
                    );
                }
                other => panic!("{other:?}"),
            }
        }
    }
    let expected = [
        Exchange::MainMode,
        Exchange::GroupkeyPull,
        Exchange::GroupkeyPush,
        Exchange::GroupkeyPushAck,
    ];
    assert_eq!(exchanges, BTreeSet::from(expected));
}
