//! Judges the tracker for every pairing of key server and member behaviour, by transport, KEK lifetime and loss, in
//! at least three KEK cycles and with several seeds.
//!
//! Without loss the verdict per key server is right, and double re-registrations are reported exactly where they
//! happen. With loss the verdict is right or withheld, never wrong.

use std::net::IpAddr;
use std::time::Duration;

use crate::scenario::{Behavior, Group, Network, Scenario};
use crate::{Happened, Kind, Observer, Simulation};
use gdoi_core::transition::{Verdict, What};
use gdoi_core::{Config, Limits, Snapshot, Tracker, Transition};

const KEY_SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 11, 2));
const BEHAVIORS: [Behavior; 2] = [Behavior::New, Behavior::Legacy];
const SEEDS: u64 = 3;

/// One cell of the matrix.
#[derive(Clone, Copy, Debug)]
struct Cell {
    server: Behavior,
    member: Behavior,
    unicast: bool,
    kek_seconds: u64,
    lost_per_mille: u32,
}

/// The tracker's reports of a cell, and what really happened.
struct Judged {
    verdict: Option<Verdict>,
    doubles: u64,
    double_events: u64,
    real_doubles: u64,
}

impl Cell {
    fn all(unicast: bool, lost_per_mille: u32) -> impl Iterator<Item = Self> {
        BEHAVIORS.into_iter().flat_map(move |server| {
            BEHAVIORS.into_iter().flat_map(move |member| {
                [600, 3_600, 86_400].into_iter().map(move |kek_seconds| Self {
                    server,
                    member,
                    unicast,
                    kek_seconds,
                    lost_per_mille,
                })
            })
        })
    }

    fn scenario(self) -> Scenario {
        let mut group: Group = super::library("demo").groups.remove(0);
        group.server = self.server;
        group.member = self.member;
        group.rekey_address = (!self.unicast).then(|| [239, 0, 1, 2].into());
        group.kek_lifetime = Duration::from_secs(self.kek_seconds);
        group.tek_lifetime = Duration::from_secs(match self.kek_seconds {
            600 => 300,
            3_600 => 900,
            _ => 3_600,
        });
        group.traffic_every = group.tek_lifetime / 30;
        Scenario {
            title: format!("{self:?}"),
            seed: 0,
            start: gdoi_core::Timestamp::from_nanos(1_772_438_400_000_000_000),
            duration: group.kek_lifetime * 9 / 2,
            vlan: Vec::new(),
            vantage: crate::scenario::Vantage::default(),
            foreign: crate::scenario::Foreign::default(),
            network: Network {
                lost_per_mille: self.lost_per_mille,
                ..Network::default()
            },
            groups: Vec::from([group]),
            events: Vec::new(),
        }
    }

    fn judge(self, seed: u64) -> Judged {
        self.judge_as(seed, &self.scenario().config())
    }

    /// The same with this configuration.
    fn judge_as(self, seed: u64, told: &Config) -> Judged {
        let mut simulation = Simulation::new(&self.scenario(), Some(seed)).unwrap();
        let (snapshot, transitions) = watch(&mut simulation, told.clone());
        let group = &snapshot.groups["G1"];
        let happened = simulation.truth().happened();
        let double = |what: &What| matches!(what, What::DoubleReregistration(_));
        Judged {
            verdict: group.key_servers[&KEY_SERVER].behavior,
            doubles: group.registration.double,
            double_events: transitions
                .iter()
                .filter(|transition| double(&transition.what))
                .count() as u64,
            real_doubles: knowable_doubles(happened),
        }
    }

    const fn right(self) -> Verdict {
        match self.server {
            Behavior::New => Verdict::New,
            Behavior::Legacy => Verdict::Legacy,
        }
    }
}

/// Double re-registrations of the KEKs whose delivery was seen. The first KEK was delivered before the monitor
/// started, so its expiry cannot be known.
fn knowable_doubles(happened: &[Happened]) -> u64 {
    let renews = |one: &&Happened| {
        matches!(
            one.kind,
            Kind::Rekey {
                delivers_kek: true,
                ..
            }
        )
    };
    let Some(first) = happened.iter().find(renews) else {
        return 0;
    };
    let second_cycle = first.at.after(Duration::from_mins(3));
    let doubles = happened
        .iter()
        .filter(|one| one.kind == Kind::DoubleReregistration);
    doubles.filter(|one| one.at > second_cycle).count() as u64
}

fn watch(simulation: &mut Simulation, config: Config) -> (Snapshot, Vec<Transition>) {
    let mut tracker = Tracker::new(config, Limits::default());
    let mut transitions = Vec::new();
    Observer::new(Duration::from_secs(10), true).watch(simulation, &mut tracker, &mut transitions);
    (tracker.snapshot(), transitions)
}

/// Without loss: right in every cell, doubles exactly where they are.
fn check_lossless(unicast: bool) {
    let mut wrong = Vec::new();
    for cell in Cell::all(unicast, 0) {
        for seed in 0..SEEDS {
            let judged = cell.judge(seed);
            let pairing = (cell.server, cell.member) == (Behavior::Legacy, Behavior::New);
            // Six members in each of three cycles.
            assert_eq!(
                judged.real_doubles,
                if pairing { 18 } else { 0 },
                "the simulation itself: {cell:?}"
            );
            let doubles = (judged.doubles, judged.double_events);
            if judged.verdict != Some(cell.right()) || doubles != (judged.real_doubles, judged.real_doubles) {
                wrong.push(format!(
                    "{cell:?} seed {seed}: {:?}, doubles {doubles:?} of {}",
                    judged.verdict, judged.real_doubles
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// With loss: right or withheld, never wrong.
fn check_lossy(unicast: bool) {
    let (mut right, mut withheld) = (0, 0);
    for cell in Cell::all(unicast, 50) {
        for seed in 0..SEEDS {
            match cell.judge(seed).verdict {
                Some(verdict) if verdict == cell.right() => right += 1,
                None | Some(Verdict::Indeterminate) => withheld += 1,
                other => panic!("{cell:?} seed {seed}: {other:?}"),
            }
        }
    }
    eprintln!("5 % loss, unicast {unicast}: {right} right, {withheld} withheld, none wrong");
    assert!(right > withheld, "{withheld} of {} withheld", right + withheld);
}

#[test]
fn unicast_without_loss() {
    check_lossless(true);
}

#[test]
fn multicast_without_loss() {
    check_lossless(false);
}

#[test]
fn unicast_with_loss() {
    check_lossy(true);
}

#[test]
fn multicast_with_loss() {
    check_lossy(false);
}

#[test]
fn nothing_wrong_is_said_when_the_lifetimes_are_not_known() {
    let (mut right, mut withheld) = (0, 0);
    for cell in Cell::all(true, 0).chain(Cell::all(false, 0)) {
        let mut told = cell.scenario().config();
        for group in &mut told.groups {
            (group.kek_lifetime, group.tek_lifetime, group.retransmit) = (None, None, None);
        }
        match cell.judge_as(1, &told).verdict {
            Some(verdict) if verdict == cell.right() => right += 1,
            None | Some(Verdict::Indeterminate) => withheld += 1,
            other => panic!("{cell:?}: {other:?}"),
        }
    }
    eprintln!("lifetimes not known: {right} right, {withheld} withheld, none wrong");
}
