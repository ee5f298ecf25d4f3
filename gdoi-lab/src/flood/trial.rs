//! A flood against the real agent on a forwarding gateway, while a group operates and is rekeyed.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, ensure};
use gdoi_sim::{Kind as Truth, Scenario};

use super::events::Events;
use super::{Flood, FloodOutcome, Kind};
use crate::{Agent, Injector, LiveScenario, Network, Resources, SentCounts, configuration};

/// All members have registered by then.
const BEFORE: Duration = Duration::from_secs(3);
const AFTER: Duration = Duration::from_secs(5);
const REKEY_EVERY: usize = 700;
const TICK: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A flood, and how long it lasts.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Its kinds, all at once.
    pub kinds: Vec<Kind>,
    /// How long it lasts.
    pub time: Duration,
}

impl Trial {
    /// Runs the flood, in a namespace that the calling thread cannot leave.
    pub fn run(&self) -> Result<FloodOutcome> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let scenario = self.scenario()?;
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let (config, events) = (path("config.toml"), path("events"));
        fs::write(&config, configuration(&scenario)).context("write the configuration")?;
        let network = Network::enter()?;
        network.add_gateway()?;
        let watched = format!("{},{}", Network::LAN, Network::WAN);
        let arguments = [
            "--interface",
            &watched,
            "--config",
            &config,
            "--event-file",
            &events,
        ];
        let agent = Agent::start(
            &[
                &arguments[..],
                &["--event-file-size", "4G", "--log.level", "error"],
            ]
            .concat(),
        )?;
        let before = network.received_by(Network::WAN_FAR)?;
        let sent = self.send(scenario, &agent)?;
        let frames = sent.living.frames + sent.forwarded + sent.flood;
        agent.until_counted(frames)?;
        let metrics = agent.metrics()?;
        let received = network.received_by(Network::WAN_FAR)? - before;
        ensure!(agent.stop()?.success(), "the agent did not exit cleanly");
        Ok(FloodOutcome {
            trial: self.clone(),
            sent,
            received,
            metrics,
            events: Events::read(Path::new(&events))?,
        })
    }

    /// A group that has registered when the flood begins, and is rekeyed before, during and after it.
    fn scenario(&self) -> Result<Scenario> {
        let mut text = include_str!("group.toml").to_owned();
        let end = (BEFORE + self.time + AFTER).as_millis();
        for at in (2_500..end.saturating_sub(2_000)).step_by(REKEY_EVERY) {
            writeln!(text, "[[event]]\nat = \"{at}ms\"\naction = \"rekey\"")?;
        }
        Scenario::parse(&text).context("read the scenario of the flood")
    }

    fn send(&self, scenario: Scenario, agent: &Agent) -> Result<SentTraffic> {
        let (flooding, all) = (AtomicBool::new(false), AtomicBool::new(true));
        thread::scope(|scope| {
            let whole = BEFORE + self.time + AFTER;
            let living = scope.spawn(move || live(scenario, whole));
            let forwarded = scope.spawn(|| forward(&all));
            let mut largest = 0;
            let mut look = |until: Duration| {
                for _ in 0..until.as_millis() / LOOK_EVERY.as_millis() {
                    thread::sleep(LOOK_EVERY);
                    largest =
                        Resources::of(agent.id()).map_or(largest, |held| largest.max(held.resident_octets));
                }
            };
            look(BEFORE);
            flooding.store(true, Ordering::Relaxed);
            let floods: Vec<_> = self
                .kinds
                .iter()
                .map(|kind| scope.spawn(|| flood(*kind, &flooding)))
                .collect();
            look(self.time);
            flooding.store(false, Ordering::Relaxed);
            let flood = floods
                .into_iter()
                .map(|flood| joined(flood.join()))
                .sum::<Result<u64>>();
            // A tick later everything has settled.
            thread::sleep(TICK);
            let after_a_tick = agent.metrics();
            look(AFTER.saturating_sub(TICK));
            let living = joined(living.join());
            all.store(false, Ordering::Relaxed);
            let forwarded = joined(forwarded.join());
            let (living, rekeys, late) = living?;
            let lost_after_a_tick = after_a_tick?.sum("gdoi_events_lost_total", &[("kind", "message")]);
            Ok(SentTraffic {
                living,
                rekeys,
                late,
                forwarded: forwarded?,
                flood: flood?,
                largest,
                lost_after_a_tick,
            })
        })
    }
}

/// What was sent, and the state of the agent meanwhile.
#[derive(Clone, Debug)]
pub(super) struct SentTraffic {
    pub(super) living: SentCounts,
    /// Times of the group's rekeys, since the epoch.
    pub(super) rekeys: Vec<Duration>,
    /// Maximum delay until they were on the wire.
    pub(super) late: Duration,
    pub(super) forwarded: u64,
    pub(super) flood: u64,
    /// Maximum memory of the agent.
    pub(super) largest: u64,
    /// Losses counted one tick after the end of the flood.
    pub(super) lost_after_a_tick: f64,
}

fn live(scenario: Scenario, time: Duration) -> Result<(SentCounts, Vec<Duration>, Duration)> {
    let injector = Injector::open(Network::LAN_FAR)?;
    let start = scenario.start;
    let begun = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("read the clock")?;
    let mut living = LiveScenario::begin(scenario)?;
    let said = living.until(time, &injector)?;
    let rekeys = living.simulation().truth().happened().iter();
    let rekeys = rekeys.filter(|happened| matches!(happened.kind, Truth::Rekey { .. }));
    Ok((
        said,
        rekeys.map(|happened| begun + happened.at.since(start)).collect(),
        living.late(),
    ))
}

fn forward(running: &AtomicBool) -> Result<u64> {
    let injector = Injector::open(Network::LAN_FAR)?;
    let packet = Network::packet_to_wan();
    let mut sent = 0;
    while running.load(Ordering::Relaxed) {
        injector.send_frame(&packet)?;
        sent += 1;
        thread::sleep(Duration::from_millis(1));
    }
    Ok(sent)
}

fn flood(kind: Kind, flooding: &AtomicBool) -> Result<u64> {
    let injector = Injector::open(Network::LAN_FAR)?;
    let mut flood = Flood::new(kind, 0xf100d, [10, 1, 11, 2].into(), [10, 1, 13, 2].into());
    let mut sent = 0;
    while flooding.load(Ordering::Relaxed) {
        let batch = flood.batch();
        injector.send_batch(batch)?;
        sent += batch.len() as u64;
    }
    Ok(sent)
}

fn joined<T>(ended: thread::Result<Result<T>>) -> Result<T> {
    ended.unwrap_or_else(|_panic| Err(anyhow!("a sender panicked")))
}
