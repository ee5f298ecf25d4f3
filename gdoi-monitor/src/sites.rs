//! Which configured place an address belongs to: the longest prefix that holds it.

use std::collections::BTreeMap;

use gdoi_core::Config;
use gdoi_core::observation::Site;
use gdoi_wire::record::site_key;

/// The number that stands for no place.
const NOWHERE: Site = Site(0);
/// IPv4 as IPv4-mapped IPv6 is `::ffff:0:0/96` (RFC 4291 §2.5.5.2).
const IPV4_NETWORK: u128 = 0xffff << 32;
const IPV4_BITS: u32 = 96;

/// Prefixes and their places, longest first.
#[derive(Clone, Debug, Default)]
pub struct Sites {
    lengths: Vec<Length>,
}

/// The prefixes of one length.
#[derive(Clone, Debug)]
struct Length {
    mask: u128,
    prefixes: BTreeMap<u128, Site>,
}

impl Sites {
    /// The places of a configuration. Of two with one prefix the first holds it: a site before what its group protects.
    pub fn new(config: &Config) -> Self {
        let mut lengths: BTreeMap<u32, BTreeMap<u128, Site>> = BTreeMap::new();
        for place in config.numbered_sites() {
            for prefix in place.prefixes {
                let (length, octets) = site_key(prefix.addr(), prefix.prefix_len());
                let network = u128::from_be_bytes(octets) & mask(length);
                let same = lengths.entry(length).or_default();
                same.entry(network).or_insert(place.site);
            }
        }
        // In 128 bits ::/0 holds every IPv4 address too. It must not.
        if lengths.keys().any(|length| *length < IPV4_BITS) {
            let same = lengths.entry(IPV4_BITS).or_default();
            same.entry(IPV4_NETWORK).or_insert(NOWHERE);
        }
        let lengths = lengths.into_iter().rev();
        Self {
            lengths: lengths
                .map(|(length, prefixes)| Length {
                    mask: mask(length),
                    prefixes,
                })
                .collect(),
        }
    }

    /// The place of an address, IPv4 as IPv4-mapped IPv6.
    pub fn find(&self, address: [u8; 16]) -> Option<Site> {
        let address = u128::from_be_bytes(address);
        self.lengths
            .iter()
            .find_map(|length| length.prefixes.get(&(address & length.mask)).copied())
            .filter(|site| *site != NOWHERE)
    }

    /// The prefixes with their places, for the kernel's own table: length and octets as [`site_key`] gives them. Site
    /// 0 is no place.
    pub fn prefixes(&self) -> impl Iterator<Item = (u32, [u8; 16], Site)> {
        self.lengths.iter().flat_map(|length| {
            let bits = length.mask.count_ones();
            length
                .prefixes
                .iter()
                .map(move |(network, site)| (bits, network.to_be_bytes(), *site))
        })
    }
}

fn mask(length: u32) -> u128 {
    u128::MAX.checked_shl(128_u32.saturating_sub(length)).unwrap_or(0)
}
