//! The walk through the layers of a frame, from the outside in.

use core::net::IpAddr;

use super::header::{self, onward};
use super::link::{FIRST_ETHERTYPE, wireless};
use super::{Begins, Layer, Layers, LinkType, MAX_AHS, NotRead, Onward, Stop};
use crate::exchange::Exchange;
use crate::frame::{ETHERNET_OCTETS, ETHERTYPE_IPV4, ETHERTYPE_IPV6, TAG_OCTETS, is_tag};
use crate::isakmp::{HEADER_OCTETS, Header};
use crate::network::{self, AH, ESP, Ip, L3, UDP};
use crate::octets::Octets;
use crate::packet::{Ah, Dissected, Fragment, Packet, ParseError, Ports, Vlan, address};
use crate::quick_class::{QuickClass, quick_class_payload};
use crate::transport::{UDP_OCTETS, dissect_l4};

/// Transparent Ethernet bridging (RFC 1701).
const ETHERTYPE_BRIDGED: u16 = 0x6558;
const GRE_IN_UDP: u16 = 4754;
/// Unnumbered information.
const UNNUMBERED: u8 = 0x03;
/// A layer takes at most four steps: IP, its own header, a selector or two.
const MAX_STEPS: usize = 4 * super::MAX_LAYERS + 4;

/// The content of a frame, and the layers around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwrapped {
    /// The content.
    pub found: Found,
    /// The layers around it, outermost first.
    pub layers: Layers,
    /// The AHs on the way to it, outermost first.
    pub ahs: [Option<AhHeader>; MAX_AHS],
    /// What is known of the packet, if it is a [`Found::ParseError`].
    pub envelope: Envelope,
}

/// The content of a frame's layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// An ISAKMP message on ports that are not configured: the smaller of its two ports.
    Elsewhere(u16),
    /// An unreadable packet of a monitored protocol, or possibly one.
    ParseError(ParseError),
    /// Something that may carry a packet to dissect.
    NotRead(NotRead),
    /// Another protocol.
    Other,
    /// A packet of a monitored protocol.
    Packet(Packet),
}

/// An AH on the way to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AhHeader {
    /// Its visible fields.
    pub ah: Ah,
    /// The tags of its frame.
    pub vlan: Vlan,
    /// IP source; an IPv4 address is held as IPv4-mapped IPv6.
    pub source: [u8; 16],
    /// IP destination, in the same form.
    pub destination: [u8; 16],
    /// How many layers are around it.
    pub depth: u8,
}

/// Addresses and ports of an unreadable packet, as far as its headers were kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The first two VLAN tags.
    pub vlan: Vlan,
    /// IP source and destination.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// UDP source and destination port.
    pub ports: Option<(u16, u16)>,
}

/// Dissects a frame of a link layer, through any encapsulation.
pub fn unwrap<O: Octets>(octets: &O, ports: &Ports, link: LinkType) -> Unwrapped {
    let length = octets.wire_length();
    let mut walk = Walk {
        octets: Inside {
            octets,
            end: usize::MAX,
            length,
        },
        ports,
        layers: Layers::default(),
        ahs: [None; MAX_AHS],
        vlan: Vlan::default(),
        fragment: Fragment::Whole,
        ip: None,
    };
    let found = walk.run(link);
    let envelope = match found {
        Found::ParseError(_) => walk.envelope(),
        _ => Envelope::default(),
    };
    Unwrapped {
        found,
        layers: walk.layers,
        ahs: walk.ahs,
        envelope,
    }
}

/// Classifies a frame of a link layer without a dissection, if possible: see [`quick_class_payload`].
#[inline]
pub fn quick_class<O: Octets>(octets: &O, ports: &Ports, link: LinkType) -> QuickClass {
    let Ok(Onward { begins, at }) = link.start(octets) else {
        return QuickClass::Unsure;
    };
    match (begins, octets.array(at)) {
        (Begins::Ethertype(ethertype), _) => quick_class_payload(octets, ports, ethertype, at),
        (Begins::Ip, Some([first])) if first >> 4 == 4 => {
            quick_class_payload(octets, ports, ETHERTYPE_IPV4, at)
        }
        (Begins::Ip, Some([first])) if first >> 4 == 6 => {
            quick_class_payload(octets, ports, ETHERTYPE_IPV6, at)
        }
        _ => QuickClass::Unsure,
    }
}

/// A walk and its state.
struct Walk<'a, O> {
    octets: Inside<'a, O>,
    ports: &'a Ports,
    layers: Layers,
    ahs: [Option<AhHeader>; MAX_AHS],
    /// Of the innermost Ethernet frame.
    vlan: Vlan,
    /// Whether more of an outer packet follows in other frames.
    fragment: Fragment,
    /// The innermost IP header: its Ethertype, and where it is.
    ip: Option<(u16, usize)>,
}

/// The part of a frame that the enclosing header declares as its content.
struct Inside<'a, O> {
    octets: &'a O,
    /// Nothing is read beyond this offset.
    end: usize,
    /// Declared length of the content: beyond the frame if the rest is in other fragments.
    length: usize,
}

impl<O: Octets> Octets for Inside<'_, O> {
    #[inline(always)]
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        if at.checked_add(N)? > self.end {
            return None;
        }
        self.octets.array(at)
    }

    #[inline(always)]
    fn wire_length(&self) -> usize {
        self.length
    }
}

impl<O: Octets> Walk<'_, O> {
    fn run(&mut self, link: LinkType) -> Found {
        let mut next = match link.start(self.octets.octets) {
            Ok(onward) => onward,
            Err(stop) => return self.stopped(stop),
        };
        for _ in 0..MAX_STEPS {
            next = match self.step(next) {
                Ok(onward) => onward,
                Err(found) => return found,
            };
        }
        self.deep(None)
    }

    /// One header further inwards.
    fn step(&mut self, here: Onward) -> Result<Onward, Found> {
        let Onward { begins, at } = here;
        match begins {
            Begins::Ethernet => {
                let Some([.., t0, t1]) = self.octets.array::<ETHERNET_OCTETS>(at) else {
                    return Err(self.stopped(Stop::Truncated));
                };
                self.vlan = Vlan::default();
                Ok(typed(u16::from_be_bytes([t0, t1]), at + ETHERNET_OCTETS))
            }
            Begins::Ethertype(ethertype) => self.ethertype(ethertype, at),
            Begins::Ip => match self.octets.array(at) {
                Some([first]) if first >> 4 == 6 => self.ip(ETHERTYPE_IPV6, at),
                // Anything else is read as IPv4, which names the parse error.
                Some(_) => self.ip(ETHERTYPE_IPV4, at),
                None => Err(self.stopped(Stop::Truncated)),
            },
            Begins::L2tpSession => self.enter(Layer::L2tp, header::l2tp_session(&self.octets, at)),
            Begins::Layer(layer) => self.enter(layer, onward(layer, &self.octets, at)),
            Begins::Llc => self.go(llc(&self.octets, at)),
            Begins::Mirrored => self.enter(Layer::Erspan, Ok(Onward::new(Begins::Ethernet, at))),
            Begins::Nlpid => self.go(nlpid(&self.octets, at)),
            Begins::Ppp => self.go(ppp(&self.octets, at)),
            Begins::Snap { padding } => self.go(snap(&self.octets, at, padding)),
            Begins::Wireless { padded } => self.go(wireless(&self.octets, at, padded)),
        }
    }

    fn ethertype(&mut self, ethertype: u16, at: usize) -> Result<Onward, Found> {
        match ethertype {
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => self.ip(ethertype, at),
            ETHERTYPE_BRIDGED => Ok(Onward::new(Begins::Ethernet, at)),
            tag if is_tag(tag) => self.tag(at),
            other => match Layer::of_ethertype(other) {
                Some(layer) => Ok(Onward::new(Begins::Layer(layer), at)),
                None if is_harmless_ethertype(other) => Err(Found::Other),
                None => Err(Found::NotRead(NotRead::Ethertype(other))),
            },
        }
    }

    fn tag(&mut self, at: usize) -> Result<Onward, Found> {
        let Some(slot) = self.vlan.tci.get_mut(usize::from(self.vlan.depth)) else {
            return Err(Found::ParseError(ParseError::VlanDepth));
        };
        let Some([c0, c1, e0, e1]) = self.octets.array(at) else {
            return Err(self.stopped(Stop::Truncated));
        };
        *slot = u16::from_be_bytes([c0, c1]);
        self.vlan.depth += 1;
        Ok(typed(u16::from_be_bytes([e0, e1]), at + TAG_OCTETS))
    }

    fn ip(&mut self, ethertype: u16, at: usize) -> Result<Onward, Found> {
        self.ip = Some((ethertype, at));
        let network = if ethertype == ETHERTYPE_IPV4 {
            network::ipv4::<_, true>(&self.octets, at)
        } else {
            network::ipv6::<_, true>(&self.octets, at)
        };
        let mut ip = match network {
            L3::Ip(ip) => Ip {
                vlan: self.vlan,
                ..ip
            },
            L3::Error(miss) => return Err(Found::ParseError(miss)),
            L3::Other => return Err(Found::Other),
        };
        // The first AH was already stepped over; RFC 4301 allows any number.
        while let Some(ah) = ip.ah {
            if !self.passed(AhHeader {
                ah,
                vlan: ip.vlan,
                source: ip.source,
                destination: ip.destination,
                depth: self.layers.depth,
            }) {
                return Err(self.deep(Some(Layer::Ah)));
            }
            if ip.protocol != AH {
                break;
            }
            let at = ip.offset;
            ip = match network::through_ah(&self.octets, ip) {
                L3::Ip(ip) => ip,
                L3::Error(miss) => return Err(Found::ParseError(miss)),
                L3::Other => return Err(Found::Other),
            };
            if ip.offset == at {
                // Its length is false: the protected packet cannot be found.
                return Err(self.packet(&ip));
            }
        }
        match ip.protocol {
            UDP => self.udp(&ip),
            ESP => Err(self.packet(&ip)),
            other => self.protocol(&ip, other),
        }
    }

    /// Remembers an AH; `false` if there is no room.
    fn passed(&mut self, header: AhHeader) -> bool {
        let free = self.ahs.iter_mut().find(|slot| slot.is_none());
        free.map(|slot| *slot = Some(header)).is_some()
    }

    fn protocol(&mut self, ip: &Ip, protocol: u8) -> Result<Onward, Found> {
        let Some(layer) = Layer::of_protocol(protocol) else {
            return Err(match (ip.ah, is_harmless(protocol)) {
                (Some(_), _) => self.packet(ip),
                (None, true) => Found::Other,
                (None, false) => Found::NotRead(NotRead::Protocol(protocol)),
            });
        };
        self.narrow(ip, ip.end);
        match layer {
            Layer::IpInIp if ip.ah.is_some() => self.enter(Layer::Ah, Ok(Onward::new(Begins::Ip, ip.offset))),
            Layer::L2tp => Ok(Onward::new(Begins::L2tpSession, ip.offset)),
            _ => Ok(Onward::new(Begins::Layer(layer), ip.offset)),
        }
    }

    fn udp(&mut self, ip: &Ip) -> Result<Onward, Found> {
        let header = self.octets.array::<UDP_OCTETS>(ip.offset);
        let Some([s0, s1, d0, d1, l0, l1, _, _]) = header.filter(|_| ip.offset + UDP_OCTETS <= ip.end) else {
            return Err(self.packet(ip));
        };
        let source = u16::from_be_bytes([s0, s1]);
        let destination = u16::from_be_bytes([d0, d1]);
        if self.ports.is_isakmp(source, destination) || self.ports.is_nat_t(source, destination) {
            return Err(self.packet(ip));
        }
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let payload = ip.offset + UDP_OCTETS;
        let Some(layer) = Layer::of_ports(source, destination) else {
            let is_whole = ip.fragment == Fragment::Whole && self.fragment == Fragment::Whole;
            return Err(if is_whole && is_isakmp(&self.octets, payload, length) {
                Found::Elsewhere(source.min(destination))
            } else if ip.ah.is_some() {
                self.packet(ip)
            } else {
                Found::Other
            });
        };
        let end = if length < UDP_OCTETS {
            ip.end
        } else {
            ip.end.min(ip.offset + length)
        };
        self.narrow(ip, end);
        if layer == Layer::Udp {
            let inner = if destination == GRE_IN_UDP {
                Layer::Gre
            } else {
                Layer::Mpls
            };
            return self.enter(Layer::Udp, Ok(Onward::new(Begins::Layer(inner), payload)));
        }
        let entered = self.enter(layer, onward(layer, &self.octets, payload));
        match entered {
            // Only a source port has this number, which any client may use.
            Err(Found::NotRead(NotRead::Malformed(_))) if Layer::of_ports(0, destination).is_none() => {
                Err(Found::Other)
            }
            _ => entered,
        }
    }

    /// The content of this packet follows, up to `end`.
    const fn narrow(&mut self, ip: &Ip, end: usize) {
        // The tags of the outer frame say nothing about the packets that it carries.
        self.octets.end = end;
        if matches!(ip.fragment, Fragment::First) {
            self.fragment = Fragment::First;
        }
        self.octets.length = match self.fragment {
            Fragment::Whole => end,
            Fragment::First => usize::MAX,
        };
    }

    /// A packet that may be ours.
    fn packet(&self, ip: &Ip) -> Found {
        match dissect_l4(&self.octets, self.ports, ip) {
            Dissected::Other => Found::Other,
            Dissected::Error(miss) => Found::ParseError(miss),
            Dissected::Packet(mut packet) => {
                if self.fragment == Fragment::First {
                    packet.fragment = Fragment::First;
                }
                Found::Packet(packet)
            }
        }
    }

    /// Continues inside a layer.
    fn enter(&mut self, layer: Layer, step: Result<Onward, Stop>) -> Result<Onward, Found> {
        let step = step.map_err(|stop| self.stopped(stop))?;
        if self.layers.push(layer) {
            Ok(step)
        } else {
            Err(self.deep(Some(layer)))
        }
    }

    fn go(&self, step: Result<Onward, Stop>) -> Result<Onward, Found> {
        step.map_err(|stop| self.stopped(stop))
    }

    fn stopped(&self, stop: Stop) -> Found {
        match stop {
            Stop::Harmless => Found::Other,
            Stop::NotRead(not_read) => Found::NotRead(not_read),
            Stop::Truncated => match self.layers.iter().last() {
                Some(layer) => Found::NotRead(NotRead::Cut(layer)),
                None => Found::ParseError(ParseError::EthernetTruncated),
            },
        }
    }

    /// Too many layers; without a name, the innermost that was followed.
    fn deep(&self, layer: Option<Layer>) -> Found {
        let layer = layer.or_else(|| self.layers.iter().last());
        Found::NotRead(NotRead::Deep(layer.unwrap_or(Layer::Snap)))
    }

    /// What is known of an unreadable packet.
    fn envelope(&self) -> Envelope {
        let mut envelope = Envelope {
            vlan: self.vlan,
            ..Envelope::default()
        };
        let octets = &self.octets;
        let (is_udp, transport) = match self.ip {
            Some((ETHERTYPE_IPV4, at)) => {
                if let (Some(source), Some(destination)) =
                    (octets.array::<4>(at + 12), octets.array::<4>(at + 16))
                {
                    envelope.addresses = Some((IpAddr::from(source), IpAddr::from(destination)));
                }
                let (Some([words]), Some([f0, f1, _, protocol])) = (octets.array(at), octets.array(at + 6))
                else {
                    return envelope;
                };
                // Thirteen bits of offset; a later fragment has no ports.
                let is_first = u16::from_be_bytes([f0, f1]) << 3 == 0;
                (is_first && protocol == UDP, at + usize::from(words & 0x0f) * 4)
            }
            Some((_, at)) => {
                if let (Some(source), Some(destination)) = (octets.array(at + 8), octets.array(at + 24)) {
                    envelope.addresses = Some((address(source), address(destination)));
                }
                (octets.array(at + 6) == Some([UDP]), at + network::IPV6_OCTETS)
            }
            None => return envelope,
        };
        if is_udp && let Some([s0, s1, d0, d1]) = octets.array(transport) {
            envelope.ports = Some((u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])));
        }
        envelope
    }
}

/// The payload of an Ethertype, or of the length that old frames have instead.
const fn typed(ethertype: u16, at: usize) -> Onward {
    if ethertype < FIRST_ETHERTYPE {
        Onward::new(Begins::Layer(Layer::Snap), at)
    } else {
        Onward::new(Begins::Ethertype(ethertype), at)
    }
}

/// Destination, source and control of IEEE 802.2, then the protocol of the destination.
fn llc<O: Octets>(octets: &O, at: usize) -> Result<Onward, Stop> {
    let [destination, _, control] = octets.array(at).ok_or(Stop::Truncated)?;
    match (destination, control) {
        (0xaa, UNNUMBERED) => Ok(Onward::new(Begins::Snap { padding: 2 }, at + 3)),
        (0x06, UNNUMBERED) => Ok(Onward::new(Begins::Ip, at + 3)),
        // NULL, management, spanning tree, ISO network layer, IPX, NetBIOS, and everything but unnumbered
        // information.
        (0x00 | 0x02 | 0x03 | 0x42 | 0xe0 | 0xf0 | 0xf4 | 0xfe | 0xff, _) => Err(Stop::Harmless),
        (other, UNNUMBERED) => Err(Stop::NotRead(NotRead::Sap(other))),
        _ => Err(Stop::Harmless),
    }
}

fn snap<O: Octets>(octets: &O, at: usize, padding: u8) -> Result<Onward, Stop> {
    let [a, b, c, p0, p1] = octets.array(at).ok_or(Stop::Truncated)?;
    let protocol = u16::from_be_bytes([p0, p1]);
    match ([a, b, c], protocol) {
        // RFC 1042, and the form for tunnelled bridges (IEEE 802.1H).
        ([0, 0, 0 | 0xf8], _) => Ok(Onward::new(Begins::Ethertype(protocol), at + 5)),
        // Bridged Ethernet, with and without its check sequence.
        ([0, 0x80, 0xc2], 1 | 7) => {
            let padding = if header::is_ethernet(octets, at + 5) {
                0
            } else {
                padding
            };
            Ok(Onward::new(Begins::Ethernet, at + 5 + usize::from(padding)))
        }
        // Discovery and link protocols of Cisco and of bridges.
        ([0, 0, 0x0c] | [0, 0x80, 0xc2], _) => Err(Stop::Harmless),
        (organization, _) => Err(Stop::NotRead(NotRead::Snap {
            organization,
            protocol,
        })),
    }
}

/// RFC 2427 §4.
fn nlpid<O: Octets>(octets: &O, at: usize) -> Result<Onward, Stop> {
    let [identifier] = octets.array(at).ok_or(Stop::Truncated)?;
    let begins = match identifier {
        0xcc => Begins::Ethertype(ETHERTYPE_IPV4),
        0x8e => Begins::Ethertype(ETHERTYPE_IPV6),
        0x80 => Begins::Snap { padding: 0 },
        // RFC 1973.
        0xcf => Begins::Ppp,
        // Status inquiries, ISO network layer.
        0x08 | 0x81..=0x83 => return Err(Stop::Harmless),
        other => return Err(Stop::NotRead(NotRead::Nlpid(other))),
    };
    Ok(Onward::new(begins, at + 1))
}

/// Address and control octets, if any, then a protocol of one octet or two (RFC 1661 §2, RFC 1662 §3.1).
fn ppp<O: Octets>(octets: &O, at: usize) -> Result<Onward, Stop> {
    let at = if octets.array(at) == Some([0xff, UNNUMBERED]) {
        at + 2
    } else {
        at
    };
    let [first] = octets.array(at).ok_or(Stop::Truncated)?;
    let (protocol, next) = if first & 1 == 0 {
        (
            u16::from_be_bytes(octets.array(at).ok_or(Stop::Truncated)?),
            at + 2,
        )
    } else {
        (first.into(), at + 1)
    };
    let begins = match protocol {
        0x0021 => Begins::Ethertype(ETHERTYPE_IPV4),
        0x0057 => Begins::Ethertype(ETHERTYPE_IPV6),
        0x0281 | 0x0283 => Begins::Layer(Layer::Mpls),
        // Compressed TCP; low-volume, control and link protocols.
        0x002d | 0x002f | 0x4000.. => return Err(Stop::Harmless),
        // Bridged Ethernet, four octets before it (RFC 3518 §4.2).
        0x0031 => return Ok(Onward::new(Begins::Ethernet, next + 2)),
        other => return Err(Stop::NotRead(NotRead::Ppp(other))),
    };
    Ok(Onward::new(begins, next))
}

/// Whether a datagram of `length` octets at `at` is an ISAKMP message: every header field must be plausible, and its
/// length that of the datagram.
fn is_isakmp<O: Octets>(octets: &O, at: usize, length: usize) -> bool {
    let Some(header) = octets.array::<HEADER_OCTETS>(at).map(Header::from) else {
        return false;
    };
    let reserved = match header.version() {
        (1, 0) => header.flags() & !0x07,
        (2, 0) => header.flags() & !0x38,
        _ => return false,
    };
    length == UDP_OCTETS + header.length() as usize
        && reserved == 0
        && !header.initiator_cookie().is_zero()
        && !matches!(header.exchange(), Exchange::Unknown(_))
}

/// Whether the length in an ISAKMP header equals the datagram's: a quick check for [`Found::Elsewhere`].
#[inline(always)]
pub(crate) fn may_be_isakmp<O: Octets>(octets: &O, at: usize, length: usize) -> bool {
    let declared = octets.array(at + HEADER_OCTETS - 4).map(u32::from_be_bytes);
    declared.is_some_and(|declared| declared as usize + UDP_OCTETS == length)
}

/// Known Ethertypes that carry no packet to dissect.
#[inline(always)]
pub(crate) const fn is_harmless_ethertype(ethertype: u16) -> bool {
    matches!(
        ethertype,
        // ARP, RARP, wake on LAN, AppleTalk, IPX, flow control, link aggregation, MAP, PPPoE discovery, EAPOL
        0x0806 | 0x8035 | 0x0842 | 0x809b | 0x80f3 | 0x8137 | 0x8808 | 0x8809 | 0x8863 | 0x888e
        // PROFINET, ATA, EtherCAT, GOOSE, GSE, sampled values, TIPC, LLDP, HomePlug, MRP, MVRP, MMRP, AVTP, PTP
        | 0x8892 | 0x88a2 | 0x88a4 | 0x88b8..=0x88ba | 0x88ca | 0x88cc | 0x88e1 | 0x88e3 | 0x88f5..=0x88f7 | 0x22f0
        // connectivity faults, Fibre Channel, RoCE, loop tests, IS-IS of TRILL, SLARP and CDP of Cisco HDLC
        | 0x8902 | 0x8906 | 0x8914 | 0x8915 | 0x9000 | 0x8899 | 0x22f4 | 0x2000 | 0x2001
    )
}

/// Known IP protocols that carry no packet to dissect.
#[inline(always)]
pub(crate) const fn is_harmless(protocol: u8) -> bool {
    matches!(
        protocol,
        // ICMP, IGMP, TCP, EGP, IGP, DCCP, RSVP, ICMPv6, nothing, EIGRP, OSPF, PIM, VRRP, PGM, IS-IS, SCTP, UDP-Lite
        1 | 2 | 6 | 8 | 9 | 33 | 46 | 58 | 59 | 88 | 89 | 103 | 112 | 113 | 124 | 132 | 136
        // Headers of IPv6 in unexpected places.
        | 0 | 43 | 44 | 60 | 135 | 139 | 140
    )
}
