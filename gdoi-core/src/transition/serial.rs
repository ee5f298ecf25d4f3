//! Formats of fields in an event: seconds with a fraction, ports only if they are unusual.

use core::net::SocketAddr;
use core::time::Duration;

use serde::{Serialize, Serializer};

/// A member's address; with its port unless it is a well-known one.
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
