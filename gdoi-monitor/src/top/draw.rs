//! The screen: a headline, one view, and its keys.

mod events;
mod groups;
mod members;
mod rows;
mod timeline;

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use super::model::{TopModel, View};
use super::palette::Palette;
use crate::client::compact;
use gdoi_core::transition::Severity;

/// The smallest readable terminal.
const LEAST: (u16, u16) = (40, 10);
const HELP_WIDTH: u16 = 58;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, model: &mut TopModel, palette: Palette) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let (width, height) = LEAST;
        let text = format!(
            "terminal too small: {}x{}; {width}x{height} is needed",
            area.width, area.height
        );
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
        return;
    }
    let silent = u16::from(model.silence.is_some());
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(silent),
        Constraint::Min(0),
        Constraint::Length(1),
    ]);
    let [headline, tabs, silence, body, keys] = rows.areas(area);
    self::headline(frame, headline, model, palette);
    self::tabs(frame, tabs, model, palette);
    self::silence(frame, silence, model, palette);
    match model.view {
        View::Groups => groups::draw(frame, body, model, palette),
        View::Members => members::draw(frame, body, model, palette),
        View::Events => events::draw(frame, body, model, palette),
        View::Timeline => timeline::draw(frame, body, model, palette),
    }
    self::keys(frame, keys, model, palette);
    if model.help {
        help(frame, area, palette);
    }
}

fn headline(frame: &mut Frame<'_>, area: Rect, model: &TopModel, palette: Palette) {
    let name = Span::styled("gdoi-monitor ", palette.heading());
    frame.render_widget(Line::from(vec![name, Span::raw(&model.address)]), area);
    let Some(now) = model.now() else { return };
    let state = if model.paused { "PAUSED  " } else { "" };
    let text = format!(" {state}{now:.0}");
    frame.render_widget(Paragraph::new(text).alignment(Alignment::Right), right(area, 30));
}

/// The last `width` columns, or fewer if there are fewer.
fn right(area: Rect, width: u16) -> Rect {
    let width = width.min(area.width);
    Rect {
        x: area.right() - width,
        width,
        ..area
    }
}

fn tabs(frame: &mut Frame<'_>, area: Rect, model: &TopModel, palette: Palette) {
    let mut spans = Vec::new();
    for (place, view) in View::ALL.into_iter().enumerate() {
        let style = if view == model.view {
            palette.selected()
        } else {
            palette.quiet()
        };
        spans.push(Span::styled(format!(" {} {} ", place + 1, view.title()), style));
    }
    if let Some(group) = &model.group {
        let only = if model.filtered {
            "  only group "
        } else {
            "  group "
        };
        spans.push(Span::styled(only, palette.quiet()));
        spans.push(Span::raw(group.to_string()));
    }
    frame.render_widget(Line::from(spans), area);
}

fn silence(frame: &mut Frame<'_>, area: Rect, model: &TopModel, palette: Palette) {
    let Some((since, why)) = &model.silence else {
        return;
    };
    let text = format!("no response since {since:.0} ({}): {why}", compact(model.age));
    frame.render_widget(Line::styled(text, palette.severity(Severity::Critical)), area);
}

fn keys(frame: &mut Frame<'_>, area: Rect, model: &TopModel, palette: Palette) {
    let own = match model.view {
        View::Groups => "enter timeline  ",
        View::Members | View::Events => "f one group/all  ",
        View::Timeline => "+/- time  ",
    };
    let pause = if model.paused { "resume" } else { "pause" };
    let text = format!("1-4 tab view  up/down move  {own}p {pause}  ? help  q quit");
    frame.render_widget(Line::styled(text, palette.quiet()), area);
}

fn help(frame: &mut Frame<'_>, area: Rect, palette: Palette) {
    let lines: Vec<_> = HELP.lines().map(Line::raw).collect();
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let area = area.centered(
        Constraint::Length(HELP_WIDTH.min(area.width)),
        Constraint::Length(height.min(area.height)),
    );
    let block = Block::bordered().title(Span::styled(" keys ", palette.heading()));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

const HELP: &str = "\
1 2 3 4      groups, members, events, timeline
tab, arrows  next view, previous view
up down j k  move; page up, page down, home, end
enter        timeline of the selected group
f            members and events of that group only, or all
+ -          timeline of a shorter or longer time
p            pause, resume
esc          back to the groups
q, ctrl-c    quit

times are the agent's, in UTC; rates are per second
";

#[cfg(test)]
mod tests;
