//! Exchange types: what a number means depends on the version in the same header.

/// What kind of exchange a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exchange {
    /// Base exchange (RFC 2408 §4.4).
    Base,
    /// Identity protection: main mode of phase 1 (RFC 2408 §4.5, RFC 2409 §5).
    MainMode,
    /// Authentication only (RFC 2408 §4.6).
    AuthenticationOnly,
    /// Aggressive mode of phase 1 (RFC 2408 §4.7, RFC 2409 §5).
    Aggressive,
    /// Informational: notify or delete (RFC 2408 §4.8).
    Informational,
    /// Transaction: mode configuration; not part of GDOI.
    Transaction,
    /// GROUPKEY-PULL (RFC 6407 §3). The number is Quick Mode's on other ports.
    GroupkeyPull,
    /// GROUPKEY-PUSH (RFC 6407 §4). The number is New Group Mode's on other ports.
    GroupkeyPush,
    /// Type 34 of version 1: known to be used, not registered (RFC 8263 §8).
    Unregistered34,
    /// GROUPKEY-PUSH-ACK (RFC 8263 §3).
    GroupkeyPushAck,
    /// `IKE_SA_INIT` (RFC 7296 §1.2).
    IkeSaInit,
    /// `IKE_AUTH` (RFC 7296 §1.2).
    IkeAuth,
    /// `CREATE_CHILD_SA` (RFC 7296 §1.3).
    CreateChildSa,
    /// INFORMATIONAL of version 2 (RFC 7296 §1.4).
    IkeInformational,
    /// `IKE_SESSION_RESUME` (RFC 5723).
    IkeSessionResume,
    /// `GSA_AUTH` (RFC 9838 §2.3).
    GsaAuth,
    /// `GSA_REGISTRATION` (RFC 9838 §2.3).
    GsaRegistration,
    /// `GSA_REKEY` (RFC 9838 §2.4).
    GsaRekey,
    /// `GSA_INBAND_REKEY` (RFC 9838 §2.4).
    GsaInbandRekey,
    /// `IKE_INTERMEDIATE` (RFC 9242).
    IkeIntermediate,
    /// `IKE_FOLLOWUP_KE` (RFC 9370).
    IkeFollowupKe,
    /// Anything else, with its number.
    Unknown(u8),
}

impl Exchange {
    /// Every exchange that has a name of its own, in the order of the enum.
    pub const NAMED: [Self; 21] = [
        Self::Base,
        Self::MainMode,
        Self::AuthenticationOnly,
        Self::Aggressive,
        Self::Informational,
        Self::Transaction,
        Self::GroupkeyPull,
        Self::GroupkeyPush,
        Self::Unregistered34,
        Self::GroupkeyPushAck,
        Self::IkeSaInit,
        Self::IkeAuth,
        Self::CreateChildSa,
        Self::IkeInformational,
        Self::IkeSessionResume,
        Self::GsaAuth,
        Self::GsaRegistration,
        Self::GsaRekey,
        Self::GsaInbandRekey,
        Self::IkeIntermediate,
        Self::IkeFollowupKe,
    ];

    /// What `exchange_type` means in a message of this major version.
    pub const fn from_wire(major: u8, exchange_type: u8) -> Self {
        match (major, exchange_type) {
            (1, 1) => Self::Base,
            (1, 2) => Self::MainMode,
            (1, 3) => Self::AuthenticationOnly,
            (1, 4) => Self::Aggressive,
            (1, 5) => Self::Informational,
            (1, 6) => Self::Transaction,
            (1, 32) => Self::GroupkeyPull,
            (1, 33) => Self::GroupkeyPush,
            (1, 34) => Self::Unregistered34,
            (1, 35) => Self::GroupkeyPushAck,
            (2, 34) => Self::IkeSaInit,
            (2, 35) => Self::IkeAuth,
            (2, 36) => Self::CreateChildSa,
            (2, 37) => Self::IkeInformational,
            (2, 38) => Self::IkeSessionResume,
            (2, 39) => Self::GsaAuth,
            (2, 40) => Self::GsaRegistration,
            (2, 41) => Self::GsaRekey,
            (2, 42) => Self::GsaInbandRekey,
            (2, 43) => Self::IkeIntermediate,
            (2, 44) => Self::IkeFollowupKe,
            (_, other) => Self::Unknown(other),
        }
    }

    /// Major version and number on the wire; version 0 for an unknown exchange, whose version is not kept.
    pub const fn to_wire(self) -> (u8, u8) {
        match self {
            Self::Base => (1, 1),
            Self::MainMode => (1, 2),
            Self::AuthenticationOnly => (1, 3),
            Self::Aggressive => (1, 4),
            Self::Informational => (1, 5),
            Self::Transaction => (1, 6),
            Self::GroupkeyPull => (1, 32),
            Self::GroupkeyPush => (1, 33),
            Self::Unregistered34 => (1, 34),
            Self::GroupkeyPushAck => (1, 35),
            Self::IkeSaInit => (2, 34),
            Self::IkeAuth => (2, 35),
            Self::CreateChildSa => (2, 36),
            Self::IkeInformational => (2, 37),
            Self::IkeSessionResume => (2, 38),
            Self::GsaAuth => (2, 39),
            Self::GsaRegistration => (2, 40),
            Self::GsaRekey => (2, 41),
            Self::GsaInbandRekey => (2, 42),
            Self::IkeIntermediate => (2, 43),
            Self::IkeFollowupKe => (2, 44),
            Self::Unknown(number) => (0, number),
        }
    }

    /// The word for it in `decode`, events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::MainMode => "main_mode",
            Self::AuthenticationOnly => "authentication_only",
            Self::Aggressive => "aggressive",
            Self::Informational => "informational",
            Self::Transaction => "transaction",
            Self::GroupkeyPull => "groupkey_pull",
            Self::GroupkeyPush => "groupkey_push",
            Self::Unregistered34 => "unregistered_34",
            Self::GroupkeyPushAck => "groupkey_push_ack",
            Self::IkeSaInit => "ike_sa_init",
            Self::IkeAuth => "ike_auth",
            Self::CreateChildSa => "create_child_sa",
            Self::IkeInformational => "informational_v2",
            Self::IkeSessionResume => "ike_session_resume",
            Self::GsaAuth => "gsa_auth",
            Self::GsaRegistration => "gsa_registration",
            Self::GsaRekey => "gsa_rekey",
            Self::GsaInbandRekey => "gsa_inband_rekey",
            Self::IkeIntermediate => "ike_intermediate",
            Self::IkeFollowupKe => "ike_followup_ke",
            Self::Unknown(_) => "unknown",
        }
    }
}
