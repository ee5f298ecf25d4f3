//! Scripts: the input of the comparison, made from any octets.
//!
//! Limits: one group with one key server, four members and one site. A registration is main mode and one PULL, in
//! order, and continues only while it has not failed. Only the current rekey is repeated and acknowledged. Nothing is
//! lost. Each rekey has a different length, because the tracker takes messages of one length to several members at a
//! time as one rekey, whatever their octets: a key server may encrypt separately for each member. No two differences
//! of times are a whole number of milliseconds, so that no timer coincides with a message.

use std::time::Duration;

use gdoi_core::Timestamp;

use super::{PATIENCE, STALL};

/// Start of all scripts.
pub(super) const START: Timestamp = Timestamp::from_nanos(1_000_000_000_000);
/// Members.
pub(super) const MEMBERS: usize = 4;
/// The last message of a registration.
pub(super) const LAST: u8 = 10;
const STEPS: usize = 60;
/// Times between steps: inside and outside each of the model's constants.
const WAITS_MS: [u64; 20] = [
    1, 5, 100, 450, 600, 1_000, 3_000, 5_000, 8_000, 10_000, 12_000, 15_000, 21_000, 29_000, 40_000, 62_000,
    110_000, 125_000, 140_000, 400_000,
];

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// An acknowledgement by a member, under the present KEK.
    Acknowledgement { member: usize, kek: u32 },
    /// A packet of ESP.
    Esp { spi: u32 },
    /// Message 1 to 10 of a registration, new or repeated.
    Registration {
        registration: usize,
        member: usize,
        number: u8,
    },
    /// A rekey message to a member, or to all.
    Push { member: usize, kek: u32, sequence: u32 },
}

/// The traffic, with times.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) multicast: bool,
    pub(super) acts: Vec<(Timestamp, Act)>,
    pub(super) end: Timestamp,
}

/// State for the next step.
struct Writer {
    script: Script,
    now: Timestamp,
    steps: u64,
    registrations: usize,
    kek: u32,
    sequence: u32,
}

impl Script {
    /// The first octet chooses the transport; each following pair is a step, with the time before it.
    pub(super) fn decode(octets: &[u8]) -> Self {
        let (first, steps) = octets.split_first().unwrap_or((&0, &[]));
        let mut writer = Writer {
            script: Self {
                multicast: first & 1 == 1,
                acts: Vec::new(),
                end: START,
            },
            now: START,
            steps: 0,
            registrations: 0,
            kek: 0,
            sequence: 0,
        };
        for pair in steps.chunks_exact(2).take(STEPS) {
            if let [kind, argument] = *pair {
                writer.step(kind, argument);
            }
        }
        let Writer { mut script, now, .. } = writer;
        script.end = now.after(Duration::from_micros(1));
        script
    }

    /// The messages of a registration so far: time, number, and registration.
    pub(super) fn of_registration(&self, wanted: usize) -> Vec<(Timestamp, u8, usize)> {
        let message = |(at, act): &(Timestamp, Act)| match *act {
            Act::Registration {
                registration,
                number,
                member,
            } if registration == wanted => Some((*at, number, member)),
            _ => None,
        };
        self.acts.iter().filter_map(message).collect()
    }
}

impl Writer {
    fn step(&mut self, kind: u8, argument: u8) {
        let wait = WAITS_MS.get(usize::from(kind >> 3) % WAITS_MS.len());
        self.wait(*wait.unwrap_or(&1));
        let member = usize::from(argument) % MEMBERS;
        match kind & 7 {
            0 => self.begin(member),
            1 => self.go_on(member, 1),
            2 => self.go_on(member, 0),
            3 => {
                self.begin(member);
                for _ in 2..=LAST {
                    self.wait(1);
                    self.go_on(member, 1);
                }
            }
            4 => {
                self.kek += u32::from(argument >> 7 == 1 || self.kek == 0);
                self.sequence += 1;
                self.push(member);
            }
            5 if self.sequence > 0 => self.push(member),
            6 => self.act(Act::Acknowledgement {
                member,
                kek: self.kek,
            }),
            7 => self.act(Act::Esp {
                spi: 0x1000 + u32::from(argument % 8),
            }),
            _ => {}
        }
    }

    /// Microseconds that grow with each step keep all differences away from whole milliseconds.
    fn wait(&mut self, milliseconds: u64) {
        self.steps += 1;
        self.now = self
            .now
            .after(Duration::from_millis(milliseconds) + Duration::from_nanos(self.steps));
    }

    fn act(&mut self, act: Act) {
        self.script.acts.push((self.now, act));
    }

    fn push(&mut self, member: usize) {
        self.act(Act::Push {
            member,
            kek: self.kek,
            sequence: self.sequence,
        });
    }

    fn begin(&mut self, member: usize) {
        self.registrations += 1;
        self.act(Act::Registration {
            registration: self.registrations,
            member,
            number: 1,
        });
    }

    /// The next message of the member's latest registration, or a repeat of the last one, until it has ended.
    fn go_on(&mut self, member: usize, step: u8) {
        let latest = (1..=self.registrations)
            .rev()
            .map(|registration| (registration, self.script.of_registration(registration)))
            .find(|(_, messages)| messages.iter().any(|(_, _, whose)| *whose == member));
        let Some((registration, messages)) = latest else {
            return;
        };
        let Some(&(last, number, _)) = messages.last() else {
            return;
        };
        let progress = messages.iter().find(|(_, known, _)| *known == number);
        let progress = progress.map_or(last, |(at, ..)| *at);
        let open = number < LAST && self.now.since(last) < STALL && self.now.since(progress) < PATIENCE;
        if open {
            self.act(Act::Registration {
                registration,
                member,
                number: number + step,
            });
        }
    }
}
