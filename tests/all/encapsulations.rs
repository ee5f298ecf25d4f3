//! Encapsulations: `decode` reads through them as tshark does.
//!
//! Frames of every framing and carrier, and of every carrier inside every other, come from the generator of
//! gdoi-wire. tshark's output for each single carrier is in `tests/data/encapsulations.tsv`; for pairs, tshark runs
//! if it is installed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::Command;

use gdoi_monitor::decode;
use gdoi_wire::craft::{self, AhFields, Carrier, Content, Framing, Ipv4, Ipv6, Message, Udp};
use gdoi_wire::layers::{Layer, MAX_LAYERS};
use gdoi_wire::{Exchange, Ports};
use serde_json::Value;

use crate::captures;

const GRE: &[Carrier] = &[
    Carrier::Gre,
    Carrier::GreInUdp,
    Carrier::GreKeyed,
    Carrier::GreRouted,
];
const ETHERNET_PROTOCOLS: &[Carrier] = &[
    Carrier::CiscoMetadata,
    Carrier::Hsr,
    Carrier::Macsec,
    Carrier::MacsecIdentified,
    Carrier::Pbb,
    Carrier::Pppoe,
];

/// The encapsulation of a packet: the framing, and the carriers, outermost first.
#[derive(Clone, Debug)]
struct Chain {
    framing: Framing,
    carriers: Vec<Carrier>,
}

/// A decoder's output for a frame: initiator cookies, SPIs of ESP, SPIs of AH.
type Said = [String; 3];

impl Chain {
    fn name(&self) -> String {
        let carriers = self.carriers.iter().map(|carrier| format!("{carrier:?}"));
        let names: Vec<String> = [format!("{:?}", self.framing)]
            .into_iter()
            .chain(carriers)
            .collect();
        names.join("-")
    }

    fn frame(&self, packet: Vec<u8>) -> Vec<u8> {
        let content = Content::ip(packet);
        let carried = self
            .carriers
            .iter()
            .rev()
            .fold(content, |content, carrier| carrier.around(content));
        self.framing.frame(carried)
    }

    /// Why tshark 4.0 is known to read less, if it does.
    fn is_beyond_tshark(&self) -> Option<&'static str> {
        let has = |carriers: &[Carrier]| self.carriers.iter().any(|carrier| carriers.contains(carrier));
        let follows = |outer: &[Carrier], inner: &[Carrier]| {
            let pairs = self.carriers.windows(2);
            pairs
                .into_iter()
                .any(|pair| outer.contains(&pair[0]) && inner.contains(&pair[1]))
        };
        if matches!(self.framing, Framing::CiscoHdlcDirected | Framing::MplsLink) {
            Some("a link type that it does not know")
        } else if has(&[Carrier::CapwapWireless]) {
            Some("it expects the octets of the frame control the other way round, as Cisco sends them")
        } else if has(&[Carrier::L2tpV3, Carrier::L2tpV3InUdp]) {
            Some("it must be told what a session of version 3 carries")
        } else if follows(GRE, ETHERNET_PROTOCOLS) {
            Some("protocols of Ethernet in GRE")
        } else if follows(&[Carrier::Pbb], &[Carrier::Snap]) {
            Some("a length in the place of an Ethertype in 802.1ah")
        } else {
            None
        }
    }
}

/// Each framing alone and around GRE, each carrier alone.
fn singles() -> Vec<Chain> {
    let framings = Framing::ALL
        .iter()
        .flat_map(|&framing| [Vec::new(), vec![Carrier::Gre]].map(|carriers| Chain { framing, carriers }));
    let carriers = Carrier::ALL.iter().map(|&carrier| Chain {
        framing: Framing::Ethernet,
        carriers: vec![carrier],
    });
    framings.chain(carriers).collect()
}

/// Each carrier in each.
fn pairs() -> Vec<Chain> {
    let pairs = Carrier::ALL
        .iter()
        .flat_map(|&outer| Carrier::ALL.iter().map(move |&inner| vec![outer, inner]));
    pairs
        .map(|carriers| Chain {
            framing: Framing::Ethernet,
            carriers,
        })
        .collect()
}

/// A message and ESP in either version of IP, and an AH.
fn packets() -> [Vec<u8>; 5] {
    let v4 = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
    let v6 = [1, 2].map(|host| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host));
    let push = Message::new(Exchange::GroupkeyPush, *b"kek-spi-", *b"-of-16-o").octets(18, &[0x5a; 80]);
    let udp = |[source, destination]: [IpAddr; 2]| Udp::new(848, 848).around(source, destination, &push);
    let esp = craft::esp(0x1234_5678, 7, &[9; 64]);
    let (in_v4, in_v6) = (Ipv4::new(v4[0], v4[1]), Ipv6::new(v6[0], v6[1]));
    [
        in_v4.around(craft::UDP, &udp(v4.map(IpAddr::V4))),
        in_v6.around(craft::UDP, &udp(v6.map(IpAddr::V6))),
        in_v4.around(craft::ESP, &esp),
        in_v6.around(craft::ESP, &esp),
        in_v4.around(craft::AH, &AhFields::new(0xabcd_ef01, 8).around(1, &[8; 40])),
    ]
}

/// The frames of chains of one link layer, as a capture.
fn capture(link: u32, chains: &[&Chain]) -> Vec<u8> {
    let mut octets: Vec<u8> = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, link]
        .map(u32::to_le_bytes)
        .concat();
    for chain in chains {
        for packet in packets() {
            let frame = chain.frame(packet);
            let length = u32::try_from(frame.len()).unwrap();
            octets.extend([1, 0, length, length].map(u32::to_le_bytes).concat());
            octets.extend(frame);
        }
    }
    octets
}

/// The output of `decode` for each frame of a capture, and the encapsulation of the last packet.
fn decoded(path: &Path, frames: usize) -> Vec<(Said, Value)> {
    let mut lines = Vec::new();
    let unread = decode::decode(path, None, &Ports::DEFAULT, &mut lines).unwrap();
    assert!(!unread.has_link_layers(), "{unread}");
    let mut said = vec![(Said::default(), Value::Null); frames];
    for line in std::str::from_utf8(&lines).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let index = usize::try_from(line["frame"].as_u64().unwrap()).unwrap() - 1;
        let (said, encapsulation) = &mut said[index];
        let (slot, value) = match line["kind"].as_str().unwrap() {
            "isakmp" => (0, line["initiator_cookie"].as_str().unwrap().to_owned()),
            "esp" => (1, format!("0x{}", line["spi"].as_str().unwrap())),
            "ah" => (2, format!("0x{}", line["spi"].as_str().unwrap())),
            _ => continue,
        };
        let comma = if said[slot].is_empty() { "" } else { "," };
        write!(said[slot], "{comma}{value}").unwrap();
        *encapsulation = line["encapsulation"].clone();
    }
    said
}

/// Chains by their link layer, with the output of `decode` for each frame of each.
fn by_link(chains: &[Chain], work: &Path, mut each: impl FnMut(&Path, &[&Chain], &[(Said, Value)])) {
    let mut links: BTreeMap<u32, Vec<&Chain>> = BTreeMap::new();
    for chain in chains {
        links.entry(chain.framing.link_type()).or_default().push(chain);
    }
    for (link, chains) in links {
        let path = work.join(format!("{link}.pcap"));
        fs::write(&path, capture(link, &chains)).unwrap();
        let said = decoded(&path, chains.len() * packets().len());
        each(&path, &chains, &said);
    }
}

/// tshark's output for each frame, or `None` if it is not installed.
fn tshark(path: &Path) -> Option<Vec<Said>> {
    let fields = ["isakmp.ispi", "esp.spi", "ah.spi"];
    let output = Command::new("tshark")
        .args([
            "-r",
            path.to_str().unwrap(),
            "-o",
            "ip.defragment:FALSE",
            "-d",
            "udp.port==848,isakmp",
        ])
        .args(["-T", "fields"])
        .args(fields.into_iter().flat_map(|field| ["-e", field]))
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |line: &str| {
        let mut said = line.split('\t').map(str::to_owned);
        std::array::from_fn(|_| said.next().unwrap_or_default())
    };
    Some(text.lines().map(line).collect())
}

#[test]
fn each_framing_and_each_carrier_alone_as_tshark_said_once() {
    let stored = fs::read_to_string(captures::data("encapsulations.tsv")).unwrap();
    let stored: BTreeMap<(String, usize), Said> = stored
        .lines()
        .map(|line| {
            let mut fields = line.split('\t').map(str::to_owned);
            let mut next = || fields.next().unwrap_or_default();
            let key = (next(), next().parse().unwrap());
            (key, [next(), next(), next()])
        })
        .collect();
    let work = tempfile::tempdir().unwrap();
    let (mut equal, mut beyond, mut wrong) = (0, 0, Vec::new());
    by_link(&singles(), work.path(), |_, chains, said| {
        for (index, (said, encapsulation)) in said.iter().enumerate() {
            let (chain, packet) = (chains[index / 5], index % 5);
            // Teredo carries only IPv6.
            let is_nothing = said.iter().all(String::is_empty);
            let is_v4_in_teredo = chain.name().contains("Teredo") && !matches!(packet, 1 | 3);
            assert_eq!(is_nothing, is_v4_in_teredo, "{} {packet}", chain.name());
            match (stored.get(&(chain.name(), packet)), chain.is_beyond_tshark()) {
                (Some(stored), None) if stored == said => equal += 1,
                (_, Some(_)) => beyond += 1,
                (stored, None) => {
                    wrong.push(format!("{} {packet}: {said:?}, tshark {stored:?}", chain.name()));
                }
            }
            let is_told = encapsulation.as_array().is_some_and(|layers| !layers.is_empty());
            if !is_told && !is_nothing && !tags_alone(chain) {
                wrong.push(format!("{} {packet}: carried in nothing", chain.name()));
            }
        }
    });
    if !wrong.is_empty() {
        let answers = answers_of_tshark().unwrap_or_else(|| "tshark is not installed".to_owned());
        panic!("{}\n\nall answers of tshark:\n{answers}", wrong.join("\n"));
    }
    assert_eq!((equal, beyond), (610, 35));
}

/// VLAN tags are in the field `vlan`.
fn tags_alone(chain: &Chain) -> bool {
    chain
        .carriers
        .iter()
        .all(|carrier| matches!(carrier, Carrier::Vlan | Carrier::QinQ))
}

/// tshark's output in the form of `tests/data/encapsulations.tsv`: for a change of the generator.
fn answers_of_tshark() -> Option<String> {
    let work = tempfile::tempdir().unwrap();
    let mut text = String::new();
    let mut is_there = true;
    by_link(&singles(), work.path(), |path, chains, _| {
        let Some(answers) = tshark(path) else {
            is_there = false;
            return;
        };
        for (index, said) in answers.iter().enumerate() {
            let name = chains[index / 5].name();
            writeln!(text, "{name}\t{}\t{}", index % 5, said.join("\t")).unwrap();
        }
    });
    is_there.then_some(text)
}

#[test]
fn each_carrier_in_each_as_tshark_says() {
    let work = tempfile::tempdir().unwrap();
    let (mut equal, mut beyond, mut wrong) = (0, 0, Vec::new());
    by_link(&pairs(), work.path(), |path, chains, said| {
        let Some(theirs) = tshark(path) else {
            eprintln!(
                "SKIP each_carrier_in_each_as_tshark_says: there is no tshark (apt-get install tshark)"
            );
            return;
        };
        assert_eq!(theirs.len(), said.len());
        for (index, ((said, _), theirs)) in said.iter().zip(&theirs).enumerate() {
            let chain = chains[index / 5];
            if said == theirs {
                equal += 1;
            } else if chain.is_beyond_tshark().is_some() {
                beyond += 1;
            } else {
                wrong.push(format!("{}: {said:?}, tshark {theirs:?}", chain.name()));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        eprintln!("{equal} frames as tshark, {beyond} that it does not read");
        assert!(equal > 11_000, "{equal} {beyond}");
    });
}

/// The captures made by another packet crafter.
#[test]
fn captures_of_another_crafter() {
    for (file, encapsulation) in [
        ("eth_mpls.pcap", r#"["mpls"]"#),
        ("eth_pppoe.pcap", r#"["pppoe"]"#),
        ("eth_llc_snap.pcap", r#"["snap"]"#),
        ("eth_8021ah_pbb.pcap", r#"["pbb"]"#),
        ("ip_gre.pcap", r#"["gre"]"#),
        ("ip_erspan2.pcap", r#"["gre","erspan"]"#),
        ("ipip.pcap", r#"["ipip"]"#),
        ("vxlan.pcap", r#"["vxlan"]"#),
        ("linux_sll_mpls.pcap", r#"["mpls"]"#),
        ("chdlc_mpls.pcap", r#"["mpls"]"#),
        ("null_ethertype.pcap", "null"),
        ("ppp.pcap", "null"),
        ("frelay107.pcap", "null"),
        ("openbsd_enc109.pcap", "null"),
        ("radiotap127.pcap", "null"),
        ("33b_modified_be.pcap", "null"),
    ] {
        let said = decoded(&captures::data("hostile").join(file), 3);
        let cookie = said[0].0[0].as_str();
        let expect = [
            [cookie, "", ""],
            ["", "0x12345678", ""],
            ["", "", said[2].0[2].as_str()],
        ];
        assert!(!cookie.is_empty() && !expect[2][2].is_empty(), "{file}");
        for ((said, layers), expect) in said.iter().zip(expect) {
            assert_eq!(
                (said.each_ref().map(String::as_str), layers.to_string().as_str()),
                (expect, encapsulation),
                "{file}"
            );
        }
    }
}

#[test]
fn every_layer_is_in_the_documentation() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/captures.md");
    let page = fs::read_to_string(page).unwrap();
    for layer in Layer::ALL {
        assert!(page.contains(&format!("`{}`", layer.name())), "{layer:?}");
    }
    assert!(page.contains(&format!("up to {MAX_LAYERS} of them")));
}
