//! What keys mean.

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

use super::model::View;

const PAGE: isize = 10;

/// What a person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// To see another view.
    Show(View),
    /// To see the next view.
    Next,
    /// To see the previous one.
    Previous,
    /// To go so many lines down, or up where negative.
    Move(isize),
    /// To go to the first line.
    First,
    /// To go to the last line.
    Last,
    /// To see the timeline of what is selected.
    Open,
    /// To see only what belongs to the selected group, or everything again.
    Filter,
    /// To see a longer time, or a shorter one where negative.
    Zoom(isize),
    /// To look at what stands still.
    Pause,
    /// To know the keys.
    Help,
    /// To go back, and to end where there is nothing to go back to.
    Back,
    /// To end.
    Quit,
    /// Nothing, but the terminal changed.
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

/// Reads keys on a thread of its own until nobody wants them, or the terminal is gone.
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
