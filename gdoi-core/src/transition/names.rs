//! Names from the wire: of KEKs and IKE SAs, and of ESP SAs. People read them as hexadecimal digits.

use alloc::format;
use alloc::string::String;
use core::fmt;

use gdoi_wire::isakmp::Header;
use serde::{Deserialize, Serialize, Serializer};

/// A pair of cookies: the SPI of a KEK (RFC 6407 §5.3) or the name of an IKE SA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct Cookies(pub [u8; 16]);

impl From<&Header> for Cookies {
    fn from(header: &Header) -> Self {
        let mut pair = [0; 16];
        let octets = header.octets();
        for (to, from) in pair.iter_mut().zip(octets) {
            *to = from;
        }
        Self(pair)
    }
}

impl Cookies {
    /// The first four octets, which is how key servers print it too.
    pub(crate) fn short(self) -> String {
        let [a, b, c, d, ..] = self.0;
        format!("{a:02x}{b:02x}{c:02x}{d:02x}")
    }
}

/// SPI of an ESP SA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spi(pub u32);

impl fmt::Display for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// Digits for people; the octets in a saved state.
impl Serialize for Cookies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl fmt::Display for Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl Serialize for Spi {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
