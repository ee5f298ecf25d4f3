//! IKE SAs between members and key servers, and the progress of their registrations.

use core::net::IpAddr;
use core::time::Duration;

use gdoi_wire::isakmp::Cookie;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::state::id::{IkeSaId, KeyServerId, Peer};
use crate::state::timers::TimerSlot;
use crate::time::Timestamp;
use crate::transition::{RegistrationKind, RegistrationStage};

/// Silence after which a registration is given up: longer than the longest retransmission interval of the
/// implementations in use (7, 9, 11 s in the reference implementation; 10 s in Cisco's; 4 to 24 s in strongSwan).
pub(crate) const IKE_EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);

/// Silence after an Informational exchange.
pub(crate) const NOTIFIED_EXCHANGE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an IKE SA is kept after its registration ended, for retransmissions and further PULLs. Key servers soon
/// close it themselves.
pub(crate) const ENDED_IKE_SA_RETENTION: Duration = Duration::from_mins(2);

/// How long a member may retransmit before its registration counts as failed although it still tries.
pub(crate) const RETRANSMISSION_TIMEOUT: Duration = Duration::from_mins(2);

/// Unanswered retransmissions after which a registration that the end of observation cut off counts as failed.
pub(crate) const MIN_UNANSWERED_RETRANSMISSIONS: u32 = 2;

/// Repeats from which a silence after an answer counts as a failure: the answers do not reach the member.
const MIN_REPEATS_OF_FAILURE: u32 = 2;

/// Longest wait for an answer before a retransmission: the shortest wait of the implementations above.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);

/// Concurrent PULLs that are followed in one IKE SA.
const MAX_PULLS_PER_IKE_SA: usize = 4;

/// The mode of phase 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum IkeMode {
    Main,
    Aggressive,
    /// Version 2.
    Ikev2,
}

/// Messages of phase 1: bits in the order of the exchange.
pub(crate) mod step {
    /// Main mode 1, aggressive mode 1, request of `IKE_SA_INIT`.
    pub(crate) const FIRST: u8 = 1;
    /// Their answer.
    pub(crate) const SECOND: u8 = 1 << 1;
    /// Main mode 3, aggressive mode 3, request of `IKE_AUTH` or `GSA_AUTH`.
    pub(crate) const THIRD: u8 = 1 << 2;
    /// Main mode 4, answer of `IKE_AUTH` or `GSA_AUTH`.
    pub(crate) const FOURTH: u8 = 1 << 3;
    /// Main mode 5.
    pub(crate) const FIFTH: u8 = 1 << 4;
    /// Main mode 6.
    pub(crate) const SIXTH: u8 = 1 << 5;
}

/// An IKE SA between a member and a key server (RFC 2409, RFC 7296), and the registrations in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct IkeSa {
    pub(crate) mode: IkeMode,
    pub(crate) responder: [u8; 8],
    /// The member's present address: address translation may change its port.
    pub(crate) member: Peer,
    pub(crate) server: KeyServerId,
    pub(crate) server_address: IpAddr,
    /// Domain of interpretation, if seen in clear (RFC 6407 §2.1: 2; some implementations send 1).
    pub(crate) doi: Option<u32>,
    /// Whether its first message was seen.
    pub(crate) from_start: bool,
    /// Messages of phase 1 that were seen: a set of [`step`] bits.
    pub(crate) steps: u8,
    pub(crate) started: Timestamp,
    pub(crate) last: Timestamp,
    /// When the last message was seen that was no retransmission.
    pub(crate) progress: Timestamp,
    /// Whether an Informational exchange followed: a notification or a deletion usually ends a registration.
    pub(crate) notified: bool,
    pub(crate) retransmissions: u32,
    /// Retransmissions of the member since the last progress.
    pub(crate) unanswered: u32,
    /// Whether the start of a registration was reported.
    pub(crate) reported: bool,
    /// Whether the registration ended. After that only another PULL is reported.
    pub(crate) ended: bool,
    pub(crate) completed: u16,
    pub(crate) kind: RegistrationKind,
    /// There is rarely a second one.
    pub(crate) pulls: SmallVec<[Pull; 1]>,
    #[serde(skip)]
    pub(crate) timer: TimerSlot,
}

impl IkeSa {
    pub(crate) fn new(
        mode: IkeMode,
        member: Peer,
        (server, server_address): (KeyServerId, IpAddr),
        now: Timestamp,
    ) -> Self {
        Self {
            mode,
            responder: [0; 8],
            member,
            server,
            server_address,
            doi: None,
            from_start: false,
            steps: 0,
            started: now,
            last: now,
            progress: now,
            notified: false,
            retransmissions: 0,
            unanswered: 0,
            reported: false,
            ended: false,
            completed: 0,
            kind: RegistrationKind::Initial,
            pulls: SmallVec::new(),
            timer: TimerSlot::new(),
        }
    }

    pub(crate) fn has_seen(&self, step: u8) -> bool {
        self.steps & step != 0
    }

    /// Whether the member continued although no answer of the key server was seen: only one direction is visible.
    pub(crate) fn is_one_way(&self) -> bool {
        let skipped = |answer: u8, next: u8| !self.has_seen(answer) && self.has_seen(next);
        self.from_start
            && (skipped(step::SECOND, step::THIRD)
                || (self.mode == IkeMode::Main
                    && (skipped(step::FOURTH, step::FIFTH)
                        || (!self.has_seen(step::SIXTH) && !self.pulls.is_empty())))
                || self.pulls.iter().any(Pull::is_one_way))
    }

    /// Whether the key server sent nothing at all.
    pub(crate) fn is_unheard(&self) -> bool {
        self.steps & !step::FIRST == 0 && self.pulls.is_empty()
    }

    /// Whether a silence after the last message means that the registration failed. Both ends repeat a message that is
    /// not answered, several times: one that is not repeated was answered where this place does not see it.
    pub(crate) const fn shows_failure(&self) -> bool {
        self.unanswered > 0 || self.notified || self.retransmissions >= MIN_REPEATS_OF_FAILURE
    }

    /// Whether both ends authenticated each other.
    pub(crate) fn is_authenticated(&self) -> bool {
        match self.mode {
            IkeMode::Main => self.has_seen(step::SIXTH),
            IkeMode::Aggressive => self.has_seen(step::SECOND) && self.has_seen(step::THIRD),
            IkeMode::Ikev2 => self.has_seen(step::FOURTH),
        }
    }

    /// When it fails or is forgotten without another message.
    pub(crate) fn due(&self) -> Timestamp {
        if self.ended {
            return self.last.after(ENDED_IKE_SA_RETENTION);
        }
        // Cooperating key servers send nothing for some time.
        let stall = if !self.reported && self.stage() == RegistrationStage::Pull1 {
            IKE_EXCHANGE_TIMEOUT * 2
        } else if self.notified {
            NOTIFIED_EXCHANGE_TIMEOUT
        } else {
            IKE_EXCHANGE_TIMEOUT
        };
        self.last
            .after(stall)
            .min(self.progress.after(RETRANSMISSION_TIMEOUT))
    }

    /// Whether it has waited for longer than an answer takes.
    pub(crate) fn is_stuck(&self, now: Timestamp) -> bool {
        self.unanswered > 0 || now.since(self.progress) > ANSWER_TIMEOUT
    }

    /// A message was seen that is no retransmission.
    pub(crate) const fn advance(&mut self, now: Timestamp) {
        self.progress = now;
        self.unanswered = 0;
        self.notified = false;
    }

    /// The stage that it has reached.
    pub(crate) fn stage(&self) -> RegistrationStage {
        if let Some(pull) = self.pulls.last() {
            return match pull.stage(self.mode) {
                RegistrationStage::Registration if !self.has_seen(step::FOURTH) => RegistrationStage::Auth,
                stage => stage,
            };
        }
        let phase1 = [
            (step::SIXTH, RegistrationStage::Pull1),
            (step::FIFTH, RegistrationStage::Auth),
            (step::FOURTH, RegistrationStage::Auth),
            (step::THIRD, RegistrationStage::Mm3),
            (step::SECOND, RegistrationStage::Mm3),
        ];
        match self.mode {
            IkeMode::Main => first_of(self.steps, &phase1).unwrap_or(RegistrationStage::Mm1),
            IkeMode::Aggressive if self.has_seen(step::THIRD) => RegistrationStage::Pull1,
            IkeMode::Aggressive if self.has_seen(step::SECOND) => RegistrationStage::Auth,
            IkeMode::Aggressive => RegistrationStage::Am1,
            IkeMode::Ikev2 if self.has_seen(step::FOURTH) => RegistrationStage::Registration,
            IkeMode::Ikev2 if self.has_seen(step::SECOND) => RegistrationStage::Auth,
            IkeMode::Ikev2 => RegistrationStage::SaInit,
        }
    }

    /// The PULL with a message identifier, inserted if new.
    pub(crate) fn pull(&mut self, message_id: u32, now: Timestamp) -> Option<&mut Pull> {
        let known = self.pulls.iter().position(|pull| pull.message_id == message_id);
        let at = known.unwrap_or_else(|| {
            if self.pulls.len() >= MAX_PULLS_PER_IKE_SA {
                let done = self.pulls.iter().position(Pull::is_complete).unwrap_or(0);
                self.pulls.remove(done);
            }
            self.pulls.push(Pull::new(message_id, now));
            self.pulls.len() - 1
        });
        self.pulls.get_mut(at)
    }
}

fn first_of(steps: u8, table: &[(u8, RegistrationStage)]) -> Option<RegistrationStage> {
    table
        .iter()
        .find(|(step, _)| steps & step != 0)
        .map(|&(_, stage)| stage)
}

/// The attempts of a member at one key server since its last success.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RegistrationAttempts {
    pub(crate) failed: u32,
    /// When the first of them started.
    pub(crate) since: Timestamp,
    /// When the latest of them started.
    pub(crate) latest: Timestamp,
    /// The IKE SA of the present attempt, and its cookie: the slot may be reused.
    pub(crate) current: Option<(IkeSaId, [u8; 8])>,
}

impl RegistrationAttempts {
    /// Counts a failure. Returns the number of consecutive ones.
    pub(crate) const fn count_failure(&mut self) -> u32 {
        self.failed = self.failed.saturating_add(1);
        self.failed
    }
}

/// The octets of a cookie.
pub(crate) const fn octets(cookie: Cookie) -> [u8; 8] {
    cookie.0
}

/// How a message of a PULL relates to the earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PullMessage {
    /// Message 1 to 4, seen for the first time.
    New(u8),
    /// Message 1 to 4, sent again.
    Repeat(u8),
    /// More different messages than a PULL has.
    Surplus,
}

/// One PULL: messages 1 and 3 from the member, 2 and 4 from the key server, all with one message identifier.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Pull {
    pub(crate) message_id: u32,
    /// Digests of the four messages; 0 if not seen.
    pub(crate) digests: [u32; 4],
    pub(crate) started: Timestamp,
    /// Whether it completed or failed.
    pub(crate) ended: bool,
}

impl Pull {
    pub(crate) const fn new(message_id: u32, now: Timestamp) -> Self {
        Self {
            message_id,
            digests: [0; 4],
            started: now,
            ended: false,
        }
    }

    /// Which message this is: the first of its sender, the second, or a retransmission.
    pub(crate) fn step(&mut self, from_member: bool, digest: u32) -> PullMessage {
        let [first, second, third, fourth] = &mut self.digests;
        let (one, other, number) = if from_member {
            (first, third, 1)
        } else {
            (second, fourth, 2)
        };
        let digest = digest.max(1);
        match (*one, *other) {
            (0, _) => {
                *one = digest;
                PullMessage::New(number)
            }
            (seen, _) if seen == digest => PullMessage::Repeat(number),
            (_, 0) => {
                *other = digest;
                PullMessage::New(number + 2)
            }
            (_, seen) if seen == digest => PullMessage::Repeat(number + 2),
            _ => PullMessage::Surplus,
        }
    }

    pub(crate) const fn has_seen(&self, number: usize) -> bool {
        let [first, second, third, fourth] = self.digests;
        match number {
            1 => first != 0,
            2 => second != 0,
            3 => third != 0,
            _ => fourth != 0,
        }
    }

    /// Whether all four messages were exchanged.
    pub(crate) const fn is_complete(&self) -> bool {
        self.has_seen(4)
    }

    /// Whether there were three messages, as in a complete Quick Mode (RFC 2409 §5.5).
    pub(crate) const fn is_three(&self) -> bool {
        self.has_seen(1) && self.has_seen(2) && self.has_seen(3) && !self.has_seen(4)
    }

    pub(crate) const fn is_one_way(&self) -> bool {
        self.has_seen(3) && !self.has_seen(2) || self.has_seen(2) && !self.has_seen(1)
    }

    pub(crate) const fn stage(&self, mode: IkeMode) -> RegistrationStage {
        match mode {
            IkeMode::Ikev2 if self.has_seen(2) => RegistrationStage::Complete,
            IkeMode::Ikev2 => RegistrationStage::Registration,
            IkeMode::Main | IkeMode::Aggressive if self.has_seen(4) => RegistrationStage::Complete,
            IkeMode::Main | IkeMode::Aggressive if self.has_seen(3) => RegistrationStage::Pull4,
            IkeMode::Main | IkeMode::Aggressive if self.has_seen(2) => RegistrationStage::Policy,
            IkeMode::Main | IkeMode::Aggressive => RegistrationStage::Pull2,
        }
    }
}
