//! Counts the instructions for a frame with an interpreter of the program (RFC 9669).
//!
//! The program is as compiled. The kernel removes code that frozen globals exclude, and inlines array lookups, the
//! CPU number and jiffies; each of these counts as one instruction here and not as a call.

mod arithmetic;
mod helpers;
mod machine;
mod memory;

use std::collections::HashSet;

use anyhow::{Context as _, Result, ensure};
use aya_obj::Object;
use aya_obj::generated::bpf_insn;
use gdoi_wire::Class;
use gdoi_wire::record::MAP_CPU_STATE;

use self::helpers::Helpers;
use self::machine::EbpfMachine;
use self::memory::Memory;

/// The verdict for every frame (`enum xdp_action`).
const XDP_PASS: u64 = 2;

/// Counts for one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Executed {
    /// Instructions of the program.
    pub instructions: u32,
    /// Calls of kernel functions.
    pub calls: u32,
}

/// A program and its maps, for a sequence of frames.
#[derive(Debug)]
pub struct Followed {
    instructions: Vec<bpf_insn>,
    memory: Memory,
    helpers: Helpers,
    /// Address of the part of the first CPU.
    part: u64,
}

impl Followed {
    /// A program of an object with empty maps and globals as compiled.
    pub fn new(object: &[u8], program: &str) -> Result<Self> {
        let mut object = Object::parse(object).context("read the object")?;
        let mut memory = Memory::default();
        let mut names: Vec<String> = object.maps.keys().cloned().collect();
        names.sort();
        let maps = object.maps.clone();
        let maps: Vec<_> = (0..)
            .zip(&names)
            .filter_map(|(number, name)| Some((name.as_str(), number, maps.get(name)?)))
            .collect();
        let helpers = Helpers::new(&maps, &mut memory);
        let part = names.iter().position(|name| name == MAP_CPU_STATE);
        let part = helpers
            .start_of(part.context("no map of what is counted")?)
            .context("no array of what is counted")?;
        let texts: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
        object
            .relocate_maps(maps.into_iter(), &texts)
            .context("tell the maps")?;
        object.relocate_calls(&texts).context("link the functions")?;
        let about = object
            .programs
            .get(program)
            .with_context(|| format!("no program {program}"))?;
        let function = object
            .functions
            .get(&about.function_key())
            .with_context(|| format!("no code of {program}"))?;
        Ok(Self {
            instructions: function.instructions.clone(),
            memory,
            helpers,
            part,
        })
    }

    /// Runs the program on a frame.
    pub fn frame(&mut self, octets: &[u8]) -> Result<Executed> {
        let context = self.helpers.receive(octets, &mut self.memory)?;
        let machine = EbpfMachine::new(&self.instructions, &mut self.memory, &mut self.helpers, context)?;
        let (answer, executed) = machine.run()?;
        ensure!(answer == XDP_PASS, "the program answered {answer}");
        Ok(executed)
    }

    /// Packets of a class so far: they are the first counters of a CPU.
    pub fn packets(&self, class: Class) -> Result<u64> {
        self.memory.read(self.part + 8 * class as u64, 8)
    }
}
