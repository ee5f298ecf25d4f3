//! A decision among few explanations, with the evidence for and against each.
#![cfg_attr(
    not(test),
    expect(dead_code, reason = "the rules that decide take it over one by one")
)]

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// Explanations that are weighed against each other.
const MAX_EXPLANATIONS: usize = 4;

/// Evidence for and against a few explanations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Weighing<H> {
    explanations: SmallVec<[Weighed<H>; MAX_EXPLANATIONS]>,
}

/// One explanation and what speaks for it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Weighed<H> {
    explanation: H,
    weight: i16,
    /// Something excludes it, whatever else speaks for it.
    excluded: bool,
}

impl<H: Copy + PartialEq> Weighing<H> {
    pub(crate) fn new() -> Self {
        Self {
            explanations: SmallVec::new(),
        }
    }

    /// Adds evidence: positive for an explanation, negative against it. An explanation beyond the limit is not weighed.
    pub(crate) fn add(&mut self, explanation: H, weight: i16) {
        if let Some(weighed) = self.entry(explanation) {
            weighed.weight = weighed.weight.saturating_add(weight);
        }
    }

    /// Something makes an explanation impossible.
    pub(crate) fn exclude(&mut self, explanation: H) {
        if let Some(weighed) = self.entry(explanation) {
            weighed.excluded = true;
        }
    }

    /// The explanation with the most evidence, and by how much it leads; `None` when two lead or none is possible.
    pub(crate) fn leader(&self) -> Option<(H, i16)> {
        let possible = || self.explanations.iter().filter(|weighed| !weighed.excluded);
        let first = possible().max_by_key(|weighed| weighed.weight)?;
        let second = possible()
            .filter(|weighed| weighed.explanation != first.explanation)
            .map(|weighed| weighed.weight)
            .max();
        let margin = first.weight.saturating_sub(second.unwrap_or(0).max(0));
        (margin > 0).then_some((first.explanation, margin))
    }

    /// The explanation that leads by at least this much.
    pub(crate) fn decided(&self, margin: i16) -> Option<H> {
        let (leader, lead) = self.leader()?;
        (lead >= margin).then_some(leader)
    }

    fn entry(&mut self, explanation: H) -> Option<&mut Weighed<H>> {
        let known = self
            .explanations
            .iter()
            .position(|weighed| weighed.explanation == explanation);
        let at = match known {
            Some(at) => at,
            None if self.explanations.len() < MAX_EXPLANATIONS => {
                self.explanations.push(Weighed {
                    explanation,
                    weight: 0,
                    excluded: false,
                });
                self.explanations.len() - 1
            }
            None => return None,
        };
        self.explanations.get_mut(at)
    }
}

#[cfg(test)]
mod tests {
    use super::Weighing;

    fn weigh(evidence: &[(char, i16)], excluded: &[char]) -> Option<(char, i16)> {
        let mut weighing = Weighing::new();
        for &(explanation, weight) in evidence {
            weighing.add(explanation, weight);
        }
        for &explanation in excluded {
            weighing.exclude(explanation);
        }
        weighing.leader()
    }

    #[test]
    fn the_most_evidence_leads() {
        assert_eq!(weigh(&[('a', 2), ('b', 1), ('a', 2)], &[]), Some(('a', 3)));
        assert_eq!(weigh(&[('a', 2), ('b', -4)], &[]), Some(('a', 2)));
        assert_eq!(weigh(&[('a', 2), ('b', 2)], &[]), None);
        assert_eq!(weigh(&[('a', -1)], &[]), None);
        assert_eq!(weigh(&[], &[]), None);
    }

    #[test]
    fn what_is_excluded_never_leads() {
        assert_eq!(weigh(&[('a', 9), ('b', 1)], &['a']), Some(('b', 1)));
        assert_eq!(weigh(&[('a', 9)], &['a']), None);
    }

    #[test]
    fn a_decision_needs_a_margin() {
        let mut weighing = Weighing::new();
        weighing.add('a', 4);
        weighing.add('b', 2);
        assert_eq!(weighing.decided(3), None);
        weighing.add('b', -1);
        assert_eq!(weighing.decided(3), Some('a'));
    }

    #[test]
    fn explanations_are_bounded() {
        let mut weighing = Weighing::new();
        for explanation in 0..100 {
            weighing.add(explanation, explanation);
        }
        assert_eq!(weighing.leader(), Some((3, 1)));
    }
}
