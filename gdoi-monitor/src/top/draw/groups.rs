//! One line per group, and the rates of the selected group's counters.

use std::collections::VecDeque;

use gdoi_core::transition::Severity;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Row, Sparkline};

use super::rows::{self, Columns, cell};
use crate::client::{Group, Moment, compact};
use crate::top::history::{History, Rates};
use crate::top::model::TopModel;
use crate::top::palette::Palette;

/// Two titles, and two lines of graph each.
const GRAPHS: u16 = 6;
/// Graphs are drawn only if the list has enough room.
const ROOM_FOR_GRAPHS: u16 = GRAPHS + 6;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &mut TopModel, palette: Palette) {
    let graphs = if area.height >= ROOM_FOR_GRAPHS { GRAPHS } else { 0 };
    let [list, below] = Layout::vertical([Constraint::Min(0), Constraint::Length(graphs)]).areas(area);
    if graphs > 0 {
        self::graphs(frame, below, model, palette);
    }
    let Some(now) = model.now() else { return };
    let mut place = *model.place();
    let row = |group: &Group| row(group, now, &model.history, palette);
    rows::draw(frame, list, &COLUMNS, model.groups(), &mut place, palette, row);
    *model.place() = place;
}

fn row(group: &Group, now: Moment, history: &History, palette: Palette) -> Row<'static> {
    let rate = |of: fn(&Rates) -> &VecDeque<f64>| {
        let rates = history.of(&group.name).map(of);
        cell(rates.and_then(|rates| rates.back()).map(|rate| amount(*rate)))
    };
    let severity = group
        .complaints()
        .first()
        .map_or(Severity::Info, |worst| worst.severity);
    Row::new([
        Cell::from(group.name.to_string()),
        Cell::from(group.members.to_string()),
        Cell::from(group.rekeys().to_string()),
        Cell::from(cell(group.rekey.last.map(|last| compact(now.since(last))))),
        Cell::from(cell(
            group.rekey.next_expected.map(|next| compact(next.since(now))),
        )),
        Cell::from(cell(group.kek.expiry.map(|expiry| compact(expiry.since(now))))),
        Cell::from(rate(|rates| &rates.messages)),
        Cell::from(rate(|rates| &rates.packets)),
        Cell::from(Span::styled(group.state(), palette.severity(severity))),
    ])
}

fn graphs(frame: &mut Frame<'_>, area: Rect, model: &TopModel, palette: Palette) {
    let rates = model.group.as_deref().and_then(|group| model.history.of(group));
    let halves = Layout::vertical([Constraint::Length(3), Constraint::Length(3)]);
    let [messages, packets] = halves.areas(area);
    let empty = Rates::default();
    let rates = rates.unwrap_or(&empty);
    graph(frame, messages, "messages a second", &rates.messages, palette);
    graph(frame, packets, "ESP packets a second", &rates.packets, palette);
}

fn graph(frame: &mut Frame<'_>, area: Rect, title: &str, rates: &VecDeque<f64>, palette: Palette) {
    let [above, line] = Layout::vertical([Constraint::Length(1), Constraint::Length(2)]).areas(area);
    let columns = usize::from(line.width);
    let shown: Vec<f64> = rates.iter().rev().take(columns).copied().collect();
    let most = shown.iter().copied().fold(0.0, f64::max);
    let now = cell(shown.first().map(|rate| amount(*rate)));
    let title = format!("{title}: {now}, peak {} in {} s", amount(most), shown.len());
    frame.render_widget(Line::styled(title, palette.heading()), above);
    // Heights in thousandths of the maximum.
    let scale = if most > 0.0 { 1_000.0 / most } else { 0.0 };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1,000"
    )]
    let heights: Vec<u64> = shown.iter().rev().map(|rate| (rate * scale) as u64).collect();
    let graph = Sparkline::default()
        .data(heights)
        .max(1_000)
        .style(palette.graph());
    frame.render_widget(graph, line);
}

/// A rate in at most six characters.
fn amount(rate: f64) -> String {
    match rate {
        rate if rate <= 0.0 => "0".to_owned(),
        rate if rate < 10.0 => format!("{rate:.1}"),
        rate if rate < 10_000.0 => format!("{rate:.0}"),
        rate if rate < 10_000_000.0 => format!("{:.0}k", rate / 1e3),
        rate => format!("{:.0}M", rate / 1e6),
    }
}

const COLUMNS: Columns<'_, 9> = Columns {
    headings: [
        "GROUP", "MEMBERS", "REKEYS", "LAST", "NEXT IN", "KEK LEFT", "MSG/S", "ESP/S", "STATE",
    ],
    widths: [
        Constraint::Fill(2),
        Constraint::Length(7),
        Constraint::Length(6),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Length(8),
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Fill(2),
    ],
};
