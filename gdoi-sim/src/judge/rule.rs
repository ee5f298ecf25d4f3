//! What can be known from where: every rule, with its reason.
//!
//! A fact that a rule declares known has to be said before its time is over. A fact that a rule declares open is right
//! when it is said and not missed when it is not. Nothing here shares code with the tracker.

/// Why something can be known from a place, or cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Known: announcements of that key server passed here until then.
    AnnouncementsSeen,
    /// Known: both sides' rekeys pass here, more than one of each.
    BothSidesSeen,
    /// Known: four KEK cycles are seen, and the lifetime is told or cannot be another.
    CyclesSeen,
    /// Known: the rekey after it passes here too.
    FollowerSeen,
    /// Known: the lifetime is told or was seen twice, and the beginning of the key was seen.
    LifetimeKnown,
    /// Known: it went to one member, in both directions, and nothing came back until after the last repeat.
    NothingCameBack,
    /// Known: only one group can be meant.
    OnlyOneGroup,
    /// Known: the interval is told or three equal ones were seen.
    ScheduleKnown,
    /// Known: it passes here.
    Dissected,
    /// Known: all its messages pass here.
    SeenWhole,
    /// Open: announcements of that key server never passed here.
    NeverHeard,
    /// Open: the beginning of this key was not seen.
    BeginningNotSeen,
    /// Open: watching ended before it could be said.
    EndOfTime,
    /// Open: only one direction of it passes here.
    HalfSeen,
    /// Open: what passed here was lost later on its way, which shows nowhere here.
    LostLater,
    /// Open: no acknowledgement of this group ever passed here, so that their absence says nothing.
    NoAcknowledgements,
    /// Open: nothing tells the lifetime or the interval, and too little was seen to learn it.
    NotLearned,
    /// Open: it does not pass here.
    NotSeen,
    /// Open: part of it fell in a time that was not watched.
    NotWatching,
    /// Open: the member is in several groups, and the headers of all its registrations are alike.
    SameAddress,
    /// Open: two causes look alike from outside.
    TwoCauses,
}

impl Rule {
    /// Its name in failures and documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AnnouncementsSeen => "announcements seen",
            Self::BothSidesSeen => "both sides seen",
            Self::CyclesSeen => "cycles seen",
            Self::FollowerSeen => "follower seen",
            Self::LifetimeKnown => "lifetime known",
            Self::NothingCameBack => "nothing came back",
            Self::OnlyOneGroup => "only one group",
            Self::ScheduleKnown => "schedule known",
            Self::Dissected => "seen",
            Self::SeenWhole => "seen whole",
            Self::NeverHeard => "never heard",
            Self::BeginningNotSeen => "beginning not seen",
            Self::EndOfTime => "end of time",
            Self::HalfSeen => "half seen",
            Self::LostLater => "lost later",
            Self::NoAcknowledgements => "no acknowledgements",
            Self::NotLearned => "not learned",
            Self::NotSeen => "not seen",
            Self::NotWatching => "not watching",
            Self::SameAddress => "same address",
            Self::TwoCauses => "two causes",
        }
    }
}

/// Whether a fact has to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It can be known, by this rule.
    Must(Rule),
    /// Nobody there could know it, by this rule.
    Open(Rule),
}

impl Known {
    /// The first of these reasons for not knowing that holds; else it can be known.
    pub(crate) fn unless(must: Rule, open: &[(bool, Rule)]) -> Self {
        let reason = open.iter().find(|(holds, _)| *holds);
        reason.map_or(Self::Must(must), |(_, rule)| Self::Open(*rule))
    }
}
