//! The timeline on a terminal: a line for each lane, a column for each interval.

use std::io::{self, Write};

use super::timeline::{GroupModel, LaneModel, MEMBER, MarkModel, TimelineModel};
use crate::text::{Lines, counted};

/// By kind, in the order of the timeline's kinds.
const SIGNS: [u8; 10] = *b"Rx^~a...!!";
const RANKS: [u8; 10] = [5, 7, 4, 3, 2, 1, 1, 1, 6, 8];
/// Marks of this rank and above are problems.
const TROUBLE: u8 = 6;
/// With the names, this fits a terminal of a hundred columns.
const COLUMNS: usize = 66;
const MOST_MEMBERS: usize = 24;

pub(super) fn write<W: Write>(out: &mut Lines<W>, model: &TimelineModel<'_>) -> io::Result<()> {
    if model.length <= 0.0 {
        return Ok(());
    }
    out.blank()?;
    out.line(
        "TIMELINE  (R registration, x failed, ^ rekey, ~ retransmission, a acknowledgement, ! warning or worse, . other)",
    )?;
    for group in &model.groups {
        self::group(out, group, model.length)?;
    }
    Ok(())
}

fn group<W: Write>(out: &mut Lines<W>, group: &GroupModel<'_>, length: f64) -> io::Result<()> {
    out.line(format_args!("  {}", group.name))?;
    let (mut members, others): (Vec<_>, Vec<_>) = group.lanes.iter().partition(|lane| lane.role == MEMBER);
    for lane in others {
        line(out, &format!("key server {}", lane.address), &lane.marks, length)?;
    }
    // Members with problems first, if there is no room for all.
    let beyond = members.len().saturating_sub(MOST_MEMBERS);
    if beyond > 0 {
        members.sort_by_key(|lane| std::cmp::Reverse(troubles(lane)));
        members.truncate(MOST_MEMBERS);
    }
    for lane in members {
        line(out, &lane.address, &lane.marks, length)?;
    }
    if beyond > 0 {
        let beyond = counted(beyond as u64, "more member");
        out.line(format_args!(
            "    and {beyond}, none with more problems than these"
        ))?;
    }
    Ok(())
}

fn troubles(lane: &LaneModel<'_>) -> usize {
    lane.marks.iter().filter(|mark| rank(mark) >= TROUBLE).count()
}

fn line<W: Write>(out: &mut Lines<W>, name: &str, marks: &[MarkModel<'_>], length: f64) -> io::Result<()> {
    let mut columns = [b' '; COLUMNS];
    let mut ranks = [0; COLUMNS];
    for mark in marks {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a part of one, times the width of a terminal"
        )]
        let at = ((mark.at / length) * COLUMNS as f64).clamp(0.0, (COLUMNS - 1) as f64) as usize;
        let rank = rank(mark);
        if let (Some(column), Some(before)) = (columns.get_mut(at), ranks.get_mut(at))
            && rank > *before
        {
            *column = SIGNS.get(usize::from(mark.kind())).copied().unwrap_or(b'.');
            *before = rank;
        }
    }
    out.line(format_args!(
        "    {name:<27.27} |{}|",
        String::from_utf8_lossy(&columns)
    ))
}

/// The rank of a mark: of several in one column, the highest is shown.
fn rank(mark: &MarkModel<'_>) -> u8 {
    RANKS.get(usize::from(mark.kind())).copied().unwrap_or(1)
}
