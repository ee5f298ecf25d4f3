//! How fields look in an event: seconds with a fraction, cookies and SPIs in hexadecimal digits.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use serde::{Serialize, Serializer};

/// A member's address; with its port only where that is not a well-known one.
#[derive(Clone, Copy)]
pub(super) struct Endpoint(pub(super) SocketAddr);

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.port() {
            0 => self.0.ip().serialize(serializer),
            _ => self.0.serialize(serializer),
        }
    }
}

pub(super) fn endpoint<S: Serializer>(socket: &SocketAddr, serializer: S) -> Result<S::Ok, S::Error> {
    Endpoint(*socket).serialize(serializer)
}

pub(super) fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[expect(clippy::ref_option, reason = "the signature that serialize_with asks for")]
pub(super) fn some_seconds<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration.map(|known| known.as_secs_f64()).serialize(serializer)
}

/// Octets as hexadecimal digits.
struct Digits<'a>(&'a [u8]);

impl fmt::Display for Digits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Display for super::Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Digits(&self.0).fmt(f)
    }
}

/// Digits for people; the octets in a saved state.
impl Serialize for super::Cookies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl fmt::Display for super::Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl Serialize for super::Spi {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
