use super::Whole;
use crate::client::Group;
use crate::client::samples::{GROUPS, MEMBERS, NOW, SPIS};

fn check(place: usize, shown: &str) {
    let mut groups: Vec<Group> = serde_json::from_str(GROUPS).unwrap();
    let group = groups.swap_remove(place);
    let known = place == 0;
    let whole = Whole {
        group,
        members: if known {
            serde_json::from_str(MEMBERS).unwrap()
        } else {
            Vec::new()
        },
        spis: if known {
            serde_json::from_str(SPIS).unwrap()
        } else {
            Vec::new()
        },
        now: NOW.parse().unwrap(),
    };
    assert_eq!(whole.text().unwrap(), shown);
}

#[test]
fn a_group_of_which_all_is_known() {
    check(0, KNOWN);
}

#[test]
fn a_group_of_which_nothing_is_known() {
    check(1, UNKNOWN);
}

const KNOWN: &str = "\
GROUP INFORMATION

    Group Name               : G1 (configured)
    Rekey Transport Type     : Multicast to 239.0.1.2
    Members known            : 2
    State                    : warning: 10.1.12.2 silent
                               warning: 1 site late

KEY SERVERS AND REGISTRATIONS

    Group Server list        : 10.1.11.2 (active), answers, heard 35 sec ago
                               10.1.12.2, SILENT, never heard
    Registrations            : 3 completed, 1 failed (1 at mm1)
    In progress              : 1
    Took on average          : 0.251 sec
    Registered twice         : 1 member, before and after the KEK expired
    Bursts                   : 1, none now, 2 members in the last

REKEYS

    Rekeys received          : 5 (1 kek, 4 tek)
    Rekey messages           : 15
    Rekeys retransmitted     : 10
    Acknowledgements         : unknown: no acknowledgement seen
    Last rekey               : 35 sec ago, 1 recipient
    Next rekey expected in   : 520 sec (8m40s)

KEK POLICY

    SPI                      : 0xEEB0E9A2BBD4C71AF1034F6B24EB8022
    Lifetime                 : 1800 sec (30m00s) (learned)
    Remaining lifetime       : 1109 sec (18m29s)
    Reregisters in           : 1013 to 1049 sec (17m29s), members that miss the renewal
    Changed                  : 1 time
    Renewed                  : 225 sec (3m45s) before the last one expired
    KEK rekey behaviour      : 10.1.11.2: new, the KEK is renewed before it expires

TEK POLICY, as ESP shows it

    Lifetime                 : 600 sec (10m00s) (configured)
    ESP                      : 9000 packets, 1200000 octets
    Rollover on average      : 31.2 sec after the rekey
    With replaced SPIs       : 7 packets so far, 1 site now
    spi: 0x9CAE4C22 (active at 2 sites)
      sent: 5000 packets, first 30 sec ago, last 1 sec ago
      sa timing: remaining key lifetime: 565 sec (9m25s)
    spi: 0x9AFB374A (stale)
      sent: 4000 packets, first 540 sec (9m00s) ago, last 1 sec ago
      sa timing: remaining key lifetime: at most 60 sec

MEMBERS

    MEMBER               GROUP  KEY SERVER  REGISTERED  TIMES  FAILED  REKEYED  ACKED  UNACKED  SEEN
    10.1.13.2            G1     10.1.11.2   1h00m       2      0       35s      -      -        34s
    [2001:db8::14]:1848  G1     -           -           0      3       -        -      -        2s
";
const UNKNOWN: &str = "\
GROUP INFORMATION

    Group Name               : <b>␛[2J�X (discovered)
    Rekey Transport Type     : unknown: no rekey seen yet
    Members known            : 0
    State                    : nothing seen

KEY SERVERS AND REGISTRATIONS

    Group Server list        : unknown: none seen or configured
    Registrations            : 0 completed, 0 failed
    In progress              : 0

REKEYS

    Rekeys received          : 0
    Rekey messages           : 0
    Rekeys retransmitted     : 0
    Acknowledgements         : unknown: no acknowledgement seen
    Last rekey               : none seen
    Next rekey expected in   : unknown: too few rekeys seen, and no tek_lifetime configured

KEK POLICY

    SPI                      : unknown: no rekey seen yet

TEK POLICY, as ESP shows it

    Lifetime                 : unknown: configure tek_lifetime
    ESP                      : 0 packets, 0 octets
";
