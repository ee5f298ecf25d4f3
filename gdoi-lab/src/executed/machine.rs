//! The registers, and the execution of instructions (RFC 9669 §3 to §5).
#![expect(
    clippy::cast_sign_loss,
    reason = "the number in an instruction is extended by its sign, then taken as octets"
)]

use anyhow::{Context as _, Result, bail, ensure};
use aya_obj::generated::bpf_insn;

use super::Executed;
use super::arithmetic::{holds, operate, to_big_endian};
use super::helpers::Helpers;
use super::memory::Memory;

const REGISTERS: usize = 11;
const FRAME_POINTER: u8 = 10;
/// Four registers and the frame pointer.
const KEPT: usize = 5;
const STACK_OCTETS: u64 = 512;
/// `MAX_CALL_FRAMES` of the kernel.
const DEEPEST: usize = 8;
/// The verifier's limit.
const ENDLESS: u32 = 1_000_000;
/// Instruction classes.
const LOAD: u8 = 0;
const LOAD_MEMORY: u8 = 1;
const STORE_NUMBER: u8 = 2;
const STORE: u8 = 3;
const ARITHMETIC_HALF: u8 = 4;
const JUMP: u8 = 5;
const JUMP_HALF: u8 = 6;
const ARITHMETIC: u8 = 7;
/// Complete codes.
const LOAD_NUMBER: u8 = 0x18;
const ALWAYS: u8 = 0x05;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
/// Parts of codes.
const MODE: u8 = 0xe0;
const MEMORY: u8 = 0x60;
const ORDER: u8 = 0xd0;
const OF_REGISTER: u8 = 0x08;
/// Meanings of the source register in a 64-bit load: `BPF_PSEUDO_MAP_FD`, `BPF_PSEUDO_MAP_VALUE`, `BPF_PSEUDO_CALL`.
const OF_MAP: u8 = 1;
const OF_GLOBAL: u8 = 2;
const OF_PROGRAM: u8 = 1;

/// A program in the middle of a frame.
pub(super) struct EbpfMachine<'a> {
    program: &'a [bpf_insn],
    memory: &'a mut Memory,
    helpers: &'a mut Helpers,
    registers: [u64; REGISTERS],
    /// Saved registers of the callers, and their next instructions.
    callers: Vec<([u64; KEPT], usize)>,
    next: usize,
    executed: Executed,
}

impl<'a> EbpfMachine<'a> {
    /// Before the first instruction, called with `context`.
    pub(super) fn new(
        program: &'a [bpf_insn],
        memory: &'a mut Memory,
        helpers: &'a mut Helpers,
        context: u64,
    ) -> Result<Self> {
        let mut machine = Self {
            program,
            registers: [0; REGISTERS],
            callers: Vec::new(),
            next: 0,
            executed: Executed::default(),
            memory,
            helpers,
        };
        let stack = machine.helpers.stack();
        machine.set(1, context)?;
        machine.set(FRAME_POINTER, stack + STACK_OCTETS)?;
        Ok(machine)
    }

    /// Runs to the end of the program, and returns its result.
    pub(super) fn run(mut self) -> Result<(u64, Executed)> {
        loop {
            let at = self.next;
            let instruction = *self.program.get(at).context("the program runs past its end")?;
            self.next += 1;
            self.executed.instructions += 1;
            ensure!(self.executed.instructions < ENDLESS, "the program does not end");
            if instruction.code == EXIT && self.callers.is_empty() {
                return Ok((self.registers[0], self.executed));
            }
            self.step(instruction)
                .with_context(|| format!("instruction {at}, code {:#x}", instruction.code))?;
        }
    }

    fn step(&mut self, instruction: bpf_insn) -> Result<()> {
        let (code, class) = (instruction.code, instruction.code & 0x07);
        let (to, from) = (instruction.dst_reg(), instruction.src_reg());
        let number = i64::from(instruction.imm) as u64;
        match class {
            LOAD if code == LOAD_NUMBER => {
                let low = u64::from(instruction.imm as u32);
                let second = self.program.get(self.next).context("half an instruction")?;
                let high = u64::from(second.imm as u32);
                self.next += 1;
                let value = match from {
                    OF_MAP => low,
                    OF_GLOBAL => {
                        let map = self.helpers.start_of(usize::try_from(low)?);
                        map.context("a global of no map")? + high
                    }
                    _ => high << 32 | low,
                };
                self.set(to, value)
            }
            LOAD_MEMORY if code & MODE == MEMORY => {
                let address = self.address(from, instruction.off)?;
                let value = self.memory.read(address, width(code))?;
                self.set(to, value)
            }
            STORE_NUMBER | STORE if code & MODE == MEMORY => {
                let value = if class == STORE {
                    self.register(from)?
                } else {
                    number
                };
                let address = self.address(to, instruction.off)?;
                self.memory.write(address, width(code), value)
            }
            ARITHMETIC | ARITHMETIC_HALF => {
                let left = self.register(to)?;
                let result = if code & 0xf0 == ORDER {
                    ensure!(
                        code == ORDER | OF_REGISTER | ARITHMETIC_HALF,
                        "only to big endian"
                    );
                    to_big_endian(instruction.imm, left)?
                } else {
                    ensure!(instruction.off == 0, "signed arithmetic is not known here");
                    let right = self.operand(code, from, number)?;
                    operate(code, class == ARITHMETIC_HALF, left, right)?
                };
                self.set(to, result)
            }
            _ if code == CALL => self.call(from, instruction.imm),
            _ if code == EXIT => self.give_back(),
            _ if code == ALWAYS => self.jump(instruction.off),
            JUMP | JUMP_HALF => {
                let (left, right) = (self.register(to)?, self.operand(code, from, number)?);
                if holds(code, class == JUMP_HALF, left, right)? {
                    self.jump(instruction.off)?;
                }
                Ok(())
            }
            _ => bail!("not known here"),
        }
    }

    fn call(&mut self, kind: u8, target: i32) -> Result<()> {
        if kind == OF_PROGRAM {
            let kept = [6, 7, 8, 9, FRAME_POINTER].map(usize::from);
            let kept = kept.map(|register| self.registers.get(register).copied().unwrap_or_default());
            self.callers.push((kept, self.next));
            ensure!(self.callers.len() < DEEPEST, "functions call each other too deep");
            let frame = self.register(FRAME_POINTER)?;
            self.set(FRAME_POINTER, frame + STACK_OCTETS)?;
            self.next = self.next.wrapping_add_signed(isize::try_from(target)?);
            return Ok(());
        }
        let [_, first, second, third, fourth, ..] = self.registers;
        let (answer, is_call) = self
            .helpers
            .call(target, [first, second, third, fourth], self.memory)?;
        self.executed.calls += u32::from(is_call);
        self.set(0, answer)
    }

    fn give_back(&mut self) -> Result<()> {
        let (kept, next) = self.callers.pop().context("no caller")?;
        for (register, value) in [6, 7, 8, 9, FRAME_POINTER].into_iter().zip(kept) {
            self.set(register, value)?;
        }
        self.next = next;
        Ok(())
    }

    fn jump(&mut self, by: i16) -> Result<()> {
        let to = self.next.checked_add_signed(by.into());
        self.next = to.context("a jump before the program")?;
        Ok(())
    }

    fn operand(&self, code: u8, from: u8, number: u64) -> Result<u64> {
        if code & OF_REGISTER == 0 {
            return Ok(number);
        }
        self.register(from)
    }

    fn address(&self, register: u8, offset: i16) -> Result<u64> {
        Ok(self.register(register)?.wrapping_add_signed(offset.into()))
    }

    fn register(&self, number: u8) -> Result<u64> {
        let register = self.registers.get(usize::from(number));
        register.copied().context("there is no such register")
    }

    fn set(&mut self, number: u8, value: u64) -> Result<()> {
        let register = self.registers.get_mut(usize::from(number));
        *register.context("there is no such register")? = value;
        Ok(())
    }
}

/// Octets that an instruction reads or writes.
fn width(code: u8) -> usize {
    match code & 0x18 {
        0x00 => 4,
        0x08 => 2,
        0x10 => 1,
        _ => 8,
    }
}
