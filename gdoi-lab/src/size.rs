//! The kernel's data about a loaded program: these numbers never vary.

use anyhow::{Context as _, Result};
use aya::programs::ProgramError;
use aya::{Ebpf, EbpfLoader};
use gdoi_wire::record::{PROGRAM_TC, PROGRAM_XDP};

/// The size of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Instructions that the verifier followed on all paths through it.
    pub verified: u32,
    /// Octets of its instructions, after the verifier has removed unreachable ones.
    pub translated_octets: u32,
    /// Octets of machine code.
    pub jited_octets: u32,
}

impl Size {
    /// Of a loaded program.
    pub(crate) fn of(ebpf: &Ebpf, name: &str) -> Result<Self> {
        let program = ebpf.program(name).with_context(|| format!("no program {name}"))?;
        let about = program.info().with_context(|| format!("ask about {name}"))?;
        Ok(Self {
            verified: about.verified_instruction_count().unwrap_or_default(),
            translated_octets: about.size_translated().unwrap_or_default(),
            jited_octets: about.size_jitted(),
        })
    }

    /// Of the programs at XDP and at traffic control in `object`, without sites and without a log.
    pub fn of_both(object: &[u8]) -> Result<[Self; 2]> {
        let mut ebpf = EbpfLoader::new()
            .override_global(aya_log::LEVEL, &0_u8, true)
            .load(object)
            .context("load the object")?;
        let mut load = |name, kind: fn(&mut aya::programs::Program) -> Result<(), ProgramError>| {
            let program = ebpf
                .program_mut(name)
                .with_context(|| format!("no program {name}"))?;
            kind(program).with_context(|| format!("load {name}"))
        };
        load(PROGRAM_XDP, |program| {
            <&mut aya::programs::Xdp>::try_from(program)?.load()
        })?;
        load(PROGRAM_TC, |program| {
            <&mut aya::programs::SchedClassifier>::try_from(program)?.load()
        })?;
        Ok([Self::of(&ebpf, PROGRAM_XDP)?, Self::of(&ebpf, PROGRAM_TC)?])
    }
}
