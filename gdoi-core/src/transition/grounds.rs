//! The certainty of a report: which other explanations were excluded, and which remain.

use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The certainty of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// A witness excludes every other explanation.
    Certain,
    /// Other explanations remain without evidence for them.
    Likely,
    /// There is evidence for another explanation: a loss, or only one direction is visible.
    Uncertain,
}

impl Certainty {
    /// Its name in events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Uncertain => "uncertain",
        }
    }
}

/// Another explanation for an observation or absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alternative {
    /// Nothing, or not everything, was monitored.
    CaptureGap,
    /// A clock was set.
    ClockChanged,
    /// The configuration of the monitor is wrong.
    ConfigurationWrong,
    /// The key server deleted the keys.
    Deleted,
    /// Somebody forged messages.
    Forged,
    /// The key server restarted.
    KeyServerRestarted,
    /// Somebody changed a lifetime.
    LifetimeChanged,
    /// The members left the group.
    MembersLeft,
    /// Address translation changed an address.
    Nat,
    /// No rekey can have delivered the KEK.
    NotDelivered,
    /// It happened before the monitor started.
    NotWatchedYet,
    /// It belongs to another group.
    OtherGroup,
    /// It took another path.
    OtherPath,
    /// The key server's repeat interval is unknown.
    RepeatsUnknown,
    /// The key servers are in a split brain.
    Split,
}

impl Alternative {
    /// Its name in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CaptureGap => "capture_gap",
            Self::ClockChanged => "clock_changed",
            Self::ConfigurationWrong => "configuration_wrong",
            Self::Deleted => "deleted",
            Self::Forged => "forged",
            Self::KeyServerRestarted => "key_server_restarted",
            Self::LifetimeChanged => "lifetime_changed",
            Self::MembersLeft => "members_left",
            Self::Nat => "nat",
            Self::NotDelivered => "not_delivered",
            Self::NotWatchedYet => "not_watched_yet",
            Self::OtherGroup => "other_group",
            Self::OtherPath => "other_path",
            Self::RepeatsUnknown => "repeats_unknown",
            Self::Split => "split",
        }
    }

    /// What it would mean, in a sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::CaptureGap => "Not everything was seen in that time.",
            Self::ClockChanged => "A clock may have been set.",
            Self::ConfigurationWrong => "The monitor's configuration may be wrong.",
            Self::Deleted => "The key server may have deleted the keys.",
            Self::Forged => "Somebody forges messages here.",
            Self::KeyServerRestarted => "The key server may have restarted.",
            Self::LifetimeChanged => "Somebody may have changed a lifetime.",
            Self::MembersLeft => "The members may have left the group.",
            Self::Nat => "Address translation may have changed an address.",
            Self::NotDelivered => "No rekey may have delivered the KEK.",
            Self::NotWatchedYet => "It may have begun before the monitor watched.",
            Self::OtherGroup => "It may belong to another group.",
            Self::OtherPath => "The missing messages may have taken a path that is not watched here.",
            Self::RepeatsUnknown => "How often the key server repeats is not known.",
            Self::Split => "The key servers may be in a split brain.",
        }
    }

    /// Every alternative, in the order of the enum.
    pub const ALL: [Self; 15] = [
        Self::CaptureGap,
        Self::ClockChanged,
        Self::ConfigurationWrong,
        Self::Deleted,
        Self::Forged,
        Self::KeyServerRestarted,
        Self::LifetimeChanged,
        Self::MembersLeft,
        Self::Nat,
        Self::NotDelivered,
        Self::NotWatchedYet,
        Self::OtherGroup,
        Self::OtherPath,
        Self::RepeatsUnknown,
        Self::Split,
    ];
}

/// A set of alternatives; a list of words in an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlternativeSet(u32);

impl AlternativeSet {
    /// This set and one more.
    #[must_use]
    pub const fn with(self, one: Alternative) -> Self {
        Self(self.0 | 1 << one as u32)
    }

    /// Whether one is in it.
    pub const fn contains(self, one: Alternative) -> bool {
        self.0 & 1 << one as u32 != 0
    }

    /// Whether none is in it.
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Those in it, in the order of the enum.
    pub fn iter(self) -> impl Iterator<Item = Alternative> {
        Alternative::ALL
            .into_iter()
            .filter(move |one| self.contains(*one))
    }
}

impl Serialize for AlternativeSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        self.iter()
            .try_for_each(|one| list.serialize_element(one.name()))?;
        list.end()
    }
}

/// The certainty of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Grounds {
    /// How certain it is.
    pub certainty: Certainty,
    /// Other explanations that a witness excludes.
    #[serde(skip_serializing_if = "AlternativeSet::is_empty")]
    pub excluded: AlternativeSet,
    /// Other explanations that remain.
    #[serde(skip_serializing_if = "AlternativeSet::is_empty")]
    pub open: AlternativeSet,
}

/// Grounds in a saved state: every field is always there.
#[derive(Serialize, Deserialize)]
struct SavedGrounds(Certainty, u32, u32);

/// Saves grounds: every field, whatever they are.
pub(crate) fn save_grounds<S: Serializer>(grounds: &Grounds, serializer: S) -> Result<S::Ok, S::Error> {
    let Grounds {
        certainty,
        excluded,
        open,
    } = grounds;
    SavedGrounds(*certainty, excluded.0, open.0).serialize(serializer)
}

/// Restores grounds that [`save_grounds`] saved.
pub(crate) fn restore_grounds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Grounds, D::Error> {
    let SavedGrounds(certainty, excluded, open) = SavedGrounds::deserialize(deserializer)?;
    Ok(Grounds {
        certainty,
        excluded: AlternativeSet(excluded),
        open: AlternativeSet(open),
    })
}

impl Grounds {
    /// Without excluded or remaining explanations.
    pub const fn new(certainty: Certainty) -> Self {
        Self {
            certainty,
            excluded: AlternativeSet(0),
            open: AlternativeSet(0),
        }
    }

    /// A witness excludes another explanation.
    #[must_use]
    pub const fn excluding(mut self, one: Alternative) -> Self {
        self.excluded = self.excluded.with(one);
        self
    }

    /// Another explanation remains, without evidence for it.
    #[must_use]
    pub const fn open(mut self, one: Alternative) -> Self {
        self.open = self.open.with(one);
        if matches!(self.certainty, Certainty::Certain) {
            self.certainty = Certainty::Likely;
        }
        self
    }

    /// There is evidence for another explanation.
    #[must_use]
    pub const fn doubted(mut self, one: Alternative) -> Self {
        self.open = self.open.with(one);
        self.certainty = Certainty::Uncertain;
        self
    }
}

impl From<Certainty> for Grounds {
    fn from(certainty: Certainty) -> Self {
        Self::new(certainty)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Alternative, Certainty, Grounds};

    #[test]
    fn what_remains_lowers_the_certainty() {
        let certain = Grounds::new(Certainty::Certain).excluding(Alternative::CaptureGap);
        assert_eq!(certain.certainty, Certainty::Certain);
        let likely = certain.open(Alternative::OtherPath);
        assert_eq!(likely.certainty, Certainty::Likely);
        let uncertain = likely.doubted(Alternative::Forged).open(Alternative::Nat);
        assert_eq!(uncertain.certainty, Certainty::Uncertain);
        let open: Vec<_> = uncertain.open.iter().collect();
        assert_eq!(
            open,
            [Alternative::Forged, Alternative::Nat, Alternative::OtherPath]
        );
        assert!(uncertain.excluded.contains(Alternative::CaptureGap));
    }

    #[test]
    fn every_alternative_has_a_place_and_a_word_of_its_own() {
        for (place, one) in Alternative::ALL.into_iter().enumerate() {
            assert_eq!(one as usize, place);
            let same = Alternative::ALL.iter().filter(|other| other.name() == one.name());
            assert_eq!(same.count(), 1);
        }
    }
}
