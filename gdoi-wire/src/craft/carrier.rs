//! What carries IP: the inverse of [`crate::layers`].

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use strum::VariantArray;

use super::{AhFields, Ethernet, Ipv4, Ipv6, Tag, UDP, Udp};

/// The content that a header is put around.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// An Ethernet frame.
    Ethernet(Vec<u8>),
    /// The payload of an Ethertype.
    Ethertype(u16, Vec<u8>),
    /// An IEEE 802.11 frame.
    Wireless(Vec<u8>),
}

impl Content {
    /// An IP packet, of the version in its first octet.
    pub fn ip(packet: Vec<u8>) -> Self {
        let is_v6 = packet.first().is_some_and(|first| first >> 4 == 6);
        let ethertype = if is_v6 {
            super::ETHERTYPE_IPV6
        } else {
            super::ETHERTYPE_IPV4
        };
        Self::Ethertype(ethertype, packet)
    }

    /// As an Ethernet frame.
    pub fn ethernet(self) -> Vec<u8> {
        match self {
            Self::Ethertype(ethertype, octets) => unpadded().around(ethertype, &octets),
            Self::Ethernet(frame) | Self::Wireless(frame) => frame,
        }
    }

    /// As an Ethertype and its payload: a frame is bridged.
    fn typed(self) -> (u16, Vec<u8>) {
        match self {
            Self::Ethertype(ethertype, octets) => (ethertype, octets),
            Self::Ethernet(frame) | Self::Wireless(frame) => (BRIDGED, frame),
        }
    }

    /// As LLC and what follows.
    fn llc(self) -> Vec<u8> {
        let (ethertype, octets) = self.typed();
        [
            &[0xaa, 0xaa, 0x03, 0, 0, 0],
            ethertype.to_be_bytes().as_slice(),
            &octets,
        ]
        .concat()
    }

    /// As an IEEE 802.11 data frame.
    fn wireless(self) -> Vec<u8> {
        match self {
            Self::Wireless(frame) => frame,
            other => wireless(0x08, 0x01, &[], &other.llc()),
        }
    }

    /// As PPP without address and control octets: protocol and content.
    fn ppp(self) -> Vec<u8> {
        let (ethertype, octets) = self.typed();
        let protocol: u16 = match ethertype {
            super::ETHERTYPE_IPV6 => 0x0057,
            0x8847 => 0x0281,
            _ => 0x0021,
        };
        [protocol.to_be_bytes().as_slice(), &octets].concat()
    }

    /// As an IP packet.
    fn packet(self) -> Vec<u8> {
        self.typed().1
    }
}

/// One header, or several that always come together, around a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
#[expect(
    missing_docs,
    reason = "each is what its name says; its row in `around` says the octets"
)]
pub enum Carrier {
    AhTunnel,
    CapwapEthernet,
    CapwapWireless,
    CapwapWirelessSwapped,
    CiscoMetadata,
    Erspan1,
    Erspan2,
    Erspan3,
    Erspan3Subheader,
    EtherIp,
    GeneveBridged,
    GeneveOptions,
    Gre,
    GreBridged,
    GreInUdp,
    GreKeyed,
    GrePptp,
    GreRouted,
    GtpU,
    GtpUExtended,
    Hsr,
    Ipv4,
    Ipv6,
    L2tp,
    L2tpEverything,
    L2tpV3,
    L2tpV3InUdp,
    Lisp,
    Macsec,
    MacsecIdentified,
    Mpls,
    MplsInIp,
    MplsInUdp,
    MplsPseudowire,
    MplsPseudowireBare,
    MplsStack,
    Nsh,
    NshBridged,
    NshMpls,
    Pbb,
    Pppoe,
    QinQ,
    Snap,
    Teredo,
    TeredoAuthenticated,
    Tzsp,
    TzspTagged,
    Vlan,
    Vxlan,
    VxlanGpe,
    VxlanGpeBridged,
}

impl Carrier {
    /// Every carrier.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    #[expect(clippy::too_many_lines, reason = "a row for each")]
    /// Puts the header around a packet or a frame; the result is the content of an Ethernet frame or an IP packet.
    pub fn around(self, content: Content) -> Content {
        match self {
            Self::AhTunnel => {
                let packet = content.packet();
                let inner = if packet.first().is_some_and(|first| first >> 4 == 6) {
                    41
                } else {
                    4
                };
                in_ip(super::AH, &AhFields::new(0xa4a4_0001, 7).around(inner, &packet))
            }
            Self::CapwapEthernet => in_udp(5247, &[0, 0x10, 0x02, 0, 0, 0, 0, 0], &content.ethernet()),
            Self::CapwapWireless => in_udp(5247, &[0, 0x10, 0x03, 0, 0, 0, 0, 0], &content.wireless()),
            Self::CapwapWirelessSwapped => {
                let mut frame = content.wireless();
                frame.swap(0, 1);
                in_udp(5247, &[0, 0x10, 0x03, 0, 0, 0, 0, 0], &frame)
            }
            Self::CiscoMetadata => before_type(0x8909, &[1, 1, 0, 1, 0, 10], content),
            Self::Erspan1 => in_gre([0, 0], 0x88be, &[], &content.ethernet()),
            Self::Erspan2 => {
                let frame = [&[0x10, 0x64, 0, 5, 0, 0, 0, 1], content.ethernet().as_slice()].concat();
                in_gre([0x10, 0], 0x88be, &[0, 0, 0, 9], &frame)
            }
            Self::Erspan3 => {
                let header = [0x20, 0x64, 0, 5, 0, 0, 0, 9, 0, 0, 0x00, 0x00];
                in_gre(
                    [0x10, 0],
                    0x22eb,
                    &[0, 0, 0, 9],
                    &[&header, content.ethernet().as_slice()].concat(),
                )
            }
            Self::Erspan3Subheader => {
                let header = [
                    0x20, 0x64, 0, 5, 0, 0, 0, 9, 0, 0, 0x00, 0x01, 0x0c, 0, 0, 0, 0, 0, 0, 0,
                ];
                in_gre(
                    [0x10, 0],
                    0x22eb,
                    &[0, 0, 0, 9],
                    &[&header, content.ethernet().as_slice()].concat(),
                )
            }
            Self::EtherIp => in_ip(97, &[&[0x30, 0], content.ethernet().as_slice()].concat()),
            Self::GeneveBridged => in_udp(6081, &[0, 0, 0x65, 0x58, 0, 0, 7, 0], &content.ethernet()),
            Self::GeneveOptions => {
                let (ethertype, octets) = content.typed();
                let [t0, t1] = ethertype.to_be_bytes();
                let header = [2, 0, t0, t1, 0, 0, 7, 0, 0, 1, 0x80, 1, 1, 2, 3, 4];
                in_udp(6081, &header, &octets)
            }
            Self::Gre | Self::GreBridged => {
                let content = if self == Self::Gre {
                    content
                } else {
                    Content::Ethernet(content.ethernet())
                };
                let (ethertype, octets) = content.typed();
                in_gre([0, 0], ethertype, &[], &octets)
            }
            Self::GreInUdp => {
                let (ethertype, octets) = content.typed();
                let [t0, t1] = ethertype.to_be_bytes();
                in_udp(4754, &[0, 0, t0, t1], &octets)
            }
            Self::GreKeyed => {
                let (ethertype, octets) = content.typed();
                in_gre(
                    [0xb0, 0],
                    ethertype,
                    &[0, 0, 0, 0, 0, 0, 0, 42, 0, 0, 0, 9],
                    &octets,
                )
            }
            Self::GrePptp => {
                let ppp = [&[0xff, 0x03], content.ppp().as_slice()].concat();
                let [l0, l1] = (ppp.len() as u16).to_be_bytes();
                in_gre(
                    [0x30, 0x81],
                    0x880b,
                    &[l0, l1, 0, 1, 0, 0, 0, 9, 0, 0, 0, 8],
                    &ppp,
                )
            }
            Self::GreRouted => {
                let (ethertype, octets) = content.typed();
                // Checksum and offset, one route of IPv4, the end of routes.
                let routes = [0, 0, 0, 0, 8, 0, 0, 4, 10, 0, 0, 9, 0, 0, 0, 0];
                in_gre([0x40, 0], ethertype, &routes, &octets)
            }
            Self::GtpU => {
                let packet = content.packet();
                in_udp(
                    2152,
                    &[&[0x30, 0xff], length(&packet, 0).as_slice(), &[0, 0, 0, 1]].concat(),
                    &packet,
                )
            }
            Self::GtpUExtended => {
                let packet = content.packet();
                // A PDU session container (3GPP TS 38.415).
                let more = [0, 0, 0, 0x85, 1, 0x10, 5, 0];
                let header = [&[0x34, 0xff], length(&packet, 8).as_slice(), &[0, 0, 0, 1], &more].concat();
                in_udp(2152, &header, &packet)
            }
            Self::Hsr => {
                let (ethertype, octets) = content.typed();
                let [t0, t1] = ethertype.to_be_bytes();
                let [s0, s1] = (octets.len() as u16 + 6).to_be_bytes();
                Content::Ethertype(0x892f, [&[s0, s1, 0, 9, t0, t1], octets.as_slice()].concat())
            }
            Self::Ipv4 | Self::Ipv6 => {
                let packet = content.packet();
                let inner = if packet.first().is_some_and(|first| first >> 4 == 6) {
                    41
                } else {
                    4
                };
                if self == Self::Ipv4 {
                    in_ip(inner, &packet)
                } else {
                    in_ipv6(inner, &packet)
                }
            }
            Self::L2tp => in_udp(
                1701,
                &[0, 2, 0, 1, 0, 2],
                &[&[0xff, 0x03], content.ppp().as_slice()].concat(),
            ),
            Self::L2tpEverything => {
                let ppp = content.ppp();
                let size = length(&ppp, 16);
                let header = [&[0x4a, 2], size.as_slice(), &[0, 1, 0, 2, 0, 3, 0, 4, 0, 2, 0, 0]].concat();
                in_udp(1701, &header, &ppp)
            }
            Self::L2tpV3 => in_ip(115, &[&[0, 0, 0, 7], content.ethernet().as_slice()].concat()),
            Self::L2tpV3InUdp => in_udp(1701, &[0, 3, 0, 0, 0, 0, 0, 7], &content.ethernet()),
            Self::Lisp => in_udp(4341, &[0x80, 0, 0, 1, 0, 0, 0, 1], &content.packet()),
            Self::Macsec => secured(&[0, 0, 0, 0, 0, 9], content),
            Self::MacsecIdentified => secured(&[0x20, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0, 1], content),
            Self::Mpls => Content::Ethertype(0x8847, labelled(&[16], &content.packet())),
            Self::MplsInIp => in_ip(137, &labelled(&[16], &content.packet())),
            Self::MplsInUdp => in_udp(6635, &labelled(&[16], &[]), &content.packet()),
            Self::MplsPseudowire => {
                let frame = [&[0, 0, 0, 1], content.ethernet().as_slice()].concat();
                Content::Ethertype(0x8847, labelled(&[16, 17], &frame))
            }
            Self::MplsPseudowireBare => Content::Ethertype(0x8847, labelled(&[16], &content.ethernet())),
            Self::MplsStack => Content::Ethertype(0x8848, labelled(&[16, 17, 3, 18], &content.packet())),
            Self::Nsh => {
                let (ethertype, octets) = content.typed();
                let protocol = if ethertype == super::ETHERTYPE_IPV6 { 2 } else { 1 };
                // Metadata of type 1: four words.
                let header = [
                    0x0f, 0xc6, 1, protocol, 0, 0, 1, 255, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4,
                ];
                Content::Ethertype(0x894f, [&header, octets.as_slice()].concat())
            }
            Self::NshBridged => {
                let header = [0x0f, 0xc2, 2, 3, 0, 0, 1, 255];
                Content::Ethertype(0x894f, [&header, content.ethernet().as_slice()].concat())
            }
            Self::NshMpls => {
                let header = [0x0f, 0xc2, 2, 5, 0, 0, 1, 255];
                Content::Ethertype(
                    0x894f,
                    [&header, labelled(&[16], &content.packet()).as_slice()].concat(),
                )
            }
            Self::Pbb => Content::Ethertype(0x88e7, [&[0, 0, 1, 0], content.ethernet().as_slice()].concat()),
            Self::Pppoe => {
                let ppp = content.ppp();
                Content::Ethertype(
                    0x8864,
                    [&[0x11, 0, 0, 1], length(&ppp, 0).as_slice(), &ppp].concat(),
                )
            }
            Self::QinQ => {
                let tags = [
                    Tag {
                        tpid: 0x88a8,
                        tci: 100,
                    },
                    Tag::vlan(200),
                ];
                let (ethertype, octets) = content.typed();
                Content::Ethernet(
                    Ethernet {
                        tags: tags.to_vec(),
                        ..unpadded()
                    }
                    .around(ethertype, &octets),
                )
            }
            Self::Snap => {
                let llc = content.llc();
                Content::Ethernet(unpadded().around(llc.len() as u16, &llc))
            }
            Self::Teredo => in_udp(3544, &[], &content.packet()),
            Self::TeredoAuthenticated => {
                let authentication = [0, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0];
                let origin = [0, 0, 0x0c, 0x21, 0xf5, 0xff, 0xff, 0xfe];
                in_udp(3544, &[&authentication[..], &origin].concat(), &content.packet())
            }
            Self::Tzsp => in_udp(37008, &[1, 0, 0, 1, 1], &content.ethernet()),
            Self::TzspTagged => {
                // Signal strength, padding, channel, end.
                in_udp(
                    37008,
                    &[1, 0, 0, 1, 10, 1, 0xc0, 0, 18, 1, 6, 1],
                    &content.ethernet(),
                )
            }
            Self::Vlan => {
                let (ethertype, octets) = content.typed();
                Content::Ethernet(
                    Ethernet {
                        tags: Vec::from([Tag::vlan(100)]),
                        ..unpadded()
                    }
                    .around(ethertype, &octets),
                )
            }
            Self::Vxlan => in_udp(4789, &[8, 0, 0, 0, 0, 0, 7, 0], &content.ethernet()),
            Self::VxlanGpe => {
                let (ethertype, octets) = content.typed();
                let protocol = if ethertype == super::ETHERTYPE_IPV6 { 2 } else { 1 };
                in_udp(4790, &[0x0c, 0, 0, protocol, 0, 0, 7, 0], &octets)
            }
            Self::VxlanGpeBridged => in_udp(4790, &[0x0c, 0, 0, 3, 0, 0, 7, 0], &content.ethernet()),
        }
    }
}

/// A link layer of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
#[expect(
    missing_docs,
    reason = "each is what its name says; its row in `frame` says the octets"
)]
pub enum Framing {
    Avs,
    CiscoHdlc,
    CiscoHdlcDirected,
    Enc,
    ErfEthernet,
    ErfExtended,
    ErfHdlc,
    Ethernet,
    FrameRelay,
    FrameRelayCisco,
    FrameRelaySnap,
    Juniper,
    JuniperExtended,
    JuniperWithoutLink,
    Loop,
    LlcOverAtm,
    MplsLink,
    Nflog,
    Null,
    NullBigEndian,
    NullEthertype,
    Pflog,
    PpiWireless,
    Ppp,
    PppBare,
    PppCompressed,
    PppDirected,
    PppHdlc,
    PppHdlcCisco,
    PppoeLink,
    Prism,
    Radiotap,
    RadiotapPadded,
    Raw,
    Sll,
    Sll2,
    Wireless,
    WirelessBridge,
    WirelessQuality,
}

impl Framing {
    /// Every framing.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Its number in captures.
    pub const fn link_type(self) -> u32 {
        match self {
            Self::Null | Self::NullBigEndian | Self::NullEthertype => 0,
            Self::Ethernet => 1,
            Self::Ppp | Self::PppBare | Self::PppCompressed => 9,
            Self::PppHdlc | Self::PppHdlcCisco => 50,
            Self::PppoeLink => 51,
            Self::LlcOverAtm => 100,
            Self::Raw => 101,
            Self::CiscoHdlc => 104,
            Self::Wireless | Self::WirelessBridge | Self::WirelessQuality => 105,
            Self::FrameRelay | Self::FrameRelayCisco | Self::FrameRelaySnap => 107,
            Self::Loop => 108,
            Self::Enc => 109,
            Self::Sll => 113,
            Self::Pflog => 117,
            Self::Prism => 119,
            Self::Radiotap | Self::RadiotapPadded => 127,
            Self::Avs => 163,
            Self::Juniper | Self::JuniperExtended | Self::JuniperWithoutLink => 178,
            Self::PpiWireless => 192,
            Self::ErfEthernet | Self::ErfExtended | Self::ErfHdlc => 197,
            Self::PppDirected => 204,
            Self::CiscoHdlcDirected => 205,
            Self::MplsLink => 219,
            Self::Nflog => 239,
            Self::Sll2 => 276,
        }
    }

    /// The frame around its content.
    pub fn frame(self, content: Content) -> Vec<u8> {
        match self {
            Self::Avs => {
                let header = [&[0x80, 0x21, 0x10, 1], 64_u32.to_be_bytes().as_slice(), &[0; 56]].concat();
                [header, content.wireless()].concat()
            }
            Self::CiscoHdlc => typed(&[0x0f, 0], content),
            Self::CiscoHdlcDirected => typed(&[1, 0x0f, 0], content),
            Self::Enc => {
                let header = [family(&content).to_le_bytes(), [0; 4], [0; 4]].concat();
                [header, content.packet()].concat()
            }
            Self::ErfEthernet => record(2, &[], &[&[0, 0], content.ethernet().as_slice()].concat()),
            Self::ErfExtended => {
                let extensions = [0x83, 0, 0, 0, 0, 0, 0, 1, 0x03, 0, 0, 0, 0, 0, 0, 2];
                record(
                    0x82,
                    &extensions,
                    &[&[0, 0], content.ethernet().as_slice()].concat(),
                )
            }
            Self::ErfHdlc => record(1, &[], &typed(&[0x0f, 0], content)),
            Self::Ethernet => content.ethernet(),
            Self::FrameRelay => {
                let identifier = if family(&content) == 2 { 0xcc } else { 0x8e };
                [&[0x18, 0x41, 0x03, identifier], content.packet().as_slice()].concat()
            }
            Self::FrameRelayCisco => typed(&[0x18, 0x41], content),
            Self::FrameRelaySnap => typed(&[0x18, 0x41, 0x03, 0, 0x80, 0, 0, 0], content),
            Self::Juniper => [&[0x4d, 0x47, 0x43, 0x01], content.ethernet().as_slice()].concat(),
            Self::JuniperExtended => {
                let header = [0x4d, 0x47, 0x43, 0x81, 0, 6, 1, 1, 7, 3, 1, 1];
                [&header, content.ethernet().as_slice()].concat()
            }
            Self::JuniperWithoutLink => {
                [&[0x4d, 0x47, 0x43, 0x03, 2, 0, 0, 0], content.packet().as_slice()].concat()
            }
            Self::LlcOverAtm => content.llc(),
            Self::Loop | Self::NullBigEndian => {
                [family(&content).to_be_bytes().as_slice(), &content.packet()].concat()
            }
            Self::MplsLink => labelled(&[16], &content.packet()),
            Self::Nflog => logged(content),
            Self::Null => [family(&content).to_le_bytes().as_slice(), &content.packet()].concat(),
            Self::NullEthertype => {
                let (ethertype, octets) = content.typed();
                [u32::from(ethertype).to_le_bytes().as_slice(), &octets].concat()
            }
            Self::Pflog => {
                let mut header = [0; 64];
                [header[0], header[1]] = [61, family(&content) as u8];
                [header.as_slice(), &content.packet()].concat()
            }
            Self::PpiWireless => {
                let header = [&[0, 0, 8, 0], 105_u32.to_le_bytes().as_slice()].concat();
                [header, content.wireless()].concat()
            }
            Self::Ppp | Self::PppHdlc => [&[0xff, 0x03], content.ppp().as_slice()].concat(),
            Self::PppBare => content.ppp(),
            // One octet of protocol.
            Self::PppCompressed => content.ppp().split_off(1),
            Self::PppDirected => [&[1, 0xff, 0x03], content.ppp().as_slice()].concat(),
            Self::PppHdlcCisco => typed(&[0x8f, 0], content),
            Self::PppoeLink => {
                let ppp = content.ppp();
                [&[0x11, 0, 0, 1], length(&ppp, 0).as_slice(), &ppp].concat()
            }
            Self::Prism => {
                let header = [&[0, 0, 0, 0x44], 144_u32.to_le_bytes().as_slice(), &[0; 136]].concat();
                [header, content.wireless()].concat()
            }
            Self::Radiotap => [&[0, 0, 8, 0, 0, 0, 0, 0], content.wireless().as_slice()].concat(),
            Self::RadiotapPadded => {
                // A time and flags, after which the frame's header is padded.
                let header = [0, 0, 17, 0, 3, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x20];
                let frame = wireless(0x88, 0x01, &[0, 0, 0, 0], &content.llc());
                [&header, frame.as_slice()].concat()
            }
            Self::Raw => content.packet(),
            Self::Sll => {
                let (ethertype, octets) = content.typed();
                let header = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
                [&header, ethertype.to_be_bytes().as_slice(), &octets].concat()
            }
            Self::Sll2 => {
                let (ethertype, octets) = content.typed();
                let header = [0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
                [ethertype.to_be_bytes().as_slice(), &header, &octets].concat()
            }
            Self::Wireless => content.wireless(),
            Self::WirelessBridge => wireless(0x08, 0x03, &[2, 0, 0, 0, 0, 4], &content.llc()),
            Self::WirelessQuality => wireless(0x88, 0x02, &[0, 0], &content.llc()),
        }
    }
}

/// Frame control and flags, three addresses, a sequence number, the rest of the header, LLC.
fn wireless(control: u8, flags: u8, more: &[u8], llc: &[u8]) -> Vec<u8> {
    let mut frame = Vec::from([control, flags, 0, 0]);
    for last in 1..=3 {
        frame.extend([2, 0, 0, 0, 0, last]);
    }
    frame.extend([0x10, 0]);
    frame.extend(more);
    frame.extend(llc);
    frame
}

/// The protocol family of IP, in OpenBSD's numbers.
fn family(content: &Content) -> u32 {
    match content {
        Content::Ethertype(super::ETHERTYPE_IPV6, _) => 24,
        _ => 2,
    }
}

/// A header before an Ethertype.
fn typed(header: &[u8], content: Content) -> Vec<u8> {
    let (ethertype, octets) = content.typed();
    [header, &ethertype.to_be_bytes(), &octets].concat()
}

/// A header before an Ethertype, with an Ethertype of its own.
fn before_type(ethertype: u16, header: &[u8], content: Content) -> Content {
    Content::Ethertype(ethertype, typed(header, content))
}

/// In clear text, followed by a check value.
fn secured(header: &[u8], content: Content) -> Content {
    let mut octets = typed(header, content);
    octets.extend([0xa5; 16]);
    Content::Ethertype(0x88e5, octets)
}

/// An ERF record: a time, a type, lengths.
fn record(kind: u8, extensions: &[u8], frame: &[u8]) -> Vec<u8> {
    let whole = (16 + extensions.len() + frame.len()) as u16;
    let wire = frame.len() as u16;
    [
        &[0; 8],
        [kind, 4].as_slice(),
        &whole.to_be_bytes(),
        &[0, 0],
        &wire.to_be_bytes(),
        extensions,
        frame,
    ]
    .concat()
}

/// NFLOG: a timestamp of Linux, a prefix, the packet.
fn logged(content: Content) -> Vec<u8> {
    let family = if family(&content) == 2 { 2 } else { 10 };
    let packet = content.packet();
    let size = (4 + packet.len()) as u16;
    let mut frame = Vec::from([family, 0, 0, 5]);
    frame.extend([7, 0, 10, 0, b'i', b'n', 0, 0]);
    frame.extend(size.to_le_bytes());
    frame.extend([9, 0]);
    frame.extend(packet);
    frame.resize(frame.len().next_multiple_of(4), 0);
    frame
}

/// A label stack before its content.
fn labelled(labels: &[u32], octets: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    for (index, label) in labels.iter().enumerate() {
        let last = u32::from(index + 1 == labels.len());
        packet.extend((label << 12 | last << 8 | 64).to_be_bytes());
    }
    packet.extend(octets);
    packet
}

fn in_gre(flags: [u8; 2], protocol: u16, options: &[u8], octets: &[u8]) -> Content {
    in_ip(
        47,
        &[flags.as_slice(), &protocol.to_be_bytes(), options, octets].concat(),
    )
}

fn in_udp(port: u16, header: &[u8], octets: &[u8]) -> Content {
    // No checksum, as in tunnels over IPv4.
    let udp = Udp {
        checksum: Some(0),
        ..Udp::new(54_321, port)
    };
    let [source, destination] = ENDS.map(IpAddr::V4);
    in_ip(UDP, &udp.around(source, destination, &[header, octets].concat()))
}

fn in_ip(protocol: u8, octets: &[u8]) -> Content {
    let [source, destination] = ENDS;
    Content::ip(Ipv4::new(source, destination).around(protocol, octets))
}

fn in_ipv6(protocol: u8, octets: &[u8]) -> Content {
    let [source, destination] = [1, 2].map(|host| Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, host));
    Content::ip(Ipv6::new(source, destination).around(protocol, octets))
}

/// The length of `octets` plus `more`.
fn length(octets: &[u8], more: usize) -> [u8; 2] {
    ((octets.len() + more) as u16).to_be_bytes()
}

/// Addresses of a known vendor: tshark guesses the content by them if a header does not name it.
fn unpadded() -> Ethernet {
    Ethernet {
        source: [0x00, 0x1b, 0x54, 0, 0, 1],
        destination: [0x00, 0x1b, 0x54, 0, 0, 2],
        minimum: 0,
        ..Ethernet::default()
    }
}

/// The ends of a tunnel.
const ENDS: [Ipv4Addr; 2] = [Ipv4Addr::new(172, 16, 0, 1), Ipv4Addr::new(172, 16, 0, 2)];
const BRIDGED: u16 = 0x6558;
