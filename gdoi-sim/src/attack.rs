//! Random attacks: somebody sends packets past the monitor to hide a missed rekey, to invent a critical event, or to
//! take a group over. A seed gives an attack, the same on every machine.
//!
//! An attacker off the path sees nothing: it may know addresses, but no cookies, and repeats no packet of others. An
//! attacker on the path knows every address and every cookie, and can repeat what passed. Both can send from any
//! address that they know. The devices ignore what is sent; only the monitor sees it.

mod packets;
mod trial;

use std::fmt;
use std::time::Duration;

use gdoi_wire::craft::Random;

use crate::generator::{self, Draw};
use crate::judge::Told;
use crate::scenario::{self, Action, Scenario, ScenarioError, ScriptedEvent};

pub use trial::{AttackOutcome, AttackTally, Trial, try_attack};

/// Separates the random numbers of attacks from those of worlds.
const ATTACKS: u64 = 0x6174_7461_636b_6572;
/// Scenarios without so many packets that one attack would take seconds.
const SCENARIOS: [&str; 19] = [
    "blind",
    "cisco_acknowledgement",
    "coop_failover",
    "coop_split",
    "dead_server",
    "demo",
    "evicted",
    "forced_rekey",
    "g_ikev2",
    "ipv6",
    "juniper",
    "late_joiner",
    "lossy",
    "lost_rekey",
    "mixed_upgrade",
    "multicast",
    "nat",
    "over_age",
    "two_groups",
];
const MOST_PACKETS: u64 = 1_000;

/// An attack.
#[derive(Clone, Debug, PartialEq)]
pub struct Attack {
    /// Its seed.
    pub seed: u64,
    /// The world in which it happens: the name of a scenario, or `world:SEED`.
    pub world: String,
    /// What the attack may hide: the key servers of the group stop.
    pub fault: Option<Fault>,
    /// What the monitor was told.
    pub told: Told,
    /// Where the attacker is.
    pub place: AttackerPlace,
    /// What the attacker knows.
    pub knows: Knowledge,
    /// The number of the group it aims at, from 0.
    pub group: usize,
    /// What it sends.
    pub volleys: Vec<Volley>,
}

/// The key servers of the group stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When, from the start.
    pub at: Duration,
    /// For how long; `None` for good.
    pub lasting: Option<Duration>,
}

/// Where an attacker is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttackerPlace {
    /// It sees nothing of the group.
    #[default]
    OffPath,
    /// It sees every packet.
    OnPath,
}

/// What an attacker knows. On the path it also knows the cookies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Knowledge {
    /// No address of the group.
    #[default]
    Nothing,
    /// The addresses of the key servers.
    KeyServers,
    /// The addresses of key servers and members, and where rekeys are sent.
    Addresses,
}

/// Packets of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Volley {
    /// What they are.
    pub kind: Packets,
    /// When they begin.
    pub when: When,
    /// Most packets.
    pub packets: u64,
    /// Time between two.
    pub every: Duration,
    /// Whose address they carry.
    pub source: Source,
    /// Whom they are sent to.
    pub to: Recipients,
    /// Their cookies.
    pub cookies: CookieChoice,
}

/// Kinds of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Packets {
    /// Acknowledgements of a rekey.
    Acknowledgement,
    /// Announcements of a cooperating key server.
    Announcement,
    /// ESP.
    Esp,
    /// Notifications: deletions, keepalives.
    Informational,
    /// Messages that contradict the protocol.
    Malformed,
    /// Rekeys to multicast addresses, each its own.
    MulticastSpray,
    /// First messages of registrations, each of another initiator.
    Phase1Flood,
    /// Rekeys.
    #[default]
    Push,
    /// Rekeys that are acknowledged as if by their recipients.
    PushAcknowledged,
    /// Registrations that are never answered, with repeats.
    Registration,
    /// Registrations whose first message the key server answers.
    RegistrationAnswered,
    /// Repeats of what passed before: the latest rekey, an older one, or anything.
    Replay,
    /// Rekeys as short as a deletion.
    ShortPush,
}

/// When a volley begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// At this part of the run, in thousandths.
    At(u64),
    /// Around the time of a rekey of the group, or of the one that is missing, in seconds before or after it.
    #[default]
    Due,
    /// Around the time of each rekey of the group from the fault on, or of the last six.
    EachDue,
    /// When the KEK ends.
    KekEnd,
}

/// The source of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Many addresses.
    Any,
    /// The key server of the group.
    KeyServer,
    /// A member of the group.
    Member,
    /// The attacker's own address.
    #[default]
    Own,
}

/// The recipients of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recipients {
    /// Every member, or the multicast address of the group.
    All,
    /// Half of the members.
    Half,
    /// One member.
    #[default]
    One,
}

/// The cookies of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookieChoice {
    /// Others in each packet.
    Each,
    /// One made-up pair.
    #[default]
    MadeUp,
    /// The present KEK of the group.
    Real,
}

impl Attack {
    /// The attack of a seed.
    pub fn of(seed: u64) -> Result<Self, ScenarioError> {
        let mut draw = Draw(Random::new(seed ^ ATTACKS));
        let place = draw.pick(&[
            AttackerPlace::OffPath,
            AttackerPlace::OffPath,
            AttackerPlace::OnPath,
        ]);
        Self::drawn(seed, place, &mut draw)
    }

    /// The attack of a seed by an attacker at this place.
    pub fn from(seed: u64, place: AttackerPlace) -> Result<Self, ScenarioError> {
        let mut draw = Draw(Random::new(seed ^ ATTACKS));
        Self::drawn(seed, place, &mut draw)
    }

    fn drawn(seed: u64, place: AttackerPlace, draw: &mut Draw) -> Result<Self, ScenarioError> {
        let world = if draw.chance(65) {
            SCENARIOS
                .get(draw.0.below(SCENARIOS.len() as u64) as usize)
                .copied()
                .unwrap_or("demo")
                .to_owned()
        } else {
            format!("world:{}", draw.0.below(100_000))
        };
        let scenario = world_named(&world)?;
        let group = draw.0.below(scenario.groups.len() as u64) as usize;
        let fault = draw.chance(60).then(|| draw.fault(&scenario, group));
        let knows = match place {
            AttackerPlace::OffPath => draw.pick(&[
                Knowledge::Nothing,
                Knowledge::KeyServers,
                Knowledge::Addresses,
                Knowledge::Addresses,
            ]),
            AttackerPlace::OnPath => Knowledge::Addresses,
        };
        let told = draw.told();
        let mut budget = draw.scaled(1, MOST_PACKETS);
        let mut volleys = Vec::new();
        let count = draw.pick(&[1, 1, 2, 3]);
        for left in (1..=count).rev() {
            let packets = if left == 1 { budget } else { (budget / 2).max(1) };
            volleys.push(draw.volley(place, packets));
            budget -= packets;
            if budget == 0 {
                break;
            }
        }
        Ok(Self {
            seed,
            world,
            fault,
            told,
            place,
            knows,
            group,
            volleys,
        })
    }

    /// The world without the fault.
    pub fn scenario(&self) -> Result<Scenario, ScenarioError> {
        world_named(&self.world)
    }

    /// The world with the fault.
    pub fn faulty_scenario(&self) -> Result<Scenario, ScenarioError> {
        let mut scenario = self.scenario()?;
        if let (Some(fault), Some(group)) = (self.fault, scenario.groups.get(self.group)) {
            let number = self.group as u32 + 1;
            for server in 1..=group.key_servers.len() as u32 {
                let event = |at, action| ScriptedEvent {
                    group: number,
                    key_server: server,
                    ..ScriptedEvent::plain(at, action)
                };
                scenario.events.push(event(fault.at, Action::ServerDown));
                if let Some(lasting) = fault.lasting {
                    scenario.events.push(event(fault.at + lasting, Action::ServerUp));
                }
            }
            scenario.events.sort_by_key(|event| event.at);
        }
        Ok(scenario)
    }
}

fn world_named(name: &str) -> Result<Scenario, ScenarioError> {
    match name.strip_prefix("world:").map(str::parse) {
        Some(Ok(seed)) => Ok(generator::world(seed)),
        _ => scenario::named(name),
    }
}

impl Draw {
    fn told(&mut self) -> Told {
        let [nothing, named, all] = Told::ALL;
        match self.0.below(3) {
            0 => nothing,
            1 => named,
            _ => all,
        }
    }

    /// After half of the run: by then, rekeys are expected. Half of the faults last for one rekey or two.
    fn fault(&mut self, scenario: &Scenario, group: usize) -> Fault {
        let part = self.0.between(500, 800) as u32;
        let tek = scenario
            .groups
            .get(group)
            .map_or(Duration::ZERO, |group| group.tek_lifetime);
        let lasting = tek * self.0.between(100, 220) as u32 / 100;
        Fault {
            at: scenario.duration * part / 1_000,
            lasting: self.chance(50).then_some(lasting),
        }
    }

    fn volley(&mut self, place: AttackerPlace, packets: u64) -> Volley {
        let mut kinds = Vec::from([
            Packets::Acknowledgement,
            Packets::Announcement,
            Packets::Esp,
            Packets::Informational,
            Packets::Malformed,
            Packets::MulticastSpray,
            Packets::Phase1Flood,
            Packets::Push,
            Packets::Push,
            Packets::Push,
            Packets::PushAcknowledged,
            Packets::PushAcknowledged,
            Packets::Registration,
            Packets::RegistrationAnswered,
            Packets::ShortPush,
            Packets::ShortPush,
        ]);
        if place == AttackerPlace::OnPath {
            kinds.extend([Packets::Replay; 4]);
        }
        let when = match self.0.below(10) {
            0..3 => When::Due,
            3..6 => When::EachDue,
            6..8 => When::KekEnd,
            _ => When::At(self.0.between(100, 990)),
        };
        let every = [0, 10, 100, 1_000, 10_000, 60_000];
        let cookies = [CookieChoice::MadeUp, CookieChoice::MadeUp, CookieChoice::Each];
        let real = [CookieChoice::Real, CookieChoice::MadeUp, CookieChoice::Real];
        Volley {
            kind: self.pick(&kinds),
            when,
            packets,
            every: Duration::from_millis(self.pick(&every)),
            source: self.pick(&[
                Source::Own,
                Source::KeyServer,
                Source::KeyServer,
                Source::Member,
                Source::Any,
            ]),
            to: self.pick(&[
                Recipients::One,
                Recipients::All,
                Recipients::All,
                Recipients::Half,
            ]),
            cookies: self.pick(match place {
                AttackerPlace::OffPath => &cookies,
                AttackerPlace::OnPath => &real,
            }),
        }
    }
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            world,
            fault,
            told,
            place,
            knows,
            group,
            volleys,
        } = self;
        write!(f, "seed {seed}: {world} group {}, ", group + 1)?;
        match fault {
            None => f.write_str("no fault")?,
            Some(Fault { at, lasting: None }) => write!(f, "key servers dead from {at:?} on")?,
            Some(Fault {
                at,
                lasting: Some(lasting),
            }) => write!(f, "key servers dead from {at:?} for {lasting:?}")?,
        }
        write!(f, ", told {}, {place:?}, knows {knows:?}:", told.name())?;
        for volley in volleys {
            let Volley {
                kind,
                when,
                packets,
                every,
                source,
                to,
                cookies,
            } = volley;
            write!(
                f,
                " [{packets} {kind:?} {when:?} every {every:?} from {source:?} to {to:?} cookies {cookies:?}]"
            )?;
        }
        Ok(())
    }
}
