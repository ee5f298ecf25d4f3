//! Identifiers: groups by number, table entries by slot, members by address.

use core::hash::Hash;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// Number of a group. 0 is for everything without a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct GroupId(pub(super) u32);

impl GroupId {
    /// For everything without a known group.
    pub(crate) const NONE: Self = Self(0);

    /// Index in a list of all groups.
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) fn known(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }
}

/// Number of a slot in a table. It is stored plus one, so that an optional one takes no more space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
pub(crate) struct Slot(NonZeroU32);

impl From<u32> for Slot {
    fn from(number: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(number))
    }
}

impl From<Slot> for u32 {
    fn from(slot: Slot) -> Self {
        slot.0.get() - 1
    }
}

impl Slot {
    /// Slot numbers are 32 bits wide to keep links small; no target has narrower addresses.
    pub(crate) const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// A slot of one particular table.
pub(crate) trait TableId: Copy {
    fn from_slot(slot: Slot) -> Self;
    fn slot(self) -> Slot;
}

/// Identifies an IKE SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct IkeSaId(Slot);

impl TableId for IkeSaId {
    fn from_slot(slot: Slot) -> Self {
        Self(slot)
    }

    fn slot(self) -> Slot {
        self.0
    }
}

/// Identifies the attempts of a member at a key server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct AttemptsId(Slot);

impl TableId for AttemptsId {
    fn from_slot(slot: Slot) -> Self {
        Self(slot)
    }

    fn slot(self) -> Slot {
        self.0
    }
}

/// Identifies a KEK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct KekId(Slot);

impl TableId for KekId {
    fn from_slot(slot: Slot) -> Self {
        Self(slot)
    }

    fn slot(self) -> Slot {
        self.0
    }
}

/// Identifies a key server. Key servers are never forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct KeyServerId(Slot);

impl TableId for KeyServerId {
    fn from_slot(slot: Slot) -> Self {
        Self(slot)
    }

    fn slot(self) -> Slot {
        self.0
    }
}

/// Identifies a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct MemberId(Slot);

impl TableId for MemberId {
    fn from_slot(slot: Slot) -> Self {
        Self(slot)
    }

    fn slot(self) -> Slot {
        self.0
    }
}

/// Identifies an SPI at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct SpiId(Slot);

impl TableId for SpiId {
    fn from_slot(slot: Slot) -> Self {
        Self(slot)
    }

    fn slot(self) -> Slot {
        self.0
    }
}

/// Identifies an unconfirmed cookie pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct UnconfirmedId(Slot);

impl TableId for UnconfirmedId {
    fn from_slot(slot: Slot) -> Self {
        Self(slot)
    }

    fn slot(self) -> Slot {
        self.0
    }
}

/// A member's address. The port is kept only where address translation chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Peer {
    address: [u8; 16],
    port: u16,
}

/// Ports that do not distinguish members: GDOI, and IKE with and without the non-ESP marker.
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
