//! What can be known from where: every rule, with its reason.
//!
//! A fact that a rule declares known must be claimed in time. A fact that a rule declares open is right if it is
//! claimed, and not missed if it is not. Nothing here shares code with the tracker.

/// Why something can or cannot be known from a vantage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Known: announcements of that key server passed here until then.
    AnnouncementsSeen,
    /// Known: rekeys of both sides pass here, more than one of each.
    BothSidesSeen,
    /// Known: four KEK cycles are seen, and the lifetime is configured or can have no other value.
    CyclesSeen,
    /// Known: the next rekey passes here too.
    FollowerSeen,
    /// Known: the lifetime is configured or was seen twice, and the start of the key was seen.
    LifetimeKnown,
    /// Known: it went to one member, both directions pass here, and nothing came back until after the last repeat.
    NothingCameBack,
    /// Known: only one group is possible.
    OnlyOneGroup,
    /// Known: the interval is configured or three equal ones were seen.
    ScheduleKnown,
    /// Known: it passes here.
    Dissected,
    /// Known: all its messages pass here.
    SeenWhole,
    /// Open: announcements of that key server never passed here.
    NeverHeard,
    /// Open: the start of this key was not seen.
    BeginningNotSeen,
    /// Open: the run ended before it could be claimed.
    EndOfTime,
    /// Open: only one direction of it passes here.
    HalfSeen,
    /// Open: it passed here and was lost later, which nothing here shows.
    LostLater,
    /// Open: no acknowledgement of this group ever passed here, so their absence means nothing.
    NoAcknowledgements,
    /// Open: the lifetime or interval is not configured, and too little was seen to learn it.
    NotLearned,
    /// Open: it does not pass here.
    NotSeen,
    /// Open: part of it happened while nothing was watched.
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

/// Whether a fact must be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It can be known, by this rule.
    Must(Rule),
    /// It could not be known, by this rule.
    Open(Rule),
}

impl Known {
    /// Open by the first of these rules that applies; otherwise known.
    pub(crate) fn unless(must: Rule, open: &[(bool, Rule)]) -> Self {
        let reason = open.iter().find(|(holds, _)| *holds);
        reason.map_or(Self::Must(must), |(_, rule)| Self::Open(*rule))
    }
}
