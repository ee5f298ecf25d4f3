//! Columns as wide as their content.

use unicode_width::UnicodeWidthStr as _;

/// An unknown or inapplicable value.
pub(super) const NOTHING: &str = "-";

/// Rows of columns; the first row has the headings.
pub(super) struct TextTable<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> TextTable<N> {
    pub(super) fn new(headings: [&str; N]) -> Self {
        Self {
            rows: Vec::from([headings.map(str::to_owned)]),
        }
    }

    pub(super) fn push(&mut self, row: [String; N]) {
        self.rows.push(row);
    }

    /// The rows, two spaces between columns and none at the end.
    pub(super) fn text(&self) -> String {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.width().max(*width);
            }
        }
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                line.push_str(cell);
                line.push_str(&" ".repeat(width - cell.width().min(*width) + 2));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// A cell for an optional value.
pub(super) fn cell(known: Option<impl ToString>) -> String {
    known.map_or_else(|| NOTHING.to_owned(), |known| known.to_string())
}
