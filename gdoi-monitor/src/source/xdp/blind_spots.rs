//! Blind spots: what cannot be seen on an interface although everything works.

use std::collections::BTreeSet;

use super::attach::{Attached, Attachment, Direction, PassedOver};
use super::features;
use super::netlink::NetworkLink;

/// Why something on an interface is not seen, or not as it was on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlindSpot {
    /// It is one of several interfaces that carry the same traffic.
    BondMember,
    /// Packets sent by the host are not monitored.
    EgressOff,
    /// The kernel merges received packets before traffic control sees them.
    Gro,
    /// The card merges received packets.
    Lro,
    /// It is down, or has no carrier.
    NoCarrier,
    /// Another XDP program runs first, and may drop or redirect packets.
    OtherXdpProgram,
    /// The card strips the outer VLAN tag.
    VlanOffload,
}

impl BlindSpot {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BondMember => "bond_member",
            Self::EgressOff => "egress_off",
            Self::Gro => "gro",
            Self::Lro => "lro",
            Self::NoCarrier => "no_carrier",
            Self::OtherXdpProgram => "other_xdp_program",
            Self::VlanOffload => "vlan_offload",
        }
    }

    /// What it hides, and the fix.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::BondMember => {
                "traffic over other members of the bond is seen only if they are monitored too"
            }
            Self::EgressOff => "packets sent by this host are not seen; use --egress",
            Self::Gro => {
                "the kernel merges received TCP and UDP packets first: class other counts fewer, longer packets"
            }
            Self::Lro => {
                "the NIC merges received packets; `ethtool -K IF lro off rx-gro-hw off` turns that off"
            }
            Self::NoCarrier => "the interface is down or has no carrier: traffic may take another path",
            Self::OtherXdpProgram => "packets that the other XDP program drops or redirects are not seen",
            Self::VlanOffload => {
                "the card strips the outer VLAN tag before XDP: its number is not seen; \
                 `ethtool -K IF rxvlan off` keeps it on"
            }
        }
    }
}

/// The blind spots of `link`, which is monitored as `attached` says.
pub fn blind_spots(
    link: &NetworkLink,
    master: Option<&NetworkLink>,
    attached: &Attached,
    directions: &[Direction],
) -> BTreeSet<BlindSpot> {
    // An interface that cannot be queried has no such features: tunnels, some virtual ones.
    let features = features::active(link.index).unwrap_or_default();
    let is_on = |name: &str| features.contains(name);
    let Attached {
        attachment,
        passed_over,
        taken_over: _,
    } = attached;
    let is_at_tc = attachment.is_at_tc();
    let is_bond = master.is_some_and(|master| master.kind.as_deref() == Some("bond"));
    let is_taken = matches!(passed_over, Some(PassedOver::Taken(_)));
    [
        (BlindSpot::BondMember, is_bond),
        (BlindSpot::EgressOff, !directions.contains(&Direction::Egress)),
        (BlindSpot::Gro, is_at_tc && is_on("rx-gro")),
        (BlindSpot::Lro, is_on("rx-lro") || is_on("rx-gro-hw")),
        (BlindSpot::NoCarrier, !link.has_carrier),
        (
            BlindSpot::OtherXdpProgram,
            is_taken || (is_at_tc && link.xdp_program.is_some()),
        ),
        // At traffic control the program reads the stripped tag from the kernel. In generic mode the kernel restores
        // it.
        (
            BlindSpot::VlanOffload,
            *attachment == Attachment::Native && is_on("rx-vlan-hw-parse"),
        ),
    ]
    .into_iter()
    .filter_map(|(pin_dir, is_there)| is_there.then_some(pin_dir))
    .collect()
}
