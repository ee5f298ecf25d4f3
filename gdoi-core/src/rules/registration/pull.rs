//! One GROUPKEY-PULL (RFC 6407 §3.2), or one `GSA_REGISTRATION` or `GSA_AUTH` in version 2.

use serde::{Deserialize, Serialize};

use super::Mode;
use crate::time::Timestamp;
use crate::transition::Stage;

/// What a message of a PULL is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Seen for the first time: message 1 to 4.
    New(u8),
    /// The same octets once more: message 1 to 4.
    Again(u8),
    /// More different messages than a PULL has.
    Surplus,
}

/// One PULL: messages 1 and 3 from the member, 2 and 4 from the key server, all with one message identifier.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Pull {
    pub(crate) message_id: u32,
    /// What tells each message from another; 0 before it was seen.
    digests: [u32; 4],
    pub(crate) begun: Timestamp,
    /// It ended, one way or the other.
    pub(crate) ended: bool,
}

impl Pull {
    pub(super) const fn new(message_id: u32, now: Timestamp) -> Self {
        Self {
            message_id,
            digests: [0; 4],
            begun: now,
            ended: false,
        }
    }

    /// Which message this is: the first of its sender, the second, or one of them again.
    pub(crate) fn step(&mut self, from_member: bool, digest: u32) -> Step {
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
                Step::New(number)
            }
            (seen, _) if seen == digest => Step::Again(number),
            (_, 0) => {
                *other = digest;
                Step::New(number + 2)
            }
            (_, seen) if seen == digest => Step::Again(number + 2),
            _ => Step::Surplus,
        }
    }

    const fn saw(&self, number: usize) -> bool {
        let [first, second, third, fourth] = self.digests;
        match number {
            1 => first != 0,
            2 => second != 0,
            3 => third != 0,
            _ => fourth != 0,
        }
    }

    /// All four messages were exchanged.
    pub(crate) const fn is_complete(&self) -> bool {
        self.saw(4)
    }

    /// Three messages: what a Quick Mode looks like that is complete (RFC 2409 §5.5).
    pub(crate) const fn is_three(&self) -> bool {
        self.saw(1) && self.saw(2) && self.saw(3) && !self.saw(4)
    }

    pub(super) const fn is_one_way(&self) -> bool {
        self.saw(3) && !self.saw(2) || self.saw(2) && !self.saw(1)
    }

    pub(super) const fn stage(&self, mode: Mode) -> Stage {
        match mode {
            Mode::Ikev2 if self.saw(2) => Stage::Complete,
            Mode::Ikev2 => Stage::Registration,
            Mode::Main | Mode::Aggressive if self.saw(4) => Stage::Complete,
            Mode::Main | Mode::Aggressive if self.saw(3) => Stage::Pull4,
            Mode::Main | Mode::Aggressive if self.saw(2) => Stage::Policy,
            Mode::Main | Mode::Aggressive => Stage::Pull2,
        }
    }
}
