//! A soak test: groups at real speed against the real agent, among other traffic, for any length of time.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use gdoi_sim::{Kind, Scenario};
use gdoi_wire::craft::{self, ESP, Ethernet, Generator};

use super::growth::{Growth, Sample};
use crate::{Agent, Injector, LiveScenario, Metrics, Network, Resources, SentCounts, configuration};

/// Frames of any kind, repeated.
const STRANGE: usize = 500;
const SPIS: u32 = 64;
/// Fragmentation, and the latest events, which are kept.
const MORE_OCTETS: u64 = 8 << 20;
const PAUSE: Duration = Duration::from_millis(10);
/// Maximum number of frames at once, after a pause that was longer than intended.
const MOST: usize = 256;

/// Duration and load.
#[derive(Clone, Copy, Debug)]
pub struct Soak {
    /// How long.
    pub time: Duration,
    /// Packets per second of other traffic.
    pub rate: u32,
    /// Time between two measurements of the agent.
    pub every: Duration,
}

/// The result.
#[derive(Clone, Debug)]
pub struct SoakReport {
    soak: Soak,
    growth: Growth,
    sent: u64,
    messages: u64,
    lost: f64,
    /// Rekeys and completed registrations: happened, and reported.
    rekeys: (usize, usize),
    registrations: (usize, usize),
}

impl Soak {
    /// Runs the test, in a namespace that the calling thread cannot leave. It is an error if the agent grows, or
    /// reports something else than what happened.
    pub fn run(&self) -> Result<SoakReport> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let scenario = self.scenario()?;
        let config = folder.path().join("config.toml");
        fs::write(&config, configuration(&scenario)).context("write the configuration")?;
        let _network = Network::enter()?;
        let agent = start(folder.path())?;
        let running = AtomicBool::new(true);
        let (living, background, growth) = thread::scope(|scope| {
            let living = scope.spawn(|| live(scenario, self.time));
            let background = scope.spawn(|| self.others(&running));
            let growth = self.watch(&agent);
            let living = joined(living.join());
            running.store(false, Ordering::Relaxed);
            (living, joined(background.join()), growth)
        });
        let (said, truth) = living?;
        let sent = said.frames + background?;
        agent.until_counted(sent)?;
        let metrics = agent.metrics()?;
        ensure!(agent.stop()?.success(), "the agent did not exit cleanly");
        let events = fs::read_to_string(folder.path().join("events")).context("read the events")?;
        let told = |kind: &str| events.lines().filter(|line| is_of_group(line, kind)).count();
        let report = SoakReport {
            soak: *self,
            growth: growth?,
            sent,
            messages: said.messages,
            lost: metrics.sum("gdoi_events_lost_total", &[]),
            rekeys: (truth.rekeys, told("rekey")),
            registrations: (truth.registrations, told("registration_completed")),
        };
        report.check(&metrics)?;
        Ok(report)
    }

    /// The groups; every five minutes a member of the first restarts.
    fn scenario(&self) -> Result<Scenario> {
        let mut text = include_str!("soak.toml").to_owned();
        let minutes = self.time.as_secs() / 60;
        for (minute, member) in (3..minutes).step_by(5).zip((1..=20).cycle()) {
            writeln!(
                text,
                "[[event]]\nat = \"{minute}m\"\naction = \"reboot\"\nmembers = [{member}]\nfor = \"10s\""
            )?;
        }
        Scenario::parse(&text).context("read the scenario of the soak")
    }

    /// Sends other traffic: mostly ESP, and one frame in twenty of any kind.
    fn others(&self, running: &AtomicBool) -> Result<u64> {
        let injector = Injector::open(Network::INJECT)?;
        let mut strange = Generator::new(0x50a4)
            .take(STRANGE)
            .collect::<Vec<_>>()
            .into_iter()
            .cycle();
        let mut spis = (1..=SPIS).cycle();
        let begun = Instant::now();
        let mut sent = 0_u64;
        while running.load(Ordering::Relaxed) {
            let due = u64::try_from(begun.elapsed().as_millis())? * u64::from(self.rate) / 1_000;
            let batch: Vec<_> = (sent..)
                .take_while(|number| *number <= due)
                .take(MOST)
                .filter_map(|number| {
                    if number % 20 == 0 {
                        strange.next()
                    } else {
                        spis.next().map(esp)
                    }
                })
                .collect();
            injector.send_batch(&batch)?;
            sent += batch.len() as u64;
            thread::sleep(PAUSE);
        }
        Ok(sent)
    }

    fn watch(&self, agent: &Agent) -> Result<Growth> {
        let begun = Instant::now();
        let mut growth = Growth::in_units("minute", Duration::from_mins(1));
        while begun.elapsed() < self.time {
            thread::sleep(self.every.min(self.time.saturating_sub(begun.elapsed())));
            let page = agent.page("/metrics")?;
            let series = page.lines().filter(|line| !line.starts_with('#')).count();
            growth.add(Sample {
                at: begun.elapsed(),
                held: Resources::of(agent.id())?,
                series,
                packets: Metrics::parse(&page).sum("gdoi_packets_total", &[]),
            });
        }
        Ok(growth)
    }
}

/// The events to be reported.
struct Truth {
    rekeys: usize,
    registrations: usize,
}

fn live(scenario: Scenario, time: Duration) -> Result<(SentCounts, Truth)> {
    let injector = Injector::open(Network::INJECT)?;
    let mut living = LiveScenario::begin(scenario)?;
    let said = living.until(time, &injector)?;
    let happened = living.simulation().truth().happened();
    let count = |is: fn(&Kind) -> bool| happened.iter().filter(|happened| is(&happened.kind)).count();
    let truth = Truth {
        rekeys: count(|kind| matches!(kind, Kind::Rekey { .. })),
        registrations: count(|kind| matches!(kind, Kind::RegistrationCompleted { .. })),
    };
    Ok((said, truth))
}

fn start(folder: &Path) -> Result<Agent> {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (config, events, state) = (path("config.toml"), path("events"), path("state"));
    Agent::start(&[
        "--interface",
        Network::WATCH,
        "--config",
        &config,
        "--event-file",
        &events,
        "--state-file",
        &state,
        "--log.level",
        "warn",
    ])
}

/// Whether a line is an event of this type of one of the groups.
fn is_of_group(line: &str, kind: &str) -> bool {
    let Ok(event) = serde_json::from_str::<serde_json::Value>(line) else {
        return false;
    };
    let is = |name: &str, value: &str| event.get(name).is_some_and(|found| found == value);
    is("type", kind) && (is("group", "G1") || is("group", "G2"))
}

fn esp(spi: u32) -> Vec<u8> {
    craft::packet(
        &Ethernet::default(),
        [192, 0, 2, 1].into(),
        [192, 0, 2, 2].into(),
        ESP,
        &craft::esp(spi << 8, 1, &[0; 100]),
    )
}

fn joined<T>(ended: thread::Result<Result<T>>) -> Result<T> {
    ended.unwrap_or_else(|_panic| Err(anyhow!("a sender panicked")))
}

impl SoakReport {
    fn check(&self, metrics: &Metrics) -> Result<()> {
        self.growth.check(MORE_OCTETS)?;
        let counted = metrics.sum("gdoi_packets_total", &[]);
        ensure!(
            format!("{counted:.0}") == self.sent.to_string(),
            "{} frames were sent, {counted} counted",
            self.sent
        );
        let messages = metrics.sum("gdoi_messages_tracked_total", &[]) + self.lost;
        let seen = metrics.sum("gdoi_packets_total", &[("class", "isakmp")]);
        ensure!(
            (messages - seen).abs() < 0.5,
            "{seen} messages were seen, {messages} tracked or lost"
        );
        let (rekeys, told) = self.rekeys;
        ensure!(rekeys == told, "{rekeys} rekeys happened, {told} were told");
        let (registrations, told) = self.registrations;
        ensure!(
            registrations == told,
            "{registrations} registrations completed, {told} were told"
        );
        Ok(())
    }
}

impl fmt::Display for SoakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            soak,
            growth,
            sent,
            messages,
            lost,
            rekeys,
            registrations,
        } = self;
        let minutes = soak.time.as_secs_f64() / 60.0;
        writeln!(
            f,
            "{minutes:.0} minutes at real speed, {sent} frames, {messages} messages of the groups, {lost} lost."
        )?;
        writeln!(
            f,
            "Rekeys: {} happened, {} told. Registrations: {} completed, {} told.\n",
            rekeys.0, rekeys.1, registrations.0, registrations.1
        )?;
        write!(f, "{growth}")
    }
}
