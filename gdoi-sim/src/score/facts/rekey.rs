//! Rekeys: that they were sent, what they delivered, who missed them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gdoi_core::Transition;
use gdoi_core::transition::{Certainty, Cookies, ReRegistrationReason, RekeyKind, Severity, What};

use super::{Subject, collect, hex, member, pick};
use crate::scenario::Scenario;
use crate::score::Fact;
use crate::truth::{Happened, Kind};

pub(super) const SUBJECTS: [Subject; 7] = [
    Subject {
        name: "rekey",
        severity: Severity::Info,
        within: SOON,
        truth: |scenario, truth| sent(scenario, truth, false),
        said: |said| said_rekeys(said, false),
    },
    Subject {
        name: "rekey kind",
        severity: Severity::Info,
        within: SOON,
        truth: |scenario, truth| sent(scenario, truth, true),
        said: |said| said_rekeys(said, true),
    },
    Subject {
        name: "rekey repeated",
        severity: Severity::Warning,
        within: Duration::from_mins(3),
        truth: |scenario, truth| {
            pick(scenario, truth, |one| match one.kind {
                Kind::RekeyRepeated { cookies } => Some(hex(Cookies(cookies))),
                _ => None,
            })
        },
        said: |said| {
            collect(said, |one| match &one.what {
                What::RekeyRetransmitted(repeat) => Some(hex(repeat.cookies)),
                _ => None,
            })
        },
    },
    Subject {
        name: "rekey unacknowledged",
        severity: Severity::Warning,
        within: Duration::from_mins(3),
        truth: |scenario, truth| {
            pick(scenario, truth, |one| match one.kind {
                Kind::RekeyUnacknowledged { cookies } => {
                    Some(format!("{} {}", member(one.member), hex(Cookies(cookies))))
                }
                _ => None,
            })
        },
        said: |said| {
            collect(said, |one| match &one.what {
                What::RekeyUnacknowledged(not) => {
                    Some(format!("{} {}", member(one.member), hex(not.cookies)))
                }
                _ => None,
            })
        },
    },
    Subject {
        name: "rekey missed",
        severity: Severity::Warning,
        within: Duration::from_mins(10),
        truth: |scenario, truth| {
            pick(scenario, truth, |one| {
                matches!(one.kind, Kind::RekeyMissed { .. }).then(|| member(one.member))
            })
        },
        said: said_missed,
    },
    Subject {
        name: "rekey overdue",
        severity: Severity::Critical,
        within: Duration::from_mins(10),
        truth: |scenario, truth| {
            pick(scenario, truth, |one| {
                (one.kind == Kind::RekeyOverdue).then(|| one.group.clone())
            })
        },
        said: |said| {
            collect(said, |one| match &one.what {
                What::RekeyOverdue(overdue) if overdue.certainty == Certainty::Certain => one.group.clone(),
                _ => None,
            })
        },
    },
    Subject {
        name: "member dropped",
        severity: Severity::Warning,
        within: Duration::from_hours(2),
        truth: |scenario, truth| {
            pick(scenario, truth, |one| {
                (one.kind == Kind::MemberDropped).then(|| member(one.member))
            })
        },
        said: |said| {
            collect(said, |one| {
                matches!(one.what, What::MemberLost(_)).then(|| member(one.member))
            })
        },
    },
];

/// Every rekey that went to somebody; what the last one of a group delivered would show in the next, which does not
/// come: nobody has to know it.
fn sent(scenario: &Scenario, truth: &[Happened], kind: bool) -> Vec<Fact> {
    let mut last = BTreeMap::new();
    for one in truth.iter().filter(|one| matches!(one.kind, Kind::Rekey { .. })) {
        last.insert(one.group.as_str(), one.at);
    }
    let last: BTreeSet<_> = last.into_values().collect();
    let mut facts = pick(scenario, truth, |one| match one.kind {
        Kind::Rekey {
            delivers_kek,
            cookies,
            recipients: 1..,
            ..
        } => {
            let word = if delivers_kek { "kek" } else { "tek" };
            let cookies = hex(Cookies(cookies));
            Some(if kind {
                format!("{word} {cookies}")
            } else {
                cookies
            })
        }
        _ => None,
    });
    for fact in &mut facts {
        fact.open = kind && last.contains(&fact.at);
    }
    facts
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
        Some(Fact::new(key, at))
    });
    facts.collect()
}

/// A member that did not acknowledge a rekey, or that registered again because of it; of one rekey both may be said.
fn said_missed(said: &[Transition]) -> Vec<Fact> {
    let mut unacknowledged = BTreeSet::new();
    let mut again = BTreeMap::new();
    let mut facts = Vec::new();
    for one in said {
        let key = member(one.member);
        match &one.what {
            What::RekeyUnacknowledged(_) => {
                unacknowledged.insert(key.clone());
                let told = again.remove(&key);
                if told.is_some_and(|at| one.at.since(at) <= REPEATS) {
                    continue;
                }
            }
            What::ReRegistration(registration) => {
                if unacknowledged.remove(&key) || registration.reason != ReRegistrationReason::MissedRekey {
                    continue;
                }
                again.insert(key.clone(), one.at);
            }
            _ => continue,
        }
        facts.push(Fact::new(key, one.at));
    }
    facts
}

/// How long a rekey may be repeated before it is known who did not acknowledge it.
const REPEATS: Duration = Duration::from_mins(2);
const SOON: Duration = Duration::from_secs(5);
