//! `cargo xtask score`: how right the tracker is, by its configuration and vantage.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use gdoi_sim::attack::AttackerPlace;
use gdoi_sim::generator;
use gdoi_sim::judge::{Failure, Goals, Score, Told, Wrong};
use gdoi_sim::reduce::{Reduced, reduce};
use gdoi_sim::scenario::{self, Scenario, Vantage};
use serde_json::{Value, json};

use crate::{attacks, find, told, workspace};

const DOCUMENT: &str = "docs/simulation.md";
const README: &str = "README.md";
const EXAMPLES: usize = 5;
/// Smaller worlds tried for one failure.
const TRIES: usize = 150;

/// Options of `score`.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command")]
pub(crate) struct Scoring {
    /// Names or files of scenarios; default: the whole library
    scenarios: Vec<String>,
    /// How much the operator configured: all, named, nothing; default: all three
    #[arg(long)]
    told: Option<String>,
    /// Vantage of the monitor; default: the scenario's own; `all` for each
    #[arg(long)]
    vantage: Option<String>,
    /// Seeds of each scenario
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// Random worlds instead, this many, one for each seed
    #[arg(long, conflicts_with = "scenarios")]
    worlds: Option<u64>,
    /// Random attacks instead, this many, one for each seed: what do they hide, invent or take over?
    #[arg(long, conflicts_with_all = ["scenarios", "worlds"])]
    attacks: Option<u64>,
    /// Where the attackers are: off-path, on-path; default: both
    #[arg(long, requires = "attacks")]
    place: Option<String>,
    /// The seed of the first random world or attack
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Print what was invented or missed; one example of each kind of error in random worlds, reduced to its smallest
    /// world
    #[arg(long)]
    pub(crate) examples: bool,
    /// Print the examples of random worlds unreduced, which is faster
    #[arg(long, requires = "examples")]
    whole: bool,
    /// Count what random worlds contain, and judge nothing
    #[arg(long, requires = "worlds")]
    census: bool,
    /// Only the rows whose name contains this
    #[arg(long)]
    event: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the tables into docs/simulation.md and the README: of the scenarios, or of random worlds
    #[arg(long, conflicts_with = "scenarios")]
    write: bool,
}

/// One seed, from one vantage or several.
enum Job {
    Scenario {
        name: String,
        scenario: Arc<Scenario>,
        seed: u64,
    },
    /// Made when it is its turn: that takes a while, and there may be many.
    World { seed: u64 },
}

/// One run.
struct Run {
    name: String,
    vantage: String,
    scenario: Scenario,
    seed: u64,
}

/// The results of some runs.
#[derive(Default)]
struct Scored {
    runs: Vec<Run>,
    /// By vantage, and whether the network loses datagrams.
    scores: BTreeMap<(String, bool), Score>,
    /// Some of the failures, with the number of their run.
    failures: Vec<(usize, Failure)>,
}

impl Scoring {
    /// Where the attackers are, if all are in one place.
    pub(crate) fn position(&self) -> Result<Option<AttackerPlace>> {
        Ok(match self.place.as_deref() {
            None => None,
            Some("off-path") => Some(AttackerPlace::OffPath),
            Some("on-path") => Some(AttackerPlace::OnPath),
            Some(word) => bail!("--place is off-path or on-path, not {word:?}"),
        })
    }
}

pub(crate) fn run(args: &Scoring) -> Result<()> {
    if let Some(number) = args.attacks {
        return attacks::run(args, number);
    }
    if args.census {
        let census = generator::Census::of(seeds(args, args.worlds.unwrap_or_default()));
        print!("{census}");
        return Ok(());
    }
    let scored = score(args)?;
    if args.json {
        println!("{:#}", document(&scored));
    } else {
        print!("{}", tables(&scored));
    }
    if args.examples {
        print_failures(&scored, args)?;
    }
    if args.write {
        let (document, readme) = (workspace().join(DOCUMENT), workspace().join(README));
        let goals = goals(&scored).to_string();
        if let Some(worlds) = args.worlds {
            let from = args.from;
            let command = format!("`cargo xtask score --worlds {worlds} --from {from} --write`:\n\n");
            let whole = command.clone() + &with_causes(&scored);
            write(&document, &[("worlds", &whole)])?;
            write(&readme, &[("worlds", &(command + &goals))])?;
        } else {
            write(
                &document,
                &[("score", &tables(&scored)), ("scenarios", &titles()?)],
            )?;
            write(&readme, &[("score", &goals)])?;
        }
    }
    Ok(())
}

/// Runs everything, on every core. Of a run that is judged only counts and examples are kept.
fn score(args: &Scoring) -> Result<Scored> {
    let told = match &args.told {
        Some(word) => Vec::from([told(word)?]),
        None => Told::ALL.into(),
    };
    let results = on_every_core(&jobs(args)?, |job| {
        let mut judged = Vec::new();
        for run in job.runs(args)? {
            let mut score = Score::of(&run.scenario, run.seed, &told)
                .with_context(|| format!("play {} seed {}", run.name, run.seed))?;
            score.keep_failures(if args.examples { EXAMPLES } else { 0 });
            judged.push((run, score));
        }
        Ok(judged)
    });
    let mut scored = Scored::default();
    let judged: Vec<Vec<(Run, Score)>> = results.into_iter().collect::<Result<_>>()?;
    for (index, (run, mut score)) in judged.into_iter().flatten().enumerate() {
        let failures = std::mem::take(&mut score.failures).into_iter();
        scored.failures.extend(failures.map(|failure| (index, failure)));
        let lossy = run.scenario.network.lost_per_mille > 0;
        let of_vantage = scored.scores.entry((run.vantage.clone(), lossy));
        of_vantage.or_default().add(score);
        scored.runs.push(run);
    }
    Ok(scored)
}

/// The results of `work` for each, in order.
pub(crate) fn on_every_core<T: Sync, R: Send>(of: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results: Mutex<BTreeMap<usize, R>> = Mutex::new(BTreeMap::new());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(one) = of.get(index) else {
                        return;
                    };
                    let result = work(one);
                    if let Ok(mut results) = results.lock() {
                        results.insert(index, result);
                    }
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_default();
    results.into_values().collect()
}

pub(crate) fn seeds(args: &Scoring, worlds: u64) -> std::ops::Range<u64> {
    args.from..args.from.saturating_add(worlds)
}

fn jobs(args: &Scoring) -> Result<Vec<Job>> {
    if let Some(worlds) = args.worlds {
        return Ok(seeds(args, worlds).map(|seed| Job::World { seed }).collect());
    }
    let names: Vec<String> = if args.scenarios.is_empty() {
        scenario::names().map(str::to_owned).collect()
    } else {
        args.scenarios.clone()
    };
    let mut jobs = Vec::new();
    for name in names {
        let scenario = Arc::new(find(&name)?);
        jobs.extend((0..args.seeds).map(|seed| Job::Scenario {
            name: name.clone(),
            scenario: Arc::clone(&scenario),
            seed,
        }));
    }
    Ok(jobs)
}

impl Job {
    /// A random world has its own vantage, unless another is requested.
    fn runs(&self, args: &Scoring) -> Result<Vec<Run>> {
        let (name, seed, watched) = match self {
            Self::Scenario { name, scenario, seed } => (name.as_str(), *seed, vantages(args, scenario)?),
            Self::World { seed } => {
                let scenario = generator::world(*seed);
                let watched = match &args.vantage {
                    None => Vec::from([(generator::vantage_of(*seed).to_owned(), scenario)]),
                    Some(_) => vantages(args, &scenario)?,
                };
                ("world", *seed, watched)
            }
        };
        let runs = watched.into_iter().map(|(vantage, scenario)| Run {
            name: name.to_owned(),
            vantage,
            scenario,
            seed,
        });
        Ok(runs.collect())
    }
}

/// The scenario from each requested vantage.
fn vantages(args: &Scoring, scenario: &Scenario) -> Result<Vec<(String, Scenario)>> {
    let names: Vec<&str> = match args.vantage.as_deref() {
        None => return Ok(Vec::from([("own".to_owned(), scenario.clone())])),
        Some("all") => Vantage::NAMES.into(),
        Some(name) => Vec::from([name]),
    };
    let mut watched = Vec::new();
    for name in names {
        let Some(vantage) = Vantage::named(name, scenario.duration) else {
            bail!(
                "--vantage is all or one of {}, not {name:?}",
                Vantage::NAMES.join(", ")
            );
        };
        let scenario = Scenario {
            vantage,
            ..scenario.clone()
        };
        if scenario.check().is_ok() {
            watched.push((name.to_owned(), scenario));
        }
    }
    Ok(watched)
}

fn tables(scored: &Scored) -> String {
    let mut text = String::new();
    let mut all: BTreeMap<bool, Score> = BTreeMap::new();
    for ((vantage, lossy), score) in &scored.scores {
        if scored.scores.len() <= 2 {
            // Writing to a string cannot fail.
            let _ok = writeln!(text, "Vantage `{vantage}`, {}:\n\n{score}", network(*lossy));
        }
        all.entry(*lossy).or_default().add(score.clone());
    }
    if scored.scores.len() > 2 {
        for (lossy, score) in &all {
            let _ok = writeln!(text, "Every vantage, {}:\n\n{score}", network(*lossy));
        }
    }
    text + &with_causes(scored)
}

/// The table of goals, for every vantage.
fn goals(scored: &Scored) -> Goals {
    let mut goals = Goals::default();
    for ((_, lossy), score) in &scored.scores {
        let of = if *lossy {
            &mut goals.lossy
        } else {
            &mut goals.clean
        };
        of.add(score.clone());
    }
    goals
}

/// The tables of goals and of causes, for every vantage.
fn with_causes(scored: &Scored) -> String {
    let goals = goals(scored);
    let mut causes = goals.clean.causes.clone();
    causes.add(goals.lossy.causes.clone());
    format!("{goals}\nCauses of incidents:\n\n{causes}\n")
}

const fn network(lossy: bool) -> &'static str {
    if lossy { "with loss" } else { "without loss" }
}

fn document(scored: &Scored) -> Value {
    let mut rows = Vec::new();
    for ((vantage, lossy), score) in &scored.scores {
        for ((told, event), tally) in &score.tallies {
            let errors = score.errors.get(&(*told, event));
            rows.push(json!({
                "event": event,
                "severity": tally.severity,
                "told": told,
                "vantage": vantage,
                "loss": lossy,
                "found": tally.found,
                "invented": tally.invented,
                "missed": tally.missed,
                "open": tally.open,
                "invented_certain": tally.invented_certain,
                "doubted": tally.doubted,
                "error_seconds": errors,
            }));
        }
    }
    let mut causes = Vec::new();
    for ((vantage, lossy), score) in &scored.scores {
        for ((told, done), tally) in &score.causes.tallies {
            causes.push(json!({
                "done": done,
                "told": told,
                "vantage": vantage,
                "loss": lossy,
                "tally": tally,
            }));
        }
    }
    json!({ "rows": rows, "causes": causes })
}

/// Prints some examples of each kind of error, the kind of most runs first, with the shortest runs.
fn print_failures(scored: &Scored, args: &Scoring) -> Result<()> {
    let mut ways: BTreeMap<_, Vec<(&Run, &Failure)>> = BTreeMap::new();
    for (run, failure) in &scored.failures {
        let wanted = |event: &String| failure.event.contains(event.as_str());
        if let Some(run) = scored
            .runs
            .get(*run)
            .filter(|_| args.event.as_ref().is_none_or(wanted))
        {
            let way = (failure.event, failure.wrong, failure.told);
            ways.entry(way).or_default().push((run, failure));
        }
    }
    let times = |(event, wrong, told): (&'static str, Wrong, Told)| -> u64 {
        let tallies = scored
            .scores
            .values()
            .filter_map(|score| score.tallies.get(&(told, event)));
        tallies.map(|tally| tally.wrong(wrong)).sum()
    };
    let in_runs = |of: &[(&Run, &Failure)]| -> usize {
        let runs: BTreeSet<_> = of
            .iter()
            .map(|(run, _)| (&run.name, &run.vantage, run.seed))
            .collect();
        runs.len()
    };
    let mut ways: Vec<_> = ways.into_iter().collect();
    // One run may repeat the same hundreds of times.
    ways.sort_by_key(|(way, of)| std::cmp::Reverse((in_runs(of), times(*way))));
    for (_, of) in &mut ways {
        of.sort_by_key(|(run, _)| run.scenario.duration);
    }
    let reduced = if args.worlds.is_some() && !args.whole {
        on_every_core(&ways, |(_, of)| {
            of.first().map(|(run, failure)| smallest(run, failure))
        })
    } else {
        Vec::new()
    };
    let mut reduced = reduced.into_iter().map(Option::transpose);
    for (way, of) in ways {
        let (event, wrong, told) = way;
        let (times, runs, told) = (times(way), in_runs(&of), told.name());
        println!("\n{times} x {wrong:?} {event}, told {told}, in {runs} runs");
        // Every run with one kind of error, if that is asked for.
        let most = if args.event.is_some() {
            usize::MAX
        } else {
            EXAMPLES
        };
        for (run, failure) in of.iter().take(most) {
            let Run { name, vantage, .. } = run;
            println!(
                "  {name} {vantage} seed {}: {}",
                run.seed,
                shown(failure, &run.scenario)
            );
        }
        if let Some((Reduced { scenario, tried }, failure)) = reduced.next().transpose()?.flatten() {
            println!(
                "  the first, reduced in {tried} tries: {}",
                shown(&failure, &scenario)
            );
            for line in scenario.to_toml()?.lines() {
                println!("    {line}");
            }
        }
    }
    Ok(())
}

/// When, who, and why it could have been known.
fn shown(failure: &Failure, scenario: &Scenario) -> String {
    let at = failure.at.since(scenario.start).as_secs();
    let (hours, minutes, seconds) = (at / 3_600, at / 60 % 60, at % 60);
    let rule = failure.rule.unwrap_or("");
    format!("{hours:02}:{minutes:02}:{seconds:02} {} {rule}", failure.key)
}

/// The smallest world with the same kind of failure, and that failure in it.
fn smallest(run: &Run, failure: &Failure) -> Result<(Reduced, Failure)> {
    let same = |scenario: &Scenario| -> Result<Option<Failure>> {
        let score = Score::of(scenario, run.seed, &[failure.told])?;
        let same = |other: &Failure| other.event == failure.event && other.wrong == failure.wrong;
        Ok(score.failures.into_iter().find(same))
    };
    let reduced = reduce(&run.scenario, TRIES, |scenario| {
        same(scenario).is_ok_and(|found| found.is_some())
    });
    let found = same(&reduced.scenario)?;
    Ok((reduced, found.unwrap_or_else(|| failure.clone())))
}

fn titles() -> Result<String> {
    let mut table = String::from("| scenario | what it shows |\n|---|---|\n");
    for name in scenario::names() {
        writeln!(table, "| `{name}` | {} |", scenario::named(name)?.title)?;
    }
    Ok(table)
}

/// Replaces the text between the markers of each part.
fn write(path: &Path, parts: &[(&str, &str)]) -> Result<()> {
    let mut text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    for (part, new) in parts {
        let (begin, end) = (format!("<!-- {part} -->\n"), format!("<!-- end of {part} -->\n"));
        let Some((before, rest)) = text.split_once(&begin) else {
            bail!("{} has no mark {begin:?}", path.display());
        };
        let Some((_, after)) = rest.split_once(&end) else {
            bail!("{} has no mark {end:?}", path.display());
        };
        text = format!("{before}{begin}\n{new}\n{end}{after}");
    }
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
}
