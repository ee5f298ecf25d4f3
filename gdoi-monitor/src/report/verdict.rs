//! How each key server renews its KEK, with the evidence, as text.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gdoi_core::transition::{Cookies, KekBehavior, KekChanged, LifetimeSource, Transition, Verdict, What};
use gdoi_core::{Snapshot, Timestamp};
use serde::Serialize;

use crate::time::{Calendar, Moment};

/// Nobody checks more cycles than this.
const MOST_CHANGES: usize = 64;

/// Verdicts so far. Bounded by the groups, and the cycles of each.
#[derive(Default)]
pub(crate) struct Behaviors {
    groups: BTreeMap<String, GroupBehaviors>,
}

#[derive(Default)]
struct GroupBehaviors {
    /// The latest verdict on each key server.
    said: BTreeMap<IpAddr, KekBehavior>,
    changes: Vec<(Timestamp, KekChanged)>,
    double: u64,
    /// Whether a rekey was seen at all.
    rekeyed: bool,
}

/// The verdict on a key server of a group, and its evidence.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Opinion<'a> {
    pub(crate) group: &'a str,
    /// `None` if there is no verdict on any.
    pub(crate) key_server: Option<IpAddr>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) provisional: bool,
    pub(crate) votes: u32,
    pub(crate) cycles: u32,
    pub(crate) lead_seconds: Option<f64>,
    pub(crate) expected_lead_seconds: Option<f64>,
    pub(crate) lifetime_seconds: Option<f64>,
    pub(crate) lifetime_source: Option<LifetimeSource>,
    /// The verdict and its evidence, a sentence each.
    pub(crate) words: Vec<String>,
    /// The changes of KEK it rests on, oldest first.
    pub(crate) changes: Vec<BehaviorChange>,
}

/// One change of KEK.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BehaviorChange {
    /// When the new KEK was first used.
    pub(crate) seen: Moment,
    /// When it was delivered, if known.
    pub(crate) delivered: Option<Moment>,
    pub(crate) from: Cookies,
    pub(crate) to: Cookies,
    /// How long before the expiry of the old KEK; negative after it.
    pub(crate) lead_seconds: Option<f64>,
}

impl Behaviors {
    pub(crate) fn take(&mut self, transition: &Transition) {
        let Some(group) = &transition.group else {
            return;
        };
        if !matters(&transition.what) {
            return;
        }
        let of_group = self.groups.entry(group.clone()).or_default();
        match &transition.what {
            What::KekBehavior(behavior) => {
                if let Some(key_server) = transition.key_server {
                    of_group.said.insert(key_server, *behavior);
                }
            }
            What::KekChanged(changed) => {
                if of_group.changes.len() >= MOST_CHANGES {
                    of_group.changes.remove(0);
                }
                of_group.changes.push((transition.at, *changed));
            }
            What::DoubleReregistration(_) => of_group.double += 1,
            What::Rekey(_) | What::GroupDiscovered(_) => of_group.rekeyed = true,
            _ => {}
        }
    }

    /// The verdicts, group by group.
    pub(crate) fn opinions<'a>(&'a self, snapshot: &'a Snapshot) -> Vec<Opinion<'a>> {
        let groups = self.groups.iter().filter(|(_, group)| group.rekeyed);
        groups
            .flat_map(|(name, group)| group.opinions(name, snapshot))
            .collect()
    }
}

/// Whether an event is relevant for the renewal of KEKs.
const fn matters(what: &What) -> bool {
    matches!(
        what,
        What::KekBehavior(_)
            | What::KekChanged(_)
            | What::DoubleReregistration(_)
            | What::Rekey(_)
            | What::GroupDiscovered(_)
    )
}

impl GroupBehaviors {
    fn opinions<'a>(&self, name: &'a str, snapshot: &Snapshot) -> Vec<Opinion<'a>> {
        if self.said.is_empty() {
            return vec![self.opinion(name, None, snapshot)];
        }
        let said = self.said.iter();
        said.map(|(key_server, behavior)| self.opinion(name, Some((*key_server, behavior)), snapshot))
            .collect()
    }

    fn opinion<'a>(
        &self,
        name: &'a str,
        said: Option<(IpAddr, &KekBehavior)>,
        snapshot: &Snapshot,
    ) -> Opinion<'a> {
        let kek = snapshot.groups.get(name).map(|group| &group.kek);
        let behavior = said.map(|(_, behavior)| behavior);
        let mut opinion = Opinion {
            group: name,
            key_server: said.map(|(key_server, _)| key_server),
            verdict: behavior.map(|behavior| behavior.verdict),
            provisional: behavior.is_some_and(|behavior| behavior.provisional),
            votes: behavior.map_or(0, |behavior| behavior.votes),
            cycles: behavior.map_or(0, |behavior| behavior.cycles),
            lead_seconds: behavior.and_then(|behavior| behavior.lead_seconds),
            expected_lead_seconds: behavior
                .and_then(|behavior| behavior.expected_lead)
                .map(|lead| lead.as_secs_f64()),
            lifetime_seconds: kek
                .and_then(|kek| kek.lifetime)
                .map(|lifetime| lifetime.as_secs_f64()),
            lifetime_source: kek.and_then(|kek| kek.lifetime_source),
            words: Vec::new(),
            changes: self.changes.iter().map(BehaviorChange::from).collect(),
        };
        opinion.words = words(&opinion, self.double);
        opinion
    }
}

impl From<&(Timestamp, KekChanged)> for BehaviorChange {
    fn from((at, changed): &(Timestamp, KekChanged)) -> Self {
        let calendar = Calendar::EPOCH;
        Self {
            seen: calendar.date(*at),
            delivered: changed.delivered.map(|ago| calendar.date(at.before(ago))),
            from: changed.from,
            to: changed.to,
            lead_seconds: changed.lead_seconds,
        }
    }
}

/// The verdict and its evidence, a sentence each.
fn words(opinion: &Opinion<'_>, double: u64) -> Vec<String> {
    let mut words = vec![match opinion.verdict {
        Some(verdict) => judgement(verdict).to_owned(),
        None => unjudged(opinion).to_owned(),
    }];
    if opinion.verdict.is_some() {
        words.push(votes(opinion));
    }
    if let Some(lead) = opinion.lead_seconds {
        words.push(lead_in_words(lead, opinion.expected_lead_seconds));
    }
    if let (Some(lifetime), Some(source)) = (opinion.lifetime_seconds, opinion.lifetime_source) {
        let source = match source {
            LifetimeSource::Configured => "as configured",
            LifetimeSource::Learned => "learned from how often it was renewed",
        };
        words.push(format!("The KEK lifetime is {lifetime} s, {source}."));
    }
    if double > 0 {
        words.push(format!(
            "{double} times a member registered both shortly before and shortly after the KEK expired: what members \
             with the new behaviour do at a key server with the old one."
        ));
    }
    words
}

const fn judgement(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::New => "New behaviour: the KEK is renewed well before it expires.",
        Verdict::Legacy => {
            "Legacy behaviour: the KEK is renewed only when it expires. Newer members register again before and after; \
             upgrading the key server ends that."
        }
        Verdict::Overdue => {
            "Overdue: the KEK is renewed after it has expired, and is used beyond its lifetime."
        }
        Verdict::Indeterminate => {
            "Indeterminate: the timers are neither those of the new nor of the legacy behaviour, or the cycles \
             contradict each other."
        }
    }
}

fn unjudged(opinion: &Opinion<'_>) -> &'static str {
    match (opinion.changes.len(), opinion.lifetime_seconds) {
        (0, _) => "No verdict: the KEK did not change in this capture.",
        (1, _) => "No verdict: only one KEK change was seen; a whole cycle needs two.",
        (_, None) => {
            "No verdict: the lifetime of the KEK is unknown and could not be learned. Configure kek_lifetime for the group."
        }
        _ => "No verdict: no KEK change was a scheduled one.",
    }
}

fn votes(opinion: &Opinion<'_>) -> String {
    let Opinion {
        votes,
        cycles,
        provisional,
        ..
    } = opinion;
    let agree = if *votes == 0 {
        format!("{cycles} KEK cycles were seen; too few agree.")
    } else {
        format!("{votes} of {cycles} KEK cycles agree.")
    };
    let doubt = if *provisional {
        " Provisional: three must agree."
    } else {
        ""
    };
    agree + doubt
}

fn lead_in_words(lead: f64, expected: Option<f64>) -> String {
    let side = if lead < 0.0 { "after" } else { "before" };
    let lead = lead.abs();
    match expected {
        Some(expected) => format!(
            "The last KEK was renewed {lead:.1} s {side} its expiry; the new behaviour would be {expected:.0} s before."
        ),
        None => format!("The last KEK was renewed {lead:.1} s {side} its expiry."),
    }
}
