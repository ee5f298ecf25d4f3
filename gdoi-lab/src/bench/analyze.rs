//! What analysing a capture costs, against reading its file and against a loop of libpcap.

use anyhow::Result;

use super::row::{Row, Unit, Wanted};
use crate::offline::Offline;

/// Makes a capture, and has all turns with it; tshark's would take minutes.
pub(super) fn run() -> Result<Vec<Row>> {
    let offline = Offline {
        octets: OCTETS,
        rounds: ROUNDS,
        tshark_octets: 0,
        folder: std::env::temp_dir(),
    };
    let report = offline.run()?;
    let to_cat = Row::new("analyze, to cat", report.to_cat(), Unit::Ratio)
        .goal("P11", Wanted::AtMost(1.15))
        .aside(format!(
            "{:.3} and {:.3} s, {} frames",
            report.analyze.cpu, report.cat.cpu, report.frames
        ));
    // Where there is no libpcap to build it with, the row is missing.
    let libpcap = report.libpcap_to_analyze().map(|ratio| {
        Row::new("a loop of libpcap, to analyze", ratio, Unit::Ratio).goal("P11", Wanted::AtLeast(3.0))
    });
    Ok([to_cat].into_iter().chain(libpcap).collect())
}

const OCTETS: u64 = 256 << 20;
const ROUNDS: usize = 5;
