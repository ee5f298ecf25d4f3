//! One line per member.

use gdoi_core::transition::Severity;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::widgets::{Cell, Row};

use super::rows::{self, Columns, cell};
use crate::client::{Member, Moment, compact};
use crate::top::model::TopModel;
use crate::top::palette::Palette;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &mut TopModel, palette: Palette) {
    let Some(now) = model.now() else { return };
    let mut place = *model.place();
    let members = model.members();
    let row = |member: &&Member| row(member, now, palette);
    rows::draw(frame, area, &COLUMNS, &members, &mut place, palette, row);
    *model.place() = place;
}

fn row(member: &Member, now: Moment, palette: Palette) -> Row<'static> {
    let ago = |date: Option<Moment>| cell(date.map(|date| compact(now.since(date))));
    let warned = |count: u64| {
        let severity = if count > 0 {
            Severity::Warning
        } else {
            Severity::Info
        };
        palette.severity(severity)
    };
    Row::new([
        Cell::from(member.endpoint()),
        Cell::from(cell(member.group.as_ref())),
        Cell::from(cell(member.key_server)),
        Cell::from(ago(member.registered)),
        Cell::from(member.failures.to_string()).style(warned(member.failures)),
        Cell::from(ago(member.rekeyed)),
        Cell::from(cell(member.unacknowledged)).style(warned(member.unacknowledged.unwrap_or(0))),
        Cell::from(ago(Some(member.last_seen))),
    ])
}

const COLUMNS: Columns<'_, 8> = Columns {
    headings: [
        "MEMBER",
        "GROUP",
        "KEY SERVER",
        "REG",
        "FAIL",
        "REKEY",
        "UNACK",
        "SEEN",
    ],
    widths: [
        Constraint::Fill(20),
        Constraint::Fill(11),
        Constraint::Fill(15),
        Constraint::Length(6),
        Constraint::Length(4),
        Constraint::Length(6),
        Constraint::Length(5),
        Constraint::Length(6),
    ],
};
