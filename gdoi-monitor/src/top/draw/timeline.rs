//! The timeline of one group: past events and what is due.

mod lanes;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use lanes::{Axis, Lane, LaneMark};

use super::rows::NOTHING;
use crate::client::{Event, Group, Moment, compact, counted};
use crate::top::model::{SPANS, TopModel};
use crate::top::palette::Palette;

/// Columns of the labels.
const LABEL: u16 = 12;
const NOW: &str = "now ";
const LEGEND: &str = "T tek K kek D delete r again u unacked | registered x failed C new KEK s new SPI";

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &mut TopModel, palette: Palette) {
    let (Some(now), Some(group)) = (model.now(), model.chosen()) else {
        frame.render_widget(
            Line::styled("no group selected: press 1 for the list", palette.quiet()),
            area,
        );
        return;
    };
    let (length, name) = SPANS.get(model.zoom).copied().unwrap_or((600.0, "10 min"));
    let axis = Axis {
        now,
        length,
        columns: usize::from(area.width.saturating_sub(LABEL)),
    };
    let events = model.events_of_group();
    let mut lines = vec![title(group, name, palette), forecast(group, now, palette)];
    lines.extend(
        lanes::past(&axis, &events)
            .iter()
            .map(|lane| drawn(lane, palette)),
    );
    lines.push(drawn(&lanes::ahead(&axis, &due(group)), palette));
    lines.extend(self::axis(&axis, palette));
    lines.push(Line::styled(LEGEND, palette.quiet()));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let [above, below] = Layout::vertical([Constraint::Length(height), Constraint::Min(0)]).areas(area);
    frame.render_widget(Paragraph::new(lines), above);
    latest(frame, below, &events, palette);
}

fn title(group: &Group, span: &str, palette: Palette) -> Line<'static> {
    let transport = group
        .transport
        .as_deref()
        .unwrap_or("transport unknown")
        .to_owned();
    Line::from(vec![
        Span::styled(group.name.to_string(), palette.heading()),
        Span::raw(format!(
            "  {transport}, {}, {}, the last {span}",
            counted(group.members, "member"),
            counted(group.rekeys(), "rekey")
        )),
    ])
}

/// What is due, as text.
fn forecast(group: &Group, now: Moment, palette: Palette) -> Line<'static> {
    let window = group.kek.re_registration_window;
    let dates = [
        ("rekey", group.rekey.next_expected),
        ("KEK expires", group.kek.expiry),
        ("reregisters", window.map(|(earliest, _)| earliest)),
    ];
    let words = dates.map(|(what, date)| match date.map(|date| date.since(now)) {
        None => format!("{what} unknown"),
        Some(left) if left < 0.0 => format!("{what} due {} ago", compact(-left)),
        Some(left) => format!("{what} in {}", compact(left)),
    });
    Line::styled(words.join(", "), palette.quiet())
}

fn due(group: &Group) -> Vec<(Moment, char)> {
    let window = group.kek.re_registration_window;
    let due = [
        (group.rekey.next_expected, 'n'),
        (window.map(|(earliest, _)| earliest), 'w'),
        (group.kek.expiry, 'E'),
    ];
    due.into_iter()
        .filter_map(|(date, mark)| Some((date?, mark)))
        .collect()
}

fn drawn(lane: &Lane, palette: Palette) -> Line<'static> {
    let width = usize::from(LABEL);
    let mut spans = vec![Span::styled(format!("{:<width$}", lane.label), palette.quiet())];
    spans.extend(lane.marks.iter().map(|mark| match mark {
        None => Span::styled("·", palette.quiet()),
        Some(LaneMark { sign, severity }) => Span::styled(sign.to_string(), palette.severity(*severity)),
    }));
    Line::from(spans)
}

/// The axis: the present, and the age of its beginning.
fn axis(axis: &Axis, palette: Palette) -> [Line<'static>; 2] {
    let width = usize::from(LABEL);
    let mut line = format!("{:<width$}", "");
    let mut words = line.clone();
    let here = axis.now_column();
    for column in 0..axis.columns {
        line.push(if column == here { '|' } else { '-' });
    }
    let (began, now) = (axis.beginning(), axis.now);
    let date = |date: Moment| date.format("%m-%d %H:%M:%S");
    words.push_str(&date(began));
    let gap = (here + width).saturating_sub(words.chars().count() + NOW.len());
    words.push_str(&" ".repeat(gap));
    words.push_str(NOW);
    words.push_str(&now.format("%H:%M:%S"));
    [
        Line::styled(line, palette.quiet()),
        Line::styled(words, palette.quiet()),
    ]
}

fn latest(frame: &mut Frame<'_>, area: Rect, events: &[&Event], palette: Palette) {
    let lines: Vec<_> = events
        .iter()
        .take(usize::from(area.height))
        .map(|event| {
            let who = event.member.as_ref().or(event.key_server.as_ref());
            Line::from(vec![
                Span::raw(format!("{}  ", event.time.format("%H:%M:%S"))),
                Span::styled(
                    format!("{:<24}", event.what),
                    palette.severity_word(&event.severity),
                ),
                Span::raw(format!("  {}", who.map_or(NOTHING, |who| who))),
            ])
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}
