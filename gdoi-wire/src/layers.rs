//! Encapsulations: every header between the beginning of a frame and the packet to dissect.
//!
//! [`LinkType::start`] returns the first header of a frame; from there one table leads from header to header:
//!
//! | layer | found as | length in octets | next |
//! |---|---|---|---|
//! | [`Layer::Capwap`] | UDP 5247 (RFC 5415 §4.3) | 4 x HLEN | IEEE 802.11 or Ethernet |
//! | [`Layer::CiscoMetadata`] | Ethertype 0x8909 | 2 + 4 x length | an Ethertype |
//! | [`Layer::Erspan`] | GRE 0x88be, 0x22eb | 0 (I), 8 (II), 12 or 20 (III) | Ethernet or IP |
//! | [`Layer::EtherIp`] | protocol 97 (RFC 3378) | 2 | Ethernet |
//! | [`Layer::Geneve`] | UDP 6081 (RFC 8926 §3.4) | 8 + 4 x option length | an Ethertype |
//! | [`Layer::Gre`] | protocol 47, UDP 4754 (RFC 2784, 2890, 2637, 8086) | 4 to 16, and its source routes | an Ethertype |
//! | [`Layer::GtpU`] | UDP 2152 (3GPP TS 29.281 §5.1) | 8, or 12 and its extension headers | IP |
//! | [`Layer::Hsr`] | Ethertype 0x892f (IEC 62439-3 §5.6) | 4 | an Ethertype |
//! | [`Layer::IpInIp`] | protocols 4, 41, 94 (RFC 2003, 4213) | 0 | IP |
//! | [`Layer::L2tp`] | UDP 1701, protocol 115 (RFC 2661, 3931) | 6 to 14 and an offset (v2); 4 to 20 (v3) | PPP (v2); Ethernet (v3) |
//! | [`Layer::Lisp`] | UDP 4341 (RFC 9300 §5) | 8 | IP |
//! | [`Layer::Macsec`] | Ethertype 0x88e5 (IEEE 802.1AE §9) | 6 or 14 | an Ethertype, unless it is encrypted |
//! | [`Layer::Mpls`] | Ethertypes 0x8847, 0x8848, protocol 137, UDP 6635 (RFC 3032, 4023, 7510) | 4 x labels | IP or Ethernet |
//! | [`Layer::Nsh`] | Ethertype 0x894f (RFC 8300 §2) | 4 x length | IP, Ethernet, MPLS, NSH |
//! | [`Layer::Pbb`] | Ethertype 0x88e7 (IEEE 802.1ah) | 4 | Ethernet |
//! | [`Layer::Pppoe`] | Ethertype 0x8864 (RFC 2516 §4) | 6 | PPP |
//! | [`Layer::Snap`] | a length instead of an Ethertype (IEEE 802.2, RFC 1042) | 3 or 8 | an Ethertype, IP, Ethernet |
//! | [`Layer::Teredo`] | UDP 3544 (RFC 4380 §5.1.1) | 0, 8, 13 and more | IPv6 |
//! | [`Layer::Tzsp`] | UDP 37008 | 4 and its tags | Ethernet or IEEE 802.11 |
//! | [`Layer::Vxlan`] | UDP 4789, 8472 (RFC 7348 §5) | 8 | Ethernet |
//! | [`Layer::VxlanGpe`] | UDP 4790 (draft-ietf-nvo3-vxlan-gpe) | 8 | IP, Ethernet, NSH, MPLS |
//!
//! VLAN tags and AH in transport mode may be on any packet and are no layers here. Depth is bounded by [`MAX_LAYERS`],
//! [`MAX_AHS`], two tags in each Ethernet frame, and a bound in each header with repeated elements.
//!
//! [`onward`] is one step of the walk. It takes and returns a few integers, so that the kernel's slow path can take the
//! same steps in subprograms of its own; [`unwrap`] takes all steps.

mod header;
mod link;
mod not_read;
mod walk;

use strum::{IntoStaticStr, VariantArray};

pub use header::onward;
pub use link::LinkType;
pub use not_read::{NotRead, Wireless};
pub use walk::{AhHeader, Envelope, Found, Unwrapped, quick_class, unwrap};
pub(crate) use walk::{is_harmless, is_harmless_ethertype, may_be_isakmp};

/// Maximum number of layers around one packet. A provider's mirrored customer frame has about six: ERSPAN in GRE
/// around a frame with MPLS, a pseudowire and a PPP session.
pub const MAX_LAYERS: usize = 8;
/// Maximum number of AHs around one packet.
pub const MAX_AHS: usize = 4;

/// A header that carries a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[repr(u8)]
pub enum Layer {
    /// AH in tunnel mode (RFC 4302 §3.1.2).
    Ah,
    /// CAPWAP data: frames between an access point and its controller.
    Capwap,
    /// Cisco metadata: security group tags.
    CiscoMetadata,
    /// A mirrored frame in GRE.
    Erspan,
    /// Ethernet in IP.
    #[strum(serialize = "etherip")]
    EtherIp,
    /// Geneve.
    Geneve,
    /// GRE.
    Gre,
    /// GTP-U: user traffic of a mobile network.
    GtpU,
    /// High-availability seamless redundancy.
    Hsr,
    /// IP in IP, of either version in either.
    #[strum(serialize = "ipip")]
    IpInIp,
    /// L2TP, version 2 or 3.
    L2tp,
    /// LISP data.
    Lisp,
    /// Encryption or integrity of a link (IEEE 802.1AE).
    Macsec,
    /// An MPLS label stack.
    Mpls,
    /// A network service header.
    Nsh,
    /// Provider backbone bridging: a frame in a frame.
    Pbb,
    /// A PPP session over Ethernet.
    Pppoe,
    /// LLC, mostly with SNAP, instead of an Ethertype.
    Snap,
    /// IPv6 through IPv4 NAT.
    Teredo,
    /// A mirrored frame in UDP.
    Tzsp,
    /// UDP around MPLS or GRE.
    Udp,
    /// VXLAN.
    Vxlan,
    /// VXLAN with a next-protocol field.
    VxlanGpe,
}

impl Layer {
    /// Every layer, in the order of the enum.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Its name in `decode` and in metrics.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The layer of an Ethertype.
    #[inline(always)]
    pub const fn of_ethertype(ethertype: u16) -> Option<Self> {
        Some(match ethertype {
            0x88be | 0x22eb => Self::Erspan,
            0x8847 | 0x8848 => Self::Mpls,
            0x8864 => Self::Pppoe,
            0x88e5 => Self::Macsec,
            0x88e7 => Self::Pbb,
            0x8909 => Self::CiscoMetadata,
            0x892f => Self::Hsr,
            0x894f => Self::Nsh,
            _ => return None,
        })
    }

    /// The layer of an IP protocol number.
    #[inline(always)]
    pub const fn of_protocol(protocol: u8) -> Option<Self> {
        Some(match protocol {
            4 | 41 | 94 => Self::IpInIp,
            47 => Self::Gre,
            97 => Self::EtherIp,
            115 => Self::L2tp,
            137 => Self::Mpls,
            _ => return None,
        })
    }

    /// The layer of a datagram between two UDP ports. Most tunnels use their number as the destination port only; for
    /// L2TP, CAPWAP and Teredo, answers come from it.
    #[inline(always)]
    pub const fn of_ports(source: u16, destination: u16) -> Option<Self> {
        Some(match (source, destination) {
            (_, 1701) | (1701, _) => Self::L2tp,
            (_, 2152) => Self::GtpU,
            (_, 3544) | (3544, _) => Self::Teredo,
            (_, 4341) => Self::Lisp,
            (_, 4789 | 8472) => Self::Vxlan,
            (_, 4790) => Self::VxlanGpe,
            (_, 5247) | (5247, _) => Self::Capwap,
            (_, 6081) => Self::Geneve,
            (_, 4754 | 6635) => Self::Udp,
            (_, 37008) => Self::Tzsp,
            _ => return None,
        })
    }
}

/// What begins at an offset of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// An Ethernet frame.
    Ethernet,
    /// The payload of an Ethertype.
    Ethertype(u16),
    /// IPv4 or IPv6, by its first four bits.
    Ip,
    /// A session of L2TP, version 3, directly in IP (RFC 3931 §4.1.1).
    L2tpSession,
    /// The header of a layer.
    Layer(Layer),
    /// An LLC header (IEEE 802.2).
    Llc,
    /// An ERSPAN frame of type I: Ethernet without an ERSPAN header.
    Mirrored,
    /// The protocol that a network layer identifier names (RFC 2427 §4).
    Nlpid,
    /// A PPP frame, with or without its address and control octets (RFC 1662 §3).
    Ppp,
    /// A SNAP header: organization and protocol (RFC 1042). Before a bridged Ethernet frame comes this much padding.
    Snap {
        /// Octets between the SNAP header and a bridged frame (RFC 2684 §5.2).
        padding: u8,
    },
    /// An IEEE 802.11 frame.
    Wireless {
        /// Its header is padded to words.
        padded: bool,
    },
}

/// One step of a walk: where it continues, or why it stops.
type Step = Result<Onward, Stop>;

/// Where a walk continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Onward {
    /// What begins there.
    pub begins: Begins,
    /// Its offset.
    pub at: usize,
}

impl Onward {
    #[inline(always)]
    pub(crate) const fn new(begins: Begins, at: usize) -> Self {
        Self { begins, at }
    }
}

/// Why a walk stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It carries no packet: control traffic, or an unrelated protocol.
    Harmless,
    /// The frame ends inside its link header or a VLAN tag.
    Truncated,
    /// It is not read.
    NotRead(NotRead),
}

/// The layers around a packet, outermost first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Layers {
    kinds: [Option<Layer>; MAX_LAYERS],
    depth: u8,
}

impl Layers {
    /// From the outermost inwards.
    pub fn iter(&self) -> impl Iterator<Item = Layer> + Clone + '_ {
        self.kinds.iter().flatten().copied()
    }

    /// Whether the packet is directly in its frame.
    pub const fn is_empty(&self) -> bool {
        self.depth == 0
    }

    /// Adds a layer on the inside; `false` if there is no room.
    fn push(&mut self, layer: Layer) -> bool {
        let Some(slot) = self.kinds.get_mut(usize::from(self.depth)) else {
            return false;
        };
        *slot = Some(layer);
        self.depth += 1;
        true
    }
}
