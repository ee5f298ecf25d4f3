//! `cargo xtask score`: what the tracker said of every scenario, against what really happened.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use gdoi_sim::scenario;
use gdoi_sim::score::Score;

use crate::workspace;

/// Which scenarios, and how often.
#[derive(Args)]
pub(crate) struct Scoring {
    /// Names of scenarios; all when left out
    scenarios: Vec<String>,
    /// Seeds of each scenario
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// Print what was invented or missed
    #[arg(long)]
    examples: bool,
    /// Write the tables, and the list of scenarios, into the document that holds them
    #[arg(long, conflicts_with = "scenarios")]
    write: bool,
}

pub(crate) fn run(args: &Scoring) -> Result<()> {
    let (clean, lossy) = score(args)?;
    let tables = format!(
        "Without loss, {} seeds of each scenario:\n\n{clean}\n\
         With 5 % of datagrams lost, 1 % doubled and 2 % late, {0} seeds:\n\n{lossy}",
        args.seeds
    );
    print!("{tables}");
    if args.examples {
        for example in clean.examples.iter().chain(&lossy.examples) {
            println!("{example}");
        }
    }
    if args.write {
        let path = workspace().join(DOCUMENT);
        write(&path, &[("score", &tables), ("scenarios", &titles()?)])?;
    }
    Ok(())
}

/// Without loss and with it.
fn score(args: &Scoring) -> Result<(Score, Score)> {
    let mut clean = Score::default();
    let mut lossy = Score::default();
    for name in scenario::names() {
        if !args.scenarios.is_empty() && !args.scenarios.iter().any(|wanted| wanted == name) {
            continue;
        }
        let scenario = scenario::named(name)?;
        let sum = if scenario.network.lost_per_mille == 0 {
            &mut clean
        } else {
            &mut lossy
        };
        for seed in 0..args.seeds {
            let mut score = Score::of(&scenario, seed)?;
            for example in &mut score.examples {
                example.insert_str(0, &format!("{name} seed {seed}: "));
            }
            sum.add(&score);
        }
    }
    Ok((clean, lossy))
}

fn titles() -> Result<String> {
    let mut table = String::from("| scenario | what it shows |\n|---|---|\n");
    for name in scenario::names() {
        writeln!(table, "| `{name}` | {} |", scenario::named(name)?.title)?;
    }
    Ok(table)
}

/// Replaces what stands between the marks of each part.
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

const DOCUMENT: &str = "docs/simulation.md";
