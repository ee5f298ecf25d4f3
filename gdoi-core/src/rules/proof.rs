//! The least proof of each claim, in one table.

#![expect(dead_code, reason = "the rules that claim take it over one by one")]

use crate::state::data_plane::DataPlane;
use crate::state::id::{GroupId, MemberId, Peer};
use crate::state::kek::Kek;
use crate::state::member::Member;
use crate::state::rekey::RekeyRound;
use crate::state::standing::{Rank, Witness, Witnesses};
use crate::state::table::Table;
use crate::time::Timestamp;

/// What is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// A group exists.
    Group,
    /// A KEK is used by its group.
    Kek,
    /// An address is a key server.
    KeyServer,
}

/// Each row is enough: all of its witnesses together prove the claim. A KEK needs a proven key server besides.
const LEAST: &[(Claim, &[Witness])] = &[
    (Claim::KeyServer, &[Witness::Configured]),
    (Claim::KeyServer, &[Witness::Served]),
    (Claim::KeyServer, &[Witness::Cookies]),
    (Claim::KeyServer, &[Witness::Peer]),
    (Claim::KeyServer, &[Witness::Acknowledged]),
    (Claim::Kek, &[Witness::Configured]),
    (Claim::Kek, &[Witness::DeliveredSurely]),
    (Claim::Kek, &[Witness::Enrolled]),
    (Claim::Kek, &[Witness::Rolled]),
    (Claim::Kek, &[Witness::Acknowledged]),
    (
        Claim::Kek,
        &[Witness::Delivered, Witness::Audience, Witness::Silent],
    ),
    (Claim::Group, &[Witness::Configured]),
    (Claim::Group, &[Witness::Rolled]),
    (Claim::Group, &[Witness::Served]),
    (Claim::Group, &[Witness::Acknowledged]),
];

/// Whether these witnesses prove a claim.
pub(crate) fn is_proven(claim: Claim, witnesses: Witnesses) -> bool {
    LEAST
        .iter()
        .any(|(of, needed)| *of == claim && witnesses.contains_all(Witnesses::of(needed)))
}

/// Members of a group that completed a registration since a time, of all its members.
pub(crate) fn enrolled_since(
    members: &Table<MemberId, Peer, Member>,
    group: GroupId,
    since: Timestamp,
) -> (u32, u32) {
    members
        .iter()
        .map(|(.., member)| member)
        .filter(|member| member.is_in(group))
        .fold((0, 0), |(enrolled, of), member| {
            let registered = member.registered.iter().flatten().any(|at| *at >= since);
            (enrolled + u32::from(registered), of + 1)
        })
}

/// SPIs of a group that were replaced since a time.
pub(crate) fn rolls_since(data: &DataPlane, since: Timestamp) -> usize {
    data.replaced.iter().filter(|(_, at, _)| *at >= since).count()
}

/// How well a KEK is established: so far every KEK that is followed counts as proven.
pub(crate) const fn kek_rank(_: &Kek) -> Rank {
    Rank::Proven
}

/// Whether a rekey went to the group and not to a few of its members: so far every rekey does.
pub(crate) const fn is_group_round(_: &RekeyRound) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::{Claim, LEAST, Witness, Witnesses, is_proven};

    /// What one sender can make up without knowing anything.
    const ONE_SENDER: [Witness; 2] = [Witness::Audience, Witness::Beat];

    #[test]
    fn one_sender_proves_nothing() {
        for claim in [Claim::Group, Claim::Kek, Claim::KeyServer] {
            assert!(!is_proven(claim, Witnesses::of(&ONE_SENDER)), "{claim:?}");
            assert!(!is_proven(claim, Witnesses::default()), "{claim:?}");
        }
        for (claim, needed) in LEAST {
            let foreign = needed.iter().any(|witness| !ONE_SENDER.contains(witness));
            assert!(foreign, "{claim:?}: {needed:?}");
        }
    }

    #[test]
    fn a_plausible_delivery_needs_the_silence_of_the_old_kek() {
        let plausible = [Witness::Delivered, Witness::Audience];
        assert!(!is_proven(Claim::Kek, Witnesses::of(&plausible)));
        let mut silent = Witnesses::of(&plausible);
        silent.add(Witness::Silent);
        assert!(is_proven(Claim::Kek, silent));
    }
}
