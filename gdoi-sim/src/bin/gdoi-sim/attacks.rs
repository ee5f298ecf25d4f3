//! `cargo xtask score --attacks`: what attackers achieve.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use gdoi_sim::attack::{Attack, AttackOutcome, AttackTally, AttackerPlace, Trial, try_attack};
use serde_json::json;

use crate::score::{Scoring, on_every_core, seeds};

/// Examples printed of each kind of success.
const EXAMPLES: usize = 12;

/// A column of the table, and whether an attack counts in it.
type Column = (&'static str, fn(&AttackOutcome) -> bool);

const COLUMNS: [Column; 4] = [
    ("hid a missed rekey", |outcome| outcome.hid),
    ("raised a certain critical", |outcome| outcome.certain_critical),
    ("renamed or took over a group", |outcome| outcome.took_over),
    ("deceived unnoticed", |outcome| {
        outcome.deceived() && !outcome.told && !outcome.uncertain
    }),
];

/// Tries the attacks of these seeds and prints what they achieved.
pub(crate) fn run(args: &Scoring, attacks: u64) -> Result<()> {
    let seeds: Vec<u64> = seeds(args, attacks).collect();
    let tried = on_every_core(&seeds, |seed| -> Result<Trial> {
        let attack = match args.position()? {
            Some(place) => Attack::from(*seed, place),
            None => Attack::of(*seed),
        };
        attack
            .and_then(try_attack)
            .with_context(|| format!("try attack {seed}"))
    });
    let trials: Vec<Trial> = tried.into_iter().collect::<Result<_>>()?;
    let mut tallies: BTreeMap<AttackerPlace, AttackTally> = BTreeMap::new();
    for trial in &trials {
        tallies.entry(trial.attack.place).or_default().add(&trial.outcome);
    }
    if args.json {
        println!("{:#}", document(&tallies));
    } else {
        print!("{}", table(&tallies));
    }
    if args.examples {
        print!("{}", examples(&trials));
    }
    Ok(())
}

fn rows(tallies: &BTreeMap<AttackerPlace, AttackTally>) -> Vec<(&'static str, Vec<u64>)> {
    type Row = (&'static str, fn(&AttackTally) -> u64);
    const ROWS: [Row; 10] = [
        ("attacks", |tally| tally.attacks),
        ("with a missed rekey to hide", |tally| tally.with_missed),
        ("hid it", |tally| tally.hid),
        ("made it less certain", |tally| tally.weakened),
        ("raised a certain critical", |tally| tally.certain_critical),
        ("raised any critical", |tally| tally.any_critical),
        ("renamed or took over a group", |tally| tally.took_over),
        ("made a group", |tally| tally.made_group),
        ("told as a forgery", |tally| tally.told),
        ("deceived, neither told nor uncertain", |tally| tally.unnoticed),
    ];
    let of_row = |(name, number): &Row| (*name, tallies.values().map(number).collect());
    ROWS.iter().map(of_row).collect()
}

fn table(tallies: &BTreeMap<AttackerPlace, AttackTally>) -> String {
    let mut text = String::from("| what |");
    for place in tallies.keys() {
        text.push_str(match place {
            AttackerPlace::OffPath => " off the path |",
            AttackerPlace::OnPath => " on the path |",
        });
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(tallies.len()));
    text.push('\n');
    for (name, numbers) in rows(tallies) {
        // Writing to a string cannot fail.
        let _ok = write!(text, "| {name} |");
        for number in numbers {
            let _ok = write!(text, " {number} |");
        }
        text.push('\n');
    }
    text
}

fn document(tallies: &BTreeMap<AttackerPlace, AttackTally>) -> serde_json::Value {
    let places: Vec<_> = tallies.keys().map(|place| format!("{place:?}")).collect();
    let rows: BTreeMap<_, _> = rows(tallies).into_iter().collect();
    json!({ "places": places, "rows": rows })
}

fn examples(trials: &[Trial]) -> String {
    let mut text = String::new();
    for (name, counts) in COLUMNS {
        let of_column: Vec<&Trial> = trials.iter().filter(|trial| counts(&trial.outcome)).collect();
        if of_column.is_empty() {
            continue;
        }
        let _ok = writeln!(text, "\n{} x {name}", of_column.len());
        for trial in of_column.iter().take(EXAMPLES) {
            let _ok = writeln!(text, "  {}; {} packets", trial.attack, trial.sent);
            for note in &trial.notes {
                let _ok = writeln!(text, "    {note}");
            }
        }
    }
    text
}
