//! Batches and restarts change no report.

use std::vec::Vec;

use super::script::{KS, KS2, MULTICAST, Script, address, group, member, script};
use crate::config::GroupConfig;
use crate::{Config, Limits, RestoreError, Tracker};

/// Pseudo-random numbers, the same every time (Marsaglia's xorshift).
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn small(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(u64::from(bound))).unwrap()
    }
}

fn config() -> Vec<GroupConfig> {
    let multicast = GroupConfig {
        rekey_address: Some(address(MULTICAST)),
        kek_lifetime: Some(core::time::Duration::from_hours(1)),
        ..group("G1")
    };
    [multicast].to_vec()
}

/// One step of a busy and partly broken world.
fn act(script: &mut Script, numbers: &mut Numbers) {
    let gm = member(numbers.small(12));
    let kek = 1 + (script.now.as_nanos() / 2_000_000_000_000);
    let sequence = numbers.below(5) + script.now.as_nanos() / 100_000_000_000;
    match numbers.below(12) {
        0 | 1 => {
            let messages = 1 + numbers.below(6) as usize;
            script.main_mode(&gm, KS, messages);
        }
        2 => {
            script.register(&gm, KS);
        }
        3 => {
            script.register(&gm, KS2);
        }
        4 => {
            script.push(KS, MULTICAST, kek, sequence);
        }
        5 => {
            script.push(KS2, &gm, 100 + kek, sequence);
        }
        6 => {
            script.acknowledge(&gm, KS2, 100 + kek);
        }
        7 => {
            script.push(KS2, "239.9.9.9", 200 + kek, sequence);
        }
        8 => {
            let spi = 0x1000 + u32::try_from(script.now.as_nanos() / 400_000_000_000).unwrap();
            script.esp(spi, 0, 3);
        }
        9 => {
            script.blind(1.0);
        }
        _ => {
            script.wait(numbers.below(90) as f64);
        }
    }
    script.wait(numbers.below(2_000) as f64 / 1_000.0);
}

const STEPS: usize = 3_000;

fn run(seed: u64, finely: bool, restart_at: Option<usize>) -> Script {
    let mut script = script(config());
    script.finely = finely;
    let mut numbers = Numbers::new(seed);
    for step in 0..STEPS {
        if Some(step) == restart_at {
            let saved = script.tracker.save().unwrap();
            let config = Config { groups: config() };
            script.tracker = Tracker::restore(config, Limits::default(), &saved).unwrap();
        }
        act(&mut script, &mut numbers);
    }
    script.finish();
    script
}

#[test]
fn batches_change_nothing() {
    for seed in 1..=8 {
        let (coarse, fine) = (run(seed, false, None), run(seed, true, None));
        assert!(coarse.out.len() > 500, "the scenario says something");
        assert_eq!(coarse.out, fine.out, "seed {seed}");
        assert_eq!(coarse.snapshot(), fine.snapshot(), "seed {seed}");
    }
}

#[test]
fn a_restart_changes_nothing() {
    for seed in 1..=3 {
        let unbroken = run(seed, false, None);
        for restart_at in (50..STEPS).step_by(371) {
            let restarted = run(seed, false, Some(restart_at));
            assert_eq!(
                unbroken.out, restarted.out,
                "seed {seed}, restart at {restart_at}"
            );
            assert_eq!(
                unbroken.snapshot(),
                restarted.snapshot(),
                "seed {seed}, restart at {restart_at}"
            );
        }
    }
}

#[test]
fn the_hash_seed_changes_nothing() {
    let of = |hash_seed| {
        let limits = Limits {
            hash_seed,
            ..Limits::default()
        };
        let mut script = super::script::limited(config(), limits);
        let mut numbers = Numbers::new(9);
        for _ in 0..STEPS {
            act(&mut script, &mut numbers);
        }
        (script.snapshot(), script.out)
    };
    assert_eq!(of(0), of(0x5eed));
}

#[test]
fn configured_names_apply_to_what_is_known() {
    let mut script = script([]);
    script.register(&member(1), KS).push(KS, MULTICAST, 1, 1);
    assert!(script.snapshot().groups.contains_key("10.0.0.1/239.0.1.2"));
    let saved = script.tracker.save().unwrap();
    let config = Config { groups: config() };
    script.tracker = Tracker::restore(config, Limits::default(), &saved).unwrap();
    script.push(KS, MULTICAST, 1, 2);
    let groups = script.snapshot().groups;
    assert!(!groups.contains_key("10.0.0.1/239.0.1.2"), "{:?}", groups.keys());
    assert_eq!(groups["G1"].members, 1);
    assert_eq!(groups["G1"].kek.chain.len(), 1);
}

#[test]
fn what_is_no_state_is_refused() {
    let restore = |saved: &[u8]| Tracker::restore(Config::default(), Limits::default(), saved).map(|_| ());
    let mut script = script([]);
    script.register(&member(1), KS);
    let saved = script.tracker.save().unwrap();
    assert_eq!(restore(&saved), Ok(()));
    assert_eq!(restore(b"{}"), Err(RestoreError::Foreign));
    assert_eq!(restore(&saved[..9]), Err(RestoreError::Damaged));
    for cut in 10..saved.len() {
        assert_eq!(restore(&saved[..cut]), Err(RestoreError::Damaged), "cut to {cut}");
    }
    let mut other = saved.clone();
    other[9] += 1;
    let found = u16::from_be_bytes([other[8], other[9]]);
    assert_eq!(restore(&other), Err(RestoreError::Version { found }));
}

/// A state with changed octets is rejected, or causes no panic, then or later.
#[test]
fn damaged_states_crash_nothing() {
    let mut numbers = Numbers::new(5);
    let (mut refused, mut restored) = (0, 0);
    // Full tables, so that entries come and go.
    let tight = Limits {
        members: 4,
        spis: 4,
        associations: 4,
        keks: 2,
        ..Limits::default()
    };
    for seed in 1..=4 {
        let mut script = super::script::limited(config(), tight);
        let mut actions = Numbers::new(seed);
        for _ in 0..150 * seed {
            act(&mut script, &mut actions);
        }
        let saved = script.tracker.save().unwrap();
        for _ in 0..1_500 {
            let mut other = saved.clone();
            for _ in 0..=numbers.below(3) {
                let at = 10 + numbers.below(saved.len() as u64 - 10) as usize;
                other[at] = numbers.below(256) as u8;
            }
            let config = Config { groups: config() };
            let Ok(tracker) = Tracker::restore(config, tight, &other) else {
                refused += 1;
                continue;
            };
            restored += 1;
            let mut after = super::script::script([]);
            (after.now, after.tracker) = (script.now, tracker);
            for _ in 0..60 {
                act(&mut after, &mut actions);
            }
            after.finish();
            after.snapshot();
        }
    }
    assert!(
        refused > 500 && restored > 500,
        "{refused} refused, {restored} restored"
    );
}
