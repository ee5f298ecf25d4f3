//! The causes of incidents: one row each, with what an operator needs to act.

use serde::{Deserialize, Serialize};

use super::grounds::Certainty;
use super::words::Severity;

/// Why something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A key server refuses the credentials of a member, or the member those of the key server.
    AuthenticationRefused,
    /// The monitor did not see everything.
    CaptureIncomplete,
    /// The configuration contradicts the traffic.
    ConfigurationContradicted,
    /// A key server rekeyed off schedule.
    ForcedRekey,
    /// Messages from neither a key server nor a member.
    Forgery,
    /// A KEK is used beyond its lifetime, or nothing replaced it in time.
    KekOverAge,
    /// A key server neither answers nor rekeys.
    KeyServerDown,
    /// Another key server took over the group.
    KeyServerFailover,
    /// Two key servers give the group different keys.
    KeyServerSplit,
    /// A key server works, but some members cannot reach it.
    KeyServerUnreachable,
    /// A key server renews its KEK only at expiry, while members expect it earlier.
    LegacyKeyServer,
    /// The interval between rekeys changed.
    LifetimeChanged,
    /// The key server no longer sends rekeys to a member.
    MemberDropped,
    /// A member is silent.
    MemberGone,
    /// A member restarted.
    MemberReloaded,
    /// The key server deleted the keys of the group.
    MembersCleared,
    /// The address of a member changed, and messages to the old one were lost.
    NatRebound,
    /// The key server does not let a member into the group.
    NotAuthorised,
    /// A member does not accept the policy of the group.
    PolicyRefused,
    /// Many members restarted at once.
    PowerCut,
    /// A member registers again and again although it has current keys.
    RecoveryLoop,
    /// Large messages do not arrive.
    RekeyFragmentsDropped,
    /// Rekeys do not reach members.
    RekeyLost,
    /// A key server works but no longer rekeys.
    RekeyStopped,
    /// Strangers look for key servers.
    Scan,
    /// A site still sends with keys that were replaced.
    StaleSpi,
}

/// Where a command is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepTarget {
    /// On the key server of the incident.
    KeyServer,
    /// On one of its members.
    Member,
    /// On the host of the monitor.
    Monitor,
    /// On a router between members and key server.
    Path,
}

/// What to check next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextStep {
    /// Where to check.
    pub target: StepTarget,
    /// The command. `{server}`, `{other}` and `{member}` are addresses of the incident.
    pub command: &'static str,
    /// What to look for there, or what to do.
    pub look_for: &'static str,
}

/// Properties of a cause, the same for all its incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CauseRow {
    /// Its name in events and metrics.
    pub name: &'static str,
    /// Highest severity.
    pub severity: Severity,
    /// Title.
    pub title: &'static str,
    /// What to check next, the most conclusive first.
    pub next: &'static [NextStep],
}

const fn step(target: StepTarget, command: &'static str, look_for: &'static str) -> NextStep {
    NextStep {
        target,
        command,
        look_for,
    }
}

use StepTarget::{KeyServer, Member, Monitor, Path};

impl Cause {
    /// Every cause, in the order of the enum.
    pub const ALL: [Self; 26] = [
        Self::AuthenticationRefused,
        Self::CaptureIncomplete,
        Self::ConfigurationContradicted,
        Self::ForcedRekey,
        Self::Forgery,
        Self::KekOverAge,
        Self::KeyServerDown,
        Self::KeyServerFailover,
        Self::KeyServerSplit,
        Self::KeyServerUnreachable,
        Self::LegacyKeyServer,
        Self::LifetimeChanged,
        Self::MemberDropped,
        Self::MemberGone,
        Self::MemberReloaded,
        Self::MembersCleared,
        Self::NatRebound,
        Self::NotAuthorised,
        Self::PolicyRefused,
        Self::PowerCut,
        Self::RecoveryLoop,
        Self::RekeyFragmentsDropped,
        Self::RekeyLost,
        Self::RekeyStopped,
        Self::Scan,
        Self::StaleSpi,
    ];

    /// Its name in events and metrics.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The highest possible certainty. Headers show what fails; some causes are only the most likely reason.
    pub const fn most_certain(self) -> Certainty {
        match self {
            Self::AuthenticationRefused
            | Self::ForcedRekey
            | Self::KeyServerUnreachable
            | Self::LifetimeChanged
            | Self::MemberGone
            | Self::MemberReloaded
            | Self::NatRebound
            | Self::NotAuthorised
            | Self::PolicyRefused
            | Self::PowerCut
            | Self::RecoveryLoop
            | Self::RekeyFragmentsDropped => Certainty::Likely,
            Self::CaptureIncomplete
            | Self::ConfigurationContradicted
            | Self::Forgery
            | Self::KekOverAge
            | Self::KeyServerDown
            | Self::KeyServerFailover
            | Self::KeyServerSplit
            | Self::LegacyKeyServer
            | Self::MemberDropped
            | Self::MembersCleared
            | Self::RekeyLost
            | Self::RekeyStopped
            | Self::Scan
            | Self::StaleSpi => Certainty::Certain,
        }
    }

    /// Its properties.
    pub const fn row(self) -> &'static CauseRow {
        match self {
            Self::AuthenticationRefused => &AUTHENTICATION_REFUSED,
            Self::CaptureIncomplete => &CAPTURE_INCOMPLETE,
            Self::ConfigurationContradicted => &CONFIGURATION_CONTRADICTED,
            Self::ForcedRekey => &FORCED_REKEY,
            Self::Forgery => &FORGERY,
            Self::KekOverAge => &KEK_OVER_AGE,
            Self::KeyServerDown => &KEY_SERVER_DOWN,
            Self::KeyServerFailover => &KEY_SERVER_FAILOVER,
            Self::KeyServerSplit => &KEY_SERVER_SPLIT,
            Self::KeyServerUnreachable => &KEY_SERVER_UNREACHABLE,
            Self::LegacyKeyServer => &LEGACY_KEY_SERVER,
            Self::LifetimeChanged => &LIFETIME_CHANGED,
            Self::MemberDropped => &MEMBER_DROPPED,
            Self::MemberGone => &MEMBER_GONE,
            Self::MemberReloaded => &MEMBER_RELOADED,
            Self::MembersCleared => &MEMBERS_CLEARED,
            Self::NatRebound => &NAT_REBOUND,
            Self::NotAuthorised => &NOT_AUTHORISED,
            Self::PolicyRefused => &POLICY_REFUSED,
            Self::PowerCut => &POWER_CUT,
            Self::RecoveryLoop => &RECOVERY_LOOP,
            Self::RekeyFragmentsDropped => &REKEY_FRAGMENTS_DROPPED,
            Self::RekeyLost => &REKEY_LOST,
            Self::RekeyStopped => &REKEY_STOPPED,
            Self::Scan => &SCAN,
            Self::StaleSpi => &STALE_SPI,
        }
    }
}

const AUTHENTICATION_REFUSED: CauseRow = CauseRow {
    name: "authentication_refused",
    severity: Severity::Warning,
    title: "Authentication is refused",
    next: &[
        step(
            Member,
            "show crypto isakmp sa",
            "a state that stays at MM_KEY_EXCH: the credentials do not match",
        ),
        step(
            KeyServer,
            "show logging | include CRYPTO|IKMP",
            "the reason: wrong pre-shared key, expired or revoked certificate, wrong identity",
        ),
    ],
};

const CAPTURE_INCOMPLETE: CauseRow = CauseRow {
    name: "capture_incomplete",
    severity: Severity::Warning,
    title: "The monitor did not see everything",
    next: &[step(
        Monitor,
        "gdoi-monitor doctor",
        "what keeps this host from seeing every packet; in a capture, record whole packets without a pause",
    )],
};

const CONFIGURATION_CONTRADICTED: CauseRow = CauseRow {
    name: "configuration_contradicted",
    severity: Severity::Warning,
    title: "The monitor's configuration contradicts the traffic",
    next: &[
        step(
            KeyServer,
            "show crypto gdoi ks policy",
            "what the key server is really configured with",
        ),
        step(
            Monitor,
            "gdoi-monitor check-config FILE",
            "correct the value; until then the traffic is believed",
        ),
    ],
};

const FORCED_REKEY: CauseRow = CauseRow {
    name: "forced_rekey",
    severity: Severity::Info,
    title: "A rekey was sent out of schedule",
    next: &[step(
        KeyServer,
        "show logging | include GDOI",
        "who typed `crypto gdoi ks rekey` or changed the policy at that time",
    )],
};

const FORGERY: CauseRow = CauseRow {
    name: "forgery",
    severity: Severity::Warning,
    title: "Somebody forges GDOI messages",
    next: &[
        step(
            Path,
            "show access-lists",
            "whether UDP 848 is let in from addresses that are neither key server nor member",
        ),
        step(
            KeyServer,
            "show crypto gdoi ks policy",
            "whether the KEK SPI that is printed there is the one that was seen",
        ),
    ],
};

const KEK_OVER_AGE: CauseRow = CauseRow {
    name: "kek_over_age",
    severity: Severity::Critical,
    title: "The KEK outlived its lifetime",
    next: &[
        step(
            KeyServer,
            "show crypto gdoi ks policy",
            "the remaining lifetime of the KEK, and the time to its rekey",
        ),
        step(
            Member,
            "show crypto gdoi gm rekey detail",
            "whether the member still has this KEK",
        ),
        step(
            KeyServer,
            "crypto gdoi ks rekey",
            "sends new keys now, when the policy is in order",
        ),
    ],
};

const KEY_SERVER_DOWN: CauseRow = CauseRow {
    name: "key_server_down",
    severity: Severity::Critical,
    title: "The key server is down or cut off",
    next: &[
        step(
            Path,
            "ping {server}",
            "whether the key server answers; then whether UDP 848 reaches it",
        ),
        step(
            KeyServer,
            "show crypto gdoi ks members",
            "whether the process runs and still knows its members",
        ),
        step(
            KeyServer,
            "show crypto gdoi ks coop",
            "whether a peer has taken over as primary",
        ),
    ],
};

const KEY_SERVER_FAILOVER: CauseRow = CauseRow {
    name: "key_server_failover",
    severity: Severity::Warning,
    title: "Another key server took over",
    next: &[
        step(
            KeyServer,
            "show crypto gdoi ks coop",
            "which one is primary, and since when the other is unreachable",
        ),
        step(
            Path,
            "ping {other}",
            "whether the former primary still answers; if so, the path between the two is cut",
        ),
    ],
};

const KEY_SERVER_SPLIT: CauseRow = CauseRow {
    name: "key_server_split",
    severity: Severity::Critical,
    title: "Split brain: two key servers give out different keys",
    next: &[
        step(
            KeyServer,
            "show crypto gdoi ks coop",
            "two primaries: on both key servers, restore the path between them (UDP 848)",
        ),
        step(
            KeyServer,
            "show crypto gdoi ks members",
            "which members have which keys: those of one side cannot read the other side",
        ),
    ],
};

const KEY_SERVER_UNREACHABLE: CauseRow = CauseRow {
    name: "key_server_unreachable",
    severity: Severity::Warning,
    title: "The path to the key server is broken",
    next: &[
        step(
            Path,
            "show access-lists",
            "a filter on UDP 848 between the two, in the direction named above",
        ),
        step(
            Member,
            "show crypto isakmp sa",
            "MM_NO_STATE or MM_SA_SETUP: no answer arrives there",
        ),
    ],
};

const LEGACY_KEY_SERVER: CauseRow = CauseRow {
    name: "legacy_key_server",
    severity: Severity::Warning,
    title: "The key server renews its KEK too late for its members",
    next: &[
        step(
            KeyServer,
            "show version",
            "a release before 15.2(1)T: upgrade the key server, that ends it (Cisco note 116737)",
        ),
        step(
            KeyServer,
            "show crypto gdoi ks policy",
            "a time to rekey equal to the remaining lifetime of the KEK",
        ),
        step(
            Member,
            "show crypto gdoi gm rekey detail",
            "registrations just before and just after each KEK expiry",
        ),
    ],
};

const LIFETIME_CHANGED: CauseRow = CauseRow {
    name: "lifetime_changed",
    severity: Severity::Info,
    title: "The time between rekeys changed",
    next: &[step(
        KeyServer,
        "show crypto gdoi ks policy",
        "whether the new lifetime is meant; then correct it in the monitor's configuration",
    )],
};

const MEMBER_DROPPED: CauseRow = CauseRow {
    name: "member_dropped",
    severity: Severity::Warning,
    title: "The key server dropped a member",
    next: &[
        step(
            KeyServer,
            "show crypto gdoi ks members",
            "the member is missing from the list, or its rekeys are not acknowledged",
        ),
        step(
            Member,
            "clear crypto gdoi",
            "makes the member register again; then watch whether it acknowledges",
        ),
    ],
};

const MEMBER_GONE: CauseRow = CauseRow {
    name: "member_gone",
    severity: Severity::Warning,
    title: "A member is silent",
    next: &[
        step(
            Path,
            "ping {member}",
            "whether the member answers: it has no power, or its line is down",
        ),
        step(
            KeyServer,
            "show crypto gdoi ks members",
            "rekeys sent and acknowledged for this member",
        ),
    ],
};

const MEMBER_RELOADED: CauseRow = CauseRow {
    name: "member_reloaded",
    severity: Severity::Info,
    title: "A member restarted",
    next: &[step(
        Member,
        "show version",
        "uptime and the reason of the last reload",
    )],
};

const MEMBERS_CLEARED: CauseRow = CauseRow {
    name: "members_cleared",
    severity: Severity::Warning,
    title: "The key server deleted the keys of the group",
    next: &[step(
        KeyServer,
        "show logging | include GDOI",
        "who typed `clear crypto gdoi ks members` at that time",
    )],
};

const NAT_REBOUND: CauseRow = CauseRow {
    name: "nat_rebound",
    severity: Severity::Info,
    title: "Address translation moved a member",
    next: &[step(
        Path,
        "show ip nat translations",
        "how long the translation of UDP 848 and 4500 lives: longer than the time between rekeys",
    )],
};

const NOT_AUTHORISED: CauseRow = CauseRow {
    name: "not_authorised",
    severity: Severity::Warning,
    title: "The key server does not let a member into the group",
    next: &[
        step(
            KeyServer,
            "show logging | include GDOI",
            "%GDOI-1-UNAUTHORIZED_IDENTITY, and the identity it names",
        ),
        step(
            Member,
            "show running-config | section gdoi",
            "the identity number of the group: the same as on the key server",
        ),
    ],
};

const POLICY_REFUSED: CauseRow = CauseRow {
    name: "policy_refused",
    severity: Severity::Warning,
    title: "A member refuses the policy of the group",
    next: &[
        step(
            Member,
            "show logging | include GDOI",
            "%GDOI-1-GM_NO_IPSEC_FLOWS or a rejected SA payload",
        ),
        step(
            KeyServer,
            "show crypto gdoi ks policy",
            "algorithms or lifetimes that this member's release does not support",
        ),
    ],
};

const POWER_CUT: CauseRow = CauseRow {
    name: "power_cut",
    severity: Severity::Warning,
    title: "Many members restarted at once",
    next: &[
        step(
            Member,
            "show version",
            "uptime and reason of the last reload: power-on, or a common restart",
        ),
        step(
            KeyServer,
            "show crypto gdoi ks members",
            "whether as many members are registered as before",
        ),
    ],
};

const RECOVERY_LOOP: CauseRow = CauseRow {
    name: "recovery_loop",
    severity: Severity::Warning,
    title: "A member registers again and again",
    next: &[
        step(
            Member,
            "show logging | include GDOI|RECVD_PKT_INV_SPI|REPLAY",
            "anti-replay or invalid SPI errors: each starts a recovery registration",
        ),
        step(
            Member,
            "show crypto gdoi gm replay",
            "packets outside the window: compare the pseudotime with the key server's",
        ),
    ],
};

const REKEY_FRAGMENTS_DROPPED: CauseRow = CauseRow {
    name: "rekey_fragments_dropped",
    severity: Severity::Warning,
    title: "Large messages do not arrive",
    next: &[
        step(
            Path,
            "ping {member} size 1500 df-bit",
            "where packets of this size are lost: fragments of UDP 848 must be let through",
        ),
        step(
            KeyServer,
            "show crypto gdoi ks acl",
            "the number of entries: fewer entries make smaller messages",
        ),
    ],
};

const REKEY_LOST: CauseRow = CauseRow {
    name: "rekey_lost",
    severity: Severity::Warning,
    title: "Rekeys do not reach members",
    next: &[
        step(
            Member,
            "show crypto gdoi gm rekey detail",
            "how many rekeys the member received, and the last one",
        ),
        step(
            KeyServer,
            "show crypto gdoi ks rekey",
            "rekeys sent, retransmissions, and the transport",
        ),
        step(
            Path,
            "show access-lists",
            "for unicast, a filter on UDP 848 towards the member; for multicast, `show ip mroute` of the rekey address",
        ),
    ],
};

const REKEY_STOPPED: CauseRow = CauseRow {
    name: "rekey_stopped",
    severity: Severity::Critical,
    title: "The key server runs and sends no rekeys",
    next: &[
        step(
            KeyServer,
            "show crypto gdoi ks rekey",
            "the time to the next rekey, and whether rekeys are configured at all",
        ),
        step(
            KeyServer,
            "show crypto key mypubkey rsa",
            "the RSA key that signs rekeys: without it none are sent",
        ),
    ],
};

const SCAN: CauseRow = CauseRow {
    name: "scan",
    severity: Severity::Warning,
    title: "Strangers look for key servers",
    next: &[step(
        Path,
        "show access-lists",
        "whether UDP 848 to the key server is limited to members",
    )],
};

const STALE_SPI: CauseRow = CauseRow {
    name: "stale_spi",
    severity: Severity::Warning,
    title: "A site still sends with replaced keys",
    next: &[
        step(
            Member,
            "show crypto ipsec sa",
            "the SPI it sends with: others drop it as soon as the old SA ends",
        ),
        step(
            Member,
            "clear crypto gdoi",
            "makes the member register and fetch the current keys",
        ),
    ],
};

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::Cause;

    #[test]
    fn every_cause_has_a_row_of_its_own() {
        let names: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.name()).collect();
        assert_eq!(names.len(), Cause::ALL.len());
        for (place, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, place);
            assert!(!cause.row().next.is_empty(), "{cause:?}");
            // The serialised name equals the name in the row.
            let word = std::format!("{cause:?}");
            let mut snake = std::string::String::new();
            for letter in word.chars() {
                if letter.is_uppercase() && !snake.is_empty() {
                    snake.push('_');
                }
                snake.extend(letter.to_lowercase());
            }
            assert_eq!(snake, cause.name());
        }
    }
}
