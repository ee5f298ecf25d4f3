//! Cost of analysing a capture, compared with reading its file and with a loop of libpcap.

use anyhow::{Context as _, Result};

use super::row::{Row, Unit, Wanted, number};
use crate::offline::{Instructions, OCTETS, Offline};

/// A part of it for tshark.
const TSHARK_OCTETS: u64 = OCTETS / 4;
const ROUNDS: usize = 5;

/// Makes a capture, and runs all rounds with it; tshark has its own, because it takes minutes per gigabyte.
pub(super) fn run() -> Result<Vec<Row>> {
    let offline = Offline {
        octets: OCTETS,
        rounds: ROUNDS,
        tshark_octets: TSHARK_OCTETS,
        folder: std::env::temp_dir(),
    };
    let report = offline.run()?;
    let to_cat = Row::new("analyze, relative to cat", report.to_cat(), Unit::Ratio)
        .goal("P11", Wanted::AtMost(1.15))
        .aside(format!(
            "{:.3} and {:.3} s, {} frames",
            report.analyze.cpu, report.cat.cpu, report.frames
        ));
    let mut rows = vec![to_cat];
    // Without a libpcap to build with, or without tshark, its rows are missing.
    if let (Some(libpcap), Some(ratio)) = (report.libpcap, report.libpcap_to_analyze()) {
        let of_cat = libpcap.cpu / report.cat.cpu;
        rows.push(
            Row::new("a loop of libpcap, relative to analyze", ratio, Unit::Ratio)
                .goal("P11", Wanted::AtLeast(3.0))
                .why("see its ratio to `cat`: by profile, most of the time of `analyze` is the kernel's copying of \
                     the file"),
        );
        rows.push(Row::new(
            "a loop of libpcap, relative to cat",
            of_cat,
            Unit::Ratio,
        ));
    }
    if let (Some(turn), Some(ratio)) = (report.tshark, report.tshark_to_analyze()) {
        // Reading takes the same time per octet for any capture.
        let of_cat = turn.tshark.cpu / (report.cat.cpu * number(TSHARK_OCTETS) / number(OCTETS));
        rows.push(
            Row::new("tshark -T fields, relative to analyze", ratio, Unit::Ratio)
                .goal("P11", Wanted::AtLeast(400.0))
                .aside(format!("{:.1} s, {} frames", turn.tshark.cpu, turn.frames))
                .why("see its ratio to `cat`"),
        );
        rows.push(Row::new("tshark -T fields, relative to cat", of_cat, Unit::Ratio));
    }
    rows.push(
        Row::new(
            "peak memory of analyze",
            number(report.analyze.peak_octets) / f64::from(1 << 20),
            Unit::Mebibytes,
        )
        .aside(format!(
            "{} MiB for a sixteenth of the capture",
            report.small.peak_octets >> 20
        )),
    );
    let work = tempfile::tempdir().context("make a folder for captures")?;
    if let Some(Instructions { frame, message }) = Instructions::count(work.path())? {
        let row = |what, count| Row::new(what, count, Unit::Instructions);
        rows.push(row("analyze, a frame without an event", frame));
        rows.push(row("analyze, a message with its events", message));
    }
    Ok(rows)
}
