//! Offloads of network cards, by generic netlink.
//!
//! The messages are those of `Documentation/networking/ethtool-netlink.rst` (since v5.6) and
//! `Documentation/netlink/specs/netdev.yaml` (since v6.3).

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};

/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// `NLA_F_NESTED`.
const NESTED: u16 = 1 << 15;
/// The headers of netlink and generic netlink.
const HEADERS_OCTETS: usize = 16 + 4;
const ATTRIBUTE_HEADER_OCTETS: usize = 4;
/// Enough for the names of a hundred features in three bitsets.
const ANSWER_OCTETS: usize = 64 << 10;
/// From `include/uapi/linux/genetlink.h`.
const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
/// From `include/uapi/linux/ethtool_netlink.h`.
const ETHTOOL_MSG_FEATURES_GET: u8 = 11;
const ETHTOOL_A_FEATURES_HEADER: u16 = 1;
const ETHTOOL_A_FEATURES_ACTIVE: u16 = 4;
const ETHTOOL_A_HEADER_DEV_INDEX: u16 = 1;
const ETHTOOL_A_BITSET_BITS: u16 = 3;
const ETHTOOL_A_BITSET_BIT_NAME: u16 = 2;
/// From `include/uapi/linux/netdev.h`; its numbers are in the machine's byte order, and only the low octet matters
/// here.
const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;
const NETDEV_XDP_ACT_BASIC: u8 = 1;

/// The names of the features that are on, as `ethtool -k` shows them without its aliases.
pub fn active(index: u32) -> io::Result<BTreeSet<String>> {
    let (socket, family) = open("ethtool")?;
    let device = attribute(ETHTOOL_A_HEADER_DEV_INDEX, &index.to_ne_bytes());
    let header = attribute(ETHTOOL_A_FEATURES_HEADER | NESTED, &device);
    let answer = ask(&socket, family, ETHTOOL_MSG_FEATURES_GET, &header)?;
    let bits = find(&answer, ETHTOOL_A_FEATURES_ACTIVE)
        .and_then(|bitset| find(bitset, ETHTOOL_A_BITSET_BITS))
        .unwrap_or_default();
    // Without a mask, listed bits are set.
    Ok(attributes(bits)
        .filter_map(|bit| find(bit.1, ETHTOOL_A_BITSET_BIT_NAME))
        .map(|name| String::from_utf8_lossy(name).trim_end_matches('\0').to_owned())
        .collect())
}

/// Whether the driver reports XDP support (since v6.3). Nothing is attached, which could restart the card.
pub fn has_native_xdp(index: u32) -> io::Result<bool> {
    let (socket, family) = open("netdev")?;
    let device = attribute(NETDEV_A_DEV_IFINDEX, &index.to_ne_bytes());
    let answer = ask(&socket, family, NETDEV_CMD_DEV_GET, &device)?;
    let features = find(&answer, NETDEV_A_DEV_XDP_FEATURES).and_then(|value| value.first_chunk().copied());
    Ok(features.is_some_and(|[low, ..]: [u8; 8]| low & NETDEV_XDP_ACT_BASIC != 0))
}

/// A socket, and the number of a generic netlink family.
fn open(family: &str) -> io::Result<(OwnedFd, u16)> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkGeneric,
    )?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    let mut name = family.as_bytes().to_vec();
    name.push(0);
    let answer = ask(
        &socket,
        GENL_ID_CTRL,
        CTRL_CMD_GETFAMILY,
        &attribute(CTRL_ATTR_FAMILY_NAME, &name),
    )?;
    let family = find(&answer, CTRL_ATTR_FAMILY_ID)
        .and_then(|value| value.first_chunk().copied())
        .map(u16::from_ne_bytes)
        .ok_or(io::ErrorKind::Unsupported)?;
    Ok((socket, family))
}

/// Sends one request; returns the attributes of the answer.
fn ask(socket: &OwnedFd, family: u16, command: u8, attributes: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(HEADERS_OCTETS + attributes.len()).unwrap_or(u32::MAX);
    let mut request = length.to_ne_bytes().to_vec();
    request.extend(family.to_ne_bytes());
    request.extend(REQUEST.to_ne_bytes());
    // Sequence and port are not needed for one request at a time. Then the generic header.
    request.extend([0; 8]);
    request.extend([command, 1, 0, 0]);
    request.extend(attributes);
    send(socket.as_raw_fd(), &request, MsgFlags::empty())?;
    let mut answer = vec![0; ANSWER_OCTETS];
    let received = loop {
        match recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty()) {
            Err(Errno::EINTR) => {}
            other => break other?,
        }
    };
    answer.truncate(received);
    let kind = answer.get(4..6).and_then(|kind| kind.first_chunk().copied());
    if kind.map(u16::from_ne_bytes) == Some(ERROR) {
        let number = answer
            .get(16..20)
            .and_then(|number| number.first_chunk().copied());
        return Err(io::Error::from_raw_os_error(
            number.map_or(libc::EIO, |number| -i32::from_ne_bytes(number)),
        ));
    }
    Ok(answer.split_off(HEADERS_OCTETS.min(received)))
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(ATTRIBUTE_HEADER_OCTETS + value.len()).unwrap_or(u16::MAX);
    let mut octets = length.to_ne_bytes().to_vec();
    octets.extend(kind.to_ne_bytes());
    octets.extend(value);
    octets.resize(octets.len().next_multiple_of(4), 0);
    octets
}

/// The attributes in `octets`, up to the first malformed one.
fn attributes(octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let [l0, l1, k0, k1] = *rest.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = rest.get(ATTRIBUTE_HEADER_OCTETS..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([k0, k1]) & !NESTED, value))
    })
}

fn find(octets: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(octets)
        .find(|(has, _)| *has == kind)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_features() {
        let on = active(1).unwrap();
        assert!(on.contains("loopback") && !on.contains("rx-lro"), "{on:?}");
        // A kernel before v6.3 does not know the request.
        assert!(!has_native_xdp(1).unwrap_or(false));
    }

    #[test]
    fn an_interface_that_is_not_there_has_none() {
        assert_eq!(
            active(u32::MAX >> 1).unwrap_err().raw_os_error(),
            Some(libc::ENODEV)
        );
    }
}
