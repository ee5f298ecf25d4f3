//! `cargo xtask score`: what the tracker said of every scenario, against what really happened.

use anyhow::Result;
use clap::Args;
use gdoi_sim::scenario;
use gdoi_sim::score::Score;

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
}

pub(crate) fn run(args: &Scoring) -> Result<()> {
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
    println!(
        "{} seeds, no loss:\n\n{clean}\n{0} seeds, 5 % loss:\n\n{lossy}",
        args.seeds
    );
    if args.examples {
        for example in clean.examples.iter().chain(&lossy.examples) {
            println!("{example}");
        }
    }
    Ok(())
}
