//! A gateway between two networks.

use std::fs;
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use gdoi_wire::craft::{self, ESP, Ethernet};

use super::{Network, ip, until_carrying};

/// Long enough for the kernel to process what is queued.
const QUIET: Duration = Duration::from_millis(50);
const LAN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const WAN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const LAN_HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 9);
const WAN_HOST: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 9);
const TCP: u8 = 6;

impl Network {
    /// The source of traffic: the far end of the wire to [`Self::LAN`].
    pub const LAN_FAR: &str = "lan-far";
    /// The gateway's interface to one network.
    pub const LAN: &str = "lan";
    /// The gateway's interface to the other.
    pub const WAN: &str = "wan";
    /// The destination of forwarded traffic: the far end of the wire to [`Self::WAN`].
    pub const WAN_FAR: &str = "wan-far";

    /// Creates a gateway between two veth pairs, which forwards in both directions.
    pub fn add_gateway(&self) -> Result<()> {
        let set = |path: &str, value| fs::write(path, value).with_context(|| format!("write {path}"));
        set("/proc/sys/net/ipv4/ip_forward", "1")?;
        for all in ["all", "default"] {
            set(&format!("/proc/sys/net/ipv4/conf/{all}/rp_filter"), "0")?;
        }
        for (near, far, address, mac, peer) in [
            (Self::LAN, Self::LAN_FAR, "10.1.0.1/24", LAN_MAC, LAN_HOST),
            (Self::WAN, Self::WAN_FAR, "10.2.0.1/24", WAN_MAC, WAN_HOST),
        ] {
            let mac = mac.map(|octet| format!("{octet:02x}")).join(":");
            ip(&["link", "add", near, "type", "veth", "peer", "name", far])?;
            ip(&["link", "set", near, "address", &mac])?;
            ip(&["link", "set", near, "up"])?;
            ip(&["link", "set", far, "arp", "off", "up"])?;
            ip(&["addr", "add", address, "dev", near])?;
            let peer = peer.to_string();
            ip(&["neigh", "add", &peer, "lladdr", "02:00:00:00:00:99", "dev", near])?;
            until_carrying(&[near, far])?;
        }
        Ok(())
    }

    /// An ESP packet that comes in at [`Self::LAN`] and is forwarded to [`Self::WAN`].
    pub fn packet_to_wan() -> Vec<u8> {
        esp(LAN_HOST, WAN_HOST, LAN_MAC)
    }

    /// A TCP packet that comes in at [`Self::LAN`] and is forwarded to [`Self::WAN`].
    pub fn tcp_to_wan() -> Vec<u8> {
        packet(LAN_HOST, WAN_HOST, LAN_MAC, TCP, &[0; 48])
    }

    /// An ESP packet that comes in at [`Self::WAN`] and is forwarded to [`Self::LAN`].
    pub fn packet_to_lan() -> Vec<u8> {
        esp(WAN_HOST, LAN_HOST, WAN_MAC)
    }

    /// Packets that an interface sent.
    pub fn sent_by(&self, name: &str) -> Result<u64> {
        statistic(name, "/0/stats64/tx/packets")
    }

    /// Packets that an interface received.
    pub fn received_by(&self, name: &str) -> Result<u64> {
        statistic(name, "/0/stats64/rx/packets")
    }

    /// Waits until an interface stops receiving.
    pub fn until_quiet(&self, name: &str) -> Result<()> {
        let mut before = None;
        loop {
            let now = self.received_by(name)?;
            if before.replace(now) == Some(now) {
                return Ok(());
            }
            thread::sleep(QUIET);
        }
    }
}

fn statistic(name: &str, pointer: &str) -> Result<u64> {
    let said = ip(&["-json", "-stats", "link", "show", name])?;
    let said: serde_json::Value = serde_json::from_str(&said).context("read what `ip` says")?;
    let number = said.pointer(pointer).and_then(serde_json::Value::as_u64);
    number.with_context(|| format!("no {pointer} in what `ip` says of {name}"))
}

fn esp(source: Ipv4Addr, destination: Ipv4Addr, mac: [u8; 6]) -> Vec<u8> {
    packet(
        source,
        destination,
        mac,
        ESP,
        &craft::esp(0xabcd_0001, 1, &[0; 40]),
    )
}

fn packet(source: Ipv4Addr, destination: Ipv4Addr, mac: [u8; 6], protocol: u8, octets: &[u8]) -> Vec<u8> {
    let ethernet = Ethernet {
        destination: mac,
        ..Ethernet::default()
    };
    craft::packet(&ethernet, source.into(), destination.into(), protocol, octets)
}
