//! `cargo xtask demonstrate`: the tracker's report of scenarios that show its purpose, compared with the expected
//! one.

use anyhow::{Context as _, Result, bail};
use clap::Args;
use gdoi_sim::demonstration::{DEMONSTRATIONS, Demonstration, FOLDER};
use gdoi_sim::judge::Told;
use gdoi_sim::{digest, scenario};

use crate::workspace;

/// Options of `demonstrate`.
#[derive(Args)]
pub(crate) struct Demonstrate {
    /// Print the report of this one; default: only compare all
    name: Option<String>,
    /// Replace the expected reports by the current ones
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(args: &Demonstrate) -> Result<()> {
    let wanted = |one: &&Demonstration| args.name.as_ref().is_none_or(|name| name == one.name);
    let mut different = Vec::new();
    let mut found = false;
    for Demonstration { name, expected } in DEMONSTRATIONS.iter().filter(wanted) {
        found = true;
        let scenario = scenario::named(name)?;
        let told = digest(&scenario, None, Told::All)?;
        if args.name.is_some() {
            let untold = digest(&scenario, None, Told::Nothing)?;
            print!("When nothing is told. {untold}\nWhen all is told. {told}\n");
        }
        if args.write {
            let path = workspace().join(FOLDER).join(format!("{name}.txt"));
            std::fs::write(&path, &told).with_context(|| format!("write {}", path.display()))?;
        } else if told == *expected {
            println!("{name}: {} lines, as expected", told.lines().count());
        } else {
            different.push(*name);
        }
    }
    if !found {
        let names: Vec<&str> = DEMONSTRATIONS.iter().map(|one| one.name).collect();
        bail!("a demonstration is one of: {}", names.join(", "));
    }
    if !different.is_empty() {
        bail!(
            "{} differ from {FOLDER}; when that is right: cargo xtask demonstrate --write",
            different.join(", ")
        );
    }
    Ok(())
}
