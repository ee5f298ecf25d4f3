//! Octets on the wire to facts, for the kernel and for user space.
//!
//! [`dissect`] reads one Ethernet frame. The result is an ISAKMP message (RFC 2408, RFC 6407, RFC 7296), ESP, AH, a
//! NAT keepalive, a [`ParseError`] that says why a packet of these protocols could not be read, or another protocol.
//! The XDP program and the capture reader call the same code through [`Octets`] and pass on the same
//! [`record::Record`].
//!
//! Nothing here panics, allocates or loops without a constant bound, for any input.
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
pub mod isakmp;
pub mod layers;
mod network;
mod octets;
mod packet;
mod quick_class;
pub mod record;
mod transport;

#[cfg(test)]
mod tests;

pub use exchange::Exchange;
pub use frame::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, L2, L3Offset, dissect, dissect_l2, dissect_l3};
pub use network::{Ip, L3};
pub use octets::{Capture, Octets};
pub use packet::{Ah, Body, Class, Dissected, Esp, Fragment, Packet, ParseError, Ports, Vlan};
pub use quick_class::{QuickClass, quick_class};
pub use transport::dissect_l4;
