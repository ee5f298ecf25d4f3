//! Alternatives to `analyze`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::c_program;

const LIBPCAP: &str = include_str!("libpcap.c");
const UNWANTED: [&str; 3] = [
    "tcp.analyze_sequence_numbers:FALSE",
    "tcp.calculate_timestamps:FALSE",
    "tcp.desegment_tcp_streams:FALSE",
];
const FIELDS: [&str; 6] = [
    "frame.number",
    "frame.time_epoch",
    "ip.src",
    "ip.dst",
    "isakmp.ispi",
    "isakmp.exchangetype",
];

/// The tshark command for the same question: the ISAKMP messages, with their distinguishing fields.
///
/// TCP reassembly is turned off, because nobody needs it here. With tshark's defaults it takes up to ten times as
/// long.
pub(super) fn tshark(path: &Path) -> Command {
    let mut tshark = Command::new("tshark");
    tshark.args(["-n", "-d", "udp.port==848,isakmp", "-Y", "isakmp", "-T", "fields"]);
    for preference in UNWANTED {
        tshark.args(["-o", preference]);
    }
    for field in FIELDS {
        tshark.args(["-e", field]);
    }
    tshark.arg("-r").arg(path);
    tshark
}

/// Whether a program can be started.
pub(super) fn has(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Builds the loop of libpcap in a folder. `None` without a C compiler or libpcap.
pub(super) fn libpcap(folder: &Path) -> Result<Option<PathBuf>> {
    c_program::build(folder, "libpcap", LIBPCAP, &["-lpcap"])
}
