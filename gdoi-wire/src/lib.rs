//! Octets on the wire to facts, for the kernel and for user space alike.
//!
//! [`dissect`] reads one Ethernet frame and says what it is: an ISAKMP message (RFC 2408, RFC 6407, RFC 7296), ESP,
//! AH, a NAT keepalive, a [`Miss`] that names why a packet that was ours could not be read, or nothing of ours.
//! The XDP program and the capture reader call the same code through [`Octets`] and hand on the same [`record::Record`].
//!
//! Nothing here panics, allocates or loops without a constant bound, whatever the input.
#![no_std]
#![forbid(unsafe_code)]
#![expect(
    clippy::inline_always,
    reason = "in the kernel what takes a packet pointer must be inlined: the verifier loses its bounds across calls"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "wire fields have fixed widths; each cast keeps what its field can hold, and `try_from` could panic"
)]
#![expect(
    clippy::many_single_char_names,
    reason = "the octets of one field, read as a block, have no better names than their order"
)]

#[cfg(any(test, feature = "craft"))]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(any(test, feature = "craft"))]
pub mod craft;
pub mod exchange;
mod frame;
mod glance;
pub mod isakmp;
mod network;
mod octets;
mod packet;
pub mod record;
mod transport;

#[cfg(test)]
mod tests;

pub use exchange::Exchange;
pub use frame::{Carried, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Link, dissect, dissect_payload, link, network};
pub use glance::{Glance, glance, glance_payload};
pub use network::{Ip, Network};
pub use octets::{Capture, Octets};
pub use packet::{Ah, Body, Class, Esp, Fragment, Miss, Packet, Ports, Seen, Vlan};
pub use transport::transport;
