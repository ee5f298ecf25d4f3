//! Events, latest first, and all fields of the selected one.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Span;
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Wrap};

use super::rows::{self, Columns, cell};
use crate::client::Event;
use crate::top::model::TopModel;
use crate::top::palette::Palette;

/// A title and five lines.
const DETAILS: u16 = 6;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &mut TopModel, palette: Palette) {
    let [list, below] = Layout::vertical([Constraint::Min(4), Constraint::Length(DETAILS)]).areas(area);
    let mut place = *model.place();
    let events = model.events();
    let row = |event: &&Event| row(event, palette);
    rows::draw(frame, list, &COLUMNS, &events, &mut place, palette, row);
    if let Some(event) = events.get(place.selected) {
        details(frame, below, event, palette);
    }
    *model.place() = place;
}

fn row(event: &Event, palette: Palette) -> Row<'static> {
    Row::new([
        Cell::from(event.time.format("%H:%M:%S")),
        Cell::from(Span::styled(
            event.severity.to_string(),
            palette.severity_word(&event.severity),
        )),
        Cell::from(event.what.to_string()),
        Cell::from(cell(event.group.as_ref())),
        Cell::from(cell(event.member.as_ref().or(event.key_server.as_ref()))),
    ])
}

fn details(frame: &mut Frame<'_>, area: Rect, event: &Event, palette: Palette) {
    let title = format!(" {} {:.3} ", event.what, event.time);
    let words: Vec<_> = event
        .words()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    let block = Block::default()
        .borders(Borders::TOP)
        .title(Span::styled(title, palette.heading()));
    let text = Paragraph::new(words.join(", ")).wrap(Wrap { trim: true });
    frame.render_widget(text.block(block), area);
}

const COLUMNS: Columns<'_, 5> = Columns {
    headings: ["TIME", "SEVERITY", "EVENT", "GROUP", "MEMBER OR KEY SERVER"],
    widths: [
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(24),
        Constraint::Fill(1),
        Constraint::Fill(1),
    ],
};
