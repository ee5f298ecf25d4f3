//! Who speaks for a key server, a KEK or a group.
//!
//! One sender proves nothing, however often it repeats itself. Two parties that do not know each other, or cookies that
//! only members know, do.
#![cfg_attr(
    not(test),
    expect(dead_code, reason = "the rules that name witnesses take it over one by one")
)]

use serde::{Deserialize, Serialize};

/// What speaks for something. Each is set at one place in the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Witness {
    /// Members that were known before acknowledged its rekeys.
    Acknowledged,
    /// Its rekey went to two or more known members of one group.
    Audience,
    /// It keeps a period over three rounds or more. One sender alone can do that.
    Beat,
    /// It is in the configuration.
    Configured,
    /// It used the cookies of a proven KEK, which only members know.
    Cookies,
    /// The last rekey under its predecessor can have delivered it, and nothing contradicts that.
    Delivered,
    /// Its length, its time or its message identifier say that it did.
    DeliveredSurely,
    /// Members completed registrations since its predecessor was last used.
    Enrolled,
    /// It and a proven key server announce to each other inside an IKE SA.
    Peer,
    /// The SPIs of its group changed after its rekey.
    Rolled,
    /// A member completed a registration with it, and both sides were seen.
    Served,
    /// Its predecessor has been silent past its own due time.
    Silent,
}

/// A set of witnesses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Witnesses(u16);

impl Witnesses {
    pub(crate) const fn of(witnesses: &[Witness]) -> Self {
        let mut set = Self(0);
        let mut rest = witnesses;
        while let [first, after @ ..] = rest {
            set.0 |= 1 << *first as u16;
            rest = after;
        }
        set
    }

    pub(crate) const fn add(&mut self, witness: Witness) {
        self.0 |= 1 << witness as u16;
    }

    pub(crate) const fn contains(self, witness: Witness) -> bool {
        self.0 & 1 << witness as u16 != 0
    }

    pub(crate) const fn contains_all(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

/// How well something is established.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Rank {
    /// Its sender says so.
    #[default]
    Claimed,
    /// Nothing contradicts it.
    Plausible,
    /// Somebody else says so.
    Proven,
}

#[cfg(test)]
mod tests {
    use super::{Rank, Witness, Witnesses};

    #[test]
    fn a_set_holds_what_was_added() {
        let mut set = Witnesses::of(&[Witness::Served, Witness::Acknowledged]);
        set.add(Witness::Silent);
        assert!(set.contains(Witness::Silent) && !set.contains(Witness::Peer));
        assert!(set.contains_all(Witnesses::of(&[Witness::Served, Witness::Silent])));
        assert!(!set.contains_all(Witnesses::of(&[Witness::Served, Witness::Peer])));
        assert!(set.contains_all(Witnesses::default()));
    }

    #[test]
    fn ranks_are_in_order() {
        assert!(Rank::Claimed < Rank::Plausible && Rank::Plausible < Rank::Proven);
    }
}
