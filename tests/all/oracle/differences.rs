//! Where `decode` and tshark differ, and why. Both an unused and a missing line fail the test.

/// Why the two differ on a frame.
#[derive(Clone, Copy)]
pub(crate) enum Because {
    /// tshark shows a reassembled message in the frame of its last fragment; its header is in the first.
    Reassembled { last: u64 },
    /// Only tshark reads it.
    OnlyTshark(#[expect(dead_code, reason = "for the reader")] &'static str),
    /// Only `decode` reads it.
    OnlyDecode(#[expect(dead_code, reason = "for the reader")] &'static str),
    /// tshark leaves fields out.
    Unsaid(#[expect(dead_code, reason = "for the reader")] &'static str),
}

const QUOTED: Because = Because::OnlyTshark("an ICMP error quotes it: a quoted header is not a message");
const HALF_ESP: Because = Because::OnlyTshark(
    "cut after the SPI: for half an ESP header tshark gives only the SPI, decode a parse error",
);
const UDP_LENGTH: Because =
    Because::OnlyTshark("the UDP length is beyond the IP payload: no receiver takes it");
const NO_LENGTH: Because =
    Because::OnlyDecode("a length of 0 in an ISAKMP header: to tshark the datagram is data");
const VERSION: Because = Because::Unsaid("version 11.14: tshark reads neither its exchange nor its length");
const TOO_LONG: Because = Because::Unsaid("tshark does not say a length that is far beyond the datagram");

/// A frame on which the two differ.
pub(crate) struct Difference {
    pub(crate) capture: &'static str,
    pub(crate) frame: u64,
    pub(crate) because: Because,
}

const fn differ(capture: &'static str, frame: u64, because: Because) -> Difference {
    Difference {
        capture,
        frame,
        because,
    }
}

const fn reassembled(capture: &'static str, frame: u64, last: u64) -> Difference {
    differ(capture, frame, Because::Reassembled { last })
}

/// Every difference.
pub(crate) const DIFFERENCES: &[Difference] = &[
    reassembled("corelight_ipsec_client.pcap", 3, 5),
    reassembled("corelight_ipsec_client.pcap", 6, 8),
    reassembled("corelight_ipsec_client.pcap", 9, 11),
    reassembled("gdoid_frag.pcap", 10, 11),
    reassembled("gdoid_frag.pcap", 23, 24),
    reassembled("gdoid_frag.pcap", 35, 38),
    reassembled("gdoid_frag.pcap", 39, 41),
    reassembled("gdoid_frag.pcap", 42, 44),
    reassembled("gdoid_frag.pcap", 45, 47),
    reassembled("gdoid_frag.pcap", 52, 53),
    reassembled("nanosec_reg.pcap", 3, 7),
    reassembled("scapyesp_variety.pcap", 28, 30),
    reassembled("scapyesp_variety.pcap", 31, 32),
    reassembled("ss_cert848_ipfrag.pcap", 5, 6),
    reassembled("ss_cert848_ipfrag.pcap", 7, 8),
    reassembled("ss_cert848_v6frag.pcap", 5, 6),
    reassembled("ss_cert848_v6frag.pcap", 7, 8),
    differ("gdoid_unicast.pcap", 20, QUOTED),
    differ("zeek_ipv6_zero_len_ah.pcap", 6, QUOTED),
    differ("scapyesp_variety.pcap", 60, HALF_ESP),
    differ("tcpdump_esp_truncated.pcap", 1, HALF_ESP),
    differ("tcpdump_isakmp-delete-segfault.pcap", 1, UDP_LENGTH),
    differ("corelight_ipsec-ikev1-zero-length.pcap", 1, NO_LENGTH),
    differ("p848_corelight_ipsec-ikev1-zero-length.pcap", 1, NO_LENGTH),
    differ("p848_tcpdump_isakmp-pointer-loop.pcap", 1, NO_LENGTH),
    differ("tcpdump_isakmp-pointer-loop.pcap", 1, NO_LENGTH),
    differ("p848_tcpdump_isakmp-delete-segfault.pcap", 1, VERSION),
    differ("p848_tcpdump_isakmp-ikev1_n_print-oobr.pcap", 3, TOO_LONG),
    differ("tcpdump_isakmp-ikev1_n_print-oobr.pcap", 3, TOO_LONG),
    differ("tcpdump_isakmp-various-oobr.pcap", 1, TOO_LONG),
];

/// Expected number of parse errors per capture in `decode`, by reason. All other captures have none.
pub(crate) const MISSES: &[(&str, &str, usize)] = &[
    ("corelight_ipsec_client.pcap", "later_fragment", 6),
    ("der_teklong_snap60.pcap", "isakmp_truncated", 38),
    ("gdoid_frag.pcap", "later_fragment", 12),
    ("nanosec_reg.pcap", "later_fragment", 4),
    // ESP after a UDP header that declares an empty datagram.
    ("scapyesp_variety.pcap", "isakmp_empty", 4),
    ("scapyesp_variety.pcap", "esp_short", 3),
    ("scapyesp_variety.pcap", "later_fragment", 3),
    ("ss_cert848_ipfrag.pcap", "later_fragment", 2),
    ("ss_cert848_v6frag.pcap", "later_fragment", 2),
    ("tcpdump_esp_truncated.pcap", "esp_truncated", 1),
    ("tcpdump_isakmp-3948-oobr-2.pcap", "udp_length", 1),
    ("tcpdump_isakmp-delete-segfault.pcap", "udp_length", 1),
    ("tcpdump_isakmp-rfc3948-oobr.pcap", "udp_length", 1),
    ("tcpdump_isakmp-various-oobr.pcap", "later_fragment", 1),
];
