//! Cost of an observation in the tracker, and the speed of a simulated group.

use std::time::Duration;

use anyhow::{Result, ensure};
use gdoi_core::observation::{Esp, Message};
use gdoi_core::{Observation, Timestamp, Tracker, Transition};
use gdoi_sim::{Observer, Scenario, Simulation};

use super::crowd::{configured, registration, rekey, server};
use super::kernel::median;
use super::objects::cpu_time;
use super::row::{Row, Unit, Wanted};

/// Five hundred branches for two days; each sends once in an hour.
const GROUP: &str = "title = \"Five hundred branches\"\nduration = \"48h\"\n[[group]]\nname = \"G1\"\n\
                     key_servers = [\"10.1.11.2\", \"10.1.12.2\"]\nmembers = 500\ntraffic_every = \"1h\"\n";
/// The agent polls its tables this often.
const TICK: Duration = Duration::from_secs(1);
const TIMES: usize = 3;
const ROUNDS: usize = 5;
const MANY: u32 = 100_000;
const REKEYS: u32 = 5;
const ESP_ROUNDS: u32 = 100;
const AT_ONCE: usize = 500;
const MOST_KEPT: usize = 4_096;

/// Feeds trackers of three sizes, in turn, and simulates a group for some days.
pub(super) fn run() -> Result<Vec<Row>> {
    let rounds: Vec<[Cost; 3]> = (0..ROUNDS).map(|_| round()).collect::<Result<_>>()?;
    let middle = |of: &dyn Fn(&[Cost; 3]) -> f64| median(&mut rounds.iter().map(of).collect::<Vec<_>>());
    let rate = |what, of: fn(&Cost) -> f64| {
        let cost = middle(&|[_, medium, _]| of(medium));
        Row::new(what, 1e3 / cost, Unit::MillionsPerSecond)
            .goal("P9", Wanted::AtLeast(3.0))
            .aside(format!("{cost:.0} ns each"))
    };
    let growth = |what, of: fn(&Cost) -> f64| {
        let (few, many) = (middle(&|[few, ..]| of(few)), middle(&|[.., many]| of(many)));
        Row::new(what, middle(&|[few, _, many]| of(many) / of(few)), Unit::Ratio)
            .goal("P9", Wanted::AtMost(1.5))
            .aside(format!("{few:.0} -> {many:.0} ns each"))
            .why("more members than the CPU caches hold: by profile the time is in lookups and page faults")
    };
    Ok(vec![
        rate("registrations of 10,000 members at once", |cost| {
            cost.registration
        }),
        rate("rekeys of 10,000 members, acknowledged", |cost| cost.rekey),
        rate("ESP, 1,024 SPIs in turn", |cost| cost.esp),
        growth("registrations of 100,000 members, relative to 1,000", |cost| {
            cost.registration
        }),
        growth("rekeys of 100,000 members, relative to 1,000", |cost| cost.rekey),
        simulation()?,
    ])
}

/// A hundred thousand members of each size: small trackers many times, the large one once, so that each takes as
/// long.
fn round() -> Result<[Cost; 3]> {
    let [few, more, many] = [1_000, 10_000, MANY].map(|members| Cost::of(members, MANY / members));
    Ok([few?, more?, many?])
}

/// Nanoseconds per observation.
struct Cost {
    registration: f64,
    rekey: f64,
    esp: f64,
}

impl Cost {
    fn of(members: u32, times: u32) -> Result<Self> {
        let mut registrations = Vec::new();
        let mut rekeys = Vec::new();
        let mut esp = Vec::new();
        for _ in 0..times {
            let mut fed = Fed::new(members);
            registrations.push(fed.register(members)?);
            fed.rekeys(members, 0)?;
            for sequence in 1..=REKEYS {
                rekeys.push(fed.rekeys(members, sequence)?);
            }
            esp.push(fed.esp()?);
        }
        Ok(Self {
            registration: median(&mut registrations),
            rekey: median(&mut rekeys),
            esp: median(&mut esp),
        })
    }
}

/// A tracker and its time.
struct Fed {
    tracker: Tracker,
    now: Timestamp,
    out: Vec<Transition>,
}

impl Fed {
    fn new(members: u32) -> Self {
        Self {
            tracker: configured(1, members),
            now: Timestamp::from_nanos(1_000_000_000_000),
            out: Vec::new(),
        }
    }

    /// All members register, five hundred at a time, message by message through all of them: nanoseconds per message.
    fn register(&mut self, members: u32) -> Result<f64> {
        let mut spent = Duration::ZERO;
        for first in (0..members).step_by(AT_ONCE) {
            let of_each: Vec<_> = (first..members)
                .take(AT_ONCE)
                .map(|member| registration(server(0, 0), member))
                .collect();
            let messages: Vec<Message<'static>> = (0..10)
                .flat_map(|place| {
                    of_each
                        .iter()
                        .filter_map(move |messages| messages.get(place).copied())
                })
                .collect();
            spent += self.feed(messages.into_iter().map(Observation::Message))?;
        }
        Ok(nanoseconds(spent, 10 * members))
    }

    /// A rekey to every member, which acknowledges: nanoseconds per message.
    fn rekeys(&mut self, members: u32, sequence: u32) -> Result<f64> {
        let mut spent = Duration::ZERO;
        for first in (0..members).step_by(AT_ONCE) {
            let messages: Vec<_> = (first..members)
                .take(AT_ONCE)
                .flat_map(|member| rekey(server(0, 0), member, sequence))
                .collect();
            spent += self.feed(messages.into_iter().map(Observation::Message))?;
        }
        self.now = self.now.after(Duration::from_mins(10));
        Ok(nanoseconds(spent, 2 * members))
    }

    fn esp(&mut self) -> Result<f64> {
        let mut spent = Duration::ZERO;
        for _ in 0..ESP_ROUNDS {
            let now = self.now;
            let seen: Vec<_> = (0..1024)
                .map(|spi| {
                    Observation::Esp(Esp {
                        spi: 0x1000 + spi,
                        site: None,
                        packets: 10,
                        octets: 1_000,
                        first: now,
                        last: now,
                    })
                })
                .collect();
            spent += self.feed(seen)?;
        }
        Ok(nanoseconds(spent, 1024 * ESP_ROUNDS))
    }

    /// Feeds the tracker, and returns the CPU time of this thread.
    fn feed(&mut self, seen: impl IntoIterator<Item = Observation<'static>>) -> Result<Duration> {
        let before = cpu_time()?;
        for seen in seen {
            self.now = self.now.after(Duration::from_micros(3));
            self.tracker.observe(self.now, &seen, &mut self.out);
            if self.out.len() > MOST_KEPT {
                self.out.clear();
            }
        }
        Ok(cpu_time()?.saturating_sub(before))
    }
}

/// Simulates a group of 500 members for some days: how many times faster than real time.
fn simulation() -> Result<Row> {
    let scenario = Scenario::parse(GROUP)?;
    let mut ratios = Vec::new();
    let mut messages = 0;
    for _ in 0..TIMES {
        let before = cpu_time()?;
        let mut simulation = Simulation::new(&scenario, None)?;
        let mut tracker = Tracker::new(scenario.config(), gdoi_core::Limits::default());
        let mut out = Vec::new();
        let mut observer = Observer::new(TICK, false);
        let mut told = 0_u64;
        for emission in simulation.by_ref() {
            observer.observe(&emission, &mut |now, seen| {
                told += u64::from(matches!(seen, Observation::Message(_)));
                tracker.observe(now, seen, &mut out);
            });
            out.clear();
        }
        let spent = cpu_time()?.saturating_sub(before);
        let lived = simulation.end().since(scenario.start);
        ratios.push(lived.as_secs_f64() / spent.as_secs_f64());
        messages = told;
    }
    ensure!(messages > 0, "nothing happened in the group");
    let times = median(&mut ratios);
    Ok(Row::new(
        "a group of 500 members, simulated and tracked, relative to real time",
        times,
        Unit::Times,
    )
    .goal("P13", Wanted::AtLeast(1e6))
    .aside(format!("{messages} messages"))
    .why("it includes building the frames of the simulated devices and dissecting them"))
}

fn nanoseconds(spent: Duration, count: u32) -> f64 {
    spent.as_secs_f64() * 1e9 / f64::from(count)
}
