//! Scrolling lists.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Row, Table};

use crate::top::model::Selection;
use crate::top::palette::Palette;

/// An unknown or inapplicable value.
pub(super) const NOTHING: &str = "-";

/// The layout of a list.
pub(super) struct Columns<'a, const N: usize> {
    pub(super) headings: [&'a str; N],
    pub(super) widths: [Constraint; N],
}

/// Draws the visible part of a list of `items`, with headings. Only visible rows are made.
pub(super) fn draw<T, const N: usize>(
    frame: &mut Frame<'_>,
    area: Rect,
    columns: &Columns<'_, N>,
    items: &[T],
    place: &mut Selection,
    palette: Palette,
    row: impl Fn(&T) -> Row<'static>,
) {
    let height = usize::from(area.height.saturating_sub(1));
    place.fit(items.len(), height);
    if items.is_empty() {
        frame.render_widget(Line::styled("none yet", palette.quiet()), area);
        return;
    }
    let shown = items.iter().enumerate().skip(place.offset).take(height);
    let rows = shown.map(|(at, item)| {
        let row = row(item);
        if at == place.selected {
            row.style(palette.selected())
        } else {
            row
        }
    });
    let headings = Row::new(columns.headings.map(str::to_owned)).style(palette.heading());
    frame.render_widget(Table::new(rows, columns.widths).header(headings), area);
}

/// A cell for an optional value.
pub(super) fn cell(known: Option<impl ToString>) -> String {
    known.map_or_else(|| NOTHING.to_owned(), |known| known.to_string())
}
