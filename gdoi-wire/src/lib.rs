//! Octets on the wire to facts, for the kernel and for user space alike.
//!
//! [`dissect`] reads one Ethernet frame and says what it is: an ISAKMP message (RFC 2408, RFC 6407, RFC 7296), ESP,
//! AH, a NAT keepalive, a [`Miss`] that names why a packet that was ours could not be read, or nothing of ours.
//! The XDP program and the capture reader call the same code through [`Octets`] and hand on the same [`record::Record`].
//!
//! Nothing here panics, allocates or loops without a constant bound, whatever the input.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

#[cfg(feature = "craft")]
pub mod craft;
pub mod exchange;
mod frame;
pub mod isakmp;
mod network;
mod octets;
mod packet;
pub mod record;
mod transport;

#[cfg(test)]
mod tests;

pub use exchange::Exchange;
pub use frame::dissect;
pub use octets::{Capture, Octets};
pub use packet::{Ah, Body, Class, Esp, Fragment, Miss, Packet, Ports, Seen, Vlan};
