//! Names for content that is not read.

use core::fmt;

use super::{Layer, LinkType};

/// IP protocols that carry packets and are not read.
const PROTOCOLS: [(u16, &str); 4] = [
    (55, "minimal encapsulation"),
    (98, "ENCAP"),
    (108, "IPComp"),
    (142, "ROHC"),
];

/// Something that may carry a packet to dissect and is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotRead {
    /// The frame ends inside the header of a layer.
    Cut(Layer),
    /// Too many layers; this is the first that was not followed.
    Deep(Layer),
    /// A layer whose content is encrypted.
    Encrypted(Layer),
    /// An Ethertype.
    Ethertype(u16),
    /// The protocol family of a link header without one.
    Family(u32),
    /// A link layer.
    Link(LinkType),
    /// A layer whose header contradicts itself, or has an unknown version or form.
    Malformed(Layer),
    /// A network layer protocol identifier (RFC 2427).
    Nlpid(u8),
    /// A PPP protocol.
    Ppp(u16),
    /// A protocol number of IP.
    Protocol(u8),
    /// A service access point of LLC.
    Sap(u8),
    /// A protocol of an organization in SNAP.
    Snap {
        /// The organization.
        organization: [u8; 3],
        /// Its protocol.
        protocol: u16,
    },
    /// A data frame of IEEE 802.11.
    Wireless(Wireless),
}

/// Why a data frame of IEEE 802.11 is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wireless {
    /// Several packets in one frame (A-MSDU).
    Aggregated,
    /// Cut inside its header.
    Cut,
    /// Encrypted.
    Encrypted,
    /// A later fragment.
    Fragment,
}

impl NotRead {
    /// Its kind in metrics: a closed list.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Cut(_) | Self::Wireless(Wireless::Cut) => "cut",
            Self::Deep(_) => "deep",
            Self::Encrypted(_) | Self::Wireless(Wireless::Encrypted) => "encrypted",
            Self::Ethertype(_) => "ethertype",
            Self::Family(_) | Self::Link(_) | Self::Wireless(Wireless::Aggregated | Wireless::Fragment) => {
                "link"
            }
            Self::Malformed(_) => "malformed",
            Self::Nlpid(_) | Self::Ppp(_) | Self::Sap(_) | Self::Snap { .. } => "payload",
            Self::Protocol(_) => "protocol",
        }
    }
}

impl fmt::Display for NotRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Cut(layer) => write!(f, "{}, cut inside its header", title(layer)),
            Self::Deep(layer) => write!(f, "{} inside {} other layers", title(layer), super::MAX_LAYERS),
            Self::Encrypted(layer) => write!(f, "{}, encrypted", title(layer)),
            Self::Ethertype(number) => match named(&ETHERTYPES, number) {
                Some(name) => write!(f, "{name} ({number:#06x})"),
                None => write!(f, "Ethertype {number:#06x}"),
            },
            Self::Family(number) => write!(f, "protocol family {number}"),
            Self::Link(link) => write!(f, "{link}"),
            Self::Malformed(layer) => write!(f, "{} in an unknown form", title(layer)),
            Self::Nlpid(number) => write!(f, "NLPID {number:#04x}"),
            Self::Ppp(number) => match named(&PPP, number) {
                Some(name) => write!(f, "{name} ({number:#06x})"),
                None => write!(f, "PPP protocol {number:#06x}"),
            },
            Self::Protocol(number) => match named(&PROTOCOLS, number.into()) {
                Some(name) => write!(f, "{name} (IP protocol {number})"),
                None => write!(f, "IP protocol {number}"),
            },
            Self::Sap(number) => write!(f, "LLC service access point {number:#04x}"),
            Self::Snap {
                organization: [a, b, c],
                protocol,
            } => write!(f, "SNAP {a:02x}:{b:02x}:{c:02x} {protocol:#06x}"),
            Self::Wireless(why) => write!(
                f,
                "IEEE 802.11, {}",
                match why {
                    Wireless::Aggregated => "several packets in one frame",
                    Wireless::Cut => "cut inside its header",
                    Wireless::Encrypted => "encrypted",
                    Wireless::Fragment => "later fragments",
                }
            ),
        }
    }
}

/// The usual name of a layer.
const fn title(layer: Layer) -> &'static str {
    match layer {
        Layer::Ah => "AH",
        Layer::Capwap => "CAPWAP",
        Layer::CiscoMetadata => "Cisco metadata (0x8909)",
        Layer::Erspan => "ERSPAN",
        Layer::EtherIp => "EtherIP",
        Layer::Geneve => "Geneve",
        Layer::Gre => "GRE",
        Layer::GtpU => "GTP-U",
        Layer::Hsr => "HSR (0x892f)",
        Layer::IpInIp => "IP in IP",
        Layer::L2tp => "L2TP",
        Layer::Lisp => "LISP",
        Layer::Macsec => "MACsec (0x88e5)",
        Layer::Mpls => "MPLS",
        Layer::Nsh => "NSH (0x894f)",
        Layer::Pbb => "802.1ah (0x88e7)",
        Layer::Pppoe => "PPPoE",
        Layer::Snap => "LLC/SNAP",
        Layer::Teredo => "Teredo",
        Layer::Tzsp => "TZSP",
        Layer::Udp => "a tunnel in UDP",
        Layer::Vxlan => "VXLAN",
        Layer::VxlanGpe => "VXLAN-GPE",
    }
}

fn named(names: &[(u16, &'static str)], number: u16) -> Option<&'static str> {
    let found = names.iter().find(|(known, _)| *known == number);
    found.map(|(_, name)| *name)
}

/// Ethertypes that carry packets and are not read.
const ETHERTYPES: [(u16, &str); 8] = [
    (0x22f3, "TRILL"),
    (0x4305, "B.A.T.M.A.N."),
    (0x6559, "raw Frame Relay"),
    (0x883e, "WCCP"),
    (0x8903, "FabricPath"),
    (0x8926, "VN-Tag"),
    (0x893f, "802.1BR E-Tag"),
    (0xa0ed, "6LoWPAN"),
];

/// PPP protocols that carry packets and are not read.
const PPP: [(u16, &str); 6] = [
    (0x0003, "ROHC over PPP"),
    (0x003d, "multilink PPP"),
    (0x0053, "encrypted PPP"),
    (0x0061, "compressed RTP over PPP"),
    (0x00fb, "compressed multilink PPP"),
    (0x00fd, "compressed PPP"),
];
