//! The memory of a program: a stack, a frame, map values, a ring entry, each separate from the others.

use anyhow::{Context as _, Result, ensure};

const APART: u64 = 1 << 24;

/// Regions, each [`APART`] from the next, so that an address past the end of one is in none.
#[derive(Debug, Default)]
pub(super) struct Memory {
    regions: Vec<Vec<u8>>,
}

impl Memory {
    /// Adds a region, and returns its address. Addresses fit 32 bits, because the context holds those of a frame in
    /// 32 bits.
    pub(super) fn add(&mut self, octets: Vec<u8>) -> u64 {
        self.regions.push(octets);
        self.regions.len() as u64 * APART
    }

    /// Replaces the octets of the region at `start`.
    pub(super) fn replace(&mut self, start: u64, octets: Vec<u8>) -> Result<()> {
        let (region, _) = Self::place(start)?;
        *self.regions.get_mut(region).context("no region there")? = octets;
        Ok(())
    }

    /// A number of 1, 2, 4 or 8 octets.
    pub(super) fn read(&self, address: u64, octets: usize) -> Result<u64> {
        let mut number = [0; 8];
        let room = number
            .get_mut(..octets)
            .context("a number has at most 8 octets")?;
        room.copy_from_slice(self.octets(address, octets)?);
        Ok(u64::from_le_bytes(number))
    }

    /// Writes the lowest octets of a number.
    pub(super) fn write(&mut self, address: u64, octets: usize, number: u64) -> Result<()> {
        let number = number.to_le_bytes();
        let lowest = number.get(..octets).context("a number has at most 8 octets")?;
        self.copy(address, lowest)
    }

    /// The octets at an address.
    pub(super) fn octets(&self, address: u64, octets: usize) -> Result<&[u8]> {
        let (region, offset) = Self::place(address)?;
        self.regions
            .get(region)
            .and_then(|region| region.get(offset..offset + octets))
            .with_context(|| format!("{octets} octets at {address:#x} are in no region"))
    }

    /// Writes octets at an address.
    pub(super) fn copy(&mut self, address: u64, octets: &[u8]) -> Result<()> {
        let (region, offset) = Self::place(address)?;
        self.regions
            .get_mut(region)
            .and_then(|region| region.get_mut(offset..offset + octets.len()))
            .with_context(|| format!("{} octets at {address:#x} are in no region", octets.len()))?
            .copy_from_slice(octets);
        Ok(())
    }

    fn place(address: u64) -> Result<(usize, usize)> {
        ensure!(address >= APART, "{address:#x} is no address");
        Ok((
            usize::try_from(address / APART - 1)?,
            usize::try_from(address % APART)?,
        ))
    }
}
