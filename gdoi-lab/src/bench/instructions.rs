//! Instructions per packet, compared with the same in C.

use anyhow::Result;

use super::c::{COMPARED, IN_C, WHOLE, compiled};
use super::frames::{Case, cases};
use super::row::{Row, Unit, Wanted};
use crate::{Executed, Followed};

const COUNTED: &str = "finding this CPU's counters takes eight of them, and counting packets and bytes of other \
     traffic six; the goal was set by a program without these counters";
const COMPARED_PORTS: &str = "as for TCP; and the ports are compared with all configurable ones, where the kernel \
     removes the comparisons with unused entries";

/// Interprets the programs in `object`, and C's.
pub(super) fn run(object: &[u8]) -> Result<Vec<Row>> {
    let in_c = compiled()?;
    let mut rows = Vec::new();
    for case in cases().iter().filter(|case| COMPARED.contains(&case.name)) {
        let ours = steady(object, WHOLE, case)?;
        rows.extend(of(case, ours));
        if let Some(in_c) = &in_c {
            let theirs = steady(in_c, IN_C, case)?;
            rows.push(to_c(case, ours, theirs));
        }
    }
    Ok(rows)
}

/// The count for a frame that has occurred before.
fn steady(object: &[u8], program: &str, case: &Case) -> Result<Executed> {
    let mut followed = Followed::new(object, program)?;
    followed.frame(&case.frame)?;
    followed.frame(&case.frame)
}

fn of(case: &Case, Executed { instructions, calls }: Executed) -> [Row; 2] {
    let most = match case.name {
        "TCP" => Some((16.0, COUNTED)),
        "other UDP" => Some((24.0, COMPARED_PORTS)),
        _ => None,
    };
    let instructions = Row::new(
        format!("instructions of {}", case.name),
        instructions.into(),
        Unit::Instructions,
    );
    let name = format!("{}: kernel functions called", case.name);
    let calls = Row::new(name, calls.into(), Unit::Count);
    match most {
        Some((most, why)) => [
            instructions.goal("P1", Wanted::AtMost(most)).why(why),
            calls.goal("P1", Wanted::AtMost(0.0)),
        ],
        None => [instructions, calls],
    }
}

fn to_c(case: &Case, ours: Executed, theirs: Executed) -> Row {
    let (ours, theirs) = (ours.instructions, theirs.instructions);
    let ratio = f64::from(ours) / f64::from(theirs);
    Row::new(
        format!("instructions of {}, relative to C", case.name),
        ratio,
        Unit::Ratio,
    )
    .goal("P15", Wanted::AtMost(1.10))
    .aside(format!("{ours} and {theirs}"))
}
