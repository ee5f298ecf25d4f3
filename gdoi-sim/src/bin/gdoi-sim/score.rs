//! `cargo xtask score`: how right the tracker is, by how much it is told and from where it watches.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use gdoi_sim::generator;
use gdoi_sim::judge::{Failure, Goals, Score, Told};
use gdoi_sim::scenario::{self, Scenario, Vantage};
use serde_json::{Value, json};

use crate::{find, told, workspace};

const DOCUMENT: &str = "docs/simulation.md";
const EXAMPLES: usize = 5;

/// Which worlds, how much is told of them, and from where they are watched.
#[derive(Args)]
pub(crate) struct Scoring {
    /// Names or files of scenarios; all that ship when left out
    scenarios: Vec<String>,
    /// How much the operator told the monitor: all, named, nothing; all three when left out
    #[arg(long)]
    told: Option<String>,
    /// From where it watches; the scenario's own when left out, `all` for each
    #[arg(long)]
    vantage: Option<String>,
    /// Seeds of each scenario
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// Random worlds instead, this many, one for each seed
    #[arg(long, conflicts_with = "scenarios")]
    worlds: Option<u64>,
    /// The seed of the first random world
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Print what was invented or missed, the shortest scenario first
    #[arg(long)]
    examples: bool,
    /// Only the rows whose name contains this
    #[arg(long)]
    event: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write the tables, and the list of scenarios, into the document that holds them
    #[arg(long, conflicts_with = "scenarios")]
    write: bool,
}

/// One run.
struct Run {
    name: String,
    vantage: String,
    scenario: Scenario,
    seed: u64,
}

/// What was said of some runs.
#[derive(Default)]
struct Scored {
    /// By vantage, and whether the network loses datagrams.
    scores: BTreeMap<(String, bool), Score>,
    /// What was wrong, with the run it was wrong in.
    failures: Vec<(String, Failure, gdoi_core::Timestamp)>,
}

pub(crate) fn run(args: &Scoring) -> Result<()> {
    let scored = score(args)?;
    if args.json {
        println!("{:#}", document(&scored));
    } else {
        print!("{}", tables(&scored));
    }
    if args.examples {
        print_failures(&scored, args);
    }
    if args.write {
        let path = workspace().join(DOCUMENT);
        write(&path, &[("score", &tables(&scored)), ("scenarios", &titles()?)])?;
    }
    Ok(())
}

/// Runs everything, on every core.
fn score(args: &Scoring) -> Result<Scored> {
    let told = match &args.told {
        Some(word) => Vec::from([told(word)?]),
        None => Told::ALL.into(),
    };
    let runs = runs(args)?;
    let next = AtomicUsize::new(0);
    let results: Mutex<BTreeMap<usize, Result<Score>>> = Mutex::new(BTreeMap::new());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(run) = runs.get(index) else {
                        return;
                    };
                    let result = Score::of(&run.scenario, run.seed, &told)
                        .with_context(|| format!("play {} seed {}", run.name, run.seed));
                    if let Ok(mut results) = results.lock() {
                        results.insert(index, result);
                    }
                }
            });
        }
    });
    let mut scored = Scored::default();
    let results = results.into_inner().unwrap_or_default();
    for (index, result) in results {
        let Some(run) = runs.get(index) else {
            continue;
        };
        let score = result?;
        let name = format!("{} {} seed {}", run.name, run.vantage, run.seed);
        for failure in &score.failures {
            scored
                .failures
                .push((name.clone(), failure.clone(), run.scenario.start));
        }
        let lossy = run.scenario.network.lost_per_mille > 0;
        scored
            .scores
            .entry((run.vantage.clone(), lossy))
            .or_default()
            .add(score);
    }
    Ok(scored)
}

fn runs(args: &Scoring) -> Result<Vec<Run>> {
    if let Some(worlds) = args.worlds {
        return worlds_of(args, worlds);
    }
    let names: Vec<String> = if args.scenarios.is_empty() {
        scenario::names().map(str::to_owned).collect()
    } else {
        args.scenarios.clone()
    };
    let mut runs = Vec::new();
    for name in names {
        let known = find(&name)?;
        for (vantage, scenario) in vantages(args, &known)? {
            for seed in 0..args.seeds {
                runs.push(Run {
                    name: name.clone(),
                    vantage: vantage.clone(),
                    scenario: scenario.clone(),
                    seed,
                });
            }
        }
    }
    Ok(runs)
}

/// Random worlds, each from its own vantage or from the one that was asked for.
fn worlds_of(args: &Scoring, worlds: u64) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for seed in args.from..args.from.saturating_add(worlds) {
        let scenario = generator::world(seed);
        let own = Vantage::NAMES.iter().cycle().nth(usize::try_from(seed % 1_100)?);
        let watched = match &args.vantage {
            None => Vec::from([(own.copied().unwrap_or_default().to_owned(), scenario)]),
            Some(_) => vantages(args, &scenario)?,
        };
        for (vantage, scenario) in watched {
            runs.push(Run {
                name: "world".to_owned(),
                vantage,
                scenario,
                seed,
            });
        }
    }
    Ok(runs)
}

/// The scenario from each vantage that was asked for.
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
    let goals = Goals {
        clean: all.remove(&false).unwrap_or_default(),
        lossy: all.remove(&true).unwrap_or_default(),
    };
    let _ok = writeln!(text, "{goals}");
    text
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
    json!({ "rows": rows, "causes": [] })
}

/// Of each way to be wrong a few, the most frequent way first.
fn print_failures(scored: &Scored, args: &Scoring) {
    let mut ways: BTreeMap<_, Vec<&(String, Failure, gdoi_core::Timestamp)>> = BTreeMap::new();
    for one in &scored.failures {
        let (_, failure, _) = one;
        if args
            .event
            .as_ref()
            .is_none_or(|event| failure.event.contains(event.as_str()))
        {
            let way = (failure.event, failure.wrong, failure.told);
            ways.entry(way).or_default().push(one);
        }
    }
    let mut ways: Vec<_> = ways.into_iter().collect();
    ways.sort_by_key(|(_, of)| std::cmp::Reverse(of.len()));
    for ((event, wrong, told), of) in ways {
        println!("\n{} x {wrong:?} {event}, told {}", of.len(), told.name());
        for (run, failure, start) in of.iter().take(EXAMPLES) {
            let at = failure.at.since(*start).as_secs();
            let (hours, minutes, seconds) = (at / 3_600, at / 60 % 60, at % 60);
            let rule = failure.rule.unwrap_or("");
            println!(
                "  {run}: {hours:02}:{minutes:02}:{seconds:02} {} {rule}",
                failure.key
            );
        }
    }
}

fn titles() -> Result<String> {
    let mut table = String::from("| scenario | what it shows |\n|---|---|\n");
    for name in scenario::names() {
        writeln!(table, "| `{name}` | {} |", scenario::named(name)?.title)?;
    }
    Ok(table)
}

/// Replaces what is between the marks of each part.
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
