//! Exchange types. The version in the same header decides what a number means.
//!
//! To add one, add a variant to [`Exchange`], in the order of the wire. The compiler then requires its entry in
//! [`Exchange::NAMED`] and its numbers. Rules with a `_` arm do not follow it until they name it.

use strum::{EnumCount, IntoStaticStr};

/// Exchange type numbers: the highest registered ones are 32 to 44, so six bits are enough.
const NUMBERS: usize = 64;
const MAJOR_VERSIONS: usize = 2;

/// Position in [`Exchange::NAMED`] by major version minus one and number; the length of `NAMED` if there is none.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler: a number out of range does not build"
)]
const POSITIONS: [[u8; NUMBERS]; MAJOR_VERSIONS] = {
    let mut positions = [[Exchange::NAMED.len() as u8; NUMBERS]; MAJOR_VERSIONS];
    let mut index = 0;
    while index < Exchange::NAMED.len() {
        let (major, number) = Exchange::NAMED[index].to_wire();
        positions[major as usize - 1][number as usize] = index as u8;
        index += 1;
    }
    positions
};

/// The exchange that a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumCount, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
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
    /// Type 34 of version 1: in use, but not registered (RFC 8263 §8).
    #[strum(serialize = "unregistered_34")]
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
    #[strum(serialize = "informational_v2")]
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
    /// Every exchange with a name, in the order of the enum.
    pub const NAMED: [Self; Self::COUNT - 1] = [
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

    /// The meaning of `exchange_type` in a message of this major version.
    pub fn from_wire(major: u8, exchange_type: u8) -> Self {
        Self::NAMED
            .get(position(major, exchange_type))
            .copied()
            .unwrap_or(Self::Unknown(exchange_type))
    }

    /// Position in [`Self::NAMED`]; its length for an unknown exchange.
    pub fn position(self) -> usize {
        let (major, number) = self.to_wire();
        position(major, number)
    }

    /// Major version and number on the wire; version 0 for an unknown exchange, because its version is not kept.
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

    /// Its name in `decode`, events and metrics.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

fn position(major: u8, number: u8) -> usize {
    let numbers = POSITIONS.get(usize::from(major).wrapping_sub(1));
    let position = numbers.and_then(|numbers| numbers.get(usize::from(number)));
    position.map_or(Exchange::NAMED.len(), |position| usize::from(*position))
}
