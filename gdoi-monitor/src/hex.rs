//! Octets as people write them.

use std::fmt;

use serde::{Serialize, Serializer};

/// Octets as lower-case hex digits, most significant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hex<const N: usize>(pub(crate) [u8; N]);

impl Hex<4> {
    /// An SPI.
    pub(crate) const fn spi(spi: u32) -> Self {
        Self(spi.to_be_bytes())
    }
}

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
