//! What a report keeps of a message: sender, receiver, content, and its frame.

use std::net::SocketAddr;

use gdoi_core::Timestamp;
use gdoi_core::observation::Message;
use gdoi_core::transition::{Cookies, FrameId};
use gdoi_wire::Exchange;

/// Ports that do not identify a peer: GDOI, and IKE with and without the non-ESP marker.
const WELL_KNOWN: [u16; 3] = [848, 500, 4500];

/// A message that was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeenMessage {
    pub(crate) at: Timestamp,
    pub(crate) frame: FrameId,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) exchange: Exchange,
    /// A response of version 2 (RFC 7296 §3.1).
    pub(crate) is_response: bool,
    pub(crate) cookies: Cookies,
    pub(crate) fingerprint: Option<[u8; 16]>,
}

impl SeenMessage {
    pub(crate) fn new(at: Timestamp, frame: FrameId, message: &Message<'_>) -> Self {
        let exchange = message.header.exchange();
        Self {
            at,
            frame,
            source: without_well_known(message.source),
            destination: without_well_known(message.destination),
            exchange,
            is_response: message.header.version().0 == 2 && message.header.is_response(),
            cookies: Cookies::from(&message.header),
            fingerprint: message.fingerprint,
        }
    }

    /// Whether it delivers keys, or deletes them.
    pub(crate) const fn is_rekey(&self) -> bool {
        match self.exchange {
            Exchange::GroupkeyPush | Exchange::GsaRekey => true,
            Exchange::GsaInbandRekey => !self.is_response,
            _ => false,
        }
    }

    /// Whether it may be the answer to a rekey: by its exchange, or because it belongs to no registration.
    pub(crate) const fn may_acknowledge(&self) -> bool {
        match self.exchange {
            Exchange::GroupkeyPushAck | Exchange::Unregistered34 | Exchange::Unknown(_) => true,
            Exchange::GsaInbandRekey => self.is_response,
            _ => false,
        }
    }
}

/// A member's address in the tracker's form: the port is kept only if address translation chose it.
fn without_well_known(mut socket: SocketAddr) -> SocketAddr {
    if WELL_KNOWN.contains(&socket.port()) {
        socket.set_port(0);
    }
    socket.set_ip(socket.ip().to_canonical());
    socket
}
