//! Interfaces of this network namespace, and notification of their changes, by netlink.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoKind, LinkAttribute, LinkFlags, LinkHeader, LinkInfo, LinkLayerType, LinkMessage, LinkXdp,
    XdpAttached,
};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};

use super::interface::Interface;

/// `RTMGRP_LINK`: new, removed and changed interfaces.
const GROUP_LINK: u32 = 1;
/// More than the kernel puts into one message of a dump (at most `NLMSG_GOODSIZE` and 32 KiB).
const DUMP_OCTETS: usize = 64 << 10;
/// The header of a netlink message.
const HEADER_OCTETS: usize = 16;

/// An interface as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkLink {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// Whether its frames begin with an Ethernet header.
    pub is_ethernet: bool,
    /// Whether it is up and has a carrier.
    pub has_carrier: bool,
    /// Its kind, if it is not hardware: `vlan`, `bond`, `bridge`, `veth` ...
    pub kind: Option<String>,
    /// Its link: the lower interface of a VLAN, the peer of a veth.
    pub lower: Option<u32>,
    /// Its bond or bridge.
    pub master: Option<u32>,
    /// Number of the attached XDP program.
    pub xdp_program: Option<u32>,
    /// Whether that program is generic, not in the driver.
    pub is_xdp_generic: bool,
}

impl NetworkLink {
    /// Its name and index.
    pub fn interface(&self) -> Interface {
        Interface {
            name: self.name.clone(),
            index: self.index,
        }
    }
}

/// Every interface of this network namespace, by index.
///
/// From netlink: `/sys/class/net` shows the namespace in which it was mounted, which may be another.
pub fn links() -> io::Result<Vec<NetworkLink>> {
    let socket = open(0)?;
    let mut message = NetlinkMessage::from(RouteNetlinkMessage::GetLink(LinkMessage::default()));
    message.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut links: Vec<NetworkLink> = dump(&socket, message)?.into_iter().filter_map(link).collect();
    links.sort_by_key(|link| link.index);
    Ok(links)
}

/// Notifies of new, removed and changed interfaces.
#[derive(Debug)]
pub struct Changes {
    socket: OwnedFd,
}

impl Changes {
    /// Starts to listen.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            socket: open(GROUP_LINK)?,
        })
    }

    /// Drops all notifications: after any change all interfaces are listed. Returns whether there were any.
    pub fn take(&self) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        let mut any = false;
        loop {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                // Notifications that the kernel had to drop are a change too.
                Ok(_) | Err(Errno::ENOBUFS) => any = true,
                Err(Errno::EAGAIN) => return Ok(any),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn open(groups: u32) -> io::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(socket)
}

fn dump(socket: &OwnedFd, mut request: NetlinkMessage<RouteNetlinkMessage>) -> io::Result<Vec<LinkMessage>> {
    request.finalize();
    let mut octets = vec![0; request.buffer_len()];
    request.serialize(&mut octets);
    send(socket.as_raw_fd(), &octets, MsgFlags::empty())?;
    let mut links = Vec::new();
    let mut buffer = vec![0; DUMP_OCTETS];
    loop {
        let received = match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        let mut rest = buffer.get(..received).unwrap_or_default();
        while !rest.is_empty() {
            let message =
                NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(io::Error::other)?;
            match message.payload {
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => links.push(link),
                NetlinkPayload::Done(_) => return Ok(links),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
            // Messages begin at multiples of four.
            let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
            rest = rest
                .get(length.next_multiple_of(4).max(HEADER_OCTETS)..)
                .unwrap_or_default();
        }
    }
}

fn link(message: LinkMessage) -> Option<NetworkLink> {
    let LinkHeader {
        index,
        link_layer_type,
        flags,
        ..
    } = message.header;
    let mut name = None;
    let mut link = NetworkLink {
        name: String::new(),
        index,
        is_ethernet: matches!(link_layer_type, LinkLayerType::Ether | LinkLayerType::Loopback),
        has_carrier: flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
        kind: None,
        lower: None,
        master: None,
        xdp_program: None,
        is_xdp_generic: false,
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = Some(text),
            LinkAttribute::Link(lower) => link.lower = Some(lower),
            LinkAttribute::Controller(master) => link.master = Some(master),
            LinkAttribute::LinkInfo(info) => link.kind = info.iter().find_map(kind),
            LinkAttribute::Xdp(xdp) => {
                link.xdp_program = xdp.iter().find_map(program);
                link.is_xdp_generic = xdp.contains(&LinkXdp::Attached(XdpAttached::SocketBuffer));
            }
            _ => {}
        }
    }
    link.name = name?;
    Some(link)
}

fn kind(info: &LinkInfo) -> Option<String> {
    match info {
        LinkInfo::Kind(kind) => Some(InfoKind::to_string(kind)),
        _ => None,
    }
}

fn program(xdp: &LinkXdp) -> Option<u32> {
    match xdp {
        LinkXdp::ProgId(id) | LinkXdp::DrvProgId(id) | LinkXdp::SkbProgId(id) | LinkXdp::HwProgId(id) => {
            (*id != 0).then_some(*id)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_described() {
        let links = links().unwrap();
        let loopback = links.iter().find(|link| link.name == "lo").unwrap();
        assert_eq!(
            *loopback,
            NetworkLink {
                name: "lo".to_owned(),
                index: 1,
                is_ethernet: true,
                has_carrier: true,
                kind: None,
                lower: None,
                master: None,
                xdp_program: None,
                is_xdp_generic: false,
            }
        );
    }
}
