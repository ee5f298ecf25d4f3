//! The configured site of an address: the longest matching prefix.

use std::collections::BTreeMap;

use gdoi_core::Config;
use gdoi_core::observation::Site;
use gdoi_wire::record::site_key;

/// The number for no site.
const NOWHERE: Site = Site(0);
/// IPv4 as IPv4-mapped IPv6 is `::ffff:0:0/96` (RFC 4291 §2.5.5.2).
const IPV4_NETWORK: u128 = 0xffff << 32;
const IPV4_BITS: u32 = 96;

/// Prefixes and their sites, longest first.
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
    /// The sites of a configuration. If two have the same prefix the first wins: a site before its group's protected
    /// network.
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
        // As 128-bit prefix, ::/0 would match every IPv4 address too. It must not.
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

    /// The site of an address, IPv4 as IPv4-mapped IPv6.
    pub fn find(&self, address: [u8; 16]) -> Option<Site> {
        let address = u128::from_be_bytes(address);
        self.lengths
            .iter()
            .find_map(|length| length.prefixes.get(&(address & length.mask)).copied())
            .filter(|site| *site != NOWHERE)
    }

    /// The prefixes with their sites, for the kernel's table: length and octets in the form of [`site_key`]. Site 0
    /// is none.
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
