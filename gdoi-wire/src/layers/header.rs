//! The header of each layer: its length, and what follows it.

use super::link::FIRST_ETHERTYPE;
use super::{Begins, Layer, NotRead, Onward, Step, Stop, is_harmless_ethertype};
use crate::frame::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, is_tag};
use crate::octets::Octets;

const PPP: u16 = 0x880b;
const ERSPAN: u16 = 0x88be;
/// T-PDU (3GPP TS 29.281 §6.1).
const TUNNELLED_PACKET: u8 = 255;
/// Labels of one packet. Hardware pushes about ten.
const MAX_LABELS: usize = 16;
/// Source route entries of GRE; unused since RFC 2784.
const MAX_ROUTES: usize = 8;
/// Extension headers of GTP-U; a 5G packet has one or two.
const MAX_EXTENSIONS: usize = 8;
/// Tagged fields of TZSP; about ten are known.
const MAX_TAGGED_FIELDS: usize = 32;

/// Reads the header of a layer at `at`: its content, and where that begins.
#[inline(always)]
pub fn onward<O: Octets>(layer: Layer, octets: &O, at: usize) -> Step {
    match layer {
        // Both were read with their IP or UDP header.
        Layer::Ah | Layer::IpInIp => Ok(Onward::new(Begins::Ip, at)),
        Layer::Udp => Err(Stop::NotRead(NotRead::Malformed(layer))),
        Layer::Capwap => capwap(octets, at),
        Layer::CiscoMetadata => cisco_metadata(octets, at),
        Layer::Erspan => erspan(octets, at),
        Layer::EtherIp => etherip(octets, at),
        Layer::Geneve => geneve(octets, at),
        Layer::Gre => gre(octets, at),
        Layer::GtpU => gtp_u(octets, at),
        Layer::Hsr => hsr(octets, at),
        Layer::L2tp => l2tp(octets, at),
        Layer::Lisp => lisp(octets, at),
        Layer::Macsec => macsec(octets, at),
        Layer::Mpls => mpls(octets, at),
        Layer::Nsh => nsh(octets, at),
        Layer::Pbb => pbb(octets, at),
        Layer::Pppoe => pppoe(octets, at),
        Layer::Snap => Ok(Onward::new(Begins::Llc, at)),
        Layer::Teredo => teredo(octets, at),
        Layer::Tzsp => tzsp(octets, at),
        Layer::Vxlan => vxlan(octets, at),
        Layer::VxlanGpe => vxlan_gpe(octets, at),
    }
}

/// ```text
/// | version 4, type 4 | HLEN 5, RID 5, WBID 5, T F L W M K ...  16 + 3 |
/// | fragment ID 16                 | fragment offset 13               |   RFC 5415 §4.3
/// ```
#[inline(always)]
fn capwap<O: Octets>(octets: &O, at: usize) -> Step {
    let [preamble, h0, h1, h2, _, _, o0, o1] = need(octets, at, Layer::Capwap)?;
    match preamble {
        0 => {}
        // A DTLS header.
        1 => return encrypted(Layer::Capwap),
        _ => return malformed(Layer::Capwap),
    }
    let fields = u32::from_be_bytes([0, h0, h1, h2]);
    let length = (fields >> 19 & 0x1f) as usize * 4;
    let binding = fields >> 9 & 0x1f;
    let [is_native, is_fragment, is_keepalive] = [0x100, 0x80, 0x08].map(|flag| fields & flag != 0);
    if is_keepalive {
        return Err(Stop::Harmless);
    }
    if length < 8 || is_fragment && u16::from_be_bytes([o0, o1]) >> 3 != 0 {
        return malformed(Layer::Capwap);
    }
    match (is_native, binding) {
        (false, _) => Ok(Onward::new(Begins::Ethernet, at + length)),
        (true, 1) => Ok(Onward::new(Begins::Wireless { padded: false }, at + length)),
        (true, _) => malformed(Layer::Capwap),
    }
}

/// Version, length in words of the options that follow, the options, an Ethertype.
#[inline(always)]
fn cisco_metadata<O: Octets>(octets: &O, at: usize) -> Step {
    let [version, words] = need(octets, at, Layer::CiscoMetadata)?;
    if version != 1 {
        return malformed(Layer::CiscoMetadata);
    }
    ethertype(octets, at + 2 + usize::from(words) * 4, Layer::CiscoMetadata)
}

/// Types II and III (draft-foschiano-erspan §4); type I has no header.
#[inline(always)]
fn erspan<O: Octets>(octets: &O, at: usize) -> Step {
    let [first] = need(octets, at, Layer::Erspan)?;
    match first >> 4 {
        1 => Ok(Onward::new(Begins::Ethernet, at + 8)),
        2 => {
            let [f0, f1] = need(octets, at + 10, Layer::Erspan)?;
            let fields = u16::from_be_bytes([f0, f1]);
            // The O flag: a subheader of the platform.
            let length = if fields & 1 == 0 { 12 } else { 20 };
            match fields >> 10 & 0x1f {
                0 => Ok(Onward::new(Begins::Ethernet, at + length)),
                2 => Ok(Onward::new(Begins::Ip, at + length)),
                _ => malformed(Layer::Erspan),
            }
        }
        _ => malformed(Layer::Erspan),
    }
}

#[inline(always)]
fn etherip<O: Octets>(octets: &O, at: usize) -> Step {
    match need(octets, at, Layer::EtherIp)? {
        [0x30, 0] => Ok(Onward::new(Begins::Ethernet, at + 2)),
        _ => malformed(Layer::EtherIp),
    }
}

#[inline(always)]
fn geneve<O: Octets>(octets: &O, at: usize) -> Step {
    let [first, flags, p0, p1] = need(octets, at, Layer::Geneve)?;
    if first >> 6 != 0 {
        return malformed(Layer::Geneve);
    }
    // The O flag: a control packet.
    if flags & 0x80 != 0 {
        return Err(Stop::Harmless);
    }
    let length = 8 + usize::from(first & 0x3f) * 4;
    Ok(Onward::new(
        Begins::Ethertype(u16::from_be_bytes([p0, p1])),
        at + length,
    ))
}

/// ```text
/// |C|R|K|S|s|recursion|A| flags |version| protocol |   RFC 2784, 2890; version 1: RFC 2637 §4.1
/// ```
#[inline(always)]
fn gre<O: Octets>(octets: &O, at: usize) -> Step {
    let [f0, f1, p0, p1] = need(octets, at, Layer::Gre)?;
    let flags = u16::from_be_bytes([f0, f1]);
    let protocol = u16::from_be_bytes([p0, p1]);
    let [checksum, routing, key, sequence, acknowledgement] =
        [0x8000, 0x4000, 0x2000, 0x1000, 0x0080].map(|flag| flags & flag != 0);
    let words = |present: bool| if present { 4 } else { 0 };
    let version = flags & 7;
    if version == 1 && protocol == PPP {
        // Without a sequence number it acknowledges and carries nothing.
        return if sequence {
            Ok(Onward::new(Begins::Ppp, at + 12 + words(acknowledgement)))
        } else {
            Err(Stop::Harmless)
        };
    }
    if version != 0 {
        return malformed(Layer::Gre);
    }
    let mut next = at + 4 + words(checksum || routing) + words(key) + words(sequence);
    if routing {
        next = behind_routes(octets, next)?;
    }
    Ok(Onward::new(
        match protocol {
            // A keepalive carries its own answer.
            0 => return Err(Stop::Harmless),
            PPP => Begins::Ppp,
            ERSPAN if !sequence => Begins::Mirrored,
            other => Begins::Ethertype(other),
        },
        next,
    ))
}

/// Steps over source route entries (RFC 1701): address family, offset, length; the last has family and length 0.
#[inline(always)]
fn behind_routes<O: Octets>(octets: &O, at: usize) -> Result<usize, Stop> {
    let mut at = at;
    for _ in 0..MAX_ROUTES {
        let [f0, f1, _, length] = need(octets, at, Layer::Gre)?;
        at += 4 + usize::from(length);
        if [f0, f1, length] == [0; 3] {
            return Ok(at);
        }
    }
    malformed(Layer::Gre)
}

#[inline(always)]
fn gtp_u<O: Octets>(octets: &O, at: usize) -> Step {
    let [flags, kind] = need(octets, at, Layer::GtpU)?;
    // Version 1, and GTP rather than GTP'.
    if flags >> 4 != 3 {
        return malformed(Layer::GtpU);
    }
    if kind != TUNNELLED_PACKET {
        return Err(Stop::Harmless);
    }
    let mut next = at + 8;
    if flags & 7 != 0 {
        let [_, _, _, mut extension] = need(octets, next, Layer::GtpU)?;
        next += 4;
        for _ in 0..MAX_EXTENSIONS {
            if extension == 0 || flags & 4 == 0 {
                return Ok(Onward::new(Begins::Ip, next));
            }
            let [words] = need(octets, next, Layer::GtpU)?;
            if words == 0 {
                return malformed(Layer::GtpU);
            }
            next += usize::from(words) * 4;
            [extension] = need(octets, next - 1, Layer::GtpU)?;
        }
        if extension != 0 && flags & 4 != 0 {
            return malformed(Layer::GtpU);
        }
    }
    Ok(Onward::new(Begins::Ip, next))
}

/// Path and size, then a sequence number, then the Ethertype of the content.
#[inline(always)]
fn hsr<O: Octets>(octets: &O, at: usize) -> Step {
    ethertype(octets, at + 4, Layer::Hsr)
}

/// Version 2 carries PPP. Version 3 states neither its content nor the length of its cookie.
#[inline(always)]
fn l2tp<O: Octets>(octets: &O, at: usize) -> Step {
    let [f0, f1, _, _] = need(octets, at, Layer::L2tp)?;
    let flags = u16::from_be_bytes([f0, f1]);
    let [is_control, has_length, has_sequence, has_offset] =
        [0x8000, 0x4000, 0x0800, 0x0200].map(|flag| flags & flag != 0);
    if is_control {
        return Err(Stop::Harmless);
    }
    match flags & 0x0f {
        2 => {
            let mut next = at + 6 + if has_length { 2 } else { 0 } + if has_sequence { 4 } else { 0 };
            if has_offset {
                let [o0, o1] = need(octets, next, Layer::L2tp)?;
                next += 2 + usize::from(u16::from_be_bytes([o0, o1]));
            }
            Ok(Onward::new(Begins::Ppp, next))
        }
        3 => l2tp_session(octets, at + 4),
        _ => malformed(Layer::L2tp),
    }
}

/// Session, a cookie of 0, 4 or 8 octets, a sublayer of four octets or none. A plausible Ethernet frame shows which.
#[inline(always)]
pub(super) fn l2tp_session<O: Octets>(octets: &O, at: usize) -> Step {
    let session: [u8; 4] = need(octets, at, Layer::L2tp)?;
    if session == [0; 4] {
        return Err(Stop::Harmless);
    }
    for skipped in [4, 8, 12, 16] {
        if is_ethernet(octets, at + skipped) {
            return Ok(Onward::new(Begins::Ethernet, at + skipped));
        }
    }
    malformed(Layer::L2tp)
}

#[inline(always)]
fn lisp<O: Octets>(octets: &O, at: usize) -> Step {
    let [flags] = need(octets, at, Layer::Lisp)?;
    // The KK bits: the encryption key (RFC 8061 §6).
    if flags & 3 != 0 {
        return encrypted(Layer::Lisp);
    }
    Ok(Onward::new(Begins::Ip, at + 8))
}

/// ```text
/// | V ES SC SCB E C AN | short length | packet number 32 | identifier 64, if SC |   IEEE 802.1AE §9.3
/// ```
#[inline(always)]
fn macsec<O: Octets>(octets: &O, at: usize) -> Step {
    let [control] = need(octets, at, Layer::Macsec)?;
    if control & 0x80 != 0 {
        return malformed(Layer::Macsec);
    }
    if control & 0x0c != 0 {
        return encrypted(Layer::Macsec);
    }
    let length = if control & 0x20 == 0 { 6 } else { 14 };
    ethertype(octets, at + length, Layer::Macsec)
}

/// Labels to the bottom of the stack, then IP by its version, or an Ethernet pseudowire with or without a control
/// word (RFC 4385 §3, RFC 4448 §4.6).
#[inline(always)]
fn mpls<O: Octets>(octets: &O, at: usize) -> Step {
    let mut next = at;
    for _ in 0..MAX_LABELS {
        let [_, _, label, _] = need(octets, next, Layer::Mpls)?;
        next += 4;
        if label & 1 == 0 {
            continue;
        }
        let [first] = need(octets, next, Layer::Mpls)?;
        let begins = match first >> 4 {
            4 | 6 => Begins::Ip,
            0 if is_ethernet(octets, next + 4) => {
                next += 4;
                Begins::Ethernet
            }
            _ if is_ethernet(octets, next) => Begins::Ethernet,
            // An associated channel: messages between the ends of a path (RFC 5586).
            1 => return Err(Stop::Harmless),
            _ => return malformed(Layer::Mpls),
        };
        return Ok(Onward::new(begins, next));
    }
    malformed(Layer::Mpls)
}

#[inline(always)]
fn nsh<O: Octets>(octets: &O, at: usize) -> Step {
    let [v0, v1, _, protocol] = need(octets, at, Layer::Nsh)?;
    let fields = u16::from_be_bytes([v0, v1]);
    let length = usize::from(fields & 0x3f) * 4;
    if fields >> 14 != 0 || length < 8 {
        return malformed(Layer::Nsh);
    }
    // The O flag: operations and maintenance.
    if fields & 0x2000 != 0 {
        return Err(Stop::Harmless);
    }
    next_protocol(protocol, at + length, Layer::Nsh)
}

/// Flags and a service identifier, then the customer's frame.
#[inline(always)]
fn pbb<O: Octets>(octets: &O, at: usize) -> Step {
    let _: [u8; 4] = need(octets, at, Layer::Pbb)?;
    Ok(Onward::new(Begins::Ethernet, at + 4))
}

#[inline(always)]
fn pppoe<O: Octets>(octets: &O, at: usize) -> Step {
    match need(octets, at, Layer::Pppoe)? {
        [0x11, 0] => Ok(Onward::new(Begins::Ppp, at + 6)),
        _ => malformed(Layer::Pppoe),
    }
}

/// Optional authentication header and origin, then IPv6.
#[inline(always)]
fn teredo<O: Octets>(octets: &O, at: usize) -> Step {
    let mut next = at;
    if let Some([0, 1, identifier, value]) = octets.array(next) {
        next += 13 + usize::from(identifier) + usize::from(value);
    }
    if let Some([0, 0]) = octets.array(next) {
        next += 8;
    }
    let [first] = need(octets, next, Layer::Teredo)?;
    if first >> 4 == 6 {
        Ok(Onward::new(Begins::Ethertype(ETHERTYPE_IPV6), next))
    } else {
        malformed(Layer::Teredo)
    }
}

#[inline(always)]
fn tzsp<O: Octets>(octets: &O, at: usize) -> Step {
    let [version, kind, p0, p1] = need(octets, at, Layer::Tzsp)?;
    if version != 1 {
        return malformed(Layer::Tzsp);
    }
    // A received packet, or one to be sent; all other kinds carry none.
    if kind > 1 {
        return Err(Stop::Harmless);
    }
    let mut next = at + 4;
    for _ in 0..MAX_TAGGED_FIELDS {
        let [tag] = need(octets, next, Layer::Tzsp)?;
        next += 1;
        match tag {
            0 => {}
            1 => {
                let begins = match u16::from_be_bytes([p0, p1]) {
                    1 => Begins::Ethernet,
                    18 => Begins::Wireless { padded: false },
                    _ => return malformed(Layer::Tzsp),
                };
                return Ok(Onward::new(begins, next));
            }
            _ => {
                let [length] = need(octets, next, Layer::Tzsp)?;
                next += 1 + usize::from(length);
            }
        }
    }
    malformed(Layer::Tzsp)
}

#[inline(always)]
fn vxlan<O: Octets>(octets: &O, at: usize) -> Step {
    let [flags] = need(octets, at, Layer::Vxlan)?;
    // The I flag, which is always set.
    if flags & 0x08 == 0 {
        return malformed(Layer::Vxlan);
    }
    Ok(Onward::new(Begins::Ethernet, at + 8))
}

#[inline(always)]
fn vxlan_gpe<O: Octets>(octets: &O, at: usize) -> Step {
    let [flags, _, _, protocol] = need(octets, at, Layer::VxlanGpe)?;
    if flags & 0x30 != 0 {
        return malformed(Layer::VxlanGpe);
    }
    // The O flag: operations and maintenance.
    if flags & 1 != 0 {
        return Err(Stop::Harmless);
    }
    // The P flag: a next-protocol field is present.
    if flags & 0x04 == 0 {
        return Ok(Onward::new(Begins::Ethernet, at + 8));
    }
    next_protocol(protocol, at + 8, Layer::VxlanGpe)
}

/// The protocol numbers that NSH and VXLAN-GPE share (RFC 8300 §2.2).
#[inline(always)]
const fn next_protocol(protocol: u8, at: usize, layer: Layer) -> Step {
    let begins = match protocol {
        1 => Begins::Ethertype(ETHERTYPE_IPV4),
        2 => Begins::Ethertype(ETHERTYPE_IPV6),
        3 => Begins::Ethernet,
        4 => Begins::Layer(Layer::Nsh),
        5 => Begins::Layer(Layer::Mpls),
        _ => return malformed(layer),
    };
    Ok(Onward::new(begins, at))
}

/// Whether this looks like an Ethernet frame: at most two tags, then a known Ethertype (with the matching version for
/// IP), or a length and SNAP.
#[inline(always)]
pub(super) fn is_ethernet<O: Octets>(octets: &O, at: usize) -> bool {
    let mut at = at + 12;
    for _ in 0..3 {
        let Some([t0, t1, first]) = octets.array(at) else {
            return false;
        };
        match u16::from_be_bytes([t0, t1]) {
            ETHERTYPE_IPV4 => return first >> 4 == 4,
            ETHERTYPE_IPV6 => return first >> 4 == 6,
            0..FIRST_ETHERTYPE => return octets.array(at + 2) == Some([0xaa, 0xaa, 0x03]),
            tag if is_tag(tag) => at += 4,
            other => return Layer::of_ethertype(other).is_some() || is_harmless_ethertype(other),
        }
    }
    false
}

/// The payload of the Ethertype at `at`, which follows it.
#[inline(always)]
fn ethertype<O: Octets>(octets: &O, at: usize, layer: Layer) -> Step {
    let ethertype = u16::from_be_bytes(need(octets, at, layer)?);
    Ok(Onward::new(Begins::Ethertype(ethertype), at + 2))
}

/// The octets of a header, or an error if the frame ends inside it.
#[inline(always)]
fn need<O: Octets, const N: usize>(octets: &O, at: usize, layer: Layer) -> Result<[u8; N], Stop> {
    match octets.array(at) {
        Some(array) => Ok(array),
        None => Err(Stop::NotRead(NotRead::Cut(layer))),
    }
}

#[inline(always)]
const fn malformed<T>(layer: Layer) -> Result<T, Stop> {
    Err(Stop::NotRead(NotRead::Malformed(layer)))
}

#[inline(always)]
const fn encrypted<T>(layer: Layer) -> Result<T, Stop> {
    Err(Stop::NotRead(NotRead::Encrypted(layer)))
}
