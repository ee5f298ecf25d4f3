//! How things are named: groups by number, members by address.

use core::hash::Hash;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Number of a group. 0 is what belongs to none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct GroupId(pub(super) u32);

impl GroupId {
    /// What belongs to no known group.
    pub(crate) const NONE: Self = Self(0);

    /// Its place in a list of all groups.
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) fn known(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }
}

/// A member's address. The port is kept only where address translation chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Peer {
    address: [u8; 16],
    port: u16,
}

/// Ports that say nothing about who is meant: GDOI, and IKE with and without the non-ESP marker.
const WELL_KNOWN: [u16; 3] = [848, 500, 4500];

impl Peer {
    pub(crate) fn new(socket: SocketAddr) -> Self {
        let port = socket.port();
        Self {
            address: octets(socket.ip()),
            port: if WELL_KNOWN.contains(&port) { 0 } else { port },
        }
    }

    pub(crate) fn ip(self) -> IpAddr {
        Ipv6Addr::from(self.address).to_canonical()
    }

    pub(crate) fn socket(self) -> SocketAddr {
        SocketAddr::new(self.ip(), self.port)
    }
}

const fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}
