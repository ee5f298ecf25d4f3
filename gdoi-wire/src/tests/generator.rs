//! The generator reaches everything, in frames that a network card could deliver, and is repeatable.

use std::collections::BTreeMap;
use std::vec::Vec;

use super::seen;
use crate::craft::Generator;
use crate::{Class, Dissected, ParseError};

const FRAMES: usize = 50_000;

#[test]
fn every_class_and_every_miss_comes_often() {
    let mut classes = BTreeMap::new();
    let mut misses = BTreeMap::new();
    for frame in Generator::new(1).take(FRAMES) {
        match seen(&frame) {
            Dissected::Packet(packet) => *classes.entry(packet.class()).or_insert(0) += 1,
            Dissected::Error(miss) => *misses.entry(miss).or_insert(0) += 1,
            Dissected::Other => *classes.entry(Class::Other).or_insert(0) += 1,
        }
    }
    std::eprintln!("{classes:?} {misses:?}");
    for class in Class::ALL {
        let count = classes.get(class).copied().unwrap_or(0);
        assert!(count >= 500, "{class:?} came {count} times");
    }
    for miss in ParseError::ALL {
        let count = misses.get(miss).copied().unwrap_or(0);
        assert!(count >= 20, "{miss:?} came {count} times");
    }
}

#[test]
fn frames_have_the_sizes_of_ethernet() {
    let lengths: Vec<usize> = Generator::new(2).take(FRAMES).map(|frame| frame.len()).collect();
    assert!(lengths.iter().all(|length| (14..=9_000).contains(length)));
    assert!(lengths.contains(&14));
    assert!(lengths.iter().any(|length| *length > 8_000));
    let jumbo = lengths.iter().filter(|length| **length > 1_514).count();
    assert!(
        (FRAMES / 1_000..FRAMES / 20).contains(&jumbo),
        "{jumbo} over 1,514 octets"
    );
}

#[test]
fn the_same_seed_gives_the_same_frames() {
    let frames = |seed| Generator::new(seed).take(500).collect::<Vec<_>>();
    assert_eq!(frames(3), frames(3));
    assert_ne!(frames(3), frames(4));
}
