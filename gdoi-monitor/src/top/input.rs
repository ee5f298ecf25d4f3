//! Key bindings.

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

use super::model::View;

const PAGE: isize = 10;

/// A command of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Switch to a view.
    Show(View),
    /// Switch to the next view.
    Next,
    /// Switch to the previous view.
    Previous,
    /// Move this many lines down, or up if negative.
    Move(isize),
    /// Move to the first line.
    First,
    /// Move to the last line.
    Last,
    /// Open the timeline of the selection.
    Open,
    /// Filter by the selected group, or show everything again.
    Filter,
    /// Show a longer time, or a shorter one if negative.
    Zoom(isize),
    /// Pause updates.
    Pause,
    /// Show the keys.
    Help,
    /// Go back, or quit if there is nothing to go back to.
    Back,
    /// Quit.
    Quit,
    /// Redraw after a change of the terminal.
    Redraw,
}

impl Input {
    fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => Self::of_key(*key),
            Event::Resize(..) => Some(Self::Redraw),
            _ => None,
        }
    }

    fn of_key(key: KeyEvent) -> Option<Self> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        Some(match key.code {
            KeyCode::Char('c') if control => Self::Quit,
            KeyCode::Char('l') if control => Self::Redraw,
            KeyCode::Char(_) if control => return None,
            KeyCode::Char('q') => Self::Quit,
            KeyCode::Esc => Self::Back,
            KeyCode::Char('1') => Self::Show(View::Groups),
            KeyCode::Char('2') => Self::Show(View::Members),
            KeyCode::Char('3') => Self::Show(View::Events),
            KeyCode::Char('4') => Self::Show(View::Timeline),
            KeyCode::Tab | KeyCode::Right => Self::Next,
            KeyCode::BackTab | KeyCode::Left => Self::Previous,
            KeyCode::Down | KeyCode::Char('j') => Self::Move(1),
            KeyCode::Up | KeyCode::Char('k') => Self::Move(-1),
            KeyCode::PageDown | KeyCode::Char(' ') => Self::Move(PAGE),
            KeyCode::PageUp => Self::Move(-PAGE),
            KeyCode::Home | KeyCode::Char('g') => Self::First,
            KeyCode::End | KeyCode::Char('G') => Self::Last,
            KeyCode::Enter => Self::Open,
            KeyCode::Char('f') => Self::Filter,
            KeyCode::Char('+' | '=') => Self::Zoom(-1),
            KeyCode::Char('-') => Self::Zoom(1),
            KeyCode::Char('p') => Self::Pause,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => Self::Help,
            _ => return None,
        })
    }
}

/// Reads keys on a thread of its own until the receiver is dropped, or the terminal is gone.
pub(super) fn read_keys(to: mpsc::Sender<Input>) {
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if let Some(input) = Input::of(&event)
                && to.blocking_send(input).is_err()
            {
                return;
            }
        }
    });
}
