//! What is compared: for each type of event, the truth about it and what the tracker said.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use gdoi_core::transition::{Certainty, Cookies, RekeyKind, What};
use gdoi_core::{Timestamp, Transition};

use super::Fact;
use crate::scenario::{Action, Scenario};
use crate::truth::{Happened, Kind};

/// One type of event.
pub(super) struct Subject {
    pub(super) name: &'static str,
    /// How far apart truth and claim may be.
    pub(super) within: Duration,
    pub(super) truth: fn(&Scenario, &[Happened]) -> Vec<Fact>,
    pub(super) said: fn(&Scenario, &[Transition]) -> Vec<Fact>,
}

pub(super) const SUBJECTS: [Subject; 16] = [
    Subject {
        name: "rekey",
        within: SOON,
        truth: |scenario, truth| rekeys(scenario, truth, false),
        said: |_, said| said_rekeys(said, false),
    },
    Subject {
        name: "rekey kind",
        within: SOON,
        truth: |scenario, truth| rekeys(scenario, truth, true),
        said: |_, said| said_rekeys(said, true),
    },
    Subject {
        name: "rekey repeated",
        within: Duration::from_mins(3),
        truth: repeated,
        said: |_, said| {
            collect(said, |one| match &one.what {
                What::RekeyRetransmitted(repeat) => Some(hex(repeat.cookies)),
                _ => None,
            })
        },
    },
    Subject {
        name: "rekey unacknowledged",
        within: Duration::from_mins(3),
        truth: unacknowledged,
        said: |_, said| {
            collect(said, |one| match &one.what {
                What::RekeyUnacknowledged(not) => {
                    Some(format!("{} {}", member(one.member), hex(not.cookies)))
                }
                _ => None,
            })
        },
    },
    Subject {
        name: "registration completed",
        within: Duration::from_secs(15),
        truth: |scenario, truth| {
            pick(scenario, truth, |one| {
                matches!(one.kind, Kind::RegistrationCompleted { .. }).then(|| member(one.member))
            })
        },
        said: |_, said| {
            collect(said, |one| {
                matches!(one.what, What::RegistrationCompleted(_)).then(|| member(one.member))
            })
        },
    },
    Subject {
        name: "registration failed",
        within: Duration::from_mins(3),
        truth: |scenario, truth| {
            pick(scenario, truth, |one| {
                matches!(one.kind, Kind::RegistrationFailed { .. }).then(|| member(one.member))
            })
        },
        said: |_, said| {
            collect(said, |one| {
                matches!(one.what, What::RegistrationFailed(_)).then(|| member(one.member))
            })
        },
    },
    Subject {
        name: "re-registration",
        within: Duration::from_mins(3),
        truth: re_registrations,
        said: |_, said| {
            collect(said, |one| {
                matches!(one.what, What::ReRegistration(_)).then(|| member(one.member))
            })
        },
    },
    Subject {
        name: "double re-registration",
        within: Duration::from_mins(3),
        truth: doubles,
        said: |_, said| {
            collect(said, |one| {
                matches!(one.what, What::DoubleReregistration(_)).then(|| member(one.member))
            })
        },
    },
    Subject {
        name: "SPI change",
        within: Duration::from_mins(5),
        truth: rolled,
        said: |_, said| {
            first_of_each(collect(said, |one| match &one.what {
                What::SpiChanged(change) => Some(format!("{:08x}", change.to.0)),
                _ => None,
            }))
        },
    },
    Subject {
        name: "key server changed",
        within: Duration::from_hours(1),
        truth: |scenario, truth| {
            pick(scenario, truth, |one| {
                matches!(one.kind, Kind::Failover { .. } | Kind::Split | Kind::Merged)
                    .then(|| format!("{:?}", one.key_server))
            })
        },
        said: |_, said| {
            collect(said, |one| match &one.what {
                What::KeyServerChanged(change) => Some(format!("{:?}", Some(change.to))),
                _ => None,
            })
        },
    },
    Subject {
        name: "KEK split",
        within: Duration::from_hours(1),
        truth: |scenario, truth| {
            pick(scenario, truth, |one| {
                matches!(one.kind, Kind::Split).then(String::new)
            })
        },
        said: |_, said| {
            collect(said, |one| match &one.what {
                What::KekSplit(split) if !split.merged => Some(String::new()),
                _ => None,
            })
        },
    },
    Subject {
        name: "KEK over age",
        within: Duration::from_mins(30),
        truth: |scenario, truth| {
            pick(scenario, truth, |one| {
                matches!(one.kind, Kind::KekOverAge).then(String::new)
            })
        },
        said: |_, said| {
            collect(said, |one| {
                matches!(one.what, What::KekOverAge(_)).then(String::new)
            })
        },
    },
    Subject {
        name: "registration burst",
        within: Duration::from_mins(2),
        truth: bursts,
        said: |_, said| {
            collect(said, |one| {
                matches!(one.what, What::RegistrationBurstStarted(_)).then(String::new)
            })
        },
    },
    Subject {
        name: "rekey overdue",
        within: Duration::from_mins(10),
        // No key server of the library is late by more than it takes another to notice.
        truth: |_, _| Vec::new(),
        said: |_, said| {
            collect(said, |one| match &one.what {
                What::RekeyOverdue(overdue) if overdue.certainty == Certainty::Certain => Some(String::new()),
                _ => None,
            })
        },
    },
    Subject {
        name: "key server silent",
        within: Duration::from_mins(3),
        truth: silent,
        said: |_, said| {
            collect(said, |one| {
                matches!(one.what, What::CoopSilent(_)).then(|| format!("{:?}", one.key_server))
            })
        },
    },
    Subject {
        name: "member dropped",
        within: Duration::from_hours(2),
        truth: |scenario, truth| {
            pick(scenario, truth, |one| {
                matches!(one.kind, Kind::MemberDropped).then(|| member(one.member))
            })
        },
        said: |_, said| {
            collect(said, |one| {
                matches!(one.what, What::MemberLost(_)).then(|| member(one.member))
            })
        },
    },
];

fn collect(said: &[Transition], key: impl Fn(&Transition) -> Option<String>) -> Vec<Fact> {
    said.iter()
        .filter_map(|one| {
            Some(Fact {
                key: key(one)?,
                at: one.at,
            })
        })
        .collect()
}

/// What happened while the gateway was watching.
fn pick(scenario: &Scenario, truth: &[Happened], key: impl Fn(&Happened) -> Option<String>) -> Vec<Fact> {
    let blind: Vec<(Timestamp, Timestamp)> = scenario
        .events
        .iter()
        .filter(|event| event.action == Action::Blind)
        .map(|event| {
            (
                scenario.start.after(event.at),
                scenario.start.after(event.at + event.lasting),
            )
        })
        .collect();
    truth
        .iter()
        .filter(|one| {
            !blind
                .iter()
                .any(|(from, until)| (*from..=*until).contains(&one.at))
        })
        .filter_map(|one| {
            Some(Fact {
                key: key(one)?,
                at: one.at,
            })
        })
        .collect()
}

fn rekeys(scenario: &Scenario, truth: &[Happened], kind: bool) -> Vec<Fact> {
    pick(scenario, truth, |one| match one.kind {
        Kind::Rekey {
            delivers_kek,
            cookies,
            recipients: 1..,
            ..
        } => {
            let word = if delivers_kek { "kek" } else { "tek" };
            Some(if kind {
                format!("{word} {}", hex(Cookies(cookies)))
            } else {
                hex(Cookies(cookies))
            })
        }
        _ => None,
    })
}

/// Each rekey once, with the kind that was believed in the end.
fn said_rekeys(said: &[Transition], kind: bool) -> Vec<Fact> {
    let mut kinds = BTreeMap::new();
    for one in said {
        match &one.what {
            What::Rekey(rekey) => {
                kinds.insert((hex(rekey.cookies), one.at.before(rekey.began)), rekey.kind);
            }
            What::RekeyClassified(rekey) => {
                kinds.insert((hex(rekey.cookies), one.at.before(rekey.began)), rekey.kind);
            }
            _ => {}
        }
    }
    let facts = kinds.into_iter().filter_map(|((cookies, at), believed)| {
        let key = match believed {
            _ if !kind => cookies,
            RekeyKind::Kek => format!("kek {cookies}"),
            RekeyKind::Tek => format!("tek {cookies}"),
            // Withheld: neither right nor wrong, and missed.
            RekeyKind::Delete | RekeyKind::Unknown => return None,
        };
        Some(Fact { key, at })
    });
    facts.collect()
}

fn repeated(scenario: &Scenario, truth: &[Happened]) -> Vec<Fact> {
    pick(scenario, truth, |one| match one.kind {
        Kind::RekeyRepeated { cookies } => Some(hex(Cookies(cookies))),
        _ => None,
    })
}

fn unacknowledged(scenario: &Scenario, truth: &[Happened]) -> Vec<Fact> {
    pick(scenario, truth, |one| match one.kind {
        Kind::RekeyUnacknowledged { cookies } => {
            Some(format!("{} {}", member(one.member), hex(Cookies(cookies))))
        }
        _ => None,
    })
}

/// A key server that stops, or the primary that the others lose in a split.
fn silent(scenario: &Scenario, truth: &[Happened]) -> Vec<Fact> {
    pick(scenario, truth, |one| match one.kind {
        Kind::ServerDown => Some(format!("{:?}", one.key_server)),
        Kind::Split => {
            let group = scenario.groups.iter().find(|group| group.name == one.group)?;
            Some(format!("{:?}", group.key_servers.first()))
        }
        _ => None,
    })
}

/// Every registration of a member but the first one in each of its groups.
fn re_registrations(scenario: &Scenario, truth: &[Happened]) -> Vec<Fact> {
    let mut known = BTreeSet::new();
    let mut again = Vec::new();
    for one in truth
        .iter()
        .filter(|one| matches!(one.kind, Kind::RegistrationCompleted { .. }))
    {
        if !known.insert((one.group.clone(), one.member)) {
            again.push(one.clone());
        }
    }
    pick(scenario, &again, |one| Some(member(one.member)))
}

/// Of KEKs whose delivery was seen.
fn doubles(scenario: &Scenario, truth: &[Happened]) -> Vec<Fact> {
    let renewal = truth.iter().find(|one| {
        matches!(
            one.kind,
            Kind::Rekey {
                delivers_kek: true,
                ..
            }
        )
    });
    let known = renewal.map_or(scenario.start, |one| one.at.after(Duration::from_mins(3)));
    let all = pick(scenario, truth, |one| {
        (one.kind == Kind::DoubleReregistration).then(|| member(one.member))
    });
    all.into_iter().filter(|fact| fact.at > known).collect()
}

/// The first time that each SPI took the place of another.
fn rolled(scenario: &Scenario, truth: &[Happened]) -> Vec<Fact> {
    let silent: BTreeSet<&str> = scenario
        .groups
        .iter()
        .filter(|group| group.traffic_every.is_zero())
        .map(|group| group.name.as_str())
        .collect();
    let facts = pick(scenario, truth, |one| match one.kind {
        Kind::SpiRolled { from: 1.., to } if !silent.contains(one.group.as_str()) => {
            Some(format!("{to:08x}"))
        }
        _ => None,
    });
    first_of_each(facts)
}

fn first_of_each(facts: Vec<Fact>) -> Vec<Fact> {
    let mut known = BTreeSet::new();
    facts
        .into_iter()
        .filter(|fact| known.insert(fact.key.clone()))
        .collect()
}

/// Ten or more members that begin to register within a minute; the next burst begins after a minute without any.
fn bursts(scenario: &Scenario, truth: &[Happened]) -> Vec<Fact> {
    let starts = pick(scenario, truth, |one| {
        matches!(one.kind, Kind::RegistrationStarted { .. }).then(|| member(one.member))
    });
    let mut bursts: Vec<Fact> = Vec::new();
    let mut window: Vec<&Fact> = Vec::new();
    let mut last = scenario.start;
    for start in &starts {
        window.retain(|one| start.at.since(one.at) < Duration::from_mins(1));
        window.push(start);
        let members: BTreeSet<&str> = window.iter().map(|one| one.key.as_str()).collect();
        let quiet = start.at.since(last) >= Duration::from_mins(1) || bursts.is_empty();
        if members.len() >= BURST {
            if quiet {
                bursts.push(Fact {
                    key: String::new(),
                    at: start.at,
                });
            }
            last = start.at;
        }
    }
    bursts
}

fn member(address: Option<SocketAddr>) -> String {
    address.map_or_else(String::new, |address| {
        let port = if matches!(address.port(), 848 | 4500) {
            0
        } else {
            address.port()
        };
        SocketAddr::new(address.ip(), port).to_string()
    })
}

fn hex(Cookies(octets): Cookies) -> String {
    format!("{:032x}", u128::from_be_bytes(octets))
}

const SOON: Duration = Duration::from_secs(5);
const BURST: usize = 10;
