//! Stacked interfaces: packets are counted once, at the lowest one.

use super::netlink::NetworkLink;

/// Kinds whose `IFLA_LINK` is their lower interface. For a veth it is the peer, for a tunnel its outgoing interface.
const ONE_BELOW: [&str; 5] = ["ipvlan", "ipvtap", "macvlan", "macvtap", "vlan"];
/// Kinds that have members.
const SEVERAL_BELOW: [&str; 3] = ["bond", "bridge", "team"];

/// The interface below `link` that already sees its packets; `is_watched` says which ones are monitored.
pub fn seen_below<'a>(
    link: &NetworkLink,
    all: &'a [NetworkLink],
    is_watched: impl Fn(&NetworkLink) -> bool,
) -> Option<&'a NetworkLink> {
    let kind = link.kind.as_deref().unwrap_or_default();
    let mut below = all.iter().filter(|other| {
        if ONE_BELOW.contains(&kind) {
            link.lower == Some(other.index)
        } else {
            SEVERAL_BELOW.contains(&kind) && other.master == Some(link.index)
        }
    });
    below.find(|other| other.index != link.index && is_watched(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str, index: u32, kind: &str, lower: Option<u32>, master: Option<u32>) -> NetworkLink {
        NetworkLink {
            name: name.to_owned(),
            index,
            is_ethernet: true,
            has_carrier: true,
            kind: (!kind.is_empty()).then(|| kind.to_owned()),
            lower,
            master,
            xdp_program: None,
            is_xdp_generic: false,
        }
    }

    #[test]
    fn packets_are_seen_at_the_bottom() {
        let all = [
            link("eth0", 2, "", None, None),
            link("eth0.7", 3, "vlan", Some(2), None),
            link("br0", 4, "bridge", None, None),
            link("eth1", 5, "", None, Some(4)),
            link("veth0", 6, "veth", Some(2), None),
        ];
        let check = |name: &str, watched: &[&str], expect: Option<&str>| {
            let link = all.iter().find(|link| link.name == name).unwrap();
            let below = seen_below(link, &all, |link| watched.contains(&link.name.as_str()));
            assert_eq!(
                below.map(|link| link.name.as_str()),
                expect,
                "{name} of {watched:?}"
            );
        };
        check("eth0.7", &["eth0", "eth0.7"], Some("eth0"));
        check("eth0.7", &["eth0.7"], None);
        check("br0", &["eth1"], Some("eth1"));
        check("br0", &["eth0", "br0"], None);
        check("veth0", &["eth0"], None);
        check("eth1", &["br0"], None);
    }
}
