//! A configuration is valid, or the error names its line.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use gdoi_core::config::{IpNet, Profile, Retransmit};

use super::*;

/// Every key there is.
const WHOLE: &str = r#"
listen = "127.0.0.1:11848"
[capture]
interfaces = ["eth0", "wan*"]
mode = "xdp-generic"
egress = true
hot_plug = true
isakmp_ports = [848, 1848]
nat_t_ports = [4500]
[limits]
members = 10
groups = 11
spis = 12
key_servers = 13
associations = 14
keks = 15
[[group]]
name = "G1"
key_servers = ["10.1.11.2", "2001:db8::2"]
rekey_address = "239.0.1.2"
members = ["10.1.13.0/24", "10.1.14.2"]
protected = ["192.168.0.0/16"]
kek_lifetime = "24h"
tek_lifetime = "1h 30m"
retransmit = { interval = "10s", count = 3 }
profile = "juniper"
[[group.site]]
name = "branch-13"
member = "10.1.13.2"
prefixes = ["192.168.13.0/24", "2001:db8:13::/48"]
[[group]]
name = "G2"
"#;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn prefix(text: &str, length: u8) -> IpNet {
    IpNet::new(address(text), length).unwrap()
}

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("f"), text).map_err(|error| error.to_string())
}

fn check_wrong(text: &str, expect: &str) {
    assert_eq!(parse(text), Err(expect.to_owned()), "{text}");
}

#[test]
fn every_key_is_read() {
    let expect = Config {
        listen: DEFAULT_LISTEN,
        capture: CaptureConfig {
            interfaces: vec!["eth0".to_owned(), "wan*".to_owned()],
            mode: ModeName::XdpGeneric,
            egress: true,
            hot_plug: true,
            ports: Ports {
                isakmp: [848, 1848, 0, 0],
                nat_t: [4500, 0, 0, 0],
            },
        },
        limits: Limits {
            members: 10,
            groups: 11,
            spis: 12,
            key_servers: 13,
            associations: 14,
            keks: 15,
            ..Limits::default()
        },
        groups: gdoi_core::Config {
            groups: vec![
                GroupConfig {
                    name: "G1".to_owned(),
                    key_servers: vec![address("10.1.11.2"), address("2001:db8::2")],
                    rekey_address: Some(address("239.0.1.2")),
                    members: vec![prefix("10.1.13.0", 24), prefix("10.1.14.2", 32)],
                    protected: vec![prefix("192.168.0.0", 16)],
                    kek_lifetime: Some(Duration::from_hours(24)),
                    tek_lifetime: Some(Duration::from_mins(90)),
                    retransmit: Some(Retransmit {
                        interval: Duration::from_secs(10),
                        count: 3,
                    }),
                    profile: Profile::Juniper,
                    sites: vec![SiteConfig {
                        name: "branch-13".to_owned(),
                        member: Some(address("10.1.13.2")),
                        prefixes: vec![prefix("192.168.13.0", 24), prefix("2001:db8:13::", 48)],
                    }],
                },
                GroupConfig {
                    name: "G2".to_owned(),
                    ..GroupConfig::default()
                },
            ],
        },
    };
    assert_eq!(parse(WHOLE), Ok(expect));
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(parse(""), Ok(Config::default()));
}

#[test]
fn days_are_24_hours() {
    let config = parse("[[group]]\nname = \"G\"\nkek_lifetime = \"30d\"").unwrap();
    assert_eq!(
        config.groups.groups[0].kek_lifetime,
        Some(Duration::from_hours(720))
    );
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest() {
    check_wrong(
        "listne = 1",
        r#"f:1: unknown key "listne"; did you mean "listen"?"#,
    );
    check_wrong(
        "\n[capture]\ninterface = [\"eth0\"]",
        r#"f:3: unknown key "interface"; did you mean "interfaces"?"#,
    );
    check_wrong(
        "[[group]]\nname = \"G\"\nrekey_adress = \"239.0.0.1\"",
        r#"f:3: unknown key "rekey_adress"; did you mean "rekey_address"?"#,
    );
    check_wrong(
        "[[group]]\nname = \"G\"\n[[group.sites]]\nname = \"x\"",
        r#"f:3: unknown key "sites"; did you mean "site"?"#,
    );
    check_wrong(
        "[[group]]\nname = \"G\"\nretransmit = { interval = \"1s\", zzz = 2 }",
        r#"f:3: unknown key "zzz"; known here: interval, count"#,
    );
    check_wrong(
        "[groups]\n",
        r#"f:1: unknown key "groups"; did you mean "group"?"#,
    );
}

#[test]
fn a_value_that_cannot_be_is_named_with_its_line() {
    for (text, expect) in [
        ("listen = \"localhost\"", "f:1: invalid socket address syntax"),
        (
            "\n\nlisten = 3",
            "f:3: invalid type: integer `3`, expected socket address",
        ),
        (
            "listen = ",
            "f:1: string values must be quoted, expected literal string",
        ),
        (
            "[capture]\nmode = \"fast\"",
            "f:2: unknown variant `fast`, expected one of `auto`, `xdp`, `xdp-generic`, `tc`",
        ),
        ("[capture]\nisakmp_ports = [848, 0]", "f:2: 0 is no port"),
        (
            "[capture]\nisakmp_ports = [65536]",
            "f:2: invalid value: integer `65536`, expected u16",
        ),
        (
            "[capture]\nisakmp_ports = [1, 2, 3, 4, 5]",
            "f:2: at most 4 ports",
        ),
        (
            "[capture]\nnat_t_ports = [848]",
            "f:2: port 848 cannot be both in isakmp_ports and in nat_t_ports",
        ),
        (
            "[capture]\ninterfaces = [\"eth0\", \"wan*\"]\nhot_plug = false",
            "f:3: without hot plug each interface must be named exactly; \"wan*\" is a pattern",
        ),
        (
            "[limits]\nmembers = -1",
            "f:2: invalid value: integer `-1`, expected usize",
        ),
        ("[[group]]\nmembers = []", "f:1: missing field `name`"),
        ("[[group]]\nname = \" \"", "f:2: a name needs visible characters"),
        (
            "[[group]]\nname = \"unattributed\"",
            "f:2: this name is reserved for traffic that belongs to no group",
        ),
        (
            "[[group]]\nname = \"G\"\n[[group]]\nname = \"G\"",
            "f:4: another group is named \"G\"",
        ),
    ] {
        check_wrong(text, expect);
    }
}

#[test]
fn a_group_that_cannot_be_is_named_with_its_line() {
    for (line, expect) in [
        ("key_servers = [\"ks1\"]", "invalid IP address syntax"),
        (
            "rekey_address = \"10.0.0.1\"",
            "10.0.0.1 is not a multicast address: omit rekey_address if rekeys are unicast",
        ),
        ("members = [\"10.1.13.0/33\"]", "\"10.1.13.0/33\" is not a prefix"),
        (
            "members = [\"10.1.13.7/24\"]",
            "10.1.13.7/24 has host bits set: did you mean 10.1.13.0/24 or 10.1.13.7?",
        ),
        (
            "kek_lifetime = \"soon\"",
            "\"soon\" is not a duration: write it like \"24h\" or \"10s\"",
        ),
        (
            "kek_lifetime = \"0s\"",
            "\"0s\" is not a duration: write it like \"24h\" or \"10s\"",
        ),
        (
            "tek_lifetime = \"-1h\"",
            "\"-1h\" is not a duration: write it like \"24h\" or \"10s\"",
        ),
        (
            "tek_lifetime = 3600",
            "invalid type: integer `3600`, expected a string",
        ),
        ("retransmit = { count = 2 }", "missing field `interval`"),
        (
            "profile = \"hpe\"",
            "unknown variant `hpe`, expected one of `cisco`, `juniper`, `rfc`",
        ),
        (
            "site = [{ name = \"a\", prefixes = [\"10.0.0.0/8\"] }, { name = \"b\", prefixes = [\"10.0.0.0/8\"] }]",
            "10.0.0.0/8 is already a prefix of site \"a\"",
        ),
    ] {
        check_wrong(
            &format!("[[group]]\nname = \"G\"\n{line}\n"),
            &format!("f:3: {expect}"),
        );
    }
}
