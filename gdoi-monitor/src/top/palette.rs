//! Colours: the sixteen of every terminal, or none.

use gdoi_core::transition::Severity;
use ratatui::style::{Color, Modifier, Style};

/// Styles. Colour is never the only sign: the words say the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    coloured: bool,
}

impl Palette {
    /// From the environment: `NO_COLOR` with any value disables colours (no-color.org).
    pub(super) fn from_environment() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self::new(!unwanted)
    }

    pub(super) const fn new(coloured: bool) -> Self {
        Self { coloured }
    }

    fn of(self, colour: Color, plain: Modifier) -> Style {
        if self.coloured {
            Style::new().fg(colour)
        } else {
            Style::new().add_modifier(plain)
        }
    }

    /// Titles and headings.
    pub(super) fn heading(self) -> Style {
        self.of(Color::Cyan, Modifier::empty())
            .add_modifier(Modifier::BOLD)
    }

    /// Less important text.
    #[expect(clippy::unused_self, reason = "asked like every other look")]
    pub(super) fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// The selection.
    #[expect(clippy::unused_self, reason = "asked like every other look")]
    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Graphs.
    pub(super) fn graph(self) -> Style {
        self.of(Color::Green, Modifier::empty())
    }

    /// By severity.
    pub(super) fn severity(self, severity: Severity) -> Style {
        match severity {
            Severity::Info => Style::new(),
            Severity::Warning => self.of(Color::Yellow, Modifier::UNDERLINED),
            Severity::Critical => self
                .of(Color::Red, Modifier::REVERSED)
                .add_modifier(Modifier::BOLD),
        }
    }

    /// By the agent's word for a severity.
    pub(super) fn severity_word(self, word: &str) -> Style {
        let known = [Severity::Warning, Severity::Critical]
            .into_iter()
            .find(|severity| severity.name() == word);
        self.severity(known.unwrap_or(Severity::Info))
    }
}
