//! What is known at one moment.

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::net::IpAddr;

use gdoi_wire::Exchange;

/// What is known at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Messages by group, key server and exchange.
    pub messages: BTreeMap<(String, IpAddr, Exchange), u64>,
    /// ESP by group.
    pub esp: BTreeMap<String, EspTotal>,
}

/// ESP counted for a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EspTotal {
    /// Packets.
    pub packets: u64,
    /// IP octets.
    pub octets: u64,
}

/// The group of what belongs to no known group.
pub const UNATTRIBUTED: &str = "unattributed";
