//! The words that events and metrics use, each a closed set.

use core::net::IpAddr;

use serde::{Deserialize, Serialize};

/// How urgent something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Normal operation of a group.
    Info,
    /// It needs attention.
    Warning,
    /// Traffic is affected, or soon will be.
    Critical,
}

impl Severity {
    /// Its name in events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Whether a member registers for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationKind {
    /// Not seen before.
    Initial,
    /// It had registered, or had received a rekey, before.
    ReRegistration,
}

impl RegistrationKind {
    /// Its name in events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::ReRegistration => "re_registration",
        }
    }

    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 2] = [Self::Initial, Self::ReRegistration];
}

/// The stage that a registration reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationStage {
    /// The first message of main mode is not answered.
    Mm1,
    /// Main mode stops at its third or fourth message.
    Mm3,
    /// The first message of aggressive mode is not answered.
    Am1,
    /// `IKE_SA_INIT` is not answered.
    SaInit,
    /// Authentication: main mode stops at message 5 or 6, aggressive mode at 3, `GSA_AUTH` is not answered.
    Auth,
    /// Phase 1 is complete and no GROUPKEY-PULL follows.
    Pull1,
    /// The first GROUPKEY-PULL message is not answered.
    Pull2,
    /// The member stops after the policy it was offered (GROUPKEY-PULL message 2).
    Policy,
    /// The third GROUPKEY-PULL message is not answered.
    Pull4,
    /// `GSA_REGISTRATION` is not answered.
    Registration,
    /// All messages were exchanged.
    Complete,
}

impl RegistrationStage {
    /// Its name in events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mm1 => "mm1",
            Self::Mm3 => "mm3",
            Self::Am1 => "am1",
            Self::SaInit => "sa_init",
            Self::Auth => "auth",
            Self::Pull1 => "pull1",
            Self::Pull2 => "pull2",
            Self::Policy => "policy",
            Self::Pull4 => "pull4",
            Self::Registration => "registration",
            Self::Complete => "complete",
        }
    }

    /// Every stage, in the order of the enum.
    pub const ALL: [Self; 11] = [
        Self::Mm1,
        Self::Mm3,
        Self::Am1,
        Self::SaInit,
        Self::Auth,
        Self::Pull1,
        Self::Pull2,
        Self::Policy,
        Self::Pull4,
        Self::Registration,
        Self::Complete,
    ];
}

/// Why a member registers again, as far as headers show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReRegistrationReason {
    /// Its KEK was about to expire, or just had.
    KekExpiry,
    /// It had not acknowledged a rekey.
    MissedRekey,
    /// The key server had just deleted the keys, or rekeyed out of schedule.
    Forced,
    /// No key was about to expire: the member restarted.
    Reload,
    /// Its TEK was about to expire, or just had.
    TekExpiry,
    /// Both keys were about to expire, or just had.
    TekOrKekExpiry,
    /// The lifetimes are unknown.
    Unknown,
}

impl ReRegistrationReason {
    /// Its name in events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KekExpiry => "kek_expiry",
            Self::MissedRekey => "missed_rekey",
            Self::Forced => "forced",
            Self::Reload => "reload",
            Self::TekExpiry => "tek_expiry",
            Self::TekOrKekExpiry => "tek_or_kek_expiry",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether an expiry explains a burst of registrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BurstCharacter {
    /// Nothing explains it, or the registrations fail.
    Storm,
    /// Members register again before an expiry, spread by their jitter, and succeed.
    Wave,
}

impl BurstCharacter {
    /// Its name in events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Storm => "storm",
            Self::Wave => "wave",
        }
    }
}

/// What a rekey delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RekeyKind {
    /// Keys were deleted.
    Delete,
    /// A new KEK was delivered, perhaps with TEKs.
    Kek,
    /// New TEKs under the same KEK.
    Tek,
    /// Unknown.
    Unknown,
}

impl RekeyKind {
    /// Its name in events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Kek => "kek",
            Self::Tek => "tek",
            Self::Unknown => "unknown",
        }
    }

    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 4] = [Self::Delete, Self::Kek, Self::Tek, Self::Unknown];
}

/// The evidence for the kind of a rekey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RekeyEvidence {
    /// The next rekey had other cookies: this one delivered them.
    CookiesChanged,
    /// The next rekey had the same cookies: this one delivered no KEK.
    CookiesKept,
    /// Its length: no policy fits into it, or only one kind of rekey of the group ever had this length.
    Length,
    /// Nothing followed, and it is far shorter than every rekey with a policy.
    LastOfChain,
    /// The message identifier restarted (RFC 9838 §2.4).
    MessageId,
    /// Nothing.
    None,
}

impl RekeyEvidence {
    /// Its name in events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CookiesChanged => "cookies_changed",
            Self::CookiesKept => "cookies_kept",
            Self::Length => "length",
            Self::LastOfChain => "last_of_chain",
            Self::MessageId => "message_id",
            Self::None => "none",
        }
    }
}

/// How rekeys are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// To a multicast address.
    Multicast,
    /// To each member.
    Unicast,
}

impl Transport {
    /// The transport of rekeys to this address.
    pub(crate) const fn to(destination: IpAddr) -> Self {
        if destination.is_multicast() {
            Self::Multicast
        } else {
            Self::Unicast
        }
    }

    /// Its name in events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Multicast => "multicast",
            Self::Unicast => "unicast",
        }
    }

    /// Every transport, in the order of the enum.
    pub const ALL: [Self; 2] = [Self::Multicast, Self::Unicast];
}

/// How a key server renews its KEK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Neither: another vendor's timers, or votes that contradict each other.
    Indeterminate,
    /// At the expiry of the KEK.
    Legacy,
    /// Well before the expiry of the KEK.
    New,
    /// After the expiry of the KEK.
    Overdue,
}

impl Verdict {
    /// Its name in events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Indeterminate => "indeterminate",
            Self::Legacy => "legacy",
            Self::New => "new",
            Self::Overdue => "overdue",
        }
    }

    /// Every verdict, in the order of the enum.
    pub const ALL: [Self; 4] = [Self::Indeterminate, Self::Legacy, Self::New, Self::Overdue];

    /// How urgent it is.
    pub const fn severity(self) -> Severity {
        match self {
            Self::New | Self::Indeterminate => Severity::Info,
            Self::Legacy | Self::Overdue => Severity::Warning,
        }
    }
}

/// Source of a lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifetimeSource {
    /// The configuration.
    Configured,
    /// The time between renewals.
    Learned,
}

impl LifetimeSource {
    /// Its name in events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Learned => "learned",
        }
    }
}

/// How a message contradicts the protocol, or what is known of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anomaly {
    /// An initiator cookie that other addresses use.
    CookieReused,
    /// Zero cookies where that is not allowed.
    CookiesZero,
    /// The declared length differs from that of the datagram (RFC 2408 §5.1).
    LengthMismatch,
    /// A GROUPKEY-PUSH from a member to a key server.
    PushFromMember,
    /// A GROUPKEY-PUSH with a message identifier, or not encrypted (RFC 6407 §4).
    PushNonconforming,
    /// A single GROUPKEY-PUSH under an unknown KEK from an unknown key server.
    PushUnconfirmed,
    /// An ESP SPI below 256 (RFC 4303 §2.1).
    ReservedSpi,
    /// A key server answered one initiator cookie with two of its own.
    ResponderCookieChanged,
    /// Neither version 1.0 nor 2.0.
    VersionUnknown,
}

impl Anomaly {
    /// Its name in events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CookieReused => "cookie_reused",
            Self::CookiesZero => "cookies_zero",
            Self::LengthMismatch => "length_mismatch",
            Self::PushFromMember => "push_from_member",
            Self::PushNonconforming => "push_nonconforming",
            Self::PushUnconfirmed => "push_unconfirmed",
            Self::ReservedSpi => "reserved_spi",
            Self::ResponderCookieChanged => "responder_cookie_changed",
            Self::VersionUnknown => "version_unknown",
        }
    }

    /// Every anomaly, in the order of the enum.
    pub const ALL: [Self; 9] = [
        Self::CookieReused,
        Self::CookiesZero,
        Self::LengthMismatch,
        Self::PushFromMember,
        Self::PushNonconforming,
        Self::PushUnconfirmed,
        Self::ReservedSpi,
        Self::ResponderCookieChanged,
        Self::VersionUnknown,
    ];

    /// How urgent it is.
    pub const fn severity(self) -> Severity {
        match self {
            Self::PushFromMember | Self::CookieReused | Self::ResponderCookieChanged => Severity::Warning,
            Self::CookiesZero
            | Self::LengthMismatch
            | Self::PushNonconforming
            | Self::PushUnconfirmed
            | Self::ReservedSpi
            | Self::VersionUnknown => Severity::Info,
        }
    }
}

/// Messages of neither a key server nor a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForgeryKind {
    /// First messages of strangers without answer or repeat.
    Scan,
    /// An acknowledgement of a rekey that its sender was never sent.
    StrayAck,
    /// A rekey under a known KEK to few of the members.
    StrayRekey,
    /// A rekey to a member from an address that is no key server.
    StrangerPush,
    /// A rekey under a KEK that no rekey and no registration delivered.
    UndeliveredKek,
}

impl ForgeryKind {
    /// Its name in events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::StrayAck => "stray_ack",
            Self::StrayRekey => "stray_rekey",
            Self::StrangerPush => "stranger_push",
            Self::UndeliveredKek => "undelivered_kek",
        }
    }

    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 5] = [
        Self::Scan,
        Self::StrayAck,
        Self::StrayRekey,
        Self::StrangerPush,
        Self::UndeliveredKek,
    ];
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForgottenKind {
    /// A group and all that belongs to it.
    Group,
    /// A key server.
    KeyServer,
    /// A member.
    Member,
}

/// Why the time of the next rekey is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectationUnknown {
    /// Rekeys are sent inside the IKE SAs of the members.
    Inband,
    /// Rekeys are irregular.
    Irregular,
    /// The monitor has just started.
    JustRestarted,
    /// The group is not confirmed.
    NotConfirmed,
    /// Members register instead.
    PullOnly,
    /// The key server deleted the keys.
    Suspended,
    /// Too few rekeys were seen.
    TooFew,
}
