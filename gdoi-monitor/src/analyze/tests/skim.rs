//! Skimming counts frames like reading them one by one.

use std::io::Cursor;
use std::path::Path;

use gdoi_core::Snapshot;
use gdoi_core::transition::Transition;
use gdoi_wire::craft::{Generator, Random};

use super::*;
use crate::report::Contents;
use crate::source::pcap::{CaptureReader, MonotonicReader};

/// The result of reading a capture.
#[derive(Debug)]
struct SkimOutcome {
    transitions: Vec<Transition>,
    snapshot: Snapshot,
    contents: Contents,
    skimmed: u64,
}

/// Reads a capture as [`Analysis`] does, or frame by frame.
fn read(capture: &[u8], spis: usize, config: &Config, skims: bool) -> SkimOutcome {
    let limits = Limits {
        spis,
        ..Limits::default()
    };
    let mut pipeline = Pipeline::new(config.clone(), limits, Ports::DEFAULT);
    let reader = CaptureReader::new(Path::new("x"), Box::new(Cursor::new(capture.to_vec()))).unwrap();
    let mut recording = MonotonicReader::new(reader);
    let (mut transitions, mut skimmed) = (Vec::new(), 0);
    while recording
        .with_next(|frame| pipeline.frame(frame))
        .unwrap()
        .is_some()
    {
        transitions.extend(pipeline.drain().0);
        if skims {
            skimmed += pipeline.skim(&mut recording, at(u64::MAX));
        }
    }
    pipeline
        .contents_mut()
        .clocks
        .push((0, recording.clock().clone()));
    pipeline.finish();
    transitions.extend(pipeline.drain().0);
    SkimOutcome {
        transitions,
        snapshot: pipeline.snapshot(),
        contents: pipeline.contents().clone(),
        skimmed,
    }
}

/// A capture of generated frames, some of them cut, at times that mostly increase, and sometimes step back or far
/// ahead.
fn generated(seed: u64, frames: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut capture = Vec::new();
    for field in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        capture.extend(field.to_le_bytes());
    }
    let mut now = 1_700_000_000 * SECOND;
    for frame in Generator::new(seed).take(frames) {
        now += random.below(30_000_000);
        if random.one_in(500) {
            now += random.below(20) * SECOND;
        }
        let when = if random.one_in(40) {
            now - random.below(2 * SECOND)
        } else {
            now
        };
        let kept = if random.one_in(4) {
            frame.len().min(60)
        } else {
            frame.len()
        };
        let fields = [when / SECOND, when % SECOND, kept as u64, frame.len() as u64];
        for field in fields {
            capture.extend(u32::try_from(field).unwrap().to_le_bytes());
        }
        capture.extend(&frame[..kept]);
    }
    capture
}

/// Sites whose ESP is counted separately.
fn places() -> Config {
    let prefix = |text: &str, length| IpNet::new(address(text), length).unwrap();
    Config {
        groups: vec![GroupConfig {
            name: "G".to_owned(),
            protected: vec![prefix("10.0.0.0", 8), prefix("2001:db8::", 32)],
            sites: vec![SiteConfig {
                name: "one".to_owned(),
                member: None,
                prefixes: vec![prefix("10.1.0.0", 16)],
            }],
            ..GroupConfig::default()
        }],
    }
}

#[test]
fn one_at_a_time_or_many_the_outcome_is_the_same() {
    for (seed, spis, config) in [
        (1, 65_536, Config::default()),
        (2, 65_536, places()),
        // A table that becomes full repeatedly.
        (3, 7, Config::default()),
    ] {
        println!("seed {seed}");
        let capture = generated(seed, 60_000);
        let (full, quick) = (
            read(&capture, spis, &config, false),
            read(&capture, spis, &config, true),
        );
        assert!(quick.skimmed > 2_000, "{} skimmed", quick.skimmed);
        assert_eq!(quick.contents, full.contents, "seed {seed}");
        assert_eq!(quick.transitions, full.transitions, "seed {seed}");
        assert_eq!(format!("{:?}", quick.snapshot), format!("{:?}", full.snapshot));
    }
}
