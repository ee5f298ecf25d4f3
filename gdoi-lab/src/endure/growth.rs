//! Detects growth of a process.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::Resources;

/// Connections open at the moment.
const CONNECTIONS: usize = 8;
/// Events of new types.
const MORE_SERIES: usize = 32;
/// Lines of a table for people.
const LINES: usize = 12;

/// The resources of a process at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) at: Duration,
    pub(super) held: Resources,
    pub(super) series: usize,
    pub(super) packets: f64,
}

/// The resources of a process over time.
#[derive(Clone, Debug)]
pub(super) struct Growth {
    samples: Vec<Sample>,
    /// The unit of time in the table.
    unit: (&'static str, Duration),
}

impl Growth {
    /// Empty; times are in this unit.
    pub(super) const fn in_units(name: &'static str, unit: Duration) -> Self {
        Self {
            samples: Vec::new(),
            unit: (name, unit),
        }
    }

    pub(super) fn add(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    /// Checks that it grows into its buffers and tables in the first quarter, and by no more than `more_octets`
    /// afterwards.
    pub(super) fn check(&self, more_octets: u64) -> Result<()> {
        let (grown, later) = self
            .samples
            .split_at_checked(self.samples.len().div_ceil(4))
            .context("split the samples")?;
        let grown = grown.last().context("too short to say anything")?;
        for sample in later {
            let (before, now) = (grown.held, sample.held);
            ensure!(
                now.resident_octets <= before.resident_octets + more_octets,
                "memory grew from {grown:?} to {sample:?}"
            );
            ensure!(
                now.descriptors <= before.descriptors + CONNECTIONS,
                "descriptors grew from {grown:?} to {sample:?}"
            );
            ensure!(
                now.bpf_objects == before.bpf_objects,
                "objects of BPF changed from {grown:?} to {sample:?}"
            );
            ensure!(
                sample.series <= grown.series + MORE_SERIES,
                "series grew from {grown:?} to {sample:?}"
            );
        }
        Ok(())
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, unit) = self.unit;
        writeln!(
            f,
            "| {name} | packets counted | memory, MiB | descriptors | objects of BPF | series |"
        )?;
        writeln!(f, "|---:|---:|---:|---:|---:|---:|")?;
        let step = self.samples.len().div_ceil(LINES).max(1);
        let last = self.samples.len().saturating_sub(1);
        for (number, sample) in self.samples.iter().enumerate() {
            let Sample {
                at,
                held,
                series,
                packets,
            } = sample;
            if number % step != 0 && number != last {
                continue;
            }
            writeln!(
                f,
                "| {:.1} | {packets} | {:.1} | {} | {} | {series} |",
                at.as_secs_f64() / unit.as_secs_f64(),
                held.resident_mib(),
                held.descriptors,
                held.bpf_objects,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MORE_OCTETS: u64 = 1 << 20;

    fn check(last: Sample, expect: &str) {
        let first = Sample::default();
        let growth = Growth {
            samples: vec![first, first, first, last],
            ..Growth::in_units("minute", Duration::from_mins(1))
        };
        let said = match growth.check(MORE_OCTETS) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        assert!(
            said.starts_with(expect) && said.is_empty() == expect.is_empty(),
            "{said}"
        );
    }

    #[test]
    fn growth_is_told() {
        let held = |resident_octets, descriptors, bpf_objects| Sample {
            held: Resources {
                resident_octets,
                descriptors,
                bpf_objects,
            },
            ..Sample::default()
        };
        check(held(MORE_OCTETS, CONNECTIONS, 0), "");
        check(held(MORE_OCTETS + 1, 0, 0), "memory grew");
        check(held(0, CONNECTIONS + 1, 0), "descriptors grew");
        check(held(0, 0, 1), "objects of BPF changed");
        let series = Sample {
            series: MORE_SERIES + 1,
            ..Sample::default()
        };
        check(series, "series grew");
    }
}
