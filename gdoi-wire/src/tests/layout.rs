//! Each [`RECORD_VERSION`] has one layout of what crosses the kernel boundary.

use std::collections::BTreeSet;
use std::format;
use std::string::String;
use std::vec::Vec;

use zerocopy::FromBytes;

use crate::record::{
    Clocks, Counters, CpuState, MAP_CLOCKS, MAP_CPU_STATE, MAP_RING, MAP_SITES, RECORD_VERSION, Record, Slot,
    Stamp,
};

/// Every version so far, with the fingerprint of its layout. A committed line never changes.
const LAYOUTS: &str = include_str!("layouts.txt");

/// Names, offsets and widths of all fields: each octet of the value is different.
fn describe<T: FromBytes + core::fmt::Debug>() -> String {
    let octets: Vec<u8> = (0..size_of::<T>()).map(|index| (index % 251) as u8).collect();
    format!("{:?}", T::read_from_bytes(&octets).unwrap())
}

/// FNV-1a: its value is the same in every version of the compiler.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn a_layout_that_changes_has_another_version() {
    let layout = [
        describe::<Record>(),
        describe::<Counters>(),
        describe::<Slot>(),
        describe::<Stamp>(),
        describe::<Clocks>(),
        format!(
            "{} {:?}",
            size_of::<CpuState>(),
            [MAP_RING, MAP_CPU_STATE, MAP_SITES, MAP_CLOCKS]
        ),
    ]
    .concat();
    let line = format!("{RECORD_VERSION} {:016x}", fingerprint(&layout));
    assert!(
        LAYOUTS.lines().any(|known| known == line),
        "the layout of a record changed: raise RECORD_VERSION and add the line \"{line}\" to layouts.txt"
    );
}

#[test]
fn a_version_has_one_layout() {
    let versions: Vec<&str> = LAYOUTS
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let distinct: BTreeSet<&&str> = versions.iter().collect();
    assert_eq!(
        distinct.len(),
        versions.len(),
        "one line for each version: {LAYOUTS}"
    );
}
